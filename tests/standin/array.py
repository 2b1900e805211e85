"""The stand-in's array: a NumPy array in a box that refuses and counts as CuPy's array does."""

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np

CUPY = json.loads(Path(__file__).with_name("cupy_names.json").read_text(encoding="utf-8"))
_watchers = []


@contextmanager
def watch():
    """A list of what makes the computer wait for the GPU ("wait: ...") or copies to it ("copy: ..."), as it happens."""
    events = []
    _watchers.append(events)
    try:
        yield events
    finally:
        _watchers[:] = [seen for seen in _watchers if seen is not events]


def note(event):
    for events in _watchers:
        events.append(event)


def bare(value):
    """The NumPy value in the box; a NumPy array outside a box is what CuPy refuses to mix with."""
    if isinstance(value, ndarray):
        return value.boxed
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: NumPy and CuPy arrays do not mix")
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items()}
    return type(value)(map(bare, value)) if type(value) in (list, tuple) else value


def boxed(value):
    """NumPy's arrays and scalars in boxes: a reduction gives a 0-d array, not a number."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(np.asarray(value))
    return type(value)(map(boxed, value)) if type(value) in (list, tuple) else value


def operand(value):
    """What an elementwise function takes: the stand-in's arrays and plain numbers, no lists, no NumPy arrays."""
    if not isinstance(value, (ndarray, bool, int, float, complex, np.generic)):
        raise TypeError(f"Unsupported type {type(value)}")
    return bare(value)


def check_call(name, parameters, args, kwargs):
    """Refuse keywords that CuPy's function lacks, and more arguments than it takes."""
    open_ended = any(p.startswith("*") for p in parameters)
    unknown = [key for key in kwargs if key not in parameters]
    if unknown or (len(args) > len(parameters) and not open_ended):
        raise TypeError(f"CuPy's {name} takes ({', '.join(parameters)}), found {unknown or len(args)}")


class Ufunc:
    """An elementwise function: out=, dtype= and casting=, no where=; a result also in 0-d is an array."""

    def __init__(self, ufunc):
        self.ufunc, self.nin = ufunc, ufunc.nin

    def __call__(self, *args, out=None, dtype=None, casting="same_kind", **others):
        if others:
            raise TypeError(f"Wrong arguments {others}")
        for given in args[self.nin :] + (out if isinstance(out, tuple) else (out,)):
            if given is not None and not isinstance(given, ndarray):
                raise TypeError(f"Unsupported type {type(given)} as an output")
        result = self.ufunc(*map(operand, args), out=bare(out), dtype=dtype, casting=casting)
        given = out if out is not None else args[self.nin :]
        return given if isinstance(given, ndarray) else given[0] if len(given or ()) == 1 else boxed(result)

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        if self.ufunc not in (np.add, np.multiply):
            raise NotImplementedError(f"`{self.ufunc.__name__}.reduce` is not supported yet")
        return (array.sum if self.ufunc is np.add else array.prod)(axis=axis, dtype=dtype, out=out, keepdims=keepdims)


class ElementwiseKernel:
    """Runs a kernel's text as Python: assignments of arithmetic, tanh and T(number) mean the same in both languages.

    Each assignment is written to memory before the next, as in a kernel, so an output may lie on an input.
    """

    def __init__(self, in_params, out_params, operation, name="kernel"):
        self.names = [[p.split()[1] for p in params.split(",")] for params in (in_params, out_params)]
        self.types = [p.split()[0] for p in (in_params + "," + out_params).split(",")]
        self.statements = [line.strip() for line in operation.split(";") if line.strip()]
        if reserved := {n for names in self.names for n in names if n in ("i", "n") or n.startswith("_")}:
            raise ValueError(f"reserved names {sorted(reserved)}")

    def __call__(self, *args):
        ins, outs = self.names
        kinds = {(letter, arg.dtype) for letter, arg in zip(self.types, args, strict=True)}
        if len(kinds) != len(set(self.types)):
            raise TypeError(f"Type is mismatched: expected one dtype a letter, found {kinds}")
        memory = {name: operand(arg) for name, arg in zip(ins + outs, args, strict=True)}
        for statement in self.statements:
            name, value = statement.split("=", 1)
            if name.strip() not in outs:
                raise TypeError(f"{name.strip()} is not an output")
            memory[name.strip()][...] = eval(value.strip(), {"tanh": np.tanh, "T": args[0].dtype.type}, memory)


def _binary(name):
    function = Ufunc(getattr(np, name))
    return (
        lambda self, other: function(self, other),
        lambda self, other: function(other, self),
        lambda self, other: function(self, other, out=self),
    )


def _unary(name):
    function = Ufunc(getattr(np, name))
    return lambda self: function(self)


def _wait(name):
    def method(self, *args):
        note(f"wait: {name}")
        return getattr(self.boxed, name)(*args)

    return method


