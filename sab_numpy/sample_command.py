"""`sab sample`: one test sequence, what the model says to it, and which past steps it recalled to say it."""

import sab_numpy as sab
from sab_numpy import checkpoints, evaluation
from sab_numpy.tasks import stream, task


def one(folder, length=None, number=0, name="last"):
    """Run test sequence `number` of `length`: (run, x (T,), targets (T,), answers (T,), slots (T,K) or None, weights)."""
    run, state = checkpoints.load_run(folder, name)
    length, problem = length or run.T, task(run.task)
    x, targets = problem.sequences(length, number + 1, stream(run.seed, "test", length))
    x, targets = x[:, number:], targets[:, number:]                # (T, 1)
    y, tape = sab.forward(state.params, x, run.config())
    slots = evaluation.recalled(tape)
    weights = None if slots is None else tape.weights[:, 0, :slots.shape[-1]]
    return run, x[:, 0], targets[:, 0], y[:, 0].argmax(axis=-1), None if slots is None else slots[:, 0], weights


def step_of(slot, cfg):
    """The step whose state a slot holds, or None for an empty slot."""
    return None if slot < cfg.n_empty else (int(slot) - cfg.n_empty + 1) * cfg.k_att - 1


def say(slots, weights, cfg):
    """The recalls of one step in words: "4 (0.81), 9 (0.12), 3 empty"."""
    steps = [(step_of(slot, cfg), weight) for slot, weight in zip(slots, weights)]
    empty = sum(step is None for step, _ in steps)
    words = [f"{step} ({weight:.2f})" for step, weight in sorted(steps, key=lambda pair: -pair[1]) if step is not None]
    return ", ".join(words + ([f"{empty} empty"] if empty else []))


def add_arguments(parser):
    parser.add_argument("folder", metavar="DIR", help="the folder of a run (sab train --out)")
    parser.add_argument("--T", type=int, metavar="N", help="length (default: that of the training)")
    parser.add_argument("--number", type=int, default=0, metavar="N", help="which test sequence (default: 0)")
    parser.add_argument("--best", action="store_true", help="the best parameters on validation, not the last")
    parser.epilog = "example: sab sample runs/copy --T 30 --number 2"


def run(args):
    for name, value, least in (("--T", args.T, 1), ("--number", args.number, 0)):
        if value is not None and value < least:
            raise ValueError(f"{name} must be at least {least}, found {value}")
    trained, x, targets, answers, slots, weights = one(args.folder, args.T, args.number, "best" if args.best else "last")
    width, cfg = task(trained.task).WIDTH, trained.config()
    print(f"reads      {' '.join(map(str, x[:width]))}   then {len(x) - 2 * width - 1} blanks, and at step "
          f"{len(x) - width - 1} the marker\nshould say {' '.join(map(str, targets[-width:]))}\n"
          f"says       {' '.join(map(str, answers[-width:]))}   ({(answers == targets)[-width:].sum()} of {width} right)")
    if slots is None or not slots.shape[-1]:
        print("it recalls nothing in particular (k_top is 0, or it reads every microstate)")
        return 0
    print("step  says  right  recalls the states of steps (weight)")
    for t in range(len(x) - width, len(x)):
        print(f"{t:4d}  {answers[t]:4d}  {targets[t]:5d}  {say(slots[t], weights[t], cfg)}")
    return 0
