"""The arrays decide between NumPy and CuPy; what is missing is said in one line."""

import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from standin import fakecupy, watch

from sab_numpy import backend

Pair = namedtuple("Pair", "first second")


@pytest.fixture
def cupy(monkeypatch):
    """The stand-in in CuPy's place."""
    monkeypatch.setitem(sys.modules, "cupy", fakecupy)
    return fakecupy


def test_the_arrays_decide():
    host, device = np.ones(3), fakecupy.ones(3)
    assert backend.namespace(host, host) is np
    assert backend.namespace(device, device) is fakecupy
    assert backend.namespace(np.lib.stride_tricks.as_strided(host)) is np


def test_a_subclass_of_numpys_array_is_numpys():
    class Mine(np.ndarray):
        pass
    assert backend.namespace(np.ones(3).view(Mine)) is np


@pytest.mark.parametrize("arrays, said", [
    ((np.ones(3), fakecupy.ones(3)), "fakecupy and numpy"),
    (([1.0, 2.0],), "builtins.list"),
    ((np.ones(3), None), "builtins.NoneType"),
    ((pytest,), "module"),
], ids=["both", "list", "None", "module"])
def test_other_things_than_arrays_of_one_kind_are_refused(arrays, said):
    with pytest.raises(ValueError, match=said) as error:
        backend.namespace(*arrays)
    assert "\n" not in str(error.value)


def test_a_tree_goes_there_and_back(cupy):
    tree = {"a": np.arange(3.0), "b": [np.ones(2), 5, "text"], "c": (None, Pair(np.zeros(1), {"d": np.eye(2)}))}
    there = backend.to_backend(tree, "cupy")
    assert isinstance(there["c"][1], Pair) and isinstance(there["b"], list) and there["b"][1:] == [5, "text"]
    moved = [there["a"], there["b"][0], there["c"][1].first, there["c"][1].second["d"]]
    assert all(isinstance(array, cupy.ndarray) for array in moved)
    back = backend.to_backend(there, "numpy")
    assert np.array_equal(back["c"][1].second["d"], np.eye(2)) and np.array_equal(back["a"], tree["a"])
    assert backend.to_backend(tree, "numpy")["a"] is tree["a"]
    with watch() as events:
        assert backend.to_backend(there, "cupy")["a"] is there["a"]
    assert events == []


def test_to_numpy_copies_from_the_device_and_leaves_numpy_alone():
    host = np.arange(3)
    assert backend.to_numpy(host) is host
    assert type(backend.to_numpy(fakecupy.asarray(host))) is np.ndarray
    assert type(backend.to_numpy(host.sum())) is np.ndarray


def test_auto_takes_the_gpu_where_there_is_one(cupy, monkeypatch):
    assert backend.available() == ("numpy", "cupy") and backend.require("auto") is cupy
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 0)
    assert backend.available() == ("numpy",) and backend.require("auto") is np


def _no_driver():
    raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected\nand more lines")


@pytest.mark.parametrize("module, count, said", [
    (None, None, "cannot be imported"),
    (fakecupy, lambda: 0, "CuPy finds none"),
    (fakecupy, _no_driver, "cudaErrorNoDevice: no CUDA-capable device is detected"),
], ids=["no CuPy", "no device", "no driver"])
def test_a_missing_gpu_is_one_line_that_says_what_to_install(monkeypatch, module, count, said):
    monkeypatch.setitem(sys.modules, "cupy", module)
    if count is not None:
        monkeypatch.setattr(fakecupy.cuda.runtime, "getDeviceCount", count)
    with pytest.raises(ValueError, match=said) as error:
        backend.to_backend({}, "cupy")
    line = str(error.value)
    assert "\n" not in line and "sab_numpy[gpu-cuda12]" in line and "sab_numpy[gpu-cuda13]" in line


@pytest.mark.parametrize("name", ["tpu", "", None, "CUPY"])
def test_an_unknown_backend_is_refused(name):
    with pytest.raises(ValueError, match="numpy, cupy, auto, found"):
        backend.to_backend({}, name)


def test_importing_the_package_does_not_import_cupy():
    code = "import sys; sys.modules['cupy'] = None; import sab_numpy; from sab_numpy import backend; print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert (done.stdout, done.stderr) == ("fine\n", "")
