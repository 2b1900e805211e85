"""What a forward pass keeps for its backward pass: the arrays of every step, and where they lie."""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sab_numpy.core.memory import Memory
from sab_numpy.core.replay import Recording


class State(NamedTuple):
    """Where a sequence ended, to go on from. The memory has its empty slots first."""

    h: Any                     # (B, H)
    c: Any                     # (B, H)
    memory: Any = None         # (N, B, H)


class Step(NamedTuple):
    """What a step reads and writes. K' counts relu's threshold. k_top=0: the last five are None."""

    h_prev: Any                # (B, H)
    c_prev: Any                # (B, H)
    gates: Any                 # (4, B, H)     i f o g
    c: Any                     # (B, H)
    tanh_c: Any                # (B, H)
    h_hat: Any                 # (B, H)        the provisional state
    h: Any                     # (B, H)        h_hat + s
    query: Any                 # (B, Q)
    s: Any                     # (B, H)        the summary
    slots: Any                 # (B, K')       recalled, largest score first; None: every slot
    w: Any                     # (B, K')       with these weights
    slope: Any                 # (B, K') or (B, 1)     see sparsify.py


RECALLED = Step._fields.index("slots")     # from here on the fields have an axis of recalled slots


class Chunk(Step):
    """The same arrays over S steps, an axis in front."""

    def step(self, j, k):
        """Step j, which reads k slots."""
        recall = (None if a is None else a[j, :, :k] for a in self[RECALLED:])
        return Step(*(None if a is None else a[j] for a in self[:RECALLED]), *recall)

    def part(self, start, end):
        """The steps start..end-1."""
        return Chunk(*(None if a is None else a[start:end] for a in self))


class Buffers(dict):
    """Arrays by name. One that an old tape gave back is used again where it is large enough."""

    def __init__(self, xp, dtype, old=()):
        super().__init__()
        self.xp, self.dtype, self.old = xp, dtype, dict(old)

    def empty(self, name, shape, dtype=None):
        size, dtype = math.prod(shape), dtype or self.dtype
        flat = self.pop(name, self.old.pop(name, None))
        fits = flat is not None and flat.size >= size and flat.dtype == dtype
        if not fits or type(flat) is not self.xp.ndarray:
            flat = self.xp.empty(size, dtype)
        self[name] = flat
        return flat[:size].reshape(shape)

    def filled(self, name, shape, value, dtype=None):
        array = self.empty(name, shape, dtype)
        array[...] = value
        return array


@dataclass
class Tape:
    """What a forward pass leaves, in arrays of its own; a backward pass changes none of it."""

    params: dict
    cfg: Any
    x: Any                     # (T, B, D) or symbols (T, B)
    memory: Memory
    stacked: dict              # W_x, W_h and b gate by gate, see lstm.py
    buffers: Buffers | None    # where the arrays lie; None once they were given back
    scratch: list              # Buffers of a backward pass, for the next one
    cache: Chunk | None = None     # of all steps; with checkpoint="blocks" slots, w and slope alone
    starts: dict = field(default_factory=dict)     # step -> (h, c) before it, to recompute from
    end: tuple = ()            # h, c (B, H) after the last step
    recording: Recording | None = None             # what was stopped and chosen
    changed: list = ()         # after a frozen replay: the choices that would now be others

    @property
    def slots(self):
        """(T, B, K') selected slots, largest score first (-1: fewer were there); None without."""
        return self.cache and self.cache.slots

    @property
    def weights(self):
        """(T, B, K') their weights, or those of every slot (then None with checkpoint="blocks")."""
        return self.cache and self.cache.w

    def recalls(self, t, row=0):
        """What step t of a sequence recalled: (slot, its step, weight), heaviest first.

        A slot that was there before the sequence has a negative step. Empty without recall; where
        every slot is read, in the order of writing (ValueError with checkpoint="blocks").
        """
        if self.weights is None:
            if self.cfg.k_top != 0:
                raise ValueError("recalls: where every slot is read, checkpoint='blocks' keeps no "
                                 "weights; run forward without it")
            return []
        t = range(len(self.x))[t]
        slots = range(self.memory.n_slots(t))
        if self.slots is not None:
            slots = self.slots[t, row, :self.cfg.k_top].tolist()
        return [(slot, self.memory.step_of(slot), weight)
                for slot, weight in zip(slots, self.weights[t, row].tolist()) if slot >= 0]

    @property
    def final_state(self):
        """A State that owns its arrays: forward(..., state=tape.final_state) goes on from here.

        With a budget its memory is None: it begins anew.
        """
        self.check_owned()
        memory = None if self.cfg.budget else self.memory.M.swapaxes(0, 1).copy()
        return State(*(a.copy() for a in self.end), memory)

    def check_owned(self):
        """ValueError when the tape's arrays were given to a later forward."""
        if self.buffers is None:
            raise ValueError("tape: its buffers were given to a later forward; "
                             "run forward again")

    def give_back(self):
        """(arrays, those of a backward) for the next forward; this tape is of no use afterwards."""
        self.check_owned()
        old, self.buffers = self.buffers, None
        self.memory = self.cache = None                        # they hold the later forward's
        return old, self.scratch
