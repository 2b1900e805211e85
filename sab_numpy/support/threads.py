"""One BLAS thread: the products of a time step are so small that two threads cost more than they bring."""

import ctypes
import os
from glob import glob

import numpy as np

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # the package lies in it
SETTERS = ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_", "openblas_set_num_threads")


def one_thread():
    """Let the OpenBLAS that NumPy's wheels bring use one thread, unless the environment names a number.

    The variables above are read when NumPy is imported, which is too late for us to set them. Another BLAS is left
    as it is: set its variable before the start.
    """
    if any(name in os.environ for name in VARIABLES):
        return
    package = os.path.dirname(np.__file__)
    for path in glob(f"{package}.libs/*openblas*") + glob(f"{package}/.dylibs/*openblas*"):
        library = ctypes.CDLL(path)
        for name in SETTERS:
            if hasattr(library, name):
                getattr(library, name)(1)


def environment(**more):
    """The variables of a child process that imports this very package and computes with one thread."""
    path = os.pathsep.join(filter(None, [HOME, os.environ.get("PYTHONPATH")]))
    return os.environ | dict.fromkeys(VARIABLES, "1") | {"PYTHONPATH": path} | more
