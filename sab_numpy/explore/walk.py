"""The backward pass told as a list of events. Nothing is computed again: backward.py itself reports what it does."""

from typing import NamedTuple

import numpy as np

from sab_numpy.core import scores
from sab_numpy.core.backend import namespace, to_numpy
from sab_numpy.core.backward import backward
from sab_numpy.core.forward import gather

KINDS = ("loss", "local", "skip", "cut", "skipped block")


class Event(NamedTuple):
    """One piece of credit, from step `start` to step `end`.

    loss            y_t to h_t (start == end)
    local           h_t to h_{t-1}, through the LSTM
    skip            a recall at `start` to the microstate in `slot`, which step `end` wrote; with its weight
    cut             between the first step of a block and the step before it: no credit passes
    skipped block   a block that no credit reached; backward does not visit it
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

    def watch(t, dh_loss, dh_local, dh_memory, edges):
        inside = t + 1 in arrivals and (tape.cfg.k_trunc is None or (t + 1) % tape.cfg.k_trunc)
        arrivals[t] = list(_arrive(t, dh_loss, dh_local if inside else None, dh_memory, rows))
        if edges is not None and tape.cfg.mental_updates:
            arrivals[t] += _skips(t, *edges, rows, tape, given)

    backward(dy, tape, watch=watch)
    k = tape.cfg.k_trunc or T
    for first in reversed(range(0, T, k)):
        last = min(first + k, T) - 1
        if first not in arrivals:
            yield Event("skipped block", last, first)
            continue
        for t in reversed(range(first, last + 1)):
            yield from arrivals.get(t, ())
        if first:
            yield Event("cut", first, first - 1)


def _arrive(t, dh_loss, dh_local, dh_memory, rows):
    """What reaches h_t besides skips: from step t+1 where it is walked and in the same block, and from y_t."""
    loss = to_numpy(dh_loss)[rows]  # (R, H)
    total = np.zeros_like(loss) if dh_memory is None else to_numpy(dh_memory)[rows]
    if dh_local is not None:
        local = to_numpy(dh_local)[rows]
        total = total + local
        yield Event("local", t + 1, t, None, None, norm(local), norm(total))
    if loss.any():
        yield Event("loss", t, t, None, None, norm(loss), norm(total + loss))


def _skips(t, slots, w, dM_sel, dkeys_sel, rows, tape, given):
    """The recall of step t: an event for every slot that holds a state of this sequence, the youngest first."""
    if dkeys_sel is not None:  # keys are not the microstates themselves
        M_sel = gather(tape.memory, slots, dM_sel.shape[1])
        dM_sel = dM_sel + scores.key_backward(namespace(dM_sel), dkeys_sel, M_sel, tape.params, tape.cfg)
    dM_sel, w = to_numpy(dM_sel)[rows], to_numpy(w)[rows]  # (R, K', H), (R, K')
    slots = np.broadcast_to(np.arange(w.shape[1]) if slots is None else to_numpy(slots)[rows], w.shape)
    for slot in np.unique(slots[slots >= tape.n_given])[::-1]:
        here = slots == slot  # (R, K'): at most once a row
        part = (dM_sel * here[:, :, None]).sum(1)  # (R, H)
        given[slot] = given.get(slot, 0) + part
        yield Event(
            "skip",
            t,
            int(tape.step_of(slot)),
            int(slot),
            float((w * here).sum() / len(rows)),
            norm(part),
            norm(given[slot]),
        )


def norm(a):
    return float(np.sqrt((a * a).sum()))
