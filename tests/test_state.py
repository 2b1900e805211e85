"""Functions are pure: what runs before, between and twice changes nothing; and a sequence goes on where it ended."""

import numpy as np
import pytest
from small_models import READS, draw

import sab_numpy as sab


def same(found, expected):
    return all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("read, score, normalise, mental", READS)
@pytest.mark.parametrize("checkpoint", [None, "blocks"])
def test_backward_twice_and_after_another_forward_gives_the_same_bits(read, score, normalise, mental, checkpoint):
    a, b = (draw(seed, read, score, normalise, mental, True) for seed in (21, 22))
    params = {name: value.copy() for name, value in a.params.items()}
    x, dy = a.x.copy(), a.cotangent.copy()
    y, tape = sab.forward(a.params, a.x, a.cfg, state=a.state, checkpoint=checkpoint)
    alone, y_before = sab.backward(a.cotangent, tape, inputs=True), y.copy()
    twice = sab.backward(a.cotangent, tape, inputs=True)
    kept = {name: value.copy() for name, value in alone.items()}
    y_b, tape_b = sab.forward(b.params, b.x, b.cfg, state=b.state, checkpoint=checkpoint)
    between = sab.backward(a.cotangent, tape, inputs=True)
    sab.backward(b.cotangent, tape_b)
    other_dy = sab.backward(3 * a.cotangent + 1, tape)
    last = sab.backward(a.cotangent, tape, inputs=True)
    assert all(same(found, kept) for found in (alone, twice, between, last)) and np.array_equal(y, y_before)
    assert not same(other_dy, {name: kept[name] for name in a.params})
    assert same(a.params, params) and np.array_equal(a.x, x) and np.array_equal(a.cotangent, dy)


@pytest.mark.parametrize("read, score, normalise, mental", READS)
@pytest.mark.parametrize("checkpoint", [None, "blocks"])
def test_going_on_from_the_final_state_equals_one_long_run(read, score, normalise, mental, checkpoint):
    p = draw(31, read, score, normalise, mental, True, steps=(23,), k_trunc=3, k_att=2)
    expected, tape = sab.forward(p.params, p.x, p.cfg, state=p.state)
    parts, state = [], p.state
    for start, end in ((0, 6), (6, 12), (12, 18), (18, 23)):  # 6 is a multiple of k_trunc and of k_att
        y, part = sab.forward(p.params, p.x[start:end], p.cfg, state=state, checkpoint=checkpoint)
        state = part.final_state
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=0, atol=1e-12)
    for a, b in zip(state, tape.final_state):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("read", ["none", "sparse", "all"])
def test_without_mental_updates_the_gradient_of_the_parts_adds_up_to_that_of_the_whole(read):
    """Blocks end at the cuts and no credit flows into microstates, so nothing crosses the border of two parts."""
    p = draw(5, read, "mlp", "softmax", read == "none", True, steps=(17,), k_trunc=4, k_att=2)
    whole = sab.backward(p.cotangent, sab.forward(p.params, p.x, p.cfg, state=p.state)[1])
    state, total = p.state, dict.fromkeys(whole, 0)
    for start, end in ((0, 8), (8, 17)):
        _, tape = sab.forward(p.params, p.x[start:end], p.cfg, state=state)
        grads, state = sab.backward(p.cotangent[start:end], tape), tape.final_state
        total = {name: total[name] + grads[name] for name in grads}
    for name in whole:
        np.testing.assert_allclose(total[name], whole[name], rtol=1e-11, atol=1e-13)


def test_the_final_state_owns_its_arrays():
    p = draw(1, "sparse", "dot", "softmax", True, True)
    _, tape = sab.forward(p.params, p.x, p.cfg)
    state = tape.final_state
    kept = [a.copy() for a in state]
    sab.backward(p.cotangent, tape)
    sab.forward(p.params, -p.x if p.x.ndim == 3 else 0 * p.x, p.cfg, reuse=tape)
    assert all(np.array_equal(a, b) for a, b in zip(state, kept))


