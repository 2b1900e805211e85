"""Recording and frozen replay: for anyone's function, and for forward."""

import numpy as np
import pytest
from small_models import READS, draw

import sab_numpy as sab
from sab_numpy.core.replay import _mode


def f(w):
    """Something with a stopped value and a discrete choice."""
    kept = sab.stop("kept", w * w)
    best = sab.choose("best", np.argsort(-w)[:2])
    return kept, best, (w * kept)[best].sum()


W = np.array([0.3, -1.2, 2.0])


def test_outside_a_context_stop_and_choose_hand_on_what_they_are_given():
    value, indices = W * W, np.array([2, 0])
    assert sab.stop("a", value) is value and sab.stop("a", value) is value and sab.choose("b", indices) is indices


def test_a_recording_keeps_every_stop_and_choice_by_name():
    with sab.record() as tape:
        kept, best, _ = f(W)
    assert set(tape) == {"kept", "best"} and (tape["kept"] == kept).all() and (tape["best"] == best).all()


def test_a_replay_gives_back_what_was_kept_and_names_the_choices_that_differ():
    with sab.record() as tape:
        kept, best, value = f(W)
    with sab.replay(tape) as mode:
        assert f(W)[2] == value
    assert mode.changed == []
    with sab.replay(tape) as mode:
        again = f(-W)
    assert (again[0] == kept).all() and (again[1] == best).all() and mode.changed == ["best"]


def test_the_derivative_of_the_replay_is_the_truncated_gradient():
    with sab.record() as tape:
        kept, best, _ = f(W)
    direction = np.array([1.0, -2.0, 0.5])
    with sab.replay(tape):
        derivative = f(W + 1e-30j * direction)[2].imag / 1e-30
    truncated, full = (kept * direction)[best].sum(), (3 * W**2 * direction)[best].sum()
    assert abs(derivative - truncated) < 1e-15 < 1e-2 < abs(derivative - full)


def test_a_stop_in_a_loop_carries_its_number_and_check_takes_that_tape():
    def loop(p):  # h_n = tanh(w h_{n-1}), the h that w meets a constant
        h = p["w"]
        for _ in range(3):
            h = np.tanh(p["w"] * sab.stop("h", h))
        return h.sum()

    with sab.record() as tape:
        loop({"w": W})
    assert list(tape) == ["h", ("h", 2), ("h", 3)]
    last = tape["h", 3]
    grads = {"w": last * (1 - np.tanh(W * last) ** 2)}
    assert sab.check(loop, {"w": W}, grads, tape).ok and sab.check(loop, {"w": W}, grads).ok


def test_a_choice_may_be_a_dict_of_which_the_recording_has_its_own():
    choice = {"i": np.array([0, 2])}
    with sab.record() as tape:
        sab.choose("best", choice)
    with sab.replay(tape) as run:
        sab.choose("best", choice)
    assert run.changed == []
    choice["i"][0] = 1
    with sab.replay(tape) as run:
        assert sab.choose("best", choice)["i"].tolist() == [0, 2]
    assert run.changed == ["best"]


@pytest.mark.parametrize(
    "recorded, replayed, words",
    [
        (lambda: sab.stop("a", W), lambda: sab.stop("b", W), "'b' was not recorded"),
        (lambda: (sab.stop("a", W), sab.stop("b", W)), lambda: sab.stop("a", W), "'b' was recorded but not met"),
        (lambda: sab.stop("a", W), lambda: (sab.stop("a", W), sab.stop("a", W)), r"\('a', 2\) was not recorded"),
        (lambda: sab.stop("a", W), lambda: None, "'a' was recorded but not met"),
        (lambda: None, lambda: sab.choose("a", W), "'a' was not recorded"),
        (lambda: sab.stop(("h", 3), W), lambda: sab.stop(("h", 3), W[:2]), r"\('h', 3\).*shape \(3,\), found \(2,\)"),
        (
            lambda: (sab.stop("a", W), sab.stop("a", W)),
            lambda: sab.stop("a", W),
            r"\('a', 2\) was recorded but not met",
        ),
    ],
    ids=["extra", "missing", "doubled", "nothing met", "nothing recorded", "another shape", "met once less"],
)
def test_another_function_than_the_recorded_is_one_clear_error(recorded, replayed, words):
    with pytest.raises(ValueError, match=words) as caught:
        with sab.record() as tape:
            recorded()
        with sab.replay(tape):
            replayed()
    assert "\n" not in str(caught.value)
    assert _mode.get() is None


