"""The adding task: remember two marked numbers of many, say half their sum at the end (Hochreiter & Schmidhuber 1997).

    input    (value, flag) a step: values even in 0..1; flag 1 at one step of each half, else 0
    target   half the sum of the two marked values, at the last step alone

Who always says 1/2 has a squared error of 1/24 = 0.0417. An answer counts as right within 0.04 (the criterion of
Hochreiter & Schmidhuber): so does 1/2 in 15 % of all sequences.
"""

import numpy as np

from sab_numpy.core.backend import namespace
from sab_numpy.core.losses import mean_squared_error

N_IN, N_OUT, ANSWERS = 2, 1, 1
CHANCE = {"accuracy": 1 - 0.92**2, "squared_error": 1 / 24}
METRICS = {"squared_error": ("squared error", "of the last step; right: within 0.04")}
RIGHT = 0.04  # the largest error of an answer that counts as right


def steps(length):
    """Steps of a sequence: `length`."""
    return length


def sequences(length, batch, rng):
    """`batch` sequences of `length` = T steps: x (T, B, 2) and targets (1, B, 1), of the last step; float32."""
    if length < 2 or batch < 1:
        raise ValueError(f"adding needs T of at least 2 and a batch of at least 1, found T={length}, batch={batch}")
    marks = rng.integers([0, length // 2], [length // 2, length], (batch, 2)).T  # (2, B): one in each half
    x = np.zeros((length, batch, 2), np.float32)
    x[..., 0] = rng.random((batch, length), np.float32).T  # a batch in two halves is the same in law, not in bits
    x[marks, np.arange(batch), 1] = 1
    marked = x[marks, np.arange(batch), 0]  # (2, B)
    return x, marked.mean(0)[None, :, None]


def loss(y, targets):
    """Squared error of the last step: (loss, dy), dy (T, B, 1) zero before it."""
    dy = namespace(y).zeros_like(y)
    value, dy[-1:] = mean_squared_error(y[-1:], targets)
    return value, dy


def metrics(y, targets):
    """Squared error of the last step, and the share of answers within 0.04."""
    error = y[-1:].astype(np.float64) - targets
    return {"accuracy": float((abs(error) < RIGHT).mean()), "squared_error": float((error**2).mean())}


def tell(x, y, targets):
    """Lines about one sequence: x (T, 1, 2), y (T, 1, 1), targets (1, 1, 1)."""
    marked = [f"{x[t, 0, 0]:.4f} at step {t}" for t in np.flatnonzero(x[:, 0, 1])]
    said, right = float(y[-1, 0, 0]), float(targets[0, 0, 0])
    return [
        f"marked     {' and '.join(marked)}, of {len(x)} steps",
        f"should say {right:.4f}, half their sum",
        f"says       {said:.4f}   (off by {abs(said - right):.4f})",
    ]


def recalls(slots, cfg, x):
    """Of the recalls at the last step, the share that went to empty slots and to the first state after a mark."""
    last = slots[-1]  # (B, K)
    there = last >= 0
    states = cfg.written_at(last - cfg.n_empty)  # the step whose state it is
    marks = [np.flatnonzero(flags) for flags in x[:, :, 1].T]  # two a sequence
    kept = np.array([[-(-(mark + 1) // cfg.k_att) * cfg.k_att - 1 for mark in two] for two in marks])  # (B, 2)
    found = there & (last >= cfg.n_empty) & (states[..., None] == kept[:, None]).any(2)
    return {"recalls_empty": float((last[there] < cfg.n_empty).mean()), "recalls_input": float(found[there].mean())}
