"""A budget of microstates: the rule as the words say it, its proof, and what it must not change."""

from dataclasses import replace

import numpy as np
import pytest
from small_models import READS, Model, complex_step, draw, worst_error

import sab_numpy as sab

SPARSE = [read for read in READS if read[0] == "sparse"]


def drawn(seed, budget=2, read=("sparse", "dot", "softmax", True), **others):
    """A model whose memory has to forget: 11 or 13 steps, most of them written."""
    p = draw(seed, *read, True, steps=(11, 13), k_att=1 + seed % 2, budget=budget, **others)
    return p._replace(x=np.random.default_rng(seed).standard_normal((len(p.x), p.x.shape[1], p.cfg.n_in)))


def plain_rule(h, given, k_att, budget):
    """The slots that may be recalled before every step of one sequence, h (T + 1, H) from h0 on: a reader's lists."""
    kept, surprise, before = [], {}, []
    for t in range(len(h) - 1):
        before.append(sorted(list(range(given)) + kept))
        if (t + 1) % k_att == 0:
            slot = given + (t + 1) // k_att - 1
            surprise[slot] = np.abs(h[t + 1] - h[t]).sum()
            kept.append(slot)
            if len(kept) > budget:
                kept.remove(min(kept, key=surprise.get))
    return before


@pytest.mark.parametrize("read", SPARSE)
@pytest.mark.parametrize("seed", range(4))
def test_every_entry_equals_the_complex_step_of_the_replay(read, seed, monkeypatch):
    p, model = drawn(seed, 1 + seed % 3, read), Model()
    model.set_chunk(p.chunk, monkeypatch)
    analytic, tape = model.analytic(p)
    assert any(name[0] == "keep" for name in tape.recording)  # something was forgotten
    error, where = worst_error(analytic, model.numeric(p, tape, complex_step))
    assert error <= 1e-11, (where, p)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_kept_is_what_the_words_say(seed):
    p = drawn(seed, 2 + seed % 3)._replace(checkpoint=None)
    _, tape = sab.forward(p.params, p.x, p.cfg, state=p.state)
    memory = tape.memory
    for row in range(p.x.shape[1]):
        h = np.concatenate([tape.cache.h_prev[:1, row], tape.cache.h[:, row]])
        for t, expected in enumerate(plain_rule(h, memory.initial_slots, p.cfg.k_att, p.cfg.budget)):
            assert sorted(memory.readable(t)[row].tolist()) == expected
            assert {slot for slot in tape.slots[t, row].tolist() if slot >= 0} <= set(expected)
    assert memory.n_slots(len(p.x)) == memory.initial_slots + p.cfg.budget  # however long the sequence


def test_the_sequences_of_a_batch_keep_their_own():
    p = next(p for p in map(drawn, range(20)) if p.x.shape[1] == 3)
    _, tape = sab.forward(p.params, p.x, p.cfg, state=p.state)
    assert len({tuple(sorted(row)) for row in tape.memory.kept[-1].tolist()}) > 1


@pytest.mark.parametrize("seed", range(4))
def test_a_budget_that_is_never_reached_changes_no_bit(seed):
    p = drawn(seed, 13)
    found = [Model().analytic(q)[0] for q in (p, p._replace(cfg=replace(p.cfg, budget=None)))]
    assert all(np.array_equal(found[0][name], value) for name, value in found[1].items())


def test_a_replay_far_away_keeps_what_was_kept():
    p = drawn(3)
    _, tape = sab.forward(p.params, p.x, p.cfg, state=p.state)
    far = {name: value + 2 * np.random.default_rng(1).standard_normal(value.shape) for name, value in p.params.items()}
    _, again = sab.forward(far, p.x, p.cfg, state=p.state, frozen=tape)
    assert np.array_equal(again.memory.kept, tape.memory.kept) and ("keep" in {name[0] for name in again.changed})


def test_a_carried_state_begins_its_memory_anew():
    p = drawn(2)
    _, tape = sab.forward(p.params, p.x, p.cfg)
    state = tape.final_state
    assert state.memory is None and np.array_equal(state.h, tape.end[0])
    assert sab.forward(p.params, p.x, p.cfg, state=state)[1].memory.initial_slots == p.cfg.n_empty


@pytest.mark.parametrize("given", [dict(k_top=0), dict(k_top=None), dict(dense_forward=True)])
def test_a_budget_is_for_a_sparse_read(given):
    with pytest.raises(ValueError, match="budget is for a sparse read: expected k_top of at least 1"):
        sab.Config(2, 3, 4, **{"k_top": 2, "budget": 5, **given})