@pytest.mark.parametrize("read, score, normalise, mental", READS)
def test_reused_buffers_change_no_bit_whatever_they_held(read, score, normalise, mental):
    a = draw(41, read, score, normalise, mental, True, steps=(8,))
    y, tape = sab.forward(a.params, a.x, a.cfg, state=a.state)
    expected = sab.backward(a.cotangent, tape, inputs=True)
    for b in (
        draw(42, "sparse", "mlp", "relu", True, True, steps=(11,)),
        draw(43, "none", "dot", "softmax", True, False),
        draw(44, "all", "additive", "softmax", True, True),
    ):
        y_old, old = sab.forward(b.params, b.x, b.cfg, state=b.state, checkpoint=b.checkpoint)
        sab.backward(b.cotangent, old)
        y_again, again = sab.forward(a.params, a.x, a.cfg, state=a.state, reuse=old)
        assert np.array_equal(y, y_again) and same(sab.backward(a.cotangent, again, inputs=True), expected)
        assert np.isfinite(y_old).all()
        for use in (lambda: sab.backward(b.cotangent, old), lambda: sab.forward(a.params, a.x, a.cfg, reuse=old)):
            with pytest.raises(ValueError, match="given"):
                use()


def test_reused_buffers_of_another_dtype_change_no_bit():
    p, found = draw(41, "sparse", "mlp", "relu", True, True, steps=(8,)), []
    single = {name: value.astype(np.float32) for name, value in p.params.items()}
    _, old = sab.forward(p.params, p.x, p.cfg)
    sab.backward(p.cotangent, old)
    for reuse in (None, old):
        _, tape = sab.forward(single, p.x, p.cfg, reuse=reuse)
        found.append(sab.backward(p.cotangent.astype(np.float32), tape))
    assert same(*found)


def test_reuse_makes_no_new_large_arrays():
    import tracemalloc

    cfg = sab.Config.sab(4, 32, 3, k_trunc=5, k_top=3, k_att=2)
    rng = np.random.default_rng(0)
    params, x = sab.init_params(cfg, rng), rng.standard_normal((100, 8, 4))
    peak, tape = {}, None
    for again in (False, True):
        tracemalloc.start()
        _, tape = sab.forward(params, x, cfg, reuse=tape)
        peak[again] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak[True] < peak[False] / 4, peak


@pytest.mark.parametrize("checkpoint", [None, "blocks"])
def test_parameters_changed_after_the_forward_change_no_gradient(checkpoint):
    p = draw(3, "sparse", "mlp", "relu", True, True)
    params = {name: value.copy() for name, value in p.params.items()}
    _, tape = sab.forward(params, p.x, p.cfg, checkpoint=checkpoint)
    expected = sab.backward(p.cotangent, tape, inputs=True)
    for value in params.values():
        value *= 1.5
    assert same(sab.backward(p.cotangent, tape, inputs=True), expected)


@pytest.mark.parametrize("checkpoint", [None, "blocks"])
def test_a_backward_that_runs_inside_another_has_arrays_of_its_own(checkpoint):
    """As two threads would: on one tape, one begins while the other is half-way."""
    p = draw(4, "sparse", "mlp", "softmax", True, True, steps=(23,), k_trunc=3, k_att=2)
    dy = np.random.default_rng(0).standard_normal(p.cotangent.shape)
    _, tape = sab.forward(p.params, p.x, p.cfg, checkpoint=checkpoint)
    expected, inner = sab.backward(dy, tape, inputs=True), sab.backward(2 * dy + 1, tape)

    def watch(visit):
        if visit.t in (20, 9):
            assert same(sab.backward(2 * dy + 1, tape), inner)

    assert same(sab.backward(dy, tape, inputs=True, watch=watch), expected)
