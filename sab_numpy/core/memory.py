"""The microstates of a sequence, and the credit that they receive.

Slots are in the order of writing; the first `initial_slots` were there before the sequence (empty
ones, or those of an earlier sequence). Every k_att steps the state h becomes a microstate.

With a budget, later steps can recall as many microstates as it says. Each sequence keeps its own:
the most surprising ones, whose state had changed most, |h_t - h_{t-1}|, when they were written.
What is forgotten is a discrete choice, as what is recalled is: the backward knows of neither.
"""

from typing import Any, NamedTuple

from sab_numpy.core.replay import choose, stop
from sab_numpy.core.scores import SCORES, Outer, project, project_backward, project_gradient


def gather(xp, M, slots):
    """M (B, N, H) at slots (B, K) -> (B, K, H)."""
    B, N, H = M.shape
    rows = slots + xp.arange(0, B * N, N)[:, None]             # where they stand in (B*N, H)
    return M.reshape(B * N, H).take(rows, axis=0)


class Memory(NamedTuple):
    """What is remembered: microstates and their keys."""

    M: Any                     # (B, N, H)
    keys: Any                  # (B, N, Q)     M itself where a microstate is its own key
    initial_slots: int
    cfg: Any
    surprise: Any = None       # (B, N)        of every microstate; both None without a budget
    kept: Any = None           # (W, B, S)     the slots that may be recalled after 0, 1.. writings

    def n_slots(self, t):
        """Slots that step t can read: all that were written, or as many as are kept."""
        written = self.initial_slots + t // self.cfg.k_att
        return written if self.kept is None else min(written, self.kept.shape[2])

    def readable(self, t):
        """(B, n) slots that step t can read; None: the first n_slots(t)."""
        return None if self.kept is None else self.kept[t // self.cfg.k_att, :, :self.n_slots(t)]

    def n_selected(self, t):
        """Slots that step t reads."""
        return self.cfg.n_selected(self.n_slots(t))

    def slot_of(self, t):
        """The slot that the state of step t is written to, or None."""
        writes = self.cfg.k_top != 0 and (t + 1) % self.cfg.k_att == 0
        return self.initial_slots + t // self.cfg.k_att if writes else None

    def step_of(self, slot):
        """The step whose state `slot` holds (negative: it was there before)."""
        return self.cfg.written_at(slot - self.initial_slots)

    def write(self, xp, slot, h, h_prev, params):
        """h (B, H), the state after h_prev, becomes the microstate in `slot`."""
        self.M[:, slot] = h if self.cfg.mental_updates else stop(("slot", slot), h)
        if self.keys is not self.M:
            W = params[SCORES[self.cfg.score].key]
            self.keys[:, slot] = project(xp, self.M[:, slot], W)
        if self.kept is not None:
            self.surprise[:, slot] = abs(h - h_prev).sum(1)
            self.keep(xp, slot)

    def keep(self, xp, slot):
        """Which slots may be recalled from now on: the least surprising one makes room."""
        n, S = slot - self.initial_slots, self.kept.shape[2]   # n were written before it
        before, after, rows = self.kept[n], self.kept[n + 1], xp.arange(self.kept.shape[1])
        after[...] = before
        if slot < S:                                           # there was a place for it
            return
        candidates = xp.concatenate([before, xp.full((len(rows), 1), slot)], axis=1)   # (B, S+1)
        least = self.surprise[rows[:, None], candidates].argmin(1)                     # (B,)
        forgotten = choose(("keep", slot), least)              # S: the new one itself
        candidates[rows, forgotten] = slot
        after[...] = candidates[:, :S]

    def at(self, xp, slots, n):
        """(microstates, keys) at slots (B, K); those of the first n slots where slots is None."""
        if slots is None:
            return self.M[:, :n], self.keys[:, :n]
        M = gather(xp, self.M, slots)
        return M, M if self.keys is self.M else gather(xp, self.keys, slots)


class MemoryCredit(NamedTuple):
    """What later steps gave to each microstate as a value, and to its key."""

    dM: Any                    # (N, B, H)
    dkeys: Any                 # (N, B, Q)     dM itself where a microstate is its own key
    memory: Memory

    def add(self, xp, slots, dM, dkeys):
        """One recall's credit, dM (B, K, H) and dkeys (B, K, Q), each or None, to slots (B, K).

        slots None: to the first K. They are distinct within a row: plain indexing adds every one.
        """
        for a, values in ((self.dM, dM), (self.dkeys, dkeys)):             # a (N, B, .)
            if values is not None and slots is None:
                a[:values.shape[1]] += values.swapaxes(0, 1)
            elif values is not None:
                B = a.shape[1]
                rows = slots * B + xp.arange(B)[:, None]       # where they stand in (N*B, .)
                a.reshape(-1, a.shape[2])[rows] += values

    def of(self, xp, slot, params):
        """All credit of the state in `slot`, (B, H): as a value, and through its key."""
        if self.dkeys is self.dM:
            return self.dM[slot]
        W = params[SCORES[self.memory.cfg.score].key]
        return self.dM[slot] + project_backward(xp, self.dkeys[slot], self.memory.M[:, slot], W)

    def key_gradient(self, xp, params):
        """Gradient of the key's weight, over all slots at once: {name: array}, or {}."""
        name = SCORES[self.memory.cfg.score].key
        if name is None:
            return {}
        return {name: project_gradient(xp, self.dkeys, self.memory.M.swapaxes(0, 1), params[name])}


def microstate_credit(xp, w, ds, dkeys, own_key):
    """Credit of recalled microstates: as values, w_k ds, as keys -> dM (B, K, H), dkeys or None.

    Where a microstate is its own key the two are one; two outer products are made as one product.
    """
    if not own_key:
        return w[:, :, None] * ds[:, None], dkeys
    if not isinstance(dkeys, Outer):
        return w[:, :, None] * ds[:, None] + dkeys, None
    left = xp.concatenate([w[:, :, None], dkeys.left[:, :, None]], axis=2)         # (B, K, 2)
    right = xp.concatenate([ds[:, None], dkeys.right[:, None]], axis=1)            # (B, 2, H)
    return left @ right, None
