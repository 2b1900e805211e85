"""The answer is the first word: others follow that mean nothing; at the end say the first (Ke et al., slides)."""

from sab_numpy.core.backend import namespace
from sab_numpy.core.losses import softmax_cross_entropy

N_IN = N_OUT = 8
ANSWERS = 1
CHANCE = {"accuracy": 1 / 8}


def steps(length):
    return length


def sequences(length, batch, rng):
    x = rng.integers(0, N_IN, (batch, length)).T  # (T, B)
    return x, x[:1]  # targets (1, B)


def loss(y, targets):
    dy = namespace(y).zeros_like(y)
    value, dy[-1:] = softmax_cross_entropy(y[-1:], targets)
    return value, dy


def metrics(y, targets):
    return {"accuracy": float((y[-1:].argmax(-1) == targets).mean())}


def recalls(slots, cfg, x):
    last = slots[-1]  # (B, K)
    return {"recalls_input": float((last == cfg.n_empty)[last >= 0].mean())}  # the first microstate of the sequence
