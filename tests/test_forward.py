"""The forward is the equations, in every dtype, for one row and for symbols; and it does not know k_trunc."""

import numpy as np
import plain_sab
import pytest
from small_models import READS, draw

import sab_numpy as sab
from sab_numpy.core.scores import SCORES


@pytest.mark.parametrize("read, score, normalise, mental", READS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_forward_equals_the_equations_one_slot_at_a_time(read, score, normalise, mental, seed):
    p = draw(seed, read, score, normalise, mental, seed > 0, steps=(11,))
    y, tape = sab.forward(p.params, p.x, p.cfg, state=p.state, checkpoint=p.checkpoint)
    H, final = p.cfg.n_hidden, tape.final_state
    for row in range(p.x.shape[1]):
        x = p.x[:, row] if p.x.ndim == 3 else np.eye(p.cfg.n_in)[p.x[:, row]]
        h, c = (np.zeros(H), np.zeros(H)) if p.state is None else (p.state.h[row], p.state.c[row])
        M = plain_sab.empty_memory(p.cfg) if p.state is None else list(p.state.memory[:, row])
        given = len(M)
        expected, steps = plain_sab.run(p.params, p.cfg, x, h, c, M)
        np.testing.assert_allclose(y[:, row], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(final.h[row], steps[-1][0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(final.c[row], steps[-1][1], rtol=0, atol=1e-12)
        if p.cfg.k_top != 0:
            np.testing.assert_allclose(final.memory[:, row], M, rtol=0, atol=1e-12)
        if read in ("sparse", "dense"):  # which empty slots are chosen makes no difference
            for t, (*_, slots, _) in enumerate(steps):
                assert [n for n in tape.slots[t, row] if n >= given] == [n for n in slots if n >= given]


@pytest.mark.parametrize("read, score, normalise, mental", READS)
@pytest.mark.parametrize("B", [1, 3])
def test_forward_with_and_without_k_trunc_has_identical_bits(read, score, normalise, mental, B):
    rng = np.random.default_rng(B)
    x, found = rng.standard_normal((23, B, 5)).astype(np.float32), []
    for k_trunc in (None, 1, 4, 23):
        cfg = sab.Config(
            5,
            17,
            3,
            k_trunc=k_trunc,
            k_att=2,
            score=score,
            normalise=normalise,
            mental_updates=mental,
            k_top={"none": 0, "all": None}.get(read, 3),
            dense_forward=read == "dense",
        )
        params = sab.init_params(cfg, np.random.default_rng(0), dtype=np.float32)
        y, tape = sab.forward(params, x, cfg)
        found.append([y, *filter(lambda a: a is not None, tape.final_state), tape.slots])
    for others in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], others))


@pytest.mark.parametrize("read, score, normalise, mental", READS)
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-4), (np.complex64, 2e-4), (np.complex128, 1e-12)])
def test_the_parameters_decide_the_dtype_of_everything(read, score, normalise, mental, dtype, tolerance):
    p = draw(11, read, score, normalise, mental, True)
    params = {name: value.astype(dtype) for name, value in p.params.items()}
    state = p.state and sab.State(*(value.astype(dtype) for value in p.state))
    y, tape = sab.forward(params, p.x, p.cfg, state=state)
    grads = sab.backward(p.cotangent.astype(dtype), tape, inputs=True)
    assert y.dtype == dtype and {value.dtype for value in grads.values()} == {np.dtype(dtype)}
    assert {a.dtype for a in tape.final_state} == {np.dtype(dtype)}
    expected, _ = sab.forward(p.params, p.x, p.cfg, state=p.state)
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("integer", [np.int8, np.int64, np.uint16])
def test_symbols_equal_their_one_hot_code(integer):
    p = draw(0, "sparse", "mlp", "softmax", True, True, steps=(7,))
    rng = np.random.default_rng(1)
    cfg = sab.Config(**{**vars(p.cfg), "n_in": 4})
    params, symbols = sab.init_params(cfg, rng), rng.integers(0, 4, (7, 3)).astype(integer)
    found, tape = sab.forward(params, symbols, cfg)
    expected, dense_tape = sab.forward(params, np.eye(4)[symbols], cfg)
    dy = rng.standard_normal(found.shape)
    grads, dense_grads = (sab.backward(dy, t, inputs=True) for t in (tape, dense_tape))
    assert np.array_equal(found, expected) and all(np.array_equal(grads[n], dense_grads[n]) for n in grads)


