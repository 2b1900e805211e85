"""`sab train`: many small updates, a row of history now and then, and a state that survives any kill."""

import os
import sys
import time

import numpy as np

import sab_numpy as sab
from sab_numpy.core import optim
from sab_numpy.core.backend import namespace, require
from sab_numpy.support import files
from sab_numpy.support.progress import Progress
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import stream, task
from sab_numpy.training import checkpoints, evaluation, schedule
from sab_numpy.training import run as runs
from sab_numpy.training.checkpoints import WINDOW


class Diverged(ArithmeticError):
    """The loss or the gradient is no longer a number."""


def advance(run, cfg, problem, state, tape=None):
    """One update: (the next state, the tape, whose buffers the next call may reuse). Raises Diverged."""
    rng = stream(run.seed, "training", state.update)
    x, targets = problem.sequences(schedule.length(run, state.update, rng), run.batch, rng)
    xp = namespace(*state.params.values())
    y, tape = sab.forward(state.params, xp.asarray(x), cfg, reuse=tape)
    loss, dy = problem.loss(y, xp.asarray(targets))
    grads = sab.backward(dy, tape)
    params, adam, norm = optim.adam_step(
        state.params,
        grads,
        state.adam,
        schedule.learning_rate(run, state.update),
        clip=run.clip,
        betas=(run.beta1, run.beta2),
        eps=run.eps,
    )
    loss, norm = float(loss), float(norm)
    if not np.isfinite(loss) or not np.isfinite(norm):
        raise Diverged(
            f"update {state.update + 1} has loss {loss} and gradient norm {norm}: expected finite numbers; "
            "the state before it is saved; try a smaller --lr, or --warmup"
        )
    window = {
        "updates": state.window["updates"] + 1,
        "loss": state.window["loss"] + loss,
        "gradient_norm": state.window["gradient_norm"] + norm,
        "gradient_norm_max": max(state.window["gradient_norm_max"], norm),
    }
    return state._replace(params=params, adam=adam, update=state.update + 1, window=window), tape


def validate(run, cfg, problem, state):
    """A row of history.csv: means since the last row, and what the model does at length T now."""
    found = evaluation.measure(
        state.params, cfg, problem, run.T, run.validation_sequences, stream(run.seed, "validation")
    )
    n = state.window["updates"]
    return {
        "update": state.update,
        "seconds": round(state.seconds, 2),
        "cpu_seconds": round(state.cpu_seconds, 2),
        "loss": state.window["loss"] / n,
        "gradient_norm": state.window["gradient_norm"] / n,
        "gradient_norm_max": state.window["gradient_norm_max"],
        "lr": schedule.learning_rate(run, state.update - 1),
    } | found


def due(run, state):
    """Whether the state waits for its validation (also when a kill came between an update and its validation)."""
    return state.validated < state.update and (state.update % run.validate_every == 0 or state.update == run.updates)


def finished(run, state):
    return state.update >= run.updates or state.streak >= 3


def train(run, out_dir, resume=False, force=False, backend="numpy", progress=None):
    """Train until `run.updates` (or stop_at) and return the last State; `out_dir` holds it and history.csv.

    run       a Run, or a dict of its fields
    resume    go on with the run in out_dir, bit for bit, where there is one; else begin
    progress  called as progress(state, row) after each update; row is None, or the new row of history.csv
    Ctrl-C (KeyboardInterrupt) and Diverged leave the last good state in out_dir.
    Raises ValueError for a folder that holds another run or in which another process trains, and OSError when it
    cannot be written.
    """
    run = run if isinstance(run, runs.Run) else runs.Run(**run)
    require(backend)
    os.makedirs(out_dir, exist_ok=True)
    with files.lock(os.path.join(out_dir, "last.npz"), wait=False):
        return _train(run, out_dir, resume, force, backend, progress or (lambda state, row: None))