def test_an_error_inside_a_replay_is_not_hidden_by_what_was_not_met():
    with sab.record() as tape:
        f(W)
    with pytest.raises(ZeroDivisionError), sab.replay(tape):
        1 / 0
    assert _mode.get() is None and sab.stop("kept", W) is W


# --- forward(..., frozen=tape) -------------------------------------------------------------------------------------


@pytest.mark.parametrize("read, score, normalise, mental", READS)
@pytest.mark.parametrize("checkpoint", [None, "blocks"])
def test_the_frozen_replay_has_the_same_value_to_the_last_bit(read, score, normalise, mental, checkpoint):
    p = draw(7, read, score, normalise, mental, True)
    y, tape = sab.forward(p.params, p.x, p.cfg, state=p.state, checkpoint=checkpoint)
    again, replayed = sab.forward(p.params, p.x, p.cfg, frozen=tape, state=p.state)
    assert np.array_equal(y, again) and replayed.changed == []
    thrice, _ = sab.forward(p.params, p.x, p.cfg, frozen=replayed, state=p.state)
    assert np.array_equal(y, thrice)
    with sab.replay(tape):  # the same, from without
        from_without, around = sab.forward(p.params, p.x, p.cfg, state=p.state)
    assert np.array_equal(y, from_without)
    for repeated in (replayed, around):  # its steps are not those that credit would have to walk
        with pytest.raises(ValueError, match="it repeats the stops of another forward"):
            sab.backward(y, repeated)
    assert sab.backward(y, tape)


def test_a_replay_elsewhere_names_the_recalls_that_would_be_others():
    p = draw(3, "sparse", "dot", "softmax", True, True, steps=(8,))
    _, tape = sab.forward(p.params, p.x, p.cfg)
    moved = {**p.params, "W_q": -p.params["W_q"]}
    y, replayed = sab.forward(moved, p.x, p.cfg, frozen=tape)
    assert replayed.changed and all(name[0] == "recall" for name in replayed.changed)
    assert np.array_equal(replayed.slots, tape.slots) and not np.array_equal(y, sab.forward(moved, p.x, p.cfg)[0])


@pytest.mark.parametrize("change", ["k_trunc", "k_top", "k_att", "mental_updates", "steps", "batch", "memory"])
def test_a_tape_of_another_shape_or_configuration_is_one_clear_error(change):
    p = draw(0, "sparse", "mlp", "softmax", True, True, steps=(7,), k_trunc=3, k_top=2, k_att=2)
    p = p._replace(x=np.random.default_rng(0).standard_normal((7, 3, p.cfg.n_in)), state=None)
    _, tape = sab.forward(p.params, p.x, p.cfg)
    cfg, x, state = p.cfg, p.x, None
    if change == "steps":
        x = x[:5]
    elif change == "batch":
        x = x[:, :2]
    elif change == "memory":
        state = sab.State(*np.zeros((2, 3, cfg.n_hidden)), np.zeros((7, 3, cfg.n_hidden)))
    else:
        cfg = sab.Config(**{**vars(cfg), change: False if change == "mental_updates" else 1})
    with pytest.raises(ValueError, match="frozen: expected") as caught:
        sab.forward(p.params, x, cfg, frozen=tape, state=state)
    assert "\n" not in str(caught.value) and _mode.get() is None


def test_a_tape_that_gave_its_buffers_away_is_refused():
    p = draw(0, "dense", "mlp", "softmax", True, True)
    _, tape = sab.forward(p.params, p.x, p.cfg, state=p.state)
    for _ in range(2):  # lends them to its own replay, then has none
        with pytest.raises(ValueError, match="frozen: expected a tape with its buffers, found"):
            sab.forward(p.params, p.x, p.cfg, frozen=tape, state=p.state, reuse=tape)
        sab.forward(p.params, p.x, p.cfg, state=p.state, reuse=tape if tape.buffers else None)


