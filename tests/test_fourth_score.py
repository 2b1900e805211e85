"""A new score is one pair of functions and one line in a table: registered here, it passes the proofs."""

import numpy as np
import pytest
from small_models import Model, complex_step, draw, worst_error

import sab_numpy as sab
from sab_numpy.core.scores import SCORES, Score
from sab_numpy.gradcheck.attribution import attribute


def cosine(xp, query, keys, weight):
    """The query against keys divided by their lengths."""
    return (keys @ query[:, :, None])[:, :, 0] / xp.sqrt((keys * keys).sum(2) + 1e-3)


def cosine_backward(xp, da, query, keys, weight):
    length = xp.sqrt((keys * keys).sum(2, keepdims=True) + 1e-3)  # (B, K, 1)
    unit, da = keys / length, da[:, :, None]  # (B, K, Q), (B, K, 1)
    along = (unit * query[:, None]).sum(2, keepdims=True)  # (B, K, 1)
    return (da * unit).sum(1), da * (query[:, None] - along * unit) / length, None


def without_the_keys(*args):
    dquery, dkeys, _ = cosine_backward(*args)
    return dquery, 0 * dkeys, None


@pytest.mark.parametrize("read, normalise", [("sparse", "softmax"), ("sparse", "relu"), ("all", "softmax")])
@pytest.mark.parametrize("mental", [True, False])
def test_a_fourth_score_passes_the_proof(read, normalise, mental, monkeypatch):
    monkeypatch.setitem(SCORES, "cosine", Score("W_q", None, None, cosine, cosine_backward))
    p, model = draw(2, read, "cosine", normalise, mental, True, steps=(8,), k_att=2), Model()
    grads, tape = model.analytic(p)
    assert worst_error(grads, model.numeric(p, tape, complex_step))[0] <= 1e-11


def test_the_edges_of_a_fourth_score_are_known(monkeypatch):
    monkeypatch.setitem(SCORES, "cosine", Score("W_q", None, None, cosine, cosine_backward))
    cfg, rng = sab.Config.sab(2, 4, 2, k_trunc=3, k_top=2, k_att=2, score="cosine"), np.random.default_rng(0)
    params, x, dy = sab.init_params(cfg, rng), *rng.standard_normal((2, 12, 2, 2))
    _, tape = sab.forward(params, x, cfg)
    found = [attribute(params, x, cfg, dy, sab.backward(dy, tape))]
    monkeypatch.setitem(SCORES, "cosine", SCORES["cosine"]._replace(compare_backward=without_the_keys))
    found.append(attribute(params, x, cfg, dy, sab.backward(dy, tape)))
    assert [one.sentence for one in found] == ["every family of credit is right", "skip scores: credit is missing"]


def test_without_its_line_in_the_table_it_is_refused():
    with pytest.raises(ValueError, match="score must be one of dot, mlp, additive, found 'cosine'"):
        sab.Config(2, 3, 2, score="cosine")
