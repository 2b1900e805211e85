"""Tasks: one file each, see README.md here. Random numbers come from `stream`."""

from importlib import import_module

import numpy as np

MODULES = ("copying", "adding", "first_word")  # a module is the task
OBJECTS = {"images": ("mnist", "pmnist", "mnist14", "pmnist14", "cifar10"), "characters": ("ptb", "text8", "text")}
TASKS = {name: (f"sab_numpy.tasks.{name}", None) for name in MODULES} | {
    name: (f"sab_numpy.tasks.{module}", name) for module, names in OBJECTS.items() for name in names
}
STREAMS = ("training", "validation", "test", "parameters")


def task(name):
    """The task of that name. Raises ValueError for a name that is not in TASKS."""
    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, found {name!r}")
    module, part = TASKS[name]
    return getattr(import_module(module), part) if part else import_module(module)


def batches(problem, length, n, chunk, rng, split):
    """`n` sequences of a split (None: all that there are), a chunk at a time: (x, targets), ...

    A task that makes its data draws them from `rng`; one that has data gives those of the split, in their order.
    """
    if hasattr(problem, "batches"):
        yield from problem.batches(length, n, chunk, split)
        return
    for start in range(0, n, chunk):
        yield problem.sequences(length, min(chunk, n - start), rng)


def stream(seed, purpose, *numbers):
    """The random numbers of one purpose: a child of `seed` that shares nothing with the other purposes.

    `numbers` choose within it: stream(seed, "training", u) is what update u draws, whatever was drawn before, so a
    run that goes on after a stop needs no saved random state.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS.index(purpose), *numbers)))
