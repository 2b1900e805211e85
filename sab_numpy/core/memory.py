"""The microstates of a sequence, and the credit that they receive.

Slots are in the order of writing; the first `initial_slots` were there before the sequence (empty
ones, or those of an earlier sequence). Every k_att steps the state h becomes a microstate.
"""

from typing import Any, NamedTuple

from sab_numpy.core.replay import stop
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

    def n_slots(self, t):
        """Slots that step t can read."""
        return self.initial_slots + t // self.cfg.k_att

    def n_selected(self, t):
        """Slots that step t reads."""
        return self.cfg.n_selected(self.n_slots(t))

    def slot_of(self, t):
        """The slot that the state of step t is written to, or None."""
        writes = self.cfg.k_top != 0 and (t + 1) % self.cfg.k_att == 0
        return self.n_slots(t) if writes else None

    def step_of(self, slot):
        """The step whose state `slot` holds (negative: it was there before)."""
        return (slot - self.initial_slots + 1) * self.cfg.k_att - 1

    def write(self, xp, slot, h, params):
        """h (B, H) becomes the microstate in `slot`."""
        self.M[:, slot] = h if self.cfg.mental_updates else stop(("slot", slot), h)
        if self.keys is not self.M:
            W = params[SCORES[self.cfg.score].key]
            self.keys[:, slot] = project(xp, self.M[:, slot], W)

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
