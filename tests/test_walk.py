"""The walk is the backward pass, told: its skips add up to what microstates received, its norms to the real credit."""

from importlib import import_module

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy.core import credit
from sab_numpy.explore.walk import KINDS

CREDIT = KINDS[:3]
D, H, O, B, T = 3, 5, 4, 3, 17
SETTINGS = {
    "full BPTT": dict(k_trunc=None, k_top=0),
    "truncated BPTT": dict(k_trunc=4, k_top=0),
    "SAB": dict(k_trunc=4, k_top=2, k_att=3),
    "SAB, relu": dict(k_trunc=5, k_top=2, k_att=2, normalise="relu"),
    "SAB, mlp": dict(k_trunc=4, k_top=2, k_att=3, score="mlp"),
    "SAB, additive": dict(k_trunc=4, k_top=2, k_att=1, score="additive"),
    "SAB, mlp, relu": dict(k_trunc=3, k_top=3, k_att=2, score="mlp", normalise="relu"),
    "SAB, dense forward": dict(k_trunc=4, k_top=2, k_att=2, dense_forward=True),
    "no mental updates": dict(k_trunc=4, k_top=2, k_att=3, mental_updates=False),
    "self-attention": dict(k_trunc=None, k_top=None, k_att=3),
}


def subject(name, seed=0, last=False, batch=B):
    rng = np.random.default_rng(seed)
    cfg = sab.Config(D, H, O, **SETTINGS[name])
    params = {key: rng.standard_normal(value.shape) * 0.6 for key, value in sab.init_params(cfg, rng).items()}
    y, tape = sab.forward(params, rng.standard_normal((T, batch, D)), cfg)
    dy = rng.standard_normal(y.shape)
    if last:
        dy[:-1] = 0
    return dy, tape


def full_credit(dy, tape):
    """What really reached every walked state: {t: dL/dh_t (B, H)}."""
    found = {}

    def watch(visit):
        found[visit.t] = visit.dh_loss + visit.dh_local + (0 if visit.dh_memory is None else visit.dh_memory)

    sab.backward(dy, tape, watch=watch)
    return found


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_the_last_total_at_every_step_is_the_credit_that_backward_had_there(name, last):
    dy, tape = subject(name, last=last)
    totals = {event.end: event.total for event in sab.walk(dy, tape) if event.kind in CREDIT}
    real = {t: np.sqrt((dh**2).sum()) for t, dh in full_credit(dy, tape).items()}
    assert totals.keys() == real.keys()
    assert [totals[t] for t in real] == pytest.approx(list(real.values()), rel=1e-12)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_skips_gave_is_what_the_memory_received(name):
    dy, tape = subject(name)
    received = {}

    def watch(visit):
        if visit.dh_memory is not None:
            received[visit.t] = np.sqrt((visit.dh_memory**2).sum())

    sab.backward(dy, tape, watch=watch)
    given = {event.end: event.total for event in sab.walk(dy, tape) if event.kind == "skip"}
    assert (len(given) > 2) == ("SAB" in name or name == "self-attention")
    assert [given.get(t, 0.0) for t in received] == pytest.approx(list(received.values()), rel=1e-12)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", SETTINGS)
def test_steps_and_skips_are_those_that_credit_counts(name, last):
    dy, tape = subject(name, last=last, batch=1)
    events = list(sab.walk(dy, tape))
    counted = credit.count(tape, dy)
    assert len({event.end for event in events if event.kind in CREDIT}) == counted.steps
    assert sum(event.kind == "skip" and event.weight > 0 for event in events) == counted.skips


@pytest.mark.parametrize("name", SETTINGS)
def test_events_come_in_the_order_of_the_backward(name):
    dy, tape = subject(name, last=True)
    events, seen = list(sab.walk(dy, tape)), []
    sab.backward(dy, tape, watch=lambda visit: seen.append(visit.t))
    assert {event.kind for event in events} <= set(KINDS)
    doing = [event.start - (event.kind == "local") for event in events if event.kind != "cut"]
    assert doing == sorted(doing, reverse=True)
    assert sorted(seen, reverse=True) == seen
    assert all(event.end == event.start - 1 for event in events if event.kind in ("local", "cut"))
    assert all(event.end < event.start for event in events if event.kind == "skip")


def test_no_credit_crosses_a_cut_and_every_visited_block_but_the_first_ends_in_one():
    dy, tape = subject("SAB")
    events = list(sab.walk(dy, tape))
    assert [event.start for event in events if event.kind == "cut"] == [16, 12, 8, 4]
    assert not [event for event in events if event.kind == "local" and event.start % 4 == 0]


def test_blocks_that_no_credit_reaches_are_told_as_skipped():
    dy, tape = subject("truncated BPTT", last=True)
    events = list(sab.walk(dy, tape))
    assert [(e.kind, e.start, e.end) for e in events] == [
        ("loss", 16, 16),
        ("cut", 16, 15),
        *(("not visited", first + 3, first) for first in (12, 8, 4, 0)),
    ]


def test_one_row_of_a_batch_is_told_as_if_it_were_alone():
    dy, tape = subject("SAB")
    y, alone = sab.forward(tape.params, tape.x[:, 1:2], tape.cfg)
    for told, expected in zip(sab.walk(dy, tape, row=1), sab.walk(dy[:, 1:2], alone), strict=True):
        assert told[:4] == expected[:4]
        assert told[5:] == pytest.approx(expected[5:], rel=1e-9)


def test_the_walk_changes_nothing():
    dy, tape = subject("SAB, mlp")
    before = sab.backward(dy, tape)
    list(sab.walk(dy, tape))
    after = sab.backward(dy, tape)
    assert all((before[name] == after[name]).all() for name in before)


@pytest.mark.parametrize("row", [-1, B])
def test_a_row_that_is_not_there_is_refused(row):
    with pytest.raises(ValueError, match="row must be one of 0..2"):
        list(sab.walk(*subject("SAB"), row=row))


@pytest.mark.parametrize("name", ["SAB, mlp", "SAB, additive"])
def test_forgetting_the_keys_share_of_a_skip_would_be_noticed(name, monkeypatch):
    module = import_module("sab_numpy.explore.walk")
    monkeypatch.setattr(module, "project_backward", lambda xp, dkeys, M, W: np.zeros_like(M))
    dy, tape = subject(name)
    given = {event.end: event.total for event in sab.walk(dy, tape) if event.kind == "skip"}
    monkeypatch.undo()
    right = {event.end: event.total for event in sab.walk(dy, tape) if event.kind == "skip"}
    assert given.keys() == right.keys() and given != pytest.approx(right, rel=1e-3)


def test_the_weight_of_a_skip_is_the_mean_of_the_batch():
    dy, tape = subject("SAB")

    def weights(**row):
        return {(event.start, event.slot): event.weight for event in sab.walk(dy, tape, **row) if event.kind == "skip"}

    rows = [weights(row=n) for n in range(B)]
    assert weights() == pytest.approx({key: sum(row.get(key, 0) for row in rows) / B for key in weights()})
