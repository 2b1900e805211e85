"""`sab sample`: one test sequence, what the model says to it, and which past steps it recalled to say it."""

from typing import NamedTuple

import numpy as np

import sab_numpy as sab
from sab_numpy.cli.walk import check_sequence, sequence
from sab_numpy.core.backend import require, to_numpy
from sab_numpy.tasks import task
from sab_numpy.training import evaluation
from sab_numpy.training.checkpoints import Trained, trained


class Sample(NamedTuple):
    """One sequence and what the model did with it."""

    model: Trained
    x: np.ndarray  # (T,) symbols read
    targets: np.ndarray  # (T,) what it should say
    answers: np.ndarray  # (T,) what it says
    slots: np.ndarray | None  # (T, K) what it recalled, or None where it reads none or all
    weights: np.ndarray | None  # (T, K)


def one(source, length=None, number=0, best=False, backend="numpy"):
    """Run test sequence `number` of `length` through the model of a folder, or a pretrained one: a Sample."""
    xp, model = require(backend), trained(source, best)
    x, targets = sequence(model, length, number)  # (T, 1)
    y, tape = sab.forward(sab.to_backend(model.params, backend), xp.asarray(x), model.cfg)
    slots = evaluation.recalled(tape)
    weights = None if slots is None else to_numpy(tape.weights)[:, 0, : slots.shape[-1]]
    answers, slots = to_numpy(y)[:, 0].argmax(axis=-1), None if slots is None else slots[:, 0]
    return Sample(model, x[:, 0], targets[:, 0], answers, slots, weights)


def say(slots, weights, cfg):
    """The recalls of one step in words, the heaviest first: "4 (0.81), empty (0.12), 9 (0.07)"."""
    found = {}
    for slot, weight in zip(slots, weights):
        if slot >= 0:  # -1: there were fewer slots than K
            name = "empty" if slot < cfg.n_empty else str(cfg.written_at(slot - cfg.n_empty))
            found[name] = found.get(name, 0.0) + weight
    return ", ".join(f"{name} ({weight:.2f})" for name, weight in sorted(found.items(), key=lambda pair: -pair[1]))


def add_arguments(parser):
    parser.add_argument("folder", metavar="DIR", help="the folder of a run (sab train --out), or a pretrained name")
    parser.add_argument("--T", type=int, metavar="N", help="length (default: that of the training)")
    parser.add_argument("--number", type=int, default=0, metavar="N", help="which test sequence (default: 0)")
    parser.add_argument("--best", action="store_true", help="the best parameters on validation, not the last")
    parser.add_argument("--backend", default="numpy", help="numpy, cupy or auto (default: numpy)")
    parser.epilog = "example: sab sample copying-T100-sab --T 30 --number 2"


def run(args):
    check_sequence(args)
    sample = one(args.folder, args.T, args.number, args.best, args.backend)
    width, cfg, n_steps = task(sample.model.task).WIDTH, sample.model.cfg, len(sample.x)
    first = n_steps - width  # the first answer
    good = (sample.answers == sample.targets)[first:].sum()
    print(
        f"reads      {' '.join(map(str, sample.x[:width]))}   then {first - width - 1} blanks, and at step {first - 1} "
        f"the marker\nshould say {' '.join(map(str, sample.targets[first:]))}\n"
        f"says       {' '.join(map(str, sample.answers[first:]))}   ({good} of {width} right)"
    )
    if sample.slots is None:
        print("it recalls nothing in particular (k_top is 0, or it reads every microstate)")
        return 0
    print("step  says  right  recalls the states of steps (weight)")
    for t in range(first, n_steps):
        print(
            f"{t:4d}  {sample.answers[t]:4d}  {sample.targets[t]:5d}  " + say(sample.slots[t], sample.weights[t], cfg)
        )
    return 0
