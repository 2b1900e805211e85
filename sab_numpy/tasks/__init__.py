"""Tasks: modules with N_IN, N_OUT, steps, sequences, loss, metrics and recalls. Random numbers come from `stream`."""

from importlib import import_module

import numpy as np

TASKS = {"copying": "sab_numpy.tasks.copying"}
STREAMS = ("training", "validation", "test", "parameters")


def task(name):
    """The module of a task. Raises ValueError for a name that is not in TASKS."""
    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, found {name!r}")
    return import_module(TASKS[name])


def stream(seed, purpose, *numbers):
    """The random numbers of one purpose: a child of `seed` that shares nothing with the other purposes.

    `numbers` choose within it: stream(seed, "training", u) is what update u draws, whatever was drawn before, so a
    run that goes on after a stop needs no saved random state.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS.index(purpose), *numbers)))