def test_forward_inside_a_function_of_ones_own_records_and_replays_with_it():
    p = draw(2, "sparse", "dot", "softmax", True, True)

    def loss(params):
        y, tape = sab.forward(params, p.x, p.cfg, state=p.state)
        return (y * p.cotangent).sum() + sab.stop("extra", params["b_y"] ** 2).sum(), tape

    with sab.record() as recording:
        value, tape = loss(p.params)
        grads = sab.backward(p.cotangent, tape)
    assert "extra" in recording and any(name[0] == "h" for name in recording)
    direction = {name: np.random.default_rng(0).standard_normal(v.shape) for name, v in p.params.items()}
    with sab.replay(recording):
        moved = loss({name: v + 1e-30j * direction[name] for name, v in p.params.items()})[0]
    by_hand = sum((grads[name] * direction[name]).sum() for name in grads)
    assert moved.real == pytest.approx(value, abs=1e-14) and moved.imag / 1e-30 == pytest.approx(by_hand, rel=1e-11)


@pytest.mark.parametrize("read", ["sparse", "dense"])
def test_backward_may_recompute_inside_a_recording(read):
    p = draw(1, read, "dot", "softmax", True, True)
    with sab.record():
        _, tape = sab.forward(p.params, p.x, p.cfg, checkpoint="blocks")
        inside = sab.backward(p.cotangent, tape)
    outside = sab.backward(p.cotangent, tape)
    assert all(np.array_equal(inside[name], outside[name]) for name in inside)


def test_a_model_may_run_twice_in_one_recording():
    """Two windows of a sequence, the second from where the first ended: names of the second run carry its number."""
    p = draw(1, "sparse", "dot", "softmax", True, True)
    x, weights = np.concatenate([p.x, p.x[::-1]]), np.random.default_rng(9).standard_normal((2, *p.cotangent.shape))
    T = len(p.x)

    def f(params):
        first, tape = sab.forward(params, x[:T], p.cfg)
        state = sab.stop("state", tape.final_state)
        second, _ = sab.forward(params, x[T:], p.cfg, state=state)
        return (weights[0] * first).sum() + (weights[1] * second).sum()

    def grads(params):
        _, one = sab.forward(params, x[:T], p.cfg)
        _, two = sab.forward(params, x[T:], p.cfg, state=one.final_state)
        found = [sab.backward(dy, tape) for dy, tape in zip(weights, (one, two))]
        return {name: found[0][name] + found[1][name] for name in params}

    assert sab.check(f, p.params, grads).ok
    with sab.record() as recording:
        f(p.params)
    assert ("h", 3) in recording and (("h", 3), 2) in recording


def test_a_tape_that_gave_its_buffers_back_shows_nothing_of_the_later_run():
    p = draw(1, "sparse", "dot", "softmax", True, True)
    _, old = sab.forward(p.params, p.x, p.cfg)
    sab.forward(p.params, p.x[::-1], p.cfg, reuse=old)
    assert old.slots is None and old.memory is None and old.weights is None
    with pytest.raises(ValueError, match="run forward again"):
        old.final_state


def test_what_is_overwritten_after_a_stop_was_kept_before():
    """A loop that reuses its arrays: recording and replays see the value that passed, whatever is written later."""

    def f(p):
        h, total = np.zeros(4, p["w"].dtype), 0.0
        for t in range(6):
            if t and t % 2 == 0:
                h = sab.stop(("h", t), h)
            h *= p["w"]  # in place, on what stop gave back
            h += 1 + t
            total = total + (h * h).sum()
        return total

    params = {"w": np.array([0.3, -0.5, 0.8, 1.1])}
    with sab.record() as tape:
        value = f(params)
    for _ in range(3):
        with sab.replay(tape):
            assert f(params) == value


@pytest.mark.parametrize(
    "pick",
    [int, lambda i: [int(i)], lambda i: (np.array([i]), int(i)), lambda i: np.array([i])],
    ids=["int", "list", "tuple", "array"],
)
def test_a_choice_may_be_numbers_lists_or_tuples(pick):
    def f(values):
        return sab.choose("k", pick(np.argmax(values)))

    with sab.record() as tape:
        f([1, 3, 2])
    for values, changed in (([1, 3, 2], []), ([5, 3, 2], ["k"])):
        with sab.replay(tape) as mode:
            f(values)
        assert mode.changed == changed
