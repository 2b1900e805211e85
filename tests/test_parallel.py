"""Halves of the batch in threads give what the whole batch gives."""

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy.parallel import loss_and_gradients

SETTINGS = {"lstm": dict(k_top=0), "sab": dict(k_trunc=3, k_top=2, k_att=2), "attention": dict(k_top=None)}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("setting", SETTINGS)
def test_parts_of_the_batch_in_threads_equal_the_whole(setting, threads):
    rng = np.random.default_rng(7)
    cfg = sab.Config(3, 5, 4, **SETTINGS[setting])
    params = sab.init_params(cfg, rng)
    x, targets = rng.standard_normal((11, 7, 3)), rng.integers(0, 4, (11, 7))
    y, tape = sab.forward(params, x, cfg)
    loss, dy = sab.softmax_cross_entropy(y, targets)
    grads = sab.backward(dy, tape)
    tapes = None
    for _ in range(2):                                          # the second time with the tapes of the first
        found, found_grads, tapes = loss_and_gradients(params, x, targets, cfg, threads=threads, reuse=tapes)
        assert abs(found - loss) <= 1e-12 * abs(loss)
        for name, g in grads.items():
            assert abs(found_grads[name] - g).max() <= 1e-12 * max(abs(g).max(), 1e-3), name


def test_more_threads_than_sequences_are_refused():
    cfg = sab.Config.full_bptt(2, 3, 2)
    params = sab.init_params(cfg, np.random.default_rng(0))
    with pytest.raises(ValueError, match="threads: expected 1..2"):
        loss_and_gradients(params, np.ones((3, 2, 2)), np.zeros((3, 2), int), cfg, threads=3)
