"""One test sequence of a trained model: what it reads, what the model says to it, and what it recalled for that."""

from itertools import islice
from typing import NamedTuple

import numpy as np

from sab_numpy.core.backend import require, to_backend, to_numpy
from sab_numpy.core.forward import forward
from sab_numpy.tasks import stream, task
from sab_numpy.training import evaluation
from sab_numpy.training.checkpoints import Trained, trained


def sequence(model, T=None, number=0):
    """Test sequence `number` of the model's task with a wait of T: x and targets, (steps, 1)."""
    T, problem = T or model.T, task(model.task)
    if hasattr(problem, "count"):  # it has test sequences
        if number >= problem.count("test"):
            raise ValueError(f"number must be less than {problem.count('test')}, found {number}")
        return next(islice(problem.batches(T, number + 1, 1, "test"), number, None))
    x, targets = problem.sequences(T, number + 1, stream(model.seed, "test", T))
    return x[:, number:], targets[:, number:]


def loss_at(dy, steps):
    """dy with the loss at these steps alone: what a backward of their sum starts from."""
    alone = np.zeros_like(dy)
    alone[steps] = dy[steps]
    return alone


class Sample(NamedTuple):
    """One sequence and what the model did with it."""

    model: Trained
    x: np.ndarray  # (T,) symbols read
    targets: np.ndarray  # (T,) what it should say
    answers: np.ndarray  # (T,) what it says
    slots: np.ndarray | None  # (T, K) what it recalled, or None where it reads none or all
    weights: np.ndarray | None  # (T, K)
    y: np.ndarray  # (T, 1, N_OUT) the outputs


def sample(source, length=None, number=0, best=False, backend="numpy"):
    """Run test sequence `number` of `length` through the model of a folder, or a pretrained one: a Sample."""
    xp, model = require(backend), trained(source, best)
    x, targets = sequence(model, length, number)  # (T, 1)
    y, tape = forward(to_backend(model.params, backend), xp.asarray(x), model.cfg)
    slots = evaluation.recalled(tape)
    weights = None if slots is None else to_numpy(tape.weights)[:, 0, : slots.shape[-1]]
    y, slots = to_numpy(y), None if slots is None else slots[:, 0]
    return Sample(model, x[:, 0], targets[:, 0], y[:, 0].argmax(axis=-1), slots, weights, y)


def written(source, length, temperature, number=0, best=False):
    """`length` characters that a model of text writes, one drawn after the other from softmax(y / temperature).

    It reads them in segments of its T, as in its training: h and c go on. number: which of its texts.
    """
    model = trained(source, best)
    problem, rng = task(model.task), stream(model.seed, "test", number)
    state, text = None, []
    segment = [problem.alphabet.index("\n" if "\n" in problem.alphabet else " ")]
    while len(text) < length:
        y, tape = forward(model.params, np.array(segment)[:, None], model.cfg, state=state)
        scores = y[-1, 0].astype(np.float64) / temperature
        chances = np.exp(scores - scores.max())
        text.append(int(rng.choice(len(chances), p=chances / chances.sum())))
        if len(segment) == model.T:
            state, segment = problem.carried(tape), []
        segment.append(text[-1])
    return problem.decode(text)
