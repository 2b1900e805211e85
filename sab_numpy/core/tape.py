"""Recording and frozen replay: how truncated credit becomes something that finite differences can check.

Truncated credit is not the derivative of the loss. It is the derivative of another function: the same forward in
which every stopped value and every discrete choice is a constant. `stop` and `choose` mark them. While recording
they keep what passes; while replaying they give back what was kept. Any function can use them:

    with record() as tape:             # once, at the point where the gradient was taken
        f(params)
    with replay(tape):                 # as often as you like, at other parameters
        f(perturbed)                   # its derivative here is the truncated gradient, exactly
"""

import math
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_mode = ContextVar("sab_numpy_mode", default=None)         # None, or a Recording or a _Replay


class _Names:
    """A function that runs several times in one context: from its second run on, its names carry the run's number."""

    runs = run = 0

    def full(self, name):
        return (self.run, name) if self.run > 1 else name

    @contextmanager
    def next_run(self):
        before, self.runs = self.run, self.runs + 1
        self.run = self.runs
        try:
            yield self
        finally:
            self.run = before


class Recording(_Names, dict):
    """What was stopped or chosen, by name."""

    def meet(self, name, value):
        name = self.full(name)
        if name in self:
            raise ValueError(f"{name!r} was recorded twice: every stop and choose needs a name of its own")
        self[name] = value


class _Replay(_Names):
    def __init__(self, recording):
        self.recording, self.met, self.changed = recording, set(), []

    def meet(self, name, value):
        name = self.full(name)
        if name not in self.recording or name in self.met:
            raise ValueError(f"{name!r} was {'met twice' if name in self.met else 'not recorded'}: a replay must "
                             "meet every recorded name exactly once")
        kept = self.recording[name]
        if getattr(kept, "shape", None) != getattr(value, "shape", None):
            raise ValueError(f"{name!r} was recorded with shape {getattr(kept, 'shape', None)}, found "
                             f"{getattr(value, 'shape', None)}: replay the same function on the same sizes")
        self.met.add(name)
        return kept


def stop(name, value, copy=True):
    """`value`, as a constant for the backward pass. copy=False: it is never overwritten, so keep it as it is."""
    mode = _mode.get()
    if isinstance(mode, _Replay):
        kept = mode.meet(name, value)
        return _copied(kept) if copy else kept
    if mode is not None:
        mode.meet(name, _copied(value) if copy else value)
    return value


def choose(name, indices):
    """`indices`, a discrete choice; a replay repeats the recorded one and notes where the two differ."""
    kept, mode = stop(name, indices), _mode.get()
    if isinstance(mode, _Replay) and _differ(kept, indices):
        mode.changed.append(mode.full(name))
    return kept


def _copied(value):
    """Arrays, also within lists and tuples, that nobody else can overwrite."""
    if isinstance(value, (list, tuple)):
        copies = map(_copied, value)
        return type(value)(*copies) if hasattr(value, "_fields") else type(value)(copies)
    return value.copy() if hasattr(value, "shape") else value


def _differ(a, b):
    """Whether two choices differ: arrays, numbers, or lists and tuples of them."""
    if isinstance(a, (list, tuple)):
        return len(a) != len(b) or any(map(_differ, a, b))
    different = a != b
    return bool(different.any() if hasattr(different, "any") else different)


@contextmanager
def _enter(mode):
    token = _mode.set(mode)
    try:
        yield mode
    finally:
        _mode.reset(token)


def record():
    """A context that keeps every stop and choose; yields the Recording, a dict."""
    return _enter(Recording())


@contextmanager
def replay(recording):
    """A context that gives back what was kept; yields an object whose `.changed` names the choices that would differ.

    Raises ValueError for a missing, extra or doubled name and for another shape.
    """
    with _enter(_Replay(recording)) as mode:
        yield mode
    left = [name for name in recording if name not in mode.met]
    if left:
        raise ValueError(f"{left[0]!r} was recorded but not met in the replay ({len(left)} such): replay the same "
                         "function with the same configuration")


def aside():
    """A context in which nothing is kept or given back: for what was met before and is computed once more."""
    return _enter(None)


