"""The arrays decide between NumPy and CuPy; what is missing is said in one line."""

import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from standin import fakecupy, watch

import sab_numpy as sab
from sab_numpy.cli import main
from sab_numpy.core import backend, lstm
from sab_numpy.support.machine import machine

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


@pytest.mark.parametrize(
    "arrays, said",
    [
        ((np.ones(3), fakecupy.ones(3)), "fakecupy and numpy"),
        (([1.0, 2.0],), "builtins.list"),
        ((np.ones(3), None), "builtins.NoneType"),
        ((pytest,), "module"),
    ],
    ids=["both", "list", "None", "module"],
)
def test_other_things_than_arrays_of_one_kind_are_refused(arrays, said):
    with pytest.raises(ValueError, match=said) as error:
        backend.namespace(*arrays)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("strange", ["x", "state.h", "state.memory", "dy"])
def test_what_lies_elsewhere_than_the_parameters_is_refused(cupy, strange):
    cfg, rng = sab.Config.sab(2, 3, 2, k_trunc=2, k_top=1, k_att=1), np.random.default_rng(0)
    arrays = {"x": rng.standard_normal((3, 2, 2)), "dy": rng.standard_normal((3, 2, 2))}
    arrays |= {"state.h": np.zeros((2, 3)), "state.c": np.zeros((2, 3)), "state.memory": np.zeros((4, 2, 3))}
    arrays[strange] = sab.to_backend(arrays[strange], "cupy")
    state = sab.State(*(arrays[f"state.{name}"] for name in sab.State._fields))
    with pytest.raises(ValueError, match=f"{strange}: expected an array of numpy like params, found fakecupy; move it"):
        sab.backward(arrays["dy"], sab.forward(sab.init_params(cfg, rng), arrays["x"], cfg, state=state)[1])


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


@pytest.mark.parametrize(
    "module, count, said",
    [
        (None, None, "cannot be imported"),
        (fakecupy, lambda: 0, "CuPy finds none"),
        (fakecupy, _no_driver, "cudaErrorNoDevice: no CUDA-capable device is detected"),
    ],
    ids=["no CuPy", "no device", "no driver"],
)
def test_a_missing_gpu_is_one_line_that_says_what_to_install(monkeypatch, module, count, said):
    monkeypatch.setitem(sys.modules, "cupy", module)
    if count is not None:
        monkeypatch.setattr(fakecupy.cuda.runtime, "getDeviceCount", count)
    with pytest.raises(ValueError, match=said) as error:
        backend.to_backend({}, "cupy")
    line = str(error.value)
    assert "\n" not in line and 'pip install ".[gpu-cuda12]"' in line and '".[gpu-cuda13]"' in line


@pytest.mark.parametrize("name", ["tpu", "", None, "CUPY"])
def test_an_unknown_backend_is_refused(name):
    with pytest.raises(ValueError, match="numpy, cupy, auto, found"):
        backend.to_backend({}, name)


def test_importing_the_package_does_not_import_cupy():
    code = "import sys; sys.modules['cupy'] = None; import sab_numpy; from sab_numpy.core import backend; print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert (done.stdout, done.stderr) == ("fine\n", "")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_the_fused_gates_are_the_plain_gates(dtype):
    rng, B, H = np.random.default_rng(0), 3, 5
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    z, dz, dh, dc = draw(4, B, H), draw(4, B, H), draw(B, H), draw(B, H)
    names = ("c_prev", "c", "tanh_c", "h_hat")
    plain = SimpleNamespace(gates=draw(4, B, H), **{name: draw(B, H) for name in names})
    fused = SimpleNamespace(**{name: fakecupy.asarray(value.copy()) for name, value in vars(plain).items()})
    results = {}
    for xp, step, move in ((np, plain, np.copy), (fakecupy, fused, lambda a: fakecupy.asarray(a.copy()))):
        filled = move(dz)
        lstm.lstm_step(xp, move(z), step.c_prev, step)
        dc_prev = lstm.lstm_step_backward(xp, move(dh), move(dc), step, filled, move(0 * z))
        results[xp] = [*vars(step).values(), filled, dc_prev]
    for there, here in zip(results[fakecupy], results[np]):
        assert np.abs(there.get() - here).max() <= 8 * np.finfo(dtype).eps * np.abs(here).max()


@pytest.mark.parametrize("direction", backend.GATE_KERNELS)
def test_every_line_of_a_kernel_is_needed(direction):
    """Without any one of its lines, or with one gate for another, a kernel gives other numbers."""
    ins, outs, text = backend.GATE_KERNELS[direction]
    lines = [line for line in text.split(";") if line.strip()]
    rng = np.random.default_rng(1)
    args = [rng.standard_normal(4) for _ in (ins + "," + outs).split(",")]

    def results(text):
        there = [fakecupy.asarray(arg.copy()) for arg in args]
        fakecupy.ElementwiseKernel(ins, outs, text)(*there)
        return np.array([array.get() for array in there])

    right = results(text)
    faults = [";".join(lines[:k] + lines[k + 1 :]) for k in range(len(lines))]
    faults += [text.replace("gi", "gx").replace("gf", "gi").replace("gx", "gf")] * (direction == "backward")
    assert all(np.abs(results(fault) - right).max() > 1e-3 for fault in faults)


COMMANDS = {
    "demo": ["--tiny", "--out", "here"],
    "train": ["copying", "--out", "here"],
    "evaluate": ["here"],
    "sample": ["copying-T100-sab"],
    "gradcheck": [],
    "reproduce": ["copying", "--quick", "--data", "here"],
    "bench": ["--quick", "--csv", "here.csv"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_computes_says_in_one_line_that_cupy_is_missing(command, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.chdir(tmp_path)
    assert main([command, *COMMANDS[command], "--backend", "cupy"]) == 2
    out, said = capsys.readouterr()
    assert said.count("\n") == 1 and "pip install" in said and not out, (out, said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["sample", "copying-T100-sab", "--T", "13"], ["gradcheck"]])
def test_a_command_says_the_same_on_either_backend(words, cupy, capsys, monkeypatch):
    said, moved, asarray = [], [], cupy.asarray
    monkeypatch.setattr(cupy, "asarray", lambda *args: (moved.append(1), asarray(*args))[1])
    for name in ("numpy", "cupy"):
        with watch():
            assert main([*words, "--backend", name]) == 0
        assert bool(moved) == (name == "cupy")  # it really ran there
        said.append([line.split() for line in capsys.readouterr().out.splitlines()])
    here, there = said
    assert [line[0] for line in here] == [line[0] for line in there]
    if words[0] == "sample":
        assert here == there


def test_gradcheck_with_a_module_and_a_gpu_is_refused(cupy, tmp_path, capsys):
    assert main(["gradcheck", "--module", str(tmp_path / "mine.py"), "--backend", "cupy"]) == 2
    assert "a --module decides about its arrays" in capsys.readouterr().err


def test_the_machine_is_named_with_its_gpu(cupy, monkeypatch):
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceProperties", lambda number: {"name": b"a GPU"}, raising=False)
    assert machine().endswith("a GPU")
