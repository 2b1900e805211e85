"""The model on the stand-in: every setting equals NumPy, nothing inside a step waits, and planted faults are caught."""

import sys
from importlib import import_module

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy.core.backend import namespace, to_numpy
from sab_numpy.gradcheck.model import check_gradients
from sab_numpy.tasks import TASKS, stream, task
from sab_numpy.training import loop
from sab_numpy.training.models import TRANSFORMER
from sab_numpy.transformer.params import Config as TransformerConfig
from standin import fakecupy, watch
from standin.settings import (
    CHECKED,
    SETTINGS,
    SOME,
    WAYS,
    backward_there,
    both,
    problem,
    replayed,
    step,
    worst_difference,
)

TOLERANCE = 1e-12
FULL = "sab-mlp-relu"  # every line of the sparse read runs in it


@pytest.fixture(autouse=True)
def cupy(monkeypatch):
    """The stand-in in CuPy's place."""
    monkeypatch.setitem(sys.modules, "cupy", fakecupy)


def test_every_setting_is_there():
    assert len(SETTINGS) == 48 and len({repr(cfg) for cfg in SETTINGS.values()}) == 48


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_training_step_equals_numpys_and_never_waits(setting, dtype):
    found, expected, events = both(step, SETTINGS[setting], dtype)
    assert events == []
    assert worst_difference(found, expected)[0] <= TOLERANCE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("setting", SOME)
def test_every_way_of_calling_equals_numpys_and_never_waits(setting, way):
    found, expected, events = both(WAYS[way], SETTINGS[setting], steps=37)
    assert events == []
    assert worst_difference(found, expected)[0] <= TOLERANCE


@pytest.mark.parametrize("setting", SOME)
def test_the_frozen_replay_proves_the_gradient_there_too(setting):
    found, expected, _ = both(replayed, SETTINGS[setting])
    assert worst_difference(found, expected)[0] <= TOLERANCE
    assert abs(found["numeric"] - found["by hand"]) <= 1e-11 * abs(found["by hand"])


@pytest.mark.parametrize("setting", CHECKED)
def test_the_gradient_check_passes_on_gradients_made_there(setting):
    cfg = SETTINGS[setting]
    params = sab.init_params(cfg, np.random.default_rng(1))
    x = np.random.default_rng(2).standard_normal((7, 2, cfg.n_in))
    assert check_gradients(params, x, cfg, np.random.default_rng(3), backward=backward_there).ok


@pytest.mark.parametrize("symbols", [False, True])
def test_a_transformers_step_equals_numpys_and_never_waits(symbols):
    cfg, rng = TransformerConfig(4, 6, 3, n_steps=9, n_heads=2), np.random.default_rng(0)
    x = rng.integers(0, 4, (7, 3)) if symbols else rng.standard_normal((7, 3, 4))
    arrays = TRANSFORMER.init_params(cfg, rng), x, rng.standard_normal((7, 3, 3))

    def gradients(params, x, dy):
        y, tape = TRANSFORMER.forward(params, x, cfg)
        return {"y": y} | TRANSFORMER.backward(dy, tape)

    moved = sab.to_backend(arrays, "cupy")
    with watch() as events:
        there = gradients(*moved)
    assert events == [] and namespace(*there.values()) is fakecupy
    assert worst_difference(sab.to_backend(there, "numpy"), gradients(*arrays))[0] <= TOLERANCE


@pytest.mark.parametrize("name", [name for name in TASKS if not hasattr(task(name), "batches")])  # they make their data
def test_every_tasks_loss_equals_numpys_and_never_waits(name):
    problem = task(name)
    x, targets = problem.sequences(9, 3, stream(0, "test"))
    y = np.random.default_rng(0).standard_normal((*targets.shape[:2], problem.N_OUT))
    expected = problem.loss(y, targets)
    there = sab.to_backend((y, targets), "cupy")
    with watch() as events:
        found = problem.loss(*there)
    assert events == []
    assert worst_difference(sab.to_backend(found, "numpy"), expected)[0] <= TOLERANCE


SMALL = dict(task="copying", T=6, hidden=8, batch=4, k_trunc=5, k_top=3, k_att=2, updates=6, seed=3)


def test_an_update_copies_its_data_once_and_waits_for_two_numbers_at_its_end(tmp_path, monkeypatch):
    seen, advance = [], loop.advance

    def watched(*args):
        with watch() as events:
            result = advance(*args)
        seen.append(events)
        return result

    monkeypatch.setattr(loop, "advance", watched)
    loop.train(dict(SMALL), tmp_path / "run", backend="cupy")
    assert seen == 6 * [["copy: asarray"] * 2 + ["wait: __float__"] * 2]


