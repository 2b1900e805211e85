"""One test sequence of a trained model: what it reads, what the model says to it, and what it recalled for that."""

from typing import NamedTuple

import numpy as np

from sab_numpy.core.backend import require, to_backend, to_numpy
from sab_numpy.core.forward import forward
from sab_numpy.tasks import stream, task
from sab_numpy.training import evaluation
from sab_numpy.training.checkpoints import Trained, trained


def sequence(model, T=None, number=0):
    """Test sequence `number` of the model's task with a wait of T: x and targets, (steps, 1)."""
    T = T or model.T
    x, targets = task(model.task).sequences(T, number + 1, stream(model.seed, "test", T))
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


def sample(source, length=None, number=0, best=False, backend="numpy"):
    """Run test sequence `number` of `length` through the model of a folder, or a pretrained one: a Sample."""
    xp, model = require(backend), trained(source, best)
    x, targets = sequence(model, length, number)  # (T, 1)
    y, tape = forward(to_backend(model.params, backend), xp.asarray(x), model.cfg)
    slots = evaluation.recalled(tape)
    weights = None if slots is None else to_numpy(tape.weights)[:, 0, : slots.shape[-1]]
    answers, slots = to_numpy(y)[:, 0].argmax(axis=-1), None if slots is None else slots[:, 0]
    return Sample(model, x[:, 0], targets[:, 0], answers, slots, weights)
