"""Recording and frozen replay: truncated credit becomes something that numbers can check.

Truncated credit is not the derivative of the loss. It is the derivative of another function: the
same forward in which every stopped value and every discrete choice is a constant. `stop` and
`choose` mark them. While recording they keep what passes; while replaying they give back what was
kept. Any function can use them:

    with record() as tape:             # once, at the point where the gradient was taken
        f(params)
    with replay(tape):                 # as often as you like, at other parameters
        f(perturbed)                   # its derivative here is the truncated gradient, exactly
"""

from contextlib import contextmanager
from contextvars import ContextVar

_mode = ContextVar("sab_numpy_mode", default=None)         # None, a Recording or a Replay
unheard = []                                # functions told of a stop that nobody records


class Recording(dict):
    """What was stopped or chosen, by name; names of a function's later runs carry their number."""

    runs = run = 0

    def full(self, name):
        return (self.run, name) if self.run > 1 else name

    def meet(self, name, value, copy=True):
        """Keep `value`, and let it pass."""
        name = self.full(name)
        if name in self:
            raise ValueError(f"{name!r} was recorded twice: "
                             "every stop and choose needs a name of its own")
        self[name] = _copied(value) if copy else value
        return value

    @contextmanager
    def next_run(self):
        before, self.runs = self.run, self.runs + 1
        self.run = self.runs
        try:
            yield self
        finally:
            self.run = before


class Replay(Recording):
    """What was met so far of a recording that is given back."""

    def __init__(self, recording):
        super().__init__()
        self.recording, self.changed = recording, []

    def meet(self, name, value, copy=True):
        """What was kept under `name`, in the place of `value`."""
        name = self.full(name)
        if name not in self.recording or name in self:
            raise ValueError(f"{name!r} was {'met twice' if name in self else 'not recorded'}: "
                             "a replay must meet every recorded name exactly once")
        kept = self.recording[name]
        recorded, found = (getattr(v, "shape", None) for v in (kept, value))
        if recorded != found:
            raise ValueError(f"{name!r} was recorded with shape {recorded}, found {found}: "
                             "replay the same function on the same sizes")
        self[name] = kept
        return _copied(kept) if copy else kept

    def finish(self):
        left = [name for name in self.recording if name not in self]
        if left:
            raise ValueError(f"{left[0]!r} was recorded but not met in the replay "
                             f"({len(left)} such): "
                             "replay the same function with the same configuration")


def stop(name, value, copy=True):
    """`value`, as a constant for the backward pass. copy=False: nobody will overwrite it."""
    mode = _mode.get()
    if mode is not None:
        return mode.meet(name, value, copy)
    for tell in unheard:
        tell(name)
    return value


def choose(name, indices):
    """`indices`, a discrete choice; a replay repeats the recorded one and notes a difference."""
    kept, mode = stop(name, indices), _mode.get()
    if isinstance(mode, Replay) and _differ(kept, indices):
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
    """A context that gives back what was kept; its `.changed` names the choices that would differ.

    Raises ValueError for a missing, extra or doubled name and for another shape.
    """
    with _enter(Replay(recording)) as mode:
        yield mode
    mode.finish()


def not_recording():
    """A context in which nothing is kept or given back: for what is computed once more."""
    return _enter(None)


def recording_context(frozen=None):
    """Replay `frozen`, or join the context around, or record: for a function with its own stops."""
    if frozen is not None:
        return replay(frozen)
    return record() if _mode.get() is None else _mode.get().next_run()
