"""One BLAS thread: the products of a time step are so small that two threads cost more than they bring."""

import ctypes
import os
from contextlib import contextmanager
from functools import cache
from glob import glob

import numpy as np

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # the package lies in it
SETTERS = ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_", "openblas_set_num_threads")


@contextmanager
def single_blas_thread():
    """One thread within, as many as before afterwards (NumPy's OpenBLAS; another BLAS is left as it is)."""
    before = [(setter, getter()) for setter, getter in _openblas()]
    for setter, _ in before:
        setter(1)
    try:
        yield
    finally:
        for setter, threads in before:
            setter(threads)


@cache
def _openblas():
    """(set, get) the number of threads of every OpenBLAS that came with NumPy."""
    package, found = os.path.dirname(np.__file__), []
    for path in glob(f"{package}.libs/*openblas*") + glob(f"{package}/.dylibs/*openblas*"):
        library = ctypes.CDLL(path)
        names = [name for name in SETTERS if hasattr(library, name)]
        found += [(getattr(library, name), getattr(library, name.replace("set_num", "get_num"))) for name in names]
    return found


def one_thread():
    """Let the OpenBLAS that NumPy's wheels bring use one thread, unless the environment names a number.

    The variables above are read when NumPy is imported, which is too late for us to set them. Another BLAS is left
    as it is: set its variable before the start.
    """
    if any(name in os.environ for name in VARIABLES):
        return
    for setter, _ in _openblas():
        setter(1)


def environment(**more):
    """The variables of a child process that imports this very package and computes with one thread."""
    path = os.pathsep.join(filter(None, [HOME, os.environ.get("PYTHONPATH")]))
    return os.environ | dict.fromkeys(VARIABLES, "1") | {"PYTHONPATH": path} | more
