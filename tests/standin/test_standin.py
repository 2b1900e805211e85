"""The stand-in refuses what it says, counts what it says, and otherwise computes what NumPy computes."""

import copy

import numpy as np
import pytest

from standin import CUPY, watch
from standin import fakecupy as cp

HOST = np.random.default_rng(0).standard_normal((3, 4))  # (3, 4)


def device():
    return cp.asarray(HOST.copy())


REFUSED = {  # what a GPU refuses, and the error
    "NumPy array + box": (TypeError, lambda a: HOST + a),
    "box + NumPy array": (TypeError, lambda a: a + HOST),
    "box += NumPy array": (TypeError, lambda a: a.__iadd__(HOST)),
    "NumPy array += box": (TypeError, lambda a: HOST.copy().__iadd__(a)),
    "a ufunc on both": (TypeError, lambda a: cp.add(a, HOST)),
    "matmul on both": (TypeError, lambda a: cp.matmul(a, HOST.T)),
    "NumPy inside a list": (TypeError, lambda a: cp.concatenate([a, HOST])),
    "a list as an operand": (TypeError, lambda a: cp.add([1.0], a)),
    "writing a NumPy array": (TypeError, lambda a: a.__setitem__(0, HOST[0])),
    "writing into a NumPy array": (TypeError, lambda a: HOST.copy().__setitem__(0, a[0])),
    "a NumPy array as output": (TypeError, lambda a: cp.tanh(a, out=HOST.copy())),
    "a NumPy array as matmul's output": (TypeError, lambda a: cp.matmul(a, a.T, out=np.empty((3, 3)))),
    "numpy's ufunc": (TypeError, lambda a: np.tanh(a)),
    "numpy's function": (TypeError, lambda a: np.sum(a)),
    "numpy's matmul": (TypeError, lambda a: np.matmul(a, a.T)),
    "implicit conversion": (TypeError, lambda a: np.asarray(a)),
    "errstate": (AttributeError, lambda a: cp.errstate(all="raise")),
    "vecdot": (AttributeError, lambda a: cp.vecdot(a, a)),
    "block": (AttributeError, lambda a: cp.block([a, a])),
    "clip(min=)": (TypeError, lambda a: cp.clip(a, min=0.0)),
    "sum(where=)": (TypeError, lambda a: cp.sum(a, where=a > 0)),
    "sum(initial=)": (TypeError, lambda a: a.sum(initial=0.0)),
    "a ufunc's where=": (TypeError, lambda a: cp.exp(a, where=a > 0)),
    "a stable sort by stable=": (TypeError, lambda a: cp.argsort(a, axis=1, stable=True)),
    "take's mode=": (TypeError, lambda a: cp.take(a, cp.arange(2), axis=0, mode="clip")),
    "einsum's out=": (TypeError, lambda a: cp.einsum("ij->i", a, out=cp.empty(3))),
    "an integer output of floats": (TypeError, lambda a: cp.tanh(a, out=cp.empty((3, 4), dtype=int))),
    "take into another dtype": (
        TypeError,
        lambda a: cp.take(a, cp.arange(3), axis=0, out=cp.empty((3, 4), dtype="f4")),
    ),
    "maximum.reduce": (NotImplementedError, lambda a: cp.maximum.reduce(a)),
    "add.at": (AttributeError, lambda a: cp.add.at(a, cp.arange(2), 1.0)),
    "random draws": (NotImplementedError, lambda a: cp.random.standard_normal(3)),
    "a 0-d array as a slice's end": (TypeError, lambda a: a[: cp.argmax(a)]),
    "a 0-d array in range": (TypeError, lambda a: range(cp.argmax(a))),
    "an index written twice": (ValueError, lambda a: a.__setitem__(cp.zeros(2, dtype=int), 1.0)),
    "a copy onto overlapping memory": (ValueError, lambda a: a.__setitem__(slice(1, 3), a[:2])),
    "a name NumPy has and CuPy lacks": (AttributeError, lambda a: a.tostring()),
    "hashing": (TypeError, lambda a: {a: 1}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_stand_in_refuses(what):
    error, act = REFUSED[what]
    with pytest.raises(error):
        act(device())


EVENTS = {  # what waits or copies, and how it is counted
    "wait: __float__": lambda a: float(a.sum()),
    "wait: __int__": lambda a: int(cp.argmax(a)),
    "wait: __bool__": lambda a: bool((a > 0).any()),
    "wait: __complex__": lambda a: complex(a.sum()),
    "wait: item": lambda a: a.sum().item(),
    "wait: tolist": lambda a: a.tolist(),
    "wait: get": lambda a: a.get(),
    "wait: nonzero": lambda a: cp.nonzero(a > 0),
    "wait: where": lambda a: cp.where(a > 0),
    "wait: unique": lambda a: cp.unique(a),
    "wait: a boolean mask": lambda a: a[a > 0],
    "wait: __repr__": lambda a: repr(a),
    "wait: __format__": lambda a: f"{a.sum()}",
    "wait: pickle or deepcopy": lambda a: copy.deepcopy(a),
    "copy: asarray": lambda a: cp.asarray(HOST),
    "copy: an index from the computer": lambda a: a[[0, 2]],
}


@pytest.mark.parametrize("event", EVENTS)
def test_the_stand_in_counts(event):
    a = device()
    with watch() as events:
        EVENTS[event](a)
    assert events == [event]


def test_a_boolean_mask_write_waits_and_a_while_condition_waits():
    a = device()
    with watch() as events:
        a[a > 0] = 0.0
        while (a > 0).any():
            raise AssertionError("nothing positive was left")
    assert events == ["wait: a boolean mask", "wait: __bool__"]
    assert (a.get() == np.minimum(HOST, 0)).all()


SAME = {  # expressions that mean the same in both namespaces
    "arithmetic": lambda xp, a: 2 * a - a / 3 + a**2 + (-a) * abs(a) + 1.0 / (2.0 + a * a),
    "in place": lambda xp, a: _in_place(xp, a),
    "0-d reductions": lambda xp, a: xp.sqrt((a * a).sum()) * xp.minimum(1.0, xp.max(a)),
    "matmul with out": lambda xp, a: xp.matmul(a.T, a, out=xp.empty((4, 4))),
    "take with out": lambda xp, a: xp.take(a, xp.arange(2), axis=1, out=xp.empty((3, 2))),
    "gather": lambda xp, a: a[xp.arange(3), xp.argmax(a, axis=1)],
    "scatter": lambda xp, a: _scatter(xp, a),
    "a strided view": lambda xp, a: a[:, ::2].sum(axis=1, keepdims=True),
    "where": lambda xp, a: xp.where(a > 0, a, 0.0),
    "einsum": lambda xp, a: xp.einsum("ij,kj->ik", a, a),
    "complex": lambda xp, a: (xp.tanh(a + 1e-30j)).imag,
    "joined": lambda xp, a: xp.concatenate([a, a[:1]]) @ a.T,
    "logical": lambda xp, a: ((a > 0) & ~(a > 1)).astype(float),
    "iteration": lambda xp, a: sum(row.sum() for row in a),
}


def _in_place(xp, a):
    a = a.copy()
    a[1:] += 1.0
    a[0] *= a[1]
    a[0, 0] = 7.0
    a.T[1] = a[0, 1]
    xp.tanh(a, out=a)
    return a


def _scatter(xp, a):
    a = a.copy()
    rows = xp.arange(3)
    a[rows, xp.argmin(a, axis=1)] += a[rows, 0]
    return a


@pytest.mark.parametrize("what", SAME)
def test_the_stand_in_computes_what_numpy_computes_without_an_event(what):
    a, expected = device(), SAME[what](np, HOST)
    with watch() as events:
        found = SAME[what](cp, a)
    assert events == [] and isinstance(found, cp.ndarray)
    assert found.shape == np.shape(expected) and np.array_equal(found.get(), expected)


def test_views_share_memory_down_to_a_single_number():
    a = device()
    number = a[1, 2]
    number += 10.0
    assert number.shape == () and a.get()[1, 2] == HOST[1, 2] + 10.0


def test_empty_memory_is_poisoned():
    assert np.isnan(cp.empty((2, 3)).get()).all() and (cp.empty(2, dtype=int).get() < 0).all()


def test_the_names_are_those_of_an_installed_cupy():
    cupy = pytest.importorskip("cupy")
    if cupy.__version__ != CUPY["source"].split()[1]:
        pytest.skip(f"the list is of another version than {cupy.__version__}")
    missing = [name for part in ("ufuncs", "functions", "others") for name in CUPY[part] if not hasattr(cupy, name)]
    missing += [name for name in CUPY["methods"] if not hasattr(cupy.ndarray, name)]
    assert missing == []
