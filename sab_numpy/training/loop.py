"""Many small updates, a row of history now and then, and a state that survives any kill."""

import os
import time
from dataclasses import replace

import numpy as np

from sab_numpy.core import optim
from sab_numpy.core.backend import namespace, require, to_backend
from sab_numpy.core.tape import State
from sab_numpy.support import files
from sab_numpy.tasks import stream, task
from sab_numpy.training import checkpoints, evaluation
from sab_numpy.training.checkpoints import WINDOW
from sab_numpy.training.parallel import Ranks, Team
from sab_numpy.training.run import Run


class Diverged(ArithmeticError):
    """The loss or the gradient is no longer a number."""


def batch(run, problem, state):
    """What the next update reads: x, targets, and the State that it begins from (None: zeros)."""
    if hasattr(problem, "segment"):
        x, targets, begins = problem.segment(state.update, run.T, run.batch)
        return x, targets, None if begins else State(**state.carried)
    rng = stream(run.seed, "training", state.update)
    return *problem.sequences(run.length(rng), run.batch, rng), None


def team_for(run, processes=1):
    """The Team that works out the gradients of a run: `processes` of our own, or those of an MPI communicator."""
    problem, team = task(run.task), Team if isinstance(processes, int) else Ranks
    return team(run.config(), processes, problem.loss, getattr(problem, "carried", None))


def advance(run, state, team):
    """The state after one update. Raises Diverged."""
    xp = namespace(*state.params.values())
    x, targets, start = batch(run, task(run.task), state)
    loss, grads, after = team.loss_and_gradients(state.params, xp.asarray(x), xp.asarray(targets), state=start)
    params, adam, norm = optim.adam_step(
        state.params,
        grads,
        state.adam,
        run.learning_rate(state.update, state),
        clip=run.clip,
    )
    arrays = [value for name, value in (params | adam).items() if name != "step"]
    finite = xp.stack([xp.isfinite(value).all() for value in arrays]).all()
    loss, norm = float(loss), float(xp.where(finite, norm, np.nan))
    if not np.isfinite(loss) or not np.isfinite(norm):
        raise Diverged(
            f"update {state.update + 1} has loss {loss} and gradient norm {norm} (nan: of parameters too): expected "
            "finite numbers; the state before it is saved; try a smaller --lr, or --warmup"
        )
    window = {
        "updates": state.window["updates"] + 1,
        "loss": state.window["loss"] + loss,
        "gradient_norm": state.window["gradient_norm"] + norm,
        "gradient_norm_max": max(state.window["gradient_norm_max"], norm),
    }
    carried = {name: value for name, value in after._asdict().items() if value is not None} if after else {}
    return state._replace(params=params, adam=adam, update=state.update + 1, window=window, carried=carried)


def validate(run, cfg, problem, state):
    """A row of history.csv: means since the last row, and what the model does at length T now."""
    found, _ = evaluation.mean_metrics(
        state.params,
        cfg,
        problem,
        run.T,
        run.validation_sequences,
        stream(run.seed, "validation"),
        split="validation",
    )
    n = state.window["updates"]
    return {
        "update": state.update,
        "seconds": round(state.seconds, 2),
        "cpu_seconds": round(state.cpu_seconds, 2),
        "loss": state.window["loss"] / n,
        "gradient_norm": state.window["gradient_norm"] / n,
        "gradient_norm_max": state.window["gradient_norm_max"],
        "lr": run.learning_rate(state.update - 1, state),
    } | found


def due(run, state):
    """Whether the state waits for its validation (also when a kill came between an update and its validation)."""
    return state.validated < state.update and (state.update % run.validate_every == 0 or state.update == run.updates)


def train(run, out_dir, resume=False, force=False, backend="numpy", progress=None, processes=1):
    """Train until `run.updates` (or stop_at) and return the last TrainingState; `out_dir` holds it and history.csv.

    run       a Run, or a dict of its fields
    resume    go on with the run in out_dir, bit for bit, where there is one; else begin
    progress  called as progress(state, row) after each update; row is None, or the new row of history.csv
    processes that share each batch, on the CPU: a number, or an MPI communicator, at its rank 0 (parallel.world).
              Their number is not of the run: with another one the result is the same to rounding, with the same one
              bit for bit
    Ctrl-C (KeyboardInterrupt), Diverged and the loss of a process (ChildProcessError) leave the last good state in
    out_dir. Raises ValueError for a folder that holds another run or in which another process trains, and OSError
    when it cannot be written.
    """
    run = run if isinstance(run, Run) else Run(**run)
    size = getattr(processes, "size", processes)
    if not 1 <= size <= run.batch or size > 1 and require(backend) is not np:
        raise ValueError(f"processes: expected 1 to the batch of {run.batch}, 1 on a GPU, found {size}")
    require(backend)
    first = checkpoints.first_state(run)
    batch(replace(run, min_length=run.T), task(run.task), first)  # too large for the memory: no folder
    os.makedirs(out_dir, exist_ok=True)
    with files.lock(os.path.join(out_dir, "last.npz"), wait=False), team_for(run, processes) as shared:
        state = checkpoints.prepare(out_dir, run, first, resume, force)
        state = state._replace(**{name: to_backend(getattr(state, name), backend) for name in checkpoints.ARRAYS})
        return _train(run, out_dir, state, shared, progress or (lambda state, row: None))


def _train(run, out_dir, state, team, progress):
    cfg, problem, clock = run.config(), task(run.task), Clock(state, team)
    save_last(run, out_dir, state)
    if state.history:  # whatever became of the file
        files.write_rows(os.path.join(out_dir, checkpoints.HISTORY), state.history)
    try:
        while due(run, state) or not run.finished(state):
            if not due(run, state):
                with np.errstate(over="ignore", invalid="ignore"):  # advance looks at the result
                    state = advance(run, state, team)
            state, row = clock.read(state), None
            if due(run, state):
                row = validate(run, cfg, problem, state)
                state = keep_row(run, out_dir, state, row)
            if run.finished(state) or state.update % run.checkpoint_every == 0:
                save_last(run, out_dir, state)
            progress(state, row)
    except (KeyboardInterrupt, Diverged, ChildProcessError):
        save_last(run, out_dir, clock.read(state))
        raise
    return state


def save_last(run, out_dir, state):
    """Write last.npz; the one that is there becomes last.previous.npz."""
    last, before = (os.path.join(out_dir, name) for name in (checkpoints.LAST, checkpoints.BEFORE))
    checkpoints.save(last, run, state, before)


def keep_row(run, out_dir, state, row):
    """Write history.csv, and best.npz if this is the best; the state that has seen the row."""
    seen = state._replace(
        validated=state.update,
        window=WINDOW,
        best=max(state.best, row["accuracy"]),
        streak=state.streak + 1 if run.stop_at and row["accuracy"] >= run.stop_at else 0,
        history=[*state.history, row],
    )
    files.write_rows(os.path.join(out_dir, checkpoints.HISTORY), seen.history)
    if row["accuracy"] > state.best:
        checkpoints.save(os.path.join(out_dir, "best.npz"), run, seen)
    return seen


class Clock:
    """Wall and processor time of a run, the earlier sittings included."""

    def __init__(self, state, team):
        self.team = team
        self.start = state.seconds - time.perf_counter(), state.cpu_seconds - time.process_time()

    def read(self, state):
        spent = time.process_time() + self.team.seconds
        return state._replace(seconds=self.start[0] + time.perf_counter(), cpu_seconds=self.start[1] + spent)
