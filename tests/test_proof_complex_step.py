"""Proof 1 and 2: every entry of every gradient equals the derivative of the frozen replay, by two kinds of numbers."""

from itertools import count

import numpy as np
import pytest
from small_models import SETTINGS, Model, central_differences, complex_step, draw, worst_error

import sab_numpy as sab
from sab_numpy.core.sparsify import EPSILON

DRAWS = 4
CASES = [(*setting, seed) for setting in SETTINGS for seed in range(DRAWS)]


@pytest.mark.parametrize("read, score, normalise, mental, cut, seed", CASES)
def test_every_entry_equals_the_complex_step_of_the_replay(read, score, normalise, mental, cut, seed, monkeypatch):
    p, model = draw(seed, read, score, normalise, mental, cut), Model()
    model.set_chunk(p.chunk, monkeypatch)
    analytic, tape = model.analytic(p)
    error, where = worst_error(analytic, model.numeric(p, tape, complex_step))
    assert error <= 1e-11, (where, p)


def test_the_random_configurations_are_at_least_200_and_miss_nothing():
    drawn = [draw(case[-1], *case[:-1]) for case in CASES]
    assert len({repr(p) for p in drawn}) >= 200
    T = [len(p.x) for p in drawn]
    assert {p.x.shape[1] for p in drawn} == {1, 2, 3} and {p.x.ndim for p in drawn} == {2, 3}
    assert {p.cfg.k_trunc for p in drawn} == {None, 1, 2, 3, 4} and {p.cfg.k_att for p in drawn} == {1, 2, 3}
    assert {p.cfg.empty_slots for p in drawn} == {None, 1, 2, 5}
    assert {p.checkpoint for p in drawn} == {None, "blocks"} and {p.state is None for p in drawn} == {True, False}
    assert sum(t > p.chunk and p.checkpoint is not None for t, p in zip(T, drawn)) > 50
    assert sum(t % (p.cfg.k_trunc or 2) and t % p.cfg.k_att > 0 for t, p in zip(T, drawn)) > 50
    assert sum((p.cotangent == 0).all((1, 2)).any() for p in drawn) > 50  # some steps have no loss
    assert sum(p.cfg.n_empty < p.cfg.n_selected(99) and p.state is None for p in drawn if p.cfg.k_top) > 20


CENTRAL = [setting for setting in SETTINGS if setting[3] and setting[4]]


@pytest.mark.parametrize("read, score, normalise, mental, cut", CENTRAL)
def test_every_entry_equals_central_differences_of_the_replay(read, score, normalise, mental, cut):
    p, model = away_from_ties(read, score, normalise, mental, cut), Model()
    analytic, tape = model.analytic(p)
    error, where = worst_error(analytic, model.numeric(p, tape, central_differences))
    assert error <= 1e-7, (where, p)


def away_from_ties(*setting):
    """The first drawn problem in which relu's weights are no quotient of tiny numbers: sum r >= 1e-3, or no recall."""
    for seed in count():
        p = draw(seed, *setting, steps=(5,))._replace(checkpoint=None)
        cache = sab.forward(p.params, p.x, p.cfg, state=p.state)[1].cache
        if p.cfg.normalise == "softmax" or p.cfg.k_top == 0:
            return p
        total = 1 / cache.slope - EPSILON  # (T, B, 1), sum of r
        if ((total >= 1e-3) | (np.abs(cache.s).max(2, keepdims=True) == 0)).all():
            return p