def _train(run, out_dir, resume, force, backend, progress):
    state, rows = checkpoints.prepare(out_dir, run, resume, force)
    state = state._replace(params=sab.to_backend(state.params, backend), adam=sab.to_backend(state.adam, backend))
    last = os.path.join(out_dir, "last.npz")
    cfg, problem, tape = run.config(), task(run.task), None
    clock = Clock(state)
    checkpoints.save(last, run, state)
    try:
        while due(run, state) or not finished(run, state):
            if not due(run, state):
                with np.errstate(over="ignore", invalid="ignore"):  # advance looks at the result
                    state, tape = advance(run, cfg, problem, state, tape)
            state, row = clock.read(state), None
            if due(run, state):
                row = validate(run, cfg, problem, state)
                state = keep_row(run, out_dir, state, row, rows)
            if finished(run, state) or state.update % run.checkpoint_every == 0:
                checkpoints.save(last, run, state)
            progress(state, row)
    except (KeyboardInterrupt, Diverged):
        checkpoints.save(last, run, clock.read(state))
        raise
    return state


def keep_row(run, out_dir, state, row, rows):
    """Write history.csv, and best.npz if this is the best; the state that has seen the row."""
    files.write_rows(os.path.join(out_dir, "history.csv"), [*rows, row])
    seen = state._replace(
        validated=state.update,
        window=WINDOW,
        best=max(state.best, row["accuracy"]),
        streak=state.streak + 1 if run.stop_at and row["accuracy"] >= run.stop_at else 0,
    )
    if row["accuracy"] > state.best:
        checkpoints.save(os.path.join(out_dir, "best.npz"), run, seen)
    rows.append(row)
    return seen


class Clock:
    """Wall and processor time of a run, the earlier sittings included."""

    def __init__(self, state):
        self.start = state.seconds - time.perf_counter(), state.cpu_seconds - time.process_time()

    def read(self, state):
        return state._replace(
            seconds=self.start[0] + time.perf_counter(), cpu_seconds=self.start[1] + time.process_time()
        )


def add_arguments(parser):
    parser.add_argument("task", nargs="?", help="copying (may be left out with --resume)")
    runs.add_options(parser)
    parser.add_argument("--algorithm", default="sab", help="sab; bptt, tbptt or attention decide k-trunc and k-top")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for last.npz, best.npz and history.csv")
    parser.add_argument("--resume", action="store_true", help="go on with the run in DIR, bit for bit")
    parser.add_argument("--force", action="store_true", help="replace the run in DIR")
    parser.add_argument("--backend", default="numpy", help="numpy, cupy or auto (default: numpy)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.epilog = (
        "example: sab train copying --T 100 --min-length 5 --k-att 5 --batch 16 --lr 3e-3 \\\n"
        "             --warmup 5000 --first-lr-ratio 0.3333 --schedule cosine --decay-from 0.6 --out runs/copy\n"
        "(the recipe of sab reproduce copying: about 4 minutes on one core)\n"
        "Ctrl-C saves; the same command with --resume goes on."
    )


def wanted(args):
    """The Run that the command asks for: with --resume the saved one, which the options must not contradict."""
    given = {name: value for name, value in vars(args).items() if name in runs.Run.__dataclass_fields__}
    if given["task"] is None:
        del given["task"]
    given |= runs.decided_by(args.algorithm, given)
    if args.resume and os.path.exists(os.path.join(args.out, "last.npz")):
        saved, _ = checkpoints.load_run(args.out)
        return runs.Run(**{**vars(saved), **given})
    if args.resume and not os.path.isdir(args.out):
        raise ValueError(f"--resume: {args.out} is not the folder of a run")
    if "task" not in given:
        raise ValueError("which task? expected copying, found none")
    return runs.Run(**given)


def run(args):
    asked = wanted(args)
    one_thread()
    try:
        state = train(asked, args.out, args.resume, args.force, args.backend, None if args.quiet else Progress(asked))
    except KeyboardInterrupt:
        print(f"\nstopped; saved in {args.out}: the same command with --resume goes on", file=sys.stderr)
        return 130
    except Diverged as error:
        print(f"sab train: {error}", file=sys.stderr)
        return 1
    print(
        f"{state.update} updates in {state.seconds:.0f} s; best validation accuracy {100 * state.best:.2f} %; "
        f"saved in {args.out}"
    )
    return 0