def test_gradients_have_the_names_and_shapes_of_the_parameters_in_every_setting():
    for score, names in (("dot", {"W_q"}), ("mlp", {"W_m", "W_q", "w_a"}), ("additive", {"w_q", "w_m"})):
        for k_top in (0, 2, None):
            cfg = sab.Config(2, 3, 4, k_top=k_top, score=score)
            params = sab.init_params(cfg, np.random.default_rng(0))
            assert set(params) == {"W_x", "W_h", "b", "V_h", "V_s", "b_y"} | names
            y, tape = sab.forward(params, np.ones((5, 2, 2)), cfg)
            grads = sab.backward(y, tape)
            assert {n: g.shape for n, g in grads.items()} == {n: v.shape for n, v in params.items()}


def test_the_first_parameters_are_uniform_and_the_forget_bias_is_one():
    cfg = sab.Config(3, 16, 5)
    params = sab.init_params(cfg, np.random.default_rng(0), dtype=np.float32)
    b = np.split(params["b"], 4)
    assert (b[1] == 1).all() and not np.any([b[0], b[2], b[3]]) and not params["b_y"].any()
    assert np.array_equal(params["W_q"], np.eye(16)) and {v.dtype for v in params.values()} == {np.dtype(np.float32)}
    for name in ("W_x", "W_h", "V_h", "V_s"):
        assert 0.8 * 0.25 < np.abs(params[name]).max() <= 0.25 and params[name].min() < 0 < params[name].max()
    again = sab.init_params(cfg, np.random.default_rng(0), dtype=np.float32)
    assert all(np.array_equal(params[name], again[name]) for name in params)


def test_equal_scores_select_the_lowest_slots_and_relu_forgets_nothing_of_them():
    cfg = sab.Config.sab(2, 3, 2, k_trunc=3, k_top=2, k_att=1, normalise="relu")
    params = sab.init_params(cfg, np.random.default_rng(0))
    params["W_q"][:] = 0  # every dot score is exactly 0
    y, tape = sab.forward(params, np.random.default_rng(1).standard_normal((6, 2, 2)), cfg)
    assert (tape.slots == [0, 1, 2]).all() and (tape.weights == 0).all() and np.isfinite(y).all()


@pytest.mark.parametrize("normalise", ["softmax", "relu"])
@pytest.mark.parametrize("empty_slots", [1, 2, 3, 9])
def test_with_fewer_slots_than_needed_all_are_selected(normalise, empty_slots):
    cfg = sab.Config.sab(2, 3, 2, k_trunc=4, k_top=3, k_att=2, normalise=normalise, empty_slots=empty_slots)
    rng = np.random.default_rng(0)
    _, tape = sab.forward(sab.init_params(cfg, rng), rng.standard_normal((9, 2, 2)), cfg)
    K = 3 + (normalise == "relu")
    for t in range(9):
        n = empty_slots + t // 2
        selected = np.sort(tape.slots[t][:, : min(n, K)], axis=1)
        assert (np.diff(selected, axis=1) > 0).all() and selected.min() >= 0 and selected.max() < n
        assert (tape.slots[t][:, n:] == -1).all() and (tape.weights[t][:, n:] == 0).all()
        total = tape.weights[t].sum(1)
        assert (np.abs(total - 1) < 1e-12).all() if normalise == "softmax" else (total < 1).all()


