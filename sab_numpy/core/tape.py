"""What a forward pass keeps for its backward pass: the arrays of every step, and where they lie."""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sab_numpy.core.memory import Memory
from sab_numpy.core.replay import Recording


class State(NamedTuple):
    """Where a sequence ended, to go on from: h, c (B, H) and the memory (N, B, H), empty slots first."""

    h: Any
    c: Any
    memory: Any = None


class Step(NamedTuple):
    """What one step reads and writes. K' counts relu's threshold; at k_top=0 the last five are None."""

    h_prev: Any                # (B, H)
    c_prev: Any                # (B, H)
    gates: Any                 # (4, B, H)     i f o g
    c: Any                     # (B, H)
    tanh_c: Any                # (B, H)
    h_hat: Any                 # (B, H)        the provisional state
    h: Any                     # (B, H)        h_hat + s
    query: Any                 # (B, Q)
    slots: Any                 # (B, K')       what is recalled, largest score first; None: every slot
    w: Any                     # (B, K')       with these weights
    slope: Any                 # (B, K') or (B, 1)     see sparsify.py
    s: Any                     # (B, H)        the summary


class Chunk(NamedTuple):
    """The same arrays of S steps, from step `start` on. h and c begin with those before the first step."""

    start: int
    x: Any                     # (S, B, D)     symbols as one-hot
    h: Any                     # (S+1, B, H)
    c: Any                     # (S+1, B, H)
    gates: Any                 # (4, S, B, H)
    tanh_c: Any                # (S, B, H)
    h_hat: Any                 # (S, B, H)
    query: Any                 # (S, B, Q)
    slots: Any                 # (S, B, K')    -1 where a step has fewer
    w: Any                     # (S, B, K')
    slope: Any                 # like w, or (S, B, 1) for relu
    s: Any                     # (S, B, H)

    def step(self, t, k):
        """Views of step t, which reads k slots."""
        j, recall = t - self.start, (None,) * 5
        if self.s is not None:
            slots = None if self.slots is None else self.slots[j, :, :k]
            recall = self.query[j], slots, self.w[j, :, :k], self.slope[j, :, :k], self.s[j]
        return Step(self.h[j], self.c[j], self.gates[:, j], self.c[j + 1], self.tanh_c[j],
                    self.h_hat[j], self.h[j + 1], *recall)

    def part(self, start, end):
        """The same of steps start..end-1, without copying."""
        a, b = start - self.start, end - self.start
        rest = [None if array is None else array[a:b] for array in self[5:]]
        return Chunk(start, self.x[a:b], self.h[a:b + 1], self.c[a:b + 1], self.gates[:, a:b], *rest)


class Buffers(dict):
    """Arrays by name. One that an old tape gave back is used again where it is large enough."""

    def __init__(self, xp, dtype, old=()):
        super().__init__()
        self.xp, self.dtype, self.old = xp, dtype, dict(old)

    def empty(self, name, shape, dtype=None):
        size, dtype = math.prod(shape), dtype or self.dtype
        flat = self.pop(name, self.old.pop(name, None))
        if flat is None or flat.size < size or flat.dtype != dtype or type(flat) is not self.xp.ndarray:
            flat = self.xp.empty(size, dtype)
        self[name] = flat
        return flat[:size].reshape(shape)

    def filled(self, name, shape, value, dtype=None):
        array = self.empty(name, shape, dtype)
        array[...] = value
        return array


@dataclass
class Tape:
    """What a forward pass leaves; a backward pass changes none of it."""

    params: dict               # copies: who changes the parameters later changes no gradient
    cfg: Any
    x: Any                     # (T, B, D) or symbols (T, B); with checkpoint="blocks" leave it as it is
    memory: Memory
    slots: Any                 # (T, B, K')    selected slots, largest score first (-1: fewer were there); or None
    cache: Chunk | None        # of all steps; None with checkpoint="blocks"
    stacked: dict              # W_x, W_h and b gate by gate, see lstm.py
    buffers: Buffers | None    # None once they were given back
    scratch: list              # the arrays of a backward pass, for the next one
    recording: Recording | None = None                         # what was stopped and chosen
    starts: dict = field(default_factory=dict)                 # step -> (h, c) before it, to recompute from
    end: tuple = ()            # h, c (B, H) after the last step
    changed: list = ()         # after a frozen replay: the choices that would now be others

    @property
    def weights(self):
        """(T, B, K') weights of the selected slots; None without recall, or with checkpoint="blocks"."""
        return self.cache and self.cache.w

    @property
    def final_state(self):
        """A State that owns its arrays: forward(..., state=tape.final_state) goes on from here."""
        self.check_owned()
        return State(*(a.copy() for a in self.end), self.memory.M.swapaxes(0, 1).copy())

    def check_owned(self):
        """ValueError when the tape's arrays were given to a later forward."""
        if self.buffers is None:
            raise ValueError("tape: its buffers were given to a later forward; run forward again")

    def give_back(self):
        """(arrays, arrays of a backward), for the next forward; this tape is of no use afterwards."""
        if self.buffers is None:
            raise ValueError("reuse: this tape was given back before")
        old, self.buffers = self.buffers, None
        self.memory = self.slots = self.cache = None           # they would show the later forward's
        return old, self.scratch