def joined(frozen=None):
    """For a function with stops of its own: replay `frozen`, or join the context around it, or record afresh."""
    if frozen is not None:
        return replay(frozen)
    return record() if _mode.get() is None else _mode.get().next_run()


class State(NamedTuple):
    """Where a sequence ended, to go on from: h, c (B, H) and the memory (N, B, H), empty slots first."""

    h: Any
    c: Any
    memory: Any = None


class Cache(NamedTuple):
    """What backward reads of S steps. Entry j of hx1 and c is the state before step j, which reads it."""

    gates: Any                      # (4, S, B, H)  i f g o
    hx1: Any                        # (S+1, B, H+D+1)   h, x and 1 side by side: one product gives all gates
    c: Any                          # (S+1, B, H)
    tanh_c: Any                     # (S, B, H)
    h_hat: Any                      # (S, B, H)
    s: Any                          # (S, B, H)     what was recalled (None at k_top=0, like the rest)
    q: Any                          # (S, B, Q)     queries
    w: Any                          # (S, B, K')    weights, ordered as slots; K' counts relu's threshold (weight 0)
    slope: Any                      # like w, or (S, B, 1) for relu

    @property
    def h(self):
        """(S+1, B, H), the states."""
        return self.hx1[..., :self.c.shape[2]]

    def steps(self, start, end):
        """The same of steps start..end-1, without copying."""
        h, c = self.hx1[start:end + 1], self.c[start:end + 1]
        rest = [None if a is None else a[start:end] for a in self[3:]]
        return Cache(self.gates[:, start:end], h, c, *rest)


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

    def zeros(self, name, shape):
        array = self.empty(name, shape)
        array[...] = 0
        return array


@dataclass
class Tape:
    """What a forward pass leaves for its backward pass, which changes none of it (its own arrays are in buffers)."""

    params: dict
    cfg: Any
    x: Any                          # (T, B, D) or symbols (T, B)
    memory: Any                     # (B, N, H)     slots in the order of writing; the first n_given were there before
    keys: Any                       # (B, N, Q)     for "dot" the memory itself
    n_given: int
    slots: Any                      # (T, B, K')    selected slots, largest score first (-1: fewer were there); or None
    cache: Cache | None             # None with checkpoint="blocks"
    buffers: Buffers | None         # None once they were given back
    half: Any                       # (4, 1, 1)     see lstm.py
    W: Any                          # (4, H+D+1, H) half * the gates' weights, for the product with [h x 1]
    prepared: dict                  # params, see scores.prepare
    recording: Recording | None = None                     # what was stopped and chosen
    starts: dict = field(default_factory=dict)             # step -> (h, c) before it, where backward recomputes from
    end: tuple = ()                 # h, c (B, H) after the last step
    changed: list = ()              # after a frozen replay: the choices that would now be others

    @property
    def weights(self):
        """(T, B, K') weights of the selected slots; None without recall, or with checkpoint="blocks"."""
        return self.cache and self.cache.w

    @property
    def final_state(self):
        """A State that owns its arrays: forward(..., state=tape.final_state) goes on from here."""
        if self.buffers is None:
            raise ValueError("tape: its buffers were given to a later forward; run forward again")
        return State(*(a.copy() for a in self.end), self.memory.swapaxes(0, 1).copy())

    def n_slots(self, t):
        """Slots that step t can read."""
        return self.n_given + t // self.cfg.k_att

    def slot_of(self, t):
        """The slot that the state of step t was written to, or None."""
        return self.n_slots(t) if self.cfg.k_top != 0 and (t + 1) % self.cfg.k_att == 0 else None

    def step_of(self, slot):
        """The step whose state slot holds (negative: it was there before)."""
        return self.cfg.written_at(slot - self.n_given)

    def give_back(self):
        """The arrays, for the next forward; this tape is of no use afterwards."""
        if self.buffers is None:
            raise ValueError("reuse: this tape was given back before")
        old, self.buffers = self.buffers, None
        self.memory = self.keys = self.slots = self.cache = None              # they would show the later forward's
        return old
