"""The copying task: read ten symbols, wait, say them again (Hochreiter & Schmidhuber 1997; Ke et al. 2018).

    input    s_0 ... s_9 | T-1 blanks | marker | 10 blanks        symbols 1..8, blank 0, marker 9
    target   T+10 blanks                       | s_0 ... s_9      length T+20

Chance on the ten answers is 1/8, and ln 8 = 2.079 nats. The input is a whole number a step, which the model reads
as one row of W_x: the same as a one-hot vector, without the zeros.
"""

import numpy as np

from sab_numpy.core.losses import softmax_cross_entropy as loss  # noqa: F401  (a task brings its loss)

N_IN = N_OUT = 10
BLANK, MARKER, WIDTH = 0, 9, 10  # WIDTH: symbols to copy
ANSWERS = WIDTH  # the last steps, which are asked
CHANCE = {"accuracy": 1 / 8, "ce10": float(np.log(8))}
METRICS = {"ce10": ("CE10", "nats on the ten answers"), "ce": ("CE", "on all steps")}


def steps(length):
    """Steps of a sequence with a wait of `length`."""
    return length + 2 * WIDTH


def sequences(length, batch, rng):
    """`batch` sequences with a wait of `length` = T: x (T+20, B) and targets (T+20, B), whole numbers."""
    if length < 1 or batch < 1:
        raise ValueError(f"copying needs T and a batch of at least 1, found T={length}, batch={batch}")
    symbols = rng.integers(1, MARKER, (batch, WIDTH)).T  # (10, B); a batch in two halves is the same batch
    x = np.zeros((steps(length), batch), dtype=np.intp)  # (T+20, B)
    targets = np.zeros_like(x)  # (T+20, B)
    x[:WIDTH] = targets[-WIDTH:] = symbols
    x[-WIDTH - 1] = MARKER
    return x, targets


def right(y, targets):
    """Which of the ten answers are right: (10, B) of True and False."""
    return y[-WIDTH:].argmax(axis=-1) == targets[-WIDTH:]


def cross_entropies(y, targets):
    """-log softmax(y)[target] of every step, in nats: (T+20, B), float64."""
    y = y.astype(np.float64)
    y = y - y.max(axis=-1, keepdims=True)  # (T+20, B, O)
    of_target = np.take_along_axis(y, targets[..., None], axis=-1)[..., 0]
    return np.log(np.exp(y).sum(axis=-1)) - of_target


def metrics(y, targets):
    """What the paper's table shows: accuracy on the last ten symbols, their cross-entropy, and that of all steps."""
    ce = cross_entropies(y, targets)
    return {"accuracy": float(right(y, targets).mean()), "ce10": float(ce[-WIDTH:].mean()), "ce": float(ce.mean())}


def tell(x, y, targets):
    """Lines about one sequence: x (T+20, 1), y (T+20, 1, 10), targets (T+20, 1)."""
    marker = len(x) - WIDTH - 1  # its step
    words = (" ".join(map(str, symbols)) for symbols in (x[:WIDTH, 0], targets[-WIDTH:, 0], y[-WIDTH:, 0].argmax(-1)))
    return [
        f"reads      {next(words)}   then {marker - WIDTH} blanks, and at step {marker} the marker",
        f"should say {next(words)}",
        f"says       {next(words)}   ({right(y, targets).sum()} of {WIDTH} right)",
    ]


def recalls(slots, cfg, x):
    """Of the recalls at the ten output steps, the share that went to empty slots and to microstates of the input.

    slots (T+20, B, K): whole numbers; slot n >= n_empty holds the state of step (n - n_empty + 1) * k_att - 1;
    -1 where there were fewer than K to choose from.
    """
    at_output = slots[-WIDTH:]
    at_output = at_output[at_output >= 0]
    empty = at_output < cfg.n_empty
    inputs = ~empty & (cfg.written_at(at_output - cfg.n_empty) < WIDTH)
    return {"recalls_empty": float(empty.mean()), "recalls_input": float(inputs.mean())}
