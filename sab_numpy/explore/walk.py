"""The backward pass told as a list of events. Nothing is computed again: backward.py itself reports what it does."""

from typing import NamedTuple

import numpy as np

from sab_numpy.core.backend import namespace, to_numpy
from sab_numpy.core.backward import backward
from sab_numpy.core.scores import SCORES, project_backward

KINDS = ("loss", "local", "skip", "cut", "not visited")


class Event(NamedTuple):
    """One piece of credit, from step `start` to step `end`.

    loss            y_t to h_t (start == end)
    local           h_t to h_{t-1}, through the LSTM
    skip            a recall at `start` to the microstate in `slot`, which step `end` wrote; with its weight
    cut             between the first step of a block and the step before it: no credit passes
    not visited     a block that no credit reached; backward does not visit it
    norm is that of the credit dL/dh that this event brings to step `end`, total that of all that arrived so far.
    """

    kind: str
    start: int
    end: int
    slot: int | None = None
    weight: float | None = None
    norm: float = 0.0
    total: float = 0.0


def walk(dy, tape, row=None):
    """Yield the events of backward(dy, tape), in its order: the last step first.

    dy    (T, B, n_out), the loss by y
    row   tell of this sequence of the batch alone (default: norms over all of them, mean weights)
    A skip to an empty slot reaches no step, so it is no event. relu's threshold is a skip of weight 0.
    Raises ValueError where backward does, and for a row that is not in the batch.
    """
    T, B = tape.x.shape[:2]
    if row is not None and not 0 <= row < B:
        raise ValueError(f"row must be one of 0..{B - 1}, found {row}")
    rows = np.arange(B) if row is None else np.array([row])
    arrivals = {}  # step: its events, for every step that backward walks
    given = {}  # slot: what skips gave to it so far, (B, H)

    def watch(visit):
        after = visit.t + 1
        inside = after in arrivals and (tape.cfg.k_trunc is None or after % tape.cfg.k_trunc)
        arrivals[visit.t] = list(_arrive(visit, inside, rows))
        if visit.w is not None and tape.cfg.mental_updates:
            arrivals[visit.t] += _skips(visit, rows, tape, given)

    backward(dy, tape, watch=watch)
    k = tape.cfg.k_trunc or T
    for first in reversed(range(0, T, k)):
        last = min(first + k, T) - 1
        if first not in arrivals:
            yield Event("not visited", last, first)
            continue
        for t in reversed(range(first, last + 1)):
            yield from arrivals.get(t, ())
        if first:
            yield Event("cut", first, first - 1)


def _arrive(visit, inside, rows):
    """What reaches h_t besides skips: from step t+1 where it is walked and `inside` the block, and from y_t."""
    t, loss = visit.t, to_numpy(visit.dh_loss)[rows]  # (R, H)
    total = np.zeros_like(loss) if visit.dh_memory is None else to_numpy(visit.dh_memory)[rows]
    if inside:
        local = to_numpy(visit.dh_local)[rows]
        total = total + local
        yield Event("local", t + 1, t, None, None, norm(local), norm(total))
    if loss.any():
        yield Event("loss", t, t, None, None, norm(loss), norm(total + loss))


def _skips(visit, rows, tape, given):
    """The recall of step t: an event for every slot that holds a state of this sequence, the youngest first."""
    slots, dM = visit.slots, visit.dM
    if visit.dkeys is not None:  # keys are not the microstates themselves
        xp, W_key = namespace(dM), tape.params[SCORES[tape.cfg.score].key]
        M, _ = tape.memory.at(xp, slots, dM.shape[1])
        dM = dM + project_backward(xp, visit.dkeys, M, W_key)
    dM, w = to_numpy(dM)[rows], to_numpy(visit.w)[rows]  # (R, K', H), (R, K')
    slots = np.broadcast_to(np.arange(w.shape[1]) if slots is None else to_numpy(slots)[rows], w.shape)
    for slot in np.unique(slots[slots >= tape.memory.initial_slots])[::-1]:
        here = slots == slot  # (R, K'): at most once a row
        part = (dM * here[:, :, None]).sum(1)  # (R, H)
        given[slot] = given.get(slot, 0) + part
        yield Event(
            "skip",
            visit.t,
            int(tape.memory.step_of(slot)),
            int(slot),
            float((w * here).sum() / len(rows)),
            norm(part),
            norm(given[slot]),
        )


def norm(a):
    return float(np.sqrt((a * a).sum()))
