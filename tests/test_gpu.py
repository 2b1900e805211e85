"""On a real GPU: every setting equals NumPy, the gradients are proved, a short run follows NumPy's.

Skipped without CuPy and a GPU; the same checks run everywhere on the stand-in (tests/standin/test_model.py).
"""

import numpy as np
import pytest
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

import sab_numpy as sab
from sab_numpy.core import backend
from sab_numpy.gradcheck.model import check_gradients
from sab_numpy.training import loop

if "cupy" not in backend.available():
    pytest.skip("no CuPy, or no GPU for it", allow_module_level=True)
pytestmark = pytest.mark.gpu
TOLERANCE = 1e-10


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_training_step_in_float64_equals_numpys(setting):
    found, expected, _ = both(step, SETTINGS[setting])
    worst, name = worst_difference(found, expected)
    assert worst <= TOLERANCE, name


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("setting", SOME)
def test_every_way_of_calling_in_float64_equals_numpys(setting, way):
    found, expected, _ = both(WAYS[way], SETTINGS[setting], steps=37)
    worst, name = worst_difference(found, expected)
    assert worst <= TOLERANCE, name


@pytest.mark.parametrize("setting", CHECKED)
def test_the_gradient_check_passes_on_gradients_made_there(setting):
    cfg = SETTINGS[setting]
    params = sab.init_params(cfg, np.random.default_rng(1))
    x = np.random.default_rng(2).standard_normal((7, 2, cfg.n_in))
    assert check_gradients(params, x, cfg, np.random.default_rng(3), backward=backward_there).ok


@pytest.mark.parametrize("setting", [name for name in SOME if "relu" not in name])
def test_a_complex_step_of_the_replay_there_equals_the_gradient_there(setting):
    found, _, _ = both(replayed, SETTINGS[setting])
    assert abs(found["numeric"] - found["by hand"]) <= TOLERANCE * abs(found["by hand"])


@pytest.mark.filterwarnings("ignore:cupyx.allow_synchronize")
def test_nothing_inside_a_step_waits():
    """CuPy's own word for it: the step runs while waiting is forbidden."""
    import cupyx

    cfg = SETTINGS["sab-mlp-relu"]
    there = sab.to_backend(problem(cfg), "cupy")
    step(*there, cfg)  # the first call compiles
    with cupyx.allow_synchronize(False):
        step(*there, cfg)


def test_the_loss_of_a_short_run_follows_numpys(tmp_path, monkeypatch):
    losses, advance = [], loop.advance

    def noted(*args):
        state = advance(*args)
        losses[-1].append(state.window["loss"])
        return state

    monkeypatch.setattr(loop, "advance", noted)
    for name in ("numpy", "cupy"):
        losses.append([])
        loop.train(
            dict(
                task="copying",
                T=10,
                hidden=32,
                batch=16,
                k_trunc=5,
                k_top=3,
                k_att=5,
                updates=40,
                seed=1,
                dtype="float64",
            ),
            tmp_path / name,
            backend=name,
        )
    here, there = np.array(losses)  # (40,) each, the loss summed since the last row
    assert len(here) == 40 and np.abs(here - there).max() <= 1e-6 * here.max()
