"""Attribution: the replay by edges agrees with the core, and names the family of credit that is wrong."""

from dataclasses import replace

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy.core.replay import record, replay
from sab_numpy.gradcheck.attribution import attribute, forward_by_edges, right_weights
from sab_numpy.gradcheck.derivative import complex_step

SETTINGS = [
    dict(k_trunc=3, k_top=2, k_att=2),
    dict(k_trunc=3, k_top=2, k_att=2, normalise="relu"),
    dict(k_trunc=4, k_top=3, score="mlp"),
    dict(k_trunc=4, k_top=2, score="mlp", normalise="relu"),
    dict(k_trunc=3, k_top=2, score="additive"),
    dict(k_trunc=3, k_top=0),
    dict(k_top=None, k_att=2),
    dict(),
    dict(k_trunc=3, k_top=2, dense_forward=True),
    dict(k_trunc=3, k_top=2, mental_updates=False),
    dict(k_trunc=3, k_top=4, empty_slots=1, normalise="relu"),
]


def model(seed=0, T=10, B=2, **setting):
    rng = np.random.default_rng(seed)
    cfg = sab.Config(2, 3, 2, **setting)
    params = {name: value + 0.4 * rng.standard_normal(value.shape) for name, value in sab.init_params(cfg, rng).items()}
    return params, rng.standard_normal((T, B, 2)), cfg, rng.standard_normal((T, B, 2))


def gradient(params, x, cfg, cotangent, weights, **options):
    """The gradient with weighted credit, entry by entry: what a backward with that bug returns."""
    with record() as tape:
        forward_by_edges(params, x, cfg, weights)
    grads = {name: np.zeros(value.shape) for name, value in params.items()}
    for name, value in params.items():
        for index in np.ndindex(value.shape):
            move = np.zeros(value.shape)
            move[index] = 1

            def phi(step):
                with replay(tape):
                    y = forward_by_edges({**params, name: value + step * move}, x, cfg, weights, **options)
                return (y * cotangent).sum()

            grads[name][index] = complex_step(_complex(params, phi))
    return grads


def _complex(params, phi):
    for name in params:
        params[name] = params[name].astype(complex)
    return phi


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_replay_by_edges_agrees_with_the_core(setting):
    params, x, cfg, cotangent = model(**setting)
    y, tape = sab.forward(params, x, cfg)
    assert np.abs(forward_by_edges(params, x, cfg, right_weights(cfg)) - y).max() < 1e-12
    found = attribute(params, x, cfg, cotangent, sab.backward(cotangent, tape))
    assert found.right and found.sentence == "every family of credit is right"


def test_symbols_agree_too():
    params, _, cfg, cotangent = model(k_trunc=3, k_top=2)
    x = np.random.default_rng(1).integers(0, 2, (10, 2))
    y, _ = sab.forward(params, x, cfg)
    assert np.abs(forward_by_edges(params, x, cfg, right_weights(cfg)) - y).max() < 1e-12


@pytest.mark.parametrize(
    "family, weight, words",
    [
        *(
            (family, 0.0, "is missing")
            for family in (
                "local h",
                "local c",
                "skip values",
                "skip scores",
                "query",
                "threshold",
                "summary to output",
            )
        ),
        ("skip values", 2.0, "is counted twice"),
        ("threshold", -1.0, "has the wrong sign"),
        ("skip scores", -1.0, "has the wrong sign"),
        ("local c", 0.5, "is halved"),
    ],
)
def test_a_wrong_family_is_named(family, weight, words):
    params, x, cfg, cotangent = model(T=8, B=1, k_trunc=3, k_top=2, k_att=2, score="mlp", normalise="relu")
    grads = gradient(dict(params), x, cfg, cotangent, {**right_weights(cfg), family: weight})
    found = attribute(params, x, cfg, cotangent, grads)
    assert not found.right and found.sentence == f"{family}: credit {words}", found


@pytest.mark.parametrize(
    "options, words",
    [(dict(cut_shift=1), "the cuts come one step early"), (dict(cut_shift=-1), "the cuts come one step late")],
)
def test_cuts_in_the_wrong_place_are_named(options, words):
    params, x, cfg, cotangent = model(k_trunc=3, k_top=2, k_att=2)
    grads = gradient(dict(params), x, cfg, cotangent, right_weights(cfg), **options)
    assert attribute(params, x, cfg, cotangent, grads).sentence == words


