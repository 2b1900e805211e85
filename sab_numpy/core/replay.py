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

from collections import Counter
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

_mode = ContextVar("sab_numpy_mode", default=None)         # None, a Recording or a Replay
unheard = []                                # functions told of a stop that nobody records


class Recording(dict):
    """What was stopped or chosen, by name; one that is met again carries its number: (name, 2)."""

    def __init__(self):
        super().__init__()
        self.times, self.now = Counter(), None                 # how often a name was met; the last

    def numbered(self, name):
        self.times[name] += 1
        self.now = name if self.times[name] == 1 else (name, self.times[name])
        return self.now

    def meet(self, name, value, copy=True):
        """Keep `value`, and let it pass."""
        self[self.numbered(name)] = _copied(value) if copy else value
        return value


class Replay(Recording):
    """What was met so far of a recording that is given back."""

    def __init__(self, recording):
        super().__init__()
        self.recording, self.changed = recording, []

    def meet(self, name, value, copy=True):
        """What was kept under `name`, in the place of `value`."""
        name = self.numbered(name)
        if name not in self.recording:
            raise ValueError(f"{name!r} was not recorded: "
                             "a replay must meet what was recorded, as often")
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
    """`value`, as a constant for the backward pass. copy=False: the recording may hold a view."""
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
        mode.changed.append(mode.now)
    return kept


def _copied(value):
    """Arrays, also within lists, tuples and dicts, that nobody else can overwrite."""
    if isinstance(value, dict):
        return {name: _copied(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        copies = map(_copied, value)
        return type(value)(*copies) if hasattr(value, "_fields") else type(value)(copies)
    return value.copy() if hasattr(value, "shape") else value


def _differ(a, b):
    """Whether two choices differ: arrays, numbers, or lists, tuples and dicts of them."""
    if isinstance(a, dict):
        return list(a) != list(b) or any(_differ(a[name], b[name]) for name in a)
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

    recording   of record(), or a tape of sab.forward
    Raises ValueError for a missing or extra name and for another shape.
    """
    with _enter(Replay(getattr(recording, "recording", recording))) as mode:
        yield mode
    mode.finish()


def not_recording():
    """A context in which nothing is kept or given back: for what is computed once more."""
    return _enter(None)


def recording_context(frozen=None):
    """Replay `frozen`, or join the context around, or record: for a function with its own stops."""
    if frozen is not None:
        return replay(frozen)
    return record() if _mode.get() is None else nullcontext(_mode.get())
