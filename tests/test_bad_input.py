"""A mistake where data enter is a ValueError in one line: what, expected, found."""

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy.core.optim import clip_gradients

RNG = np.random.default_rng(0)
CFG = sab.Config.sab(2, 3, 4, k_trunc=3, k_top=2, k_att=2, score="mlp")
PARAMS = sab.init_params(CFG, RNG)
X = RNG.standard_normal((7, 2, 2))
H = np.ones((2, 3))
SYMBOLS = RNG.integers(0, 2, (7, 2))


def refused(words, call):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and "found" in message, message


@pytest.mark.parametrize(
    "values, words",
    [
        (dict(n_in=0), "n_in must be a whole number of at least 1, found 0"),
        (dict(n_hidden=-3), "n_hidden must be .* found -3"),
        (dict(n_out=2.0), "n_out must be .* found 2.0"),
        (dict(n_out=True), "n_out must be .* found True"),
        (dict(n_in="2"), "n_in must be .* found '2'"),
        (dict(n_in=None), "n_in must be .* found None"),
        (dict(k_trunc=0), "k_trunc must be .* at least 1, found 0"),
        (dict(k_trunc=2.5), "k_trunc must be .* found 2.5"),
        (dict(k_top=-1), "k_top must be .* at least 0, found -1"),
        (dict(k_att=0), "k_att must be .* at least 1, found 0"),
        (dict(k_att=None), "k_att must be .* found None"),
        (dict(empty_slots=0), "empty_slots must be .* at least 1, found 0"),
        (dict(score="cosine"), "score must be one of dot, mlp, additive, found 'cosine'"),
        (dict(score=None), "score must be one of .* found None"),
        (dict(normalise="sparsemax"), "normalise must be one of softmax, relu, found 'sparsemax'"),
        (dict(mental_updates=1), "mental_updates must be True or False, found 1"),
        (dict(dense_forward="yes", k_top=1), "dense_forward must be True or False, found 'yes'"),
        (dict(normalise="relu", k_top=None), "relu.* expected k_top to be a number .* found k_top=None"),
        (dict(normalise="relu", k_top=2, dense_forward=True), "relu.* found k_top=2, dense_forward=True"),
        (dict(dense_forward=True), "dense_forward=True .* expected k_top of at least 1, found 0"),
        (dict(dense_forward=True, k_top=None), "dense_forward=True .* found None"),
    ],
)
def test_sizes_names_and_combinations_that_mean_nothing_are_refused(values, words):
    refused(words, lambda: sab.Config(**{**dict(n_in=2, n_hidden=3, n_out=4), **values}))


def test_what_is_not_refused_works():
    assert sab.Config(np.int64(2), 3, 4, k_trunc=np.int32(3), normalise="relu").n_in == 2
    assert sab.Config.sab(2, 3, 4, k_trunc=1, k_top=1, k_att=1, normalise="relu", empty_slots=1).n_selected(9) == 2


@pytest.mark.parametrize(
    "x, words",
    [
        (X[..., :1], r"x: expected floats \(T, B, 2\) or integer symbols \(T, B\), found shape \(7, 2, 1\)"),
        (X[0], r"x: expected .* found shape \(2, 2\) of float64"),
        (X[None], "x: expected .* found shape"),
        (SYMBOLS[0], "x: expected .* found shape"),
        (SYMBOLS > 0, "x: expected .* bool"),
        (X[:0], r"x: expected at least one step and one sequence, found shape \(0, 2, 2\)"),
        (X[:, :0], "x: expected at least one step and one sequence"),
        (SYMBOLS[:0], "x: expected at least one step and one sequence"),
        (SYMBOLS + 1, r"x: expected symbols 0..1, found \d..2"),
        (SYMBOLS - 1, "x: expected symbols 0..1, found -1..0"),
        (np.where(X > 1, np.nan, X), "x: expected finite numbers, found NaN or infinity"),
        (np.where(X > 1, -np.inf, X), "x: expected finite numbers, found NaN or infinity"),
        (X.tolist(), "x: expected an array of NumPy or CuPy, found builtins.list"),
        (X.astype(object), "x: expected .* object"),
        (X + 0j, "x: expected real numbers for real params, found complex128"),
    ],
)
def test_an_input_of_another_kind_or_shape_is_refused(x, words):
    refused(words, lambda: sab.forward(PARAMS, x, CFG))


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(W_x=PARAMS["W_x"].T), r"params\['W_x'\]: expected shape \(2, 12\), found \(12, 2\)"),
        (dict(b=PARAMS["b"][:3]), r"params\['b'\]: expected shape \(12,\), found \(3,\)"),
        (dict(extra=X), "params: expected the names .* found .*extra"),
        (dict(w_a=None), "params: expected the names .*w_a.* found"),
        (dict(W_h=PARAMS["W_h"].astype(np.float32)), "params: expected one floating dtype, found float32, float64"),
    ],
)
def test_parameters_of_another_configuration_are_refused(change, words):
    params = {name: value for name, value in {**PARAMS, **change}.items() if value is not None}
    refused(words, lambda: sab.forward(params, X, CFG))