def test_a_backward_that_is_never_cut_is_named():
    params, x, cfg, cotangent = model(k_trunc=3, k_top=2, k_att=2)
    never = sab.Config(**{**cfg.__dict__, "k_trunc": None})
    grads = sab.backward(cotangent, sab.forward(params, x, never)[1])
    assert attribute(params, x, cfg, cotangent, grads).sentence == "across cuts: credit is let through"


@pytest.mark.parametrize(
    "right, given, words",
    [
        (True, False, "skip values and skip scores: credit is missing"),
        (False, True, "skip values and skip scores: credit is let through"),
    ],
)
def test_mental_updates_left_out_or_left_in_are_named(right, given, words):
    params, x, cfg, cotangent = model(k_trunc=3, k_top=2, k_att=2, mental_updates=right)
    other = sab.Config(**{**cfg.__dict__, "mental_updates": given})
    grads = sab.backward(cotangent, sab.forward(params, x, other)[1])
    assert attribute(params, x, cfg, cotangent, grads).sentence == words


@pytest.mark.parametrize(
    "missing, words",
    [
        (lambda into, out: into == 7, "skips into step 7: credit is missing"),
        (lambda into, out: out == 3, "skips from the microstate of step 1: credit is missing"),
        (
            lambda into, out: (into == 9) * (out == 3),
            "the skip from the microstate of step 1 to step 9: credit is missing",
        ),
    ],
)
def test_skips_that_are_forgotten_are_named(missing, words):
    params, x, cfg, cotangent = model(k_trunc=3, k_top=4, k_att=2, empty_slots=3)
    into, out = np.ogrid[:10, :8]
    skips = 1.0 - missing(into, out) * (out >= 0) * (into >= 0)
    grads = gradient(dict(params), x, cfg, cotangent, right_weights(cfg), skips=skips)
    assert attribute(params, x, cfg, cotangent, grads).sentence == words


def test_a_parameter_that_collects_wrongly_is_told_from_credit_that_flows_wrongly():
    params, x, cfg, cotangent = model(k_trunc=3, k_top=2, k_att=2)
    grads = sab.backward(cotangent, sab.forward(params, x, cfg)[1])
    found = attribute(params, x, cfg, cotangent, {**grads, "W_q": 3 * grads["W_q"]})
    assert found.sentence == "the credit that reaches the states is right; what W_q collects from it is wrong"
    found = attribute(params, x, cfg, cotangent, {name: value**2 for name, value in grads.items()})
    assert found.sentence.startswith("no single family explains it; wrong: W_x, W_h, b")
    assert "local h" in str(found) and 0 < found.shares["skip values"] < 10


def test_gradients_in_float32_are_judged_as_such():
    params, x, cfg, cotangent = model(k_trunc=3, k_top=2, k_att=2)
    _, forgetful = sab.forward(params, x, replace(cfg, mental_updates=False))
    single = {name: value.astype(np.float32) for name, value in sab.backward(cotangent, forgetful).items()}
    assert attribute(params, x, cfg, cotangent, single).sentence == "skip values and skip scores: credit is missing"


@pytest.mark.parametrize(
    "cotangent, scale, words",
    [
        (np.zeros, 1, "not all zero"),
        (lambda shape: np.ones(shape[1:]), 1, "cotangent: expected shape"),
        (np.ones, np.nan, "grads: expected finite numbers"),
    ],
)
def test_what_proves_nothing_is_refused(cotangent, scale, words):
    params, x, cfg, right = model(k_trunc=3, k_top=2, k_att=2)
    grads = sab.backward(right, sab.forward(params, x, cfg)[1])
    with pytest.raises(ValueError, match=words):
        attribute(params, x, cfg, cotangent(right.shape), {name: scale * value for name, value in grads.items()})


def test_other_names_are_refused():
    params, x, cfg, cotangent = model(k_trunc=3, k_top=2)
    with pytest.raises(ValueError, match="only params has 'b'"):
        attribute(params, x, cfg, cotangent, {name: value for name, value in params.items() if name != "b"})
