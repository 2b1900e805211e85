"""Who gives credit to whom, in whole numbers: which steps backward walks, and how many skips it takes."""

from typing import NamedTuple

import numpy as np

from sab_numpy.backend import namespace


def walked(tape, dy):
    """Which steps some credit reaches, (T,) booleans; backward walks these alone.

    From the last block to the first: a block is walked from its last step that has a loss or whose microstate a
    later walked step recalled. On a GPU every step counts as reached: to look would mean to wait.
    """
    cfg, T = tape.cfg, len(dy)
    if namespace(dy) is not np:
        return np.ones(T, bool)
    credited = dy.reshape(T, -1).any(1)                                       # (T,) the loss gives credit
    if credited.all():
        return credited
    walk, k = np.zeros(T, bool), cfg.k_trunc or T
    recalled = np.zeros(tape.memory.shape[1], bool)                           # (N,) by a walked step
    for start in reversed(range(0, T, k)):
        end = min(start + k, T)
        reached = credited[start:end]
        if cfg.k_top != 0 and cfg.mental_updates:
            steps = np.arange(start + (-start - 1) % cfg.k_att, end, cfg.k_att)      # those that wrote a microstate
            reached[steps - start] |= recalled[tape.n_given + steps // cfg.k_att]
        if not reached.any():
            continue
        end = start + int(np.flatnonzero(reached)[-1]) + 1
        walk[start:end] = True
        if cfg.k_top is None:
            recalled[:tape.n_slots(end - 1)] = True
        elif cfg.k_top:
            recalled[tape.slots[start:end]] = True                            # -1 marks the last slot: never read
    return walk


class Count(NamedTuple):
    """steps walked, skips (recalls of a stored state of this sequence, all batch rows) that carried credit."""

    steps: int
    skips: int


def count(tape, dy):
    """How far the credit of dy (T, B, O) walks: Count(steps, skips)."""
    walk, cfg = walked(tape, dy), tape.cfg
    if cfg.k_top == 0 or not cfg.mental_updates:
        return Count(int(walk.sum()), 0)
    if cfg.k_top is None:
        stored = np.arange(len(walk)) // cfg.k_att                            # (T,) microstates of this sequence
        return Count(int(walk.sum()), int(stored[walk].sum()) * tape.memory.shape[0])
    return Count(int(walk.sum()), int((tape.slots[walk][..., :cfg.k_top] >= tape.n_given).sum()))