def test_a_run_there_follows_the_run_on_numpy(tmp_path):
    states = [loop.train(dict(SMALL), tmp_path / name, backend=name) for name in ("numpy", "cupy")]
    here, there = (sab.to_backend({"params": s.params, "adam": s.adam}, "numpy") for s in states)
    assert worst_difference(there, here)[0] <= 1e-6  # float32


# ---- planted faults: each must end in a refusal or in an event


def _before(act):
    """The function, with `act` on its arrays first."""

    def plant(original):
        def planted(*args, **kwargs):
            act(*[a for a in list(args) + list(kwargs.values()) if isinstance(a, (fakecupy.ndarray, np.ndarray))])
            return original(*args, **kwargs)

        return planted

    return plant


def _after(act):
    """The function, with `act` on what it returns."""
    return lambda original: lambda *args, **kwargs: act(original(*args, **kwargs))


PLANTED = {
    "np.tanh in the LSTM": ("forward", "lstm_step", _before(lambda z, *_: np.tanh(z))),
    "np.multiply with out= in the LSTM's backward": (
        "backward",
        "lstm_step_backward",
        _before(lambda dh, dc, *_: np.multiply(dh, dc, out=dc)),
    ),
    "np.argsort in the selection": ("forward", "largest", _before(lambda a: np.argsort(a))),
    "np.exp in the weights": ("forward", "weights", _before(lambda a: np.exp(a))),
    "np.sqrt of the norm": ("optim", "global_norm", _after(lambda norm: np.sqrt(norm))),
    "np.sum of a gradient": ("backward", "weights_backward", _after(lambda da: da * np.sum(da))),
    "np.concatenate of the bias": ("forward", "stack_gates", _after(lambda W: np.concatenate([W, W])[: len(W)])),
    "a constant made by np in the gather": ("forward", "gather", _after(lambda M: M + np.zeros(M.shape))),
    "a constant made by np in a projection": (
        "forward",
        "project",
        _after(lambda a: np.float64(1) * a + np.zeros(a.shape)),
    ),
    "a buffer made by np in the loss": (
        "losses",
        "_share",
        _after(lambda found: (found[0], np.empty(found[1].shape) * found[1])),
    ),
    "a mask made by np in the read": ("memory", "gather", _before(lambda a, *_: a * np.ones(1))),
    "float() in the loop": ("forward", "lstm_step", _before(lambda z, *_: float(z[0, 0, 0]))),
    "float() in the backward loop": ("backward", "recall_backward", _before(lambda ds, *_: float(ds.sum()))),
    "if (a > 0).any() in the weights": ("forward", "weights", _before(lambda a: (a > 0).any() and None)),
    "int() of a slot": ("forward", "gather", _before(lambda M, slots: int(slots[0, 0]))),
    ".item() of the norm": ("optim", "global_norm", _after(lambda norm: norm + 0 * norm.item())),
    "a boolean mask read": ("forward", "weights", _before(lambda a: a[a > 0])),
    "a boolean mask written": ("backward", "weights_backward", _before(lambda dw, *_: dw.__setitem__(dw > 9, 0.0))),
    "nonzero in the gather": ("forward", "gather", _before(lambda M, slots: slots.nonzero())),
    "a copy to the device in the loop": ("forward", "project", _before(lambda a, *_: namespace(a).asarray([1.0, 2.0]))),
    "an index list in the loop": ("forward", "gather", _before(lambda M, slots: M[[0]])),
    "printing the loss": ("losses", "_share", _before(lambda y, *_: f"{y.sum()}")),
    "a copy to the computer in the optimiser": ("optim", "global_norm", _after(lambda norm: norm + 0 * to_numpy(norm))),
    "a keyword CuPy lacks": ("forward", "weights", _before(lambda a: namespace(a).sum(a, where=a > 0))),
    "a name CuPy lacks": ("forward", "project", _before(lambda q, *_: namespace(q).errstate())),
    "a row written twice": ("backward", "microstate_credit", _before(lambda w, *_: _write_twice(w))),
}


def _write_twice(a):
    a[namespace(a).zeros(2, dtype=int)] = a[:2]


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_invisible_on_numpy_and_caught_here(fault, monkeypatch):
    module, name, plant = PLANTED[fault]
    module, met = import_module(f"sab_numpy.core.{module}"), []
    planted = plant(getattr(module, name))
    monkeypatch.setattr(module, name, lambda *args, **kwargs: (met.append(name), planted(*args, **kwargs))[1])
    step(*problem(SETTINGS[FULL]), SETTINGS[FULL])
    assert met, f"{name} never ran: the fault was not planted"
    there = sab.to_backend(problem(SETTINGS[FULL]), "cupy")
    with watch() as events:
        try:
            step(*there, SETTINGS[FULL])
        except (TypeError, AttributeError, ValueError) as refused:
            events.append(repr(refused))
    assert events
