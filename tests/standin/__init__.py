"""A stand-in for CuPy, to prove without a GPU that code would run on one, and would never wait inside a step.

`fakecupy` is a module with CuPy's names and keywords (cupy_names.json) and NumPy underneath. It refuses what CuPy
refuses: mixing with NumPy arrays, implicit conversion, unknown names and keywords; and, stricter than CuPy, NumPy's
functions on its arrays, an index written twice, atomic additions, random draws. `empty` holds NaN, as stale memory
might. `watch()` lists what would make the computer wait for the GPU, or copy to it. It proves no speed.
"""

import sys
import types

import numpy as np

from .array import CUPY, ElementwiseKernel, Ufunc, bare, boxed, check_call, ndarray, note, watch

__all__ = ["fakecupy", "watch", "CUPY"]

WAITS = ("nonzero", "flatnonzero", "argwhere", "unique", "extract", "compress", "delete", "bincount", "histogram")
ZERO_D = ("allclose", "array_equal", "array_equiv")  # CuPy gives a 0-d array, NumPy a bool


def _function(name, of, parameters):
    """NumPy's function, taking and giving boxes, with CuPy's keywords."""
    plain = getattr(of, name)

    def function(*args, **kwargs):
        check_call(name, parameters, args, kwargs)
        if name in WAITS or (name == "where" and len(args) == 1):
            note(f"wait: {name}")
        out = kwargs.get("out")
        if out is not None and not isinstance(out, ndarray):
            raise TypeError(f"Unsupported type {type(out)} as an output")
        if name == "take" and out is not None and out.dtype != args[0].dtype:
            raise TypeError("Output dtype mismatch")
        result = plain(*bare(args), **bare(kwargs))
        if name in ("empty", "empty_like"):
            result.fill(np.nan if result.dtype.kind in "fc" else np.iinfo(result.dtype).min)
        return out if out is not None else boxed(np.asarray(result) if name in ZERO_D else result)

    function.__name__ = name
    return function


def _asarray(obj, dtype=None, order=None, *, copy=None, blocking=False):
    """An array on the device: a copy over the bus for anything that is not there yet."""
    if isinstance(obj, ndarray):
        return ndarray(np.array(obj.boxed, dtype=dtype, order=order or "K", copy=copy))
    note("copy: asarray")
    return ndarray(np.array(bare(obj) if isinstance(obj, (list, tuple)) else obj, dtype=dtype, order=order or "K"))


def _array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    array = _asarray(obj, dtype, order, copy=copy or None)
    return ndarray(np.array(array.boxed, copy=None, ndmin=ndmin))


class FakeCuPy(types.ModuleType):
    """The module: its names are CuPy's, made when they are first asked for."""

    ndarray = ndarray
    ElementwiseKernel = ElementwiseKernel
    asarray = staticmethod(_asarray)
    array = staticmethod(_array)
    cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=lambda: 1))

    @staticmethod
    def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
        return a.get(order=order) if isinstance(a, ndarray) else np.asarray(a)

    @staticmethod
    def get_array_module(*args):
        return fakecupy if any(isinstance(arg, ndarray) for arg in args) else np

    def __getattr__(self, name):
        if name in CUPY["ufuncs"]:
            value = Ufunc(getattr(np, name))
        elif name in CUPY["functions"]:
            value = _function(name, np, CUPY["functions"][name])
        elif name in CUPY["others"] and not isinstance(getattr(np, name, None), (types.ModuleType, type(None))):
            value = getattr(np, name)
        elif name == "newaxis":
            return None
        else:
            known = any(name in CUPY[part] for part in ("ufuncs", "functions", "others"))
            raise (
                NotImplementedError(f"the stand-in does not know CuPy's {name}")
                if known and name[:1] != "_"
                else (AttributeError(f"CuPy has no {name!r}"))
            )
        self.__dict__[name] = value
        return value


fakecupy = FakeCuPy("fakecupy", __doc__)
fakecupy.linalg = types.SimpleNamespace(
    **{
        name: _function(name, np.linalg, parameters)
        for name, parameters in CUPY["linalg"].items()
        if hasattr(np.linalg, name)
    }
)
sys.modules["fakecupy"] = fakecupy