def test_integer_parameters_are_refused():
    whole = {name: np.ones(value.shape, int) for name, value in PARAMS.items()}
    refused("params: expected one floating dtype, found int64", lambda: sab.forward(whole, X, CFG))


def test_parameters_of_another_score_are_refused():
    refused("params: expected the names", lambda: sab.forward(PARAMS, X, sab.Config(2, 3, 4, score="dot")))


@pytest.mark.parametrize(
    "h, c, memory, words",
    [
        ((2, 4), (2, 3), None, r"state.h: expected shape \(2, 3\), found \(2, 4\)"),
        ((2, 3), (1, 3), None, r"state.c: expected shape \(2, 3\), found \(1, 3\)"),
        ((2, 3), (2, 3), (4, 2, 1), r"state.memory: expected shape \(4, 2, 3\), found \(4, 2, 1\)"),
        ((2, 3), (2, 3), (0, 2, 3), "state.memory: expected at least one slot, found none"),
    ],
)
def test_a_state_of_another_shape_is_refused(h, c, memory, words):
    state = sab.State(np.zeros(h), np.zeros(c), None if memory is None else np.zeros(memory))
    refused(words, lambda: sab.forward(PARAMS, X, CFG, state=state))


def test_what_is_no_state_and_a_complex_dy_are_refused():
    for state in (5, (X[0],), (X[0],) * 4):
        refused("state: expected a State", lambda state=state: sab.forward(PARAMS, X, CFG, state=state))
    y, tape = sab.forward(PARAMS, X, CFG)
    refused("dy: expected real numbers", lambda: sab.backward(1j * y, tape))


@pytest.mark.parametrize("checkpoint", ["steps", True, 5])
def test_an_unknown_checkpoint_is_refused(checkpoint):
    refused("checkpoint must be None or 'blocks', found", lambda: sab.forward(PARAMS, X, CFG, checkpoint=checkpoint))


@pytest.mark.parametrize("shape", [(7, 2, 3), (6, 2, 4), (7, 4), (1, 1, 1)])
def test_a_dy_of_another_shape_is_refused(shape):
    _, tape = sab.forward(PARAMS, X, CFG)
    refused(r"dy: expected shape \(7, 2, 4\), found", lambda: sab.backward(np.ones(shape), tape))


def test_a_refused_call_leaves_nothing_behind():
    expected, _ = sab.forward(PARAMS, X, CFG)
    _, tape = sab.forward(PARAMS, X, CFG)
    for wrong in (X[:5], X[..., :1], X * np.nan):
        with pytest.raises(ValueError):
            sab.forward(PARAMS, wrong, CFG, frozen=tape)
    assert np.array_equal(sab.forward(PARAMS, X, CFG)[0], expected)
    assert np.array_equal(sab.forward(PARAMS, X, CFG, frozen=tape)[0], expected)


FLOAT32 = {name: value.astype(np.float32) for name, value in PARAMS.items()}


@pytest.mark.parametrize(
    "words, call",
    [
        ("x: expected finite numbers", lambda: sab.forward(FLOAT32, np.full((7, 2, 2), 1e300), CFG)),
        ("state.h: expected finite numbers", lambda: sab.forward(FLOAT32, X, CFG, state=sab.State(H * 1e300, H))),
        ("state.c: expected finite numbers", lambda: sab.forward(PARAMS, X, CFG, state=sab.State(H, H * np.nan))),
        ("clip must be above 0 and finite", lambda: clip_gradients({"a": H}, np.inf)),
        ("clip must be above 0 and finite", lambda: clip_gradients({"a": H}, np.nan)),
    ],
)
def test_what_would_become_nan_is_refused(words, call):
    refused(words, call)
