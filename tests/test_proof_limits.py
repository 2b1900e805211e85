"""Proof 4: without recall the model is a plain LSTM, and its gradient full or truncated backpropagation."""

import numpy as np
import plain_lstm
import pytest
from small_models import READS, Model, draw, worst_error

import sab_numpy as sab

SCORES = [read[1:3] for read in READS if read[0] == "none"]


def stacked(p, k_trunc):
    """y and the gradients of the plain LSTM, of all sequences."""
    B, H = p.x.shape[1], p.cfg.n_hidden
    x = p.x if p.x.ndim == 3 else np.eye(p.cfg.n_in)[p.x]
    h, c = (np.zeros((B, H)), np.zeros((B, H))) if p.state is None else (p.state.h, p.state.c)
    ys, grads = zip(
        *(plain_lstm.truncated(p.params, x[:, b], p.cotangent[:, b], k_trunc, h[b], c[b]) for b in range(B))
    )
    join = {"dx": lambda parts: np.stack(parts, 1), "dh0": np.array, "dc0": np.array}
    return np.stack(ys, 1), {name: join.get(name, sum)([g[name] for g in grads]) for name in grads[0]}


@pytest.mark.parametrize("score, normalise", SCORES)
@pytest.mark.parametrize("k_trunc", [None, 1, 2, 3, 4, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_without_recall_it_equals_a_plain_lstm_full_or_truncated(score, normalise, k_trunc, seed, monkeypatch):
    p, model = draw(seed, "none", score, normalise, True, k_trunc is not None, steps=(11,), k_trunc=k_trunc), Model()
    model.set_chunk(p.chunk, monkeypatch)
    analytic, _ = model.analytic(p)
    y, expected = stacked(p, k_trunc)
    np.testing.assert_allclose(model.forward(p.params, p.x, p.cfg, state=p.state)[0], y, rtol=0, atol=1e-12)
    unused = {name for name in p.params if name not in expected}
    assert "V_s" in unused and all((analytic[name] == 0).all() for name in unused)
    named = {name: value for name, value in analytic.items() if name not in unused}
    error, where = worst_error(named, {name: expected[name] for name in named})
    assert error <= 1e-11, where


def test_a_cut_after_the_end_changes_nothing_and_one_before_it_does():
    p = draw(0, "none", "dot", "softmax", True, False, steps=(11,))
    grads = {}
    for k in (None, 11, 10, 1):
        cfg = sab.Config.truncated_bptt(p.cfg.n_in, p.cfg.n_hidden, p.cfg.n_out, k_trunc=k)
        grads[k] = sab.backward(p.cotangent, sab.forward(p.params, p.x, cfg)[1])["W_h"]
    assert (grads[11] == grads[None]).all()
    assert not np.allclose(grads[10], grads[None]) and not np.allclose(grads[1], grads[10])


@pytest.mark.parametrize("read", ["sparse", "all"])
def test_a_recall_of_empty_slots_alone_equals_no_recall(read):
    """k_att larger than T: nothing is ever stored, so s = 0 and the LSTM's gradients are those of k_top=0."""
    p = draw(1, read, "mlp", "softmax", True, True, steps=(7,), k_att=50)._replace(state=None)
    _, tape = Model().analytic(p)
    plain = sab.Config.truncated_bptt(p.cfg.n_in, p.cfg.n_hidden, p.cfg.n_out, k_trunc=p.cfg.k_trunc, score="mlp")
    y, plain_tape = sab.forward(p.params, p.x, plain)
    np.testing.assert_allclose(sab.forward(p.params, p.x, p.cfg)[0], y, rtol=0, atol=1e-14)
    error, where = worst_error(sab.backward(p.cotangent, tape), sab.backward(p.cotangent, plain_tape))
    assert error <= 1e-11, where


def test_all_slots_selected_equals_reading_all_of_them():
    """With k_top as large as the memory, the sparse and the dense softmax are full self-attention."""
    p = draw(2, "all", "mlp", "softmax", True, True, steps=(7,), empty_slots=2)
    p = p._replace(checkpoint=None)
    expected, _ = Model().analytic(p)
    for dense in (False, True):
        cfg = sab.Config(**{**vars(p.cfg), "k_top": 99, "dense_forward": dense})
        error, where = worst_error(Model().analytic(p._replace(cfg=cfg))[0], expected)
        assert error <= 1e-11, where


def frozen_and_free_differences(p, name, h=1e-6):
    """Along a direction of one parameter: by hand, and differences of the frozen replay and of the free loss."""
    grads, tape = Model().analytic(p)
    direction = np.random.default_rng(0).standard_normal(p.params[name].shape)
    by_hand = (grads[name] * direction).sum()
    found = []
    for frozen in (tape, None):
        ends = [
            (
                sab.forward(
                    {**p.params, name: p.params[name] + step * direction}, p.x, p.cfg, frozen=frozen, state=p.state
                )[0]
                * p.cotangent
            ).sum()
            for step in (h, -h)
        ]
        found.append((ends[0] - ends[1]) / (2 * h))
    return by_hand, *found


@pytest.mark.parametrize(
    "read, others",
    [("none", dict(k_trunc=3)), ("sparse", dict(k_trunc=3)), ("sparse", dict(k_trunc=None, mental_updates=False))],
)
@pytest.mark.parametrize("name", ["W_x", "W_h", "b"])
def test_truncation_bites_differences_of_the_free_loss_disagree_by_more_than_one_per_cent(read, others, name):
    p = draw(5, read, "dot", "softmax", True, True, steps=(11,), k_att=2, **others)
    by_hand, frozen, free = frozen_and_free_differences(p, name)
    assert abs(by_hand - frozen) < 1e-7 * abs(frozen) and abs(by_hand - free) > 0.01 * abs(free)


def test_without_truncation_the_free_loss_agrees():
    p = draw(5, "sparse", "dot", "softmax", True, False, steps=(11,), k_att=2)
    by_hand, frozen, free = frozen_and_free_differences(p, "W_h")
    assert abs(by_hand - frozen) < 1e-7 * abs(frozen) and abs(by_hand - free) < 1e-7 * abs(free)
