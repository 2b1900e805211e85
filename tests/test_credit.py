"""Credit walks as far as it reaches and no further: counted, and seen by a function that backward calls."""

import numpy as np
import pytest
from small_models import READS, draw

import sab_numpy as sab
from sab_numpy.core import backward, credit
from sab_numpy.core.forward import CHUNK


def visited(dy, tape):
    steps = []
    grads = sab.backward(dy, tape, watch=lambda visit: steps.append(visit.t))
    return steps, grads


def late(y, *steps):
    """A loss at these steps alone."""
    dy = np.zeros_like(y)
    dy[list(steps)] = np.random.default_rng(0).standard_normal((len(steps), *y.shape[1:]))
    return dy


@pytest.mark.parametrize("T, k_trunc, expected", [(1000, 10, 10), (1000, 7, 6), (997, 10, 7), (1000, None, 1000)])
def test_a_loss_at_the_end_of_a_long_sequence_is_walked_for_one_block_not_for_all_steps(T, k_trunc, expected):
    cfg = sab.Config(2, 4, 2, k_trunc=k_trunc)
    rng = np.random.default_rng(0)
    y, tape = sab.forward(sab.init_params(cfg, rng), rng.standard_normal((T, 2, 2)), cfg)
    steps, _ = visited(late(y, T - 1), tape)
    assert steps == list(range(T - 1, T - 1 - expected, -1))
    assert credit.count(tape, late(y, T - 1)) == (expected, 0)


def test_sab_walks_the_blocks_of_what_was_recalled_and_of_what_these_recalled():
    cfg = sab.Config.sab(2, 4, 2, k_trunc=5, k_top=2, k_att=5, score="mlp")
    rng = np.random.default_rng(1)
    params = sab.init_params(cfg, rng)
    params["W_q"] = 3 * rng.standard_normal((4, 4))  # sharp scores: a few states are recalled often
    y, tape = sab.forward(params, rng.standard_normal((203, 1, 2)), cfg)
    steps, _ = visited(late(y, 202), tape)
    expected, todo = set(), [202]
    while todo:  # as a child would: follow every edge
        t = todo.pop()
        if t in expected:
            continue
        expected.add(t)
        todo += [t - 1] * bool(t % 5) + [
            tape.memory.step_of(n) for n in tape.slots[t, 0] if n >= tape.memory.initial_slots
        ]
    assert sorted(steps) == sorted(expected) and steps == sorted(steps, reverse=True) and 3 < len(steps) < 203
    assert credit.count(tape, late(y, 202)).steps == len(steps)
    assert credit.count(tape, late(y, 202)).skips == sum(
        (tape.slots[t] >= tape.memory.initial_slots).sum() for t in expected
    )


@pytest.mark.parametrize("read, score, normalise, mental", READS)
@pytest.mark.parametrize("at", [(0,), (7,), (3, 20), (22,)])
def test_walking_only_what_credit_reaches_gives_the_gradient_of_walking_everything(
    read, score, normalise, mental, at, monkeypatch
):
    p = draw(3, read, score, normalise, mental, True, steps=(23,), k_trunc=4)
    y, tape = sab.forward(p.params, p.x, p.cfg, state=p.state, checkpoint=p.checkpoint)
    sparse = sab.backward(late(y, *at), tape, inputs=True)
    walk = credit.reached_steps(tape, late(y, *at))
    assert walk[list(at)].all() and not walk[max(at) + 1 :].any()
    monkeypatch.setattr(backward, "reached_steps", lambda tape, dy: np.ones(len(dy), bool))
    full = sab.backward(late(y, *at), tape, inputs=True)
    for name in full:
        np.testing.assert_allclose(sparse[name], full[name], rtol=1e-11, atol=1e-14)


def test_no_loss_at_all_walks_nothing_and_gives_zeros():
    p = draw(0, "sparse", "mlp", "softmax", True, True)
    y, tape = sab.forward(p.params, p.x, p.cfg)
    steps, grads = visited(0 * y, tape)
    assert steps == [] and not any(value.any() for value in grads.values())


def test_a_watcher_is_told_three_streams_that_add_up_and_changes_nothing():
    p = draw(6, "sparse", "dot", "softmax", True, True, steps=(8,), k_trunc=3, k_att=2)
    y, tape = sab.forward(p.params, p.x, p.cfg)
    dy, told = np.random.default_rng(1).standard_normal(y.shape), {}

    def watch(visit):
        told[visit.t] = visit

    watched = sab.backward(dy, tape, watch=watch)
    assert all(np.array_equal(value, watched[name]) for name, value in sab.backward(dy, tape).items())
    assert sorted(told, reverse=True) == list(told) == list(range(7, -1, -1))
    for t, (_, dh_loss, dh_local, dh_memory, *_) in told.items():
        np.testing.assert_allclose(dh_loss, dy[t] @ p.params["V_h"].T, rtol=1e-12)
        assert (dh_memory is None) == (t % 2 == 0)
        assert not dh_local.any() if t in (2, 5, 7) else dh_local.any()  # the last steps of the blocks


@pytest.mark.parametrize("read, score", [("sparse", "dot"), ("sparse", "mlp"), ("all", "dot"), ("none", "dot")])
def test_a_watcher_may_spoil_what_it_is_given(read, score):
    p = draw(6, read, score, "softmax", True, True, steps=(8,), k_trunc=3, k_att=2)
    y, tape = sab.forward(p.params, p.x, p.cfg)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected = sab.backward(dy, tape)

    def spoil(visit):
        for array in visit[1:]:
            if array is not None:
                array[...] = 7

    for _ in range(2):  # the second shows what the first left in the tape
        found = sab.backward(dy, tape, watch=spoil)
        assert all(np.array_equal(found[name], value) for name, value in expected.items())


def test_credit_that_has_all_but_vanished_is_zero_before_it_gets_to_denormal_numbers_which_are_very_slow():
    cfg = sab.Config.full_bptt(2, 8, 2)
    rng = np.random.default_rng(4)
    params = sab.init_params(cfg, rng, np.float32)
    params["b"][8:16] = -3  # credit falls about tenfold a step
    x = rng.standard_normal((203, 3, 2)).astype(np.float32)
    y, tape = sab.forward(params, x, cfg)
    dy, seen = late(y, 202), []
    grads = sab.backward(dy, tape, watch=lambda visit: seen.append((visit.t, abs(visit.dh_local))))
    tiny, after_a_chunk = np.finfo(np.float32).tiny, dict(seen)
    assert any(0 < dh.max() < 1e-20 for _, dh in seen)  # it does vanish, over many steps
    for t in range(CHUNK - 1, 202, CHUNK):
        assert not ((after_a_chunk[t] > 0) & (after_a_chunk[t] < 1e8 * tiny)).any(), t
    assert not after_a_chunk[15].any()
    exact = {name: value.astype(float) for name, value in params.items()}
    _, tape = sab.forward(exact, x, cfg)
    for name, expected in sab.backward(dy, tape).items():
        assert np.allclose(grads[name], expected, rtol=1e-3, atol=1e-6 * abs(expected).max()), name
