"""Parts of the batch in processes give what the whole batch gives."""

import os
import signal
import threading

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy.training.parallel import Team

SETTINGS = {"lstm": dict(k_top=0), "sab": dict(k_trunc=3, k_top=2, k_att=2), "attention": dict(k_top=None)}


def whole(params, x, targets, cfg, mask=None, loss=sab.softmax_cross_entropy):
    y, tape = sab.forward(params, x, cfg)
    value, dy = loss(y, targets, mask)
    return value, sab.backward(dy, tape)


def assert_equal(found, expected):
    (loss, grads), (true_loss, true_grads) = found, expected
    assert abs(loss - true_loss) <= 1e-12 * abs(true_loss)
    assert list(grads) == list(true_grads)
    for name, g in true_grads.items():
        assert abs(grads[name] - g).max() <= 1e-12 * max(abs(g).max(), 1e-3), name


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("setting", SETTINGS)
def test_parts_of_the_batch_equal_the_whole(setting, size):
    rng = np.random.default_rng(7)
    cfg = sab.Config(3, 5, 4, **SETTINGS[setting])
    with Team(cfg, size) as team:
        for mask in (None, rng.random((11, 7)) < 0.3, np.arange(7) + np.zeros((11, 1), int) > 4):  # new parameters each
            params = sab.init_params(cfg, rng)
            x, targets = rng.standard_normal((11, 7, 3)), rng.integers(0, 4, (11, 7))
            assert_equal(team.loss_and_gradients(params, x, targets, mask), whole(params, x, targets, cfg, mask))


def test_another_loss_and_symbols():
    rng = np.random.default_rng(8)
    cfg = sab.Config(3, 4, 2, k_trunc=2, k_top=1, k_att=1)
    params, x, targets = sab.init_params(cfg, rng), rng.integers(0, 3, (9, 5)), rng.standard_normal((9, 5, 2))
    mask = rng.random((9, 5, 2)) < 0.5
    with Team(cfg, 2, sab.mean_squared_error) as team:
        assert_equal(
            team.loss_and_gradients(params, x, targets, mask),
            whole(params, x, targets, cfg, mask, sab.mean_squared_error),
        )


def test_what_one_part_refuses_is_raised_and_the_team_goes_on():
    rng = np.random.default_rng(9)
    cfg = sab.Config.full_bptt(2, 3, 2)
    params, x, targets = sab.init_params(cfg, rng), rng.standard_normal((4, 5, 2)), rng.integers(0, 2, (4, 5))
    with Team(cfg, 2) as team:
        for column in (0, 4):  # of this process, of the other
            wrong = x.copy()
            wrong[1, column] = np.nan
            with pytest.raises(ValueError, match="x: expected finite numbers"):
                team.loss_and_gradients(params, wrong, targets)
        with pytest.raises(ValueError, match="x: expected at least 2 sequences, one a process, found 1"):
            team.loss_and_gradients(params, x[:, :1], targets[:, :1])
        assert_equal(team.loss_and_gradients(params, x, targets), whole(params, x, targets, cfg))
    with pytest.raises(ValueError, match="size: expected at least one process, found 0"):
        Team(cfg, 0)


def test_a_team_that_lost_a_process_says_so():
    rng = np.random.default_rng(10)
    cfg = sab.Config.full_bptt(2, 3, 2)
    params, x, targets = sab.init_params(cfg, rng), rng.standard_normal((4, 5, 2)), rng.integers(0, 2, (4, 5))
    with Team(cfg, 2) as team:
        team.loss_and_gradients(params, x, targets)
        team.others[0][1].kill()
        with pytest.raises(RuntimeError, match="a process of the Team has ended; make another Team"):
            team.loss_and_gradients(params, x, targets)


class Awkward(Exception):
    """It is pickled, and cannot be unpickled."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def hard_to_please(y, targets, mask=None):
    if (targets == 1).all():
        raise Awkward("this", "that")
    return sab.softmax_cross_entropy(y, targets, mask)


def test_an_exception_that_cannot_travel_is_told_in_words_and_the_next_answer_is_right():
    rng = np.random.default_rng(11)
    cfg = sab.Config.full_bptt(2, 3, 2)
    params, x = sab.init_params(cfg, rng), rng.standard_normal((4, 6, 2))
    with Team(cfg, 3, hard_to_please) as team:
        for column in (0, 2, 4):
            targets = np.tile([[0, 1] * 3], (4, 1))
            targets[:, column : column + 2] = 1
            with pytest.raises(Exception, match="this and that"):
                team.loss_and_gradients(params, x, targets)
            targets = rng.integers(0, 2, (4, 6))
            targets[0] = 0
            assert_equal(team.loss_and_gradients(params, x, targets), whole(params, x, targets, cfg))


def interrupted_at(moment):
    threading.Timer(moment, os.kill, [os.getpid(), signal.SIGINT]).start()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no kill of one's own")
def test_after_a_ctrl_c_that_was_caught_every_answer_is_that_of_its_question():
    rng = np.random.default_rng(12)
    cfg = sab.Config(3, 24, 4, k_trunc=3, k_top=2, k_att=2)
    with Team(cfg, 2) as team:
        caught = 0
        for moment in np.linspace(0.002, 0.03, 6):
            try:
                interrupted_at(moment)
                for _ in range(10_000):
                    params, x = sab.init_params(cfg, rng), rng.standard_normal((20, 4, 3))
                    targets = rng.integers(0, 4, (20, 4))
                    team.loss_and_gradients(params, x, targets)
            except KeyboardInterrupt:
                caught += 1
            params, x, targets = sab.init_params(cfg, rng), rng.standard_normal((20, 4, 3)), rng.integers(0, 4, (20, 4))
            assert_equal(team.loss_and_gradients(params, x, targets), whole(params, x, targets, cfg))
        assert caught == 6
