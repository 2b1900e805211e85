"""What commands print and draw, and what a trained model really does, computed slot by slot without the package."""

import functools
import os
from typing import Any, NamedTuple

import numpy as np
import plain_sab

import sab_numpy as sab
from sab_numpy.cli import demo
from sab_numpy.tasks import stream, task
from sab_numpy.training import loop, pretrained
from sab_numpy.training.run import Run

MODEL = "copying-T300-sab"


class Told(NamedTuple):
    """One test sequence of a trained model."""

    params: dict
    cfg: Any
    x: np.ndarray  # (T+20,) symbols
    targets: np.ndarray  # (T+20,)
    says: np.ndarray  # (T+20,)
    recalls: list  # a step: {step whose state it recalls, or "empty": weight}


def trained_here(args, settings, seed, out):
    """In the place of demo.train: the same trainings, but in this process."""
    for side, (_, fields) in demo.SIDES.items():
        loop.train(Run(**settings, **fields, seed=seed), os.path.join(out, side))
    return 0.0


def sequences(name, T, n):
    """The first n test sequences of a trained model: x and targets (T+20, n)."""
    return task("copying").sequences(T, n, stream(pretrained.about(name)["seed"], "test", T))


def model(name):
    """(params, cfg) in float64."""
    params, cfg = sab.load_pretrained(name)
    return {key: value.astype(float) for key, value in params.items()}, cfg


def by_hand(params, cfg, x):
    """What a softmax model says to x (T,) symbols, (T,), and what every step recalls: a list of {state: weight}."""
    empty, zeros = plain_sab.empty_memory(cfg), np.zeros(cfg.n_hidden)
    first, recalls = len(empty), []
    y, steps = plain_sab.run(params, cfg, np.eye(cfg.n_in)[x], zeros, zeros, empty)
    for *_, slots, scores in steps:
        weights = np.exp(np.array(scores)[slots] - max(scores, default=0.0))
        found = {}
        for slot, weight in zip(slots, weights / weights.sum()):
            state = "empty" if slot < first else (slot - first + 1) * cfg.k_att - 1
            found[state] = found.get(state, 0.0) + weight
        recalls.append(found)
    return y.argmax(-1), recalls


@functools.cache
def told(name=MODEL, T=5):
    """What a trained model does with its first test sequence."""
    (params, cfg), (x, targets) = model(name), sequences(name, T, 1)
    return Told(params, cfg, x[:, 0], targets[:, 0], *by_hand(params, cfg, x[:, 0]))


def walked(cfg, step, name=MODEL, T=5, n=1):
    """The events of the backward pass of the loss of one answer: what sab.walk tells."""
    (params, _), (x, targets) = model(name), sequences(name, T, n)
    y, tape = sab.forward(params, x, cfg)
    _, dy = sab.softmax_cross_entropy(y, targets)
    dy[np.arange(len(dy)) != step] = 0
    return list(sab.walk(dy, tape))