class ndarray:
    """A box round a NumPy array. NumPy's own functions on it raise; CuPy passes some on, which hides a forgotten np."""

    __module__ = "fakecupy"
    __hash__ = None
    __array_ufunc__ = None  # np.tanh(box) and NumPy array + box are TypeErrors

    def __init__(self, array):
        self.boxed = array

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_function__(self, function, *_):
        raise TypeError(f"numpy.{function.__name__} was called on an array of the GPU")

    def __getattr__(self, name):
        if name in CUPY["methods"] and not name.startswith("scatter_"):

            def method(*args, **kwargs):
                check_call(name, CUPY["methods"][name], args, kwargs)
                if name in ("nonzero", "tobytes", "tolist", "item", "compress", "tofile", "dump", "dumps"):
                    note(f"wait: {name}")
                    return getattr(self.boxed, name)(*args, **kwargs)
                result = getattr(self.boxed, name)(*bare(args), **bare(kwargs))
                return kwargs["out"] if kwargs.get("out") is not None else boxed(result)

            return method
        if name in ("dtype", "shape", "ndim", "size", "strides", "nbytes", "itemsize", "flags"):
            return getattr(self.boxed, name)
        if name in ("T", "mT", "real", "imag", "base"):
            return boxed(getattr(self.boxed, name))
        raise AttributeError(f"CuPy's ndarray has no {name!r}, or the stand-in does not know it")

    def __setattr__(self, name, value):
        if name not in ("boxed", "shape", "real", "imag"):
            raise AttributeError(f"CuPy's ndarray has no settable {name!r}")
        object.__setattr__(self, name, value) if name == "boxed" else setattr(self.boxed, name, bare(value))

    def get(self, stream=None, order="C", out=None, blocking=True):
        note("wait: get")
        return self.boxed.copy(order=order)

    def set(self, array, stream=None):
        note("copy: set")
        self.boxed[...] = array

    def _key(self, key):
        """The bare key; a boolean mask waits (its number of True entries), a list or NumPy index is copied."""
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            if isinstance(part, (list, np.ndarray)):
                note("copy: an index from the computer")
            if getattr(part, "dtype", None) == np.bool_:
                note("wait: a boolean mask")
        return tuple(part if isinstance(part, (list, np.ndarray)) else bare(part) for part in parts)

    def __getitem__(self, key):
        key = self._key(key)
        if any(isinstance(part, (list, np.ndarray)) for part in key):
            return boxed(self.boxed[key])
        return ndarray(self.boxed[key + (() if Ellipsis in key else (Ellipsis,))])  # a view, also in 0-d

    def __setitem__(self, key, value):
        key, value = self._key(key), operand(value)
        if any(isinstance(part, (list, np.ndarray)) and np.asarray(part).dtype != bool for part in key):
            places = np.arange(self.boxed.size).reshape(self.boxed.shape)[key]
            if np.unique(places).size < places.size:
                raise ValueError("an index met twice: which value stays is a matter of chance on a GPU")
        elif isinstance(value, np.ndarray) and np.may_share_memory(self.boxed[key], value):
            target = self.boxed[key]
            if target.ctypes.data != value.ctypes.data and np.shares_memory(target, value):
                raise ValueError("a copy onto overlapping memory is undefined on a GPU")
        self.boxed[key] = value

    def __len__(self):
        return len(self.boxed)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __reduce_ex__(self, protocol):
        note("wait: pickle or deepcopy")
        return ndarray, (self.boxed.copy(),)

    __bool__, __int__, __float__, __complex__, __str__, __repr__, __format__ = map(
        _wait, ("__bool__", "__int__", "__float__", "__complex__", "__str__", "__repr__", "__format__")
    )


for _operator, _name in dict(
    add="add",
    sub="subtract",
    mul="multiply",
    truediv="divide",
    floordiv="floor_divide",
    mod="remainder",
    pow="power",
    and_="bitwise_and",
    or_="bitwise_or",
    xor="bitwise_xor",
    matmul="matmul",
).items():
    _operator = _operator.rstrip("_")
    for _prefix, _method in zip(("", "r", "i"), _binary(_name), strict=True):
        setattr(ndarray, f"__{_prefix}{_operator}__", _method)
for _operator, _name in dict(
    lt="less", le="less_equal", gt="greater", ge="greater_equal", eq="equal", ne="not_equal"
).items():
    setattr(ndarray, f"__{_operator}__", _binary(_name)[0])
for _operator, _name in dict(neg="negative", pos="positive", abs="absolute", invert="invert").items():
    setattr(ndarray, f"__{_operator}__", _unary(_name))
_power = ndarray.__pow__  # a ** 0.5 is NumPy's sqrt(a); before NumPy 2.3 power(a, 0.5) has another last bit
ndarray.__pow__ = lambda self, n: Ufunc(np.sqrt)(self) if n == 0.5 else _power(self, n)
