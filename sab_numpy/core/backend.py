"""NumPy or CuPy: the arrays decide, call by call. CuPy is imported only when it is asked for."""

import sys
from functools import cache
from importlib import import_module

import numpy as np

BACKENDS = ("numpy", "cupy")
HOW_TO = ('in a clone of sab_numpy, pip install ".[gpu-cuda12]" for CUDA 12 or ".[gpu-cuda13]" for '
          "CUDA 13 (they bring cupy-cuda12x, cupy-cuda13x); or choose the backend numpy")


def is_array(value):
    """Whether `value` is an array of NumPy, or of the module that its type comes from (CuPy)."""
    return isinstance(value, np.ndarray) or isinstance(value, getattr(_home(value), "ndarray", ()))


def _home(value):
    """The imported package in which the type of `value` is defined."""
    return sys.modules.get(type(value).__module__.partition(".")[0])


def namespace(*arrays, what=""):
    """The module whose functions take these arrays (or scalars of reductions): numpy, or cupy.

    Raises ValueError, which begins with `what`, for what is no array and for arrays of both kinds.
    """
    for array in arrays:
        if not is_array(array) and not isinstance(array, np.generic):
            raise ValueError(f"{what}expected an array of NumPy or CuPy, "
                             f"found {type(array).__module__}.{type(array).__qualname__} "
                             "(np.array makes one)")
    modules = {np if isinstance(array, (np.ndarray, np.generic)) else _home(array)
               for array in arrays}
    if len(modules) > 1:
        found = " and ".join(sorted(module.__name__ for module in modules))
        raise ValueError(f"{what}expected arrays of one kind, found {found}: "
                         "move them with sab.to_backend")
    return modules.pop() if modules else np


def to_numpy(array):
    """The array in the computer's own memory; from a GPU this waits, and copies."""
    xp = namespace(array)
    return np.asarray(array) if xp is np else xp.asnumpy(array)


def require(name):
    """The array module of a backend: "numpy", "cupy", or "auto": cupy if it can run.

    Raises ValueError, in one line that says what to install, when CuPy or a GPU is missing.
    """
    if name == "auto":
        name = available()[-1]
    if name == "numpy":
        return np
    if name != "cupy":
        raise ValueError(f"backend must be one of numpy, cupy, auto, found {name!r}")
    try:
        cupy = import_module("cupy")
    except ImportError as reason:
        raise ValueError("the backend cupy needs CuPy, which cannot be imported "
                         f"({_first_line(reason)}): {HOW_TO}") from None
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except Exception as reason:        # CUDARuntimeError: no driver; ImportError: no CUDA libraries
        raise ValueError("the backend cupy needs a GPU, and CuPy finds none "
                         f"({_first_line(reason)}): {HOW_TO}") from None
    if not devices:
        raise ValueError(f"the backend cupy needs a GPU, and CuPy finds none: {HOW_TO}")
    return cupy


def _first_line(reason):
    return (str(reason).strip() or type(reason).__name__).splitlines()[0]


def available():
    """The backends that can run here: ("numpy",) or ("numpy", "cupy")."""
    try:
        require("cupy")
    except ValueError:
        return ("numpy",)
    return BACKENDS


def to_backend(tree, name):
    """The same tree with every array on backend `name`: "numpy", "cupy" or "auto".

    A tree is an array, or dicts, lists, tuples and named tuples of trees. Arrays that are there
    already, and all other values, are handed on as they are. Raises ValueError as `require` does.
    """
    return _move(tree, require(name))


def _move(tree, xp):
    if isinstance(tree, dict):
        return {key: _move(value, xp) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        moved = [_move(value, xp) for value in tree]
        return type(tree)(*moved) if hasattr(tree, "_fields") else type(tree)(moved)
    if not is_array(tree) or namespace(tree) is xp:
        return tree
    return to_numpy(tree) if xp is np else xp.asarray(tree)


# On a GPU every operation is a kernel with a fixed price, so the arithmetic of the gates is two
# kernels instead of twenty. The same lines are lstm.lstm_step and lstm_step_backward, in a form for
# NumPy; tests hold them together. (S is T, but for a complex step through the frozen replay, where
# a stopped c_prev is real.)

GATE_KERNELS = {
    "forward": ("T zi, T zf, T zo, T zg, S c_prev",
                "T gi, T gf, T go, T gg, T c, T tanh_c, T h_hat", """
        gi = T(0.5) * tanh(zi) + T(0.5);
        gf = T(0.5) * tanh(zf) + T(0.5);
        go = T(0.5) * tanh(zo) + T(0.5);
        gg = tanh(zg);
        c = gf * c_prev + gi * gg;
        tanh_c = tanh(c);
        h_hat = go * tanh_c;
    """),
    "backward": ("T dh_hat, T dc, T gi, T gf, T go, T gg, T c_prev, T tanh_c",
                 "T dzi, T dzf, T dzo, T dzg, T dc_prev", """
        dc_prev = dc + (dh_hat - dh_hat * tanh_c * tanh_c) * go;
        dzi = dc_prev * gg * (gi - gi * gi);
        dzf = dc_prev * c_prev * (gf - gf * gf);
        dzo = dh_hat * tanh_c * (go - go * go);
        dzg = dc_prev * gi * (T(1) - gg * gg);
        dc_prev = dc_prev * gf;
    """),
}


@cache
def gate_kernel(xp, direction):
    """The gates' arithmetic as one CuPy kernel of its inputs and outputs; None for NumPy."""
    if xp is np:
        return None
    return xp.ElementwiseKernel(*GATE_KERNELS[direction], f"sab_gates_{direction}")
