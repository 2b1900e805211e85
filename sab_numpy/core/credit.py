"""Which steps backward walks, and how many skips its credit takes."""

from typing import NamedTuple

import numpy as np

from sab_numpy.core.backend import namespace


def reached_steps(tape, dy):
    """Which steps some credit reaches, (T,) booleans; backward walks these alone.

    From the last reached step to the first: its block is walked up to it, and reaches what it
    recalls. On a GPU every step counts as reached, since looking at numbers there takes longer.
    """
    cfg, memory, T = tape.cfg, tape.memory, len(dy)
    if namespace(dy) is not np:
        return np.ones(T, bool)
    reached = dy.reshape(T, -1).any(1)                         # (T,) at first: by the loss
    if reached.all():
        return reached
    walk, k, start = np.zeros(T, bool), cfg.k_trunc or T, T
    while reached[:start].any():
        last = start - 1 - int(reached[:start][::-1].argmax())     # argmax stops at the first True
        start = last // k * k
        walk[start:last + 1] = True
        if cfg.k_top is None and cfg.mental_updates:
            reached[cfg.k_att - 1:last:cfg.k_att] = True
        elif cfg.k_top and cfg.mental_updates:
            slots = tape.slots[start:last + 1]
            reached[memory.step_of(slots[slots >= memory.initial_slots])] = True
    return walk


class Count(NamedTuple):
    """Steps walked, and skips: recalls of a sequence's own states in these steps, of all rows."""

    steps: int
    skips: int


def count(tape, dy):
    """How far the credit of dy (T, B, O) walks: Count(steps, skips)."""
    walk, cfg, skips = reached_steps(tape, dy), tape.cfg, 0
    if cfg.k_top is None and cfg.mental_updates:               # step t reads all t // k_att of them
        skips = (np.flatnonzero(walk) // cfg.k_att).sum() * tape.x.shape[1]
    elif cfg.k_top and cfg.mental_updates:
        skips = (tape.slots[walk][..., :cfg.k_top] >= tape.memory.initial_slots).sum()
    return Count(int(walk.sum()), int(skips))