def test_one_recalled_slot_has_weight_one_under_softmax_so_its_scores_learn_nothing():
    cfg = sab.Config.sab(2, 3, 2, k_trunc=3, k_top=1, k_att=1)
    rng = np.random.default_rng(0)
    y, tape = sab.forward(sab.init_params(cfg, rng), rng.standard_normal((7, 2, 2)), cfg)
    assert (tape.weights == 1).all()
    assert np.abs(sab.backward(rng.standard_normal(y.shape), tape)["W_q"]).max() < 1e-15


@pytest.mark.parametrize("read, score, normalise, mental", READS)
def test_a_checkpointed_forward_and_its_backward_give_the_same_bits_from_fewer_arrays(read, score, normalise, mental):
    p = draw(1, read, score, normalise, mental, True, steps=(77,))
    (y, tape), (y_blocks, blocks) = (
        sab.forward(p.params, p.x, p.cfg, state=p.state, checkpoint=c) for c in (None, "blocks")
    )
    dy = np.random.default_rng(0).standard_normal(y.shape)
    grads, grads_blocks = (sab.backward(dy, t, inputs=True) for t in (tape, blocks))
    assert np.array_equal(y, y_blocks) and all(np.array_equal(grads[name], grads_blocks[name]) for name in grads)
    assert blocks.cache.h is None and blocks.cache.gates is None
    assert all(np.array_equal(a, b) for a, b in zip(tape.final_state, blocks.final_state))  # also after the backward
    if read in ("sparse", "dense"):
        assert np.array_equal(tape.slots, blocks.slots) and np.array_equal(tape.weights, blocks.weights)


def test_recalls_are_the_slots_their_steps_and_their_weights_without_the_threshold():
    cfg = sab.Config.sab(2, 3, 2, k_trunc=4, k_top=2, k_att=2, normalise="relu", empty_slots=1)
    rng = np.random.default_rng(4)
    _, tape = sab.forward(sab.init_params(cfg, rng), rng.standard_normal((9, 2, 2)), cfg)
    assert [slot for slot, _, _ in tape.recalls(0)] == [0]  # the empty slot, alone
    for t in range(9):
        for row in (0, 1):
            found = tape.recalls(t, row)
            assert len(found) == min(2, 1 + t // 2)
            assert all(step == (2 * slot - 1 if slot else -1) < t for slot, step, _ in found)
            assert [weight for _, _, weight in found] == tape.weights[t, row, : len(found)].tolist()
    assert tape.recalls(-1) == tape.recalls(8)
    assert sab.forward(tape.params, tape.x, sab.Config(2, 3, 2))[1].recalls(8) == []
    every = sab.Config.self_attention(2, 3, 2, k_att=2)
    assert len(sab.forward(tape.params, tape.x, every)[1].recalls(-1)) == 5
    with pytest.raises(ValueError, match="checkpoint='blocks' keeps no weights"):
        sab.forward(tape.params, tape.x, every, checkpoint="blocks")[1].recalls(8)


def test_where_the_slots_are_kept_no_score_is_computed_again(monkeypatch):
    p = draw(1, "sparse", "mlp", "relu", True, True, steps=(37,))
    y, tape = sab.forward(p.params, p.x, p.cfg, checkpoint="blocks")
    expected = sab.backward(y, tape)
    monkeypatch.setitem(SCORES, "mlp", SCORES["mlp"]._replace(compare=None))
    assert all(np.array_equal(expected[name], value) for name, value in sab.backward(y, tape).items())


@pytest.mark.parametrize("read", [dict(k_top=2), dict(k_top=None), dict(k_top=2, dense_forward=True)], ids=str)
def test_scores_in_the_thousands_make_weights(read):
    """exp(1000) is no number: a softmax takes the largest score off before."""
    cfg, rng = sab.Config(2, 3, 2, **read, empty_slots=1), np.random.default_rng(5)
    params = sab.init_params(cfg, rng) | {"W_q": 1e5 * np.eye(3)}
    y, tape = sab.forward(params, rng.standard_normal((9, 2, 2)), cfg)
    assert np.isfinite(y).all() and np.allclose(tape.weights.sum(2), 1) and tape.weights[5:].max() == 1
