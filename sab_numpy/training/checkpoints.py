"""The folder of a run: last.npz, the one before it, best.npz and history.csv, each whole or absent at any moment."""

import os
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from sab_numpy.core import backend, optim
from sab_numpy.core.config import check_count
from sab_numpy.support import files
from sab_numpy.tasks import stream, task
from sab_numpy.training import pretrained
from sab_numpy.training.models import model
from sab_numpy.training.run import Run

ARRAYS = ("params", "adam", "carried")
LAST, BEFORE, HISTORY = "last.npz", "last.previous.npz", "history.csv"
NAMES = (LAST, BEFORE, "best.npz", HISTORY)
COLUMNS = {"update": files.whole, "seconds": files.number, "cpu_seconds": files.number, "accuracy": files.share}
WINDOW = {"updates": 0, "loss": 0.0, "gradient_norm": 0.0, "gradient_norm_max": 0.0}


class TrainingState(NamedTuple):
    """All that a run needs to go on. The random numbers follow from the seed and the update."""

    params: dict
    adam: dict
    update: int = 0  # updates done
    validated: int = 0  # the update of the last row of history.csv
    best: float = -1.0  # best validation accuracy so far
    streak: int = 0  # validations in a row at stop_at
    seconds: float = 0.0  # wall clock, all sittings together
    cpu_seconds: float = 0.0  # of all its processes
    window: dict = WINDOW  # sums since the last row
    carried: dict = {}  # h and c that the next segment of a stream goes on from
    history: list | None = None  # the rows of history.csv; None in a checkpoint of an earlier version


def save(path, run, state, before=None):
    """Write a checkpoint; before: a name for the one that is there."""
    arrays = {
        f"{group}.{name}": backend.to_numpy(value) if backend.is_array(value) else np.array(value)
        for group in ARRAYS
        for name, value in getattr(state, group).items()
    }
    rest = {name: value for name, value in state._asdict().items() if name not in ARRAYS}
    files.save_arrays(path, arrays, {"sab_numpy": "checkpoint", "run": asdict(run), "state": rest}, before)


def load(path):
    """(run, state) of a checkpoint; ValueError when it is missing, damaged, foreign or of another configuration."""
    arrays, meta = files.load_arrays(path)
    with files.judged(path, "not a checkpoint of sab train that can be used"):
        if meta["sab_numpy"] != "checkpoint":
            raise ValueError("another file of sab_numpy")
        groups = {group: {} for group in ARRAYS}
        for name, array in arrays.items():
            group, _, key = name.partition(".")
            groups[group][key] = array if array.ndim else array.item()
        run, state = Run.of(meta["run"]), TrainingState(**groups, **meta["state"])
        model(run.config()).check_params(state.params, run.config())
        dtypes = {value.dtype for value in state.params.values()}
        if sizes(state.adam) != sizes(optim.adam_init(state.params)) or dtypes != {np.dtype(run.dtype)}:
            raise ValueError("the moments of Adam do not fit the parameters, or their dtype is not that of the run")
        for name in ("update", "validated", "streak"):
            check_count(name, getattr(state, name), 0)
        numbers = [state.best, state.seconds, state.cpu_seconds, *(state.window[name] for name in WINDOW)]
        if not np.isfinite(numbers).all():
            raise ValueError("it holds NaN or infinity")
        if state.history is not None:
            check_history(state.history, run, state)
    return run, state


def sizes(arrays):
    """{name: (shape, dtype)} of arrays and numbers."""
    return {name: (np.shape(value), np.asarray(value).dtype) for name, value in arrays.items()}


def check_history(rows, run, state):
    """ValueError unless the rows of history.csv are all those that the state has seen, in their order."""
    updates = [int(row["update"]) for row in rows]
    due = {*range(run.validate_every, state.validated + 1, run.validate_every), state.validated} - {0}
    if updates != sorted(set(updates)) or not due <= set(updates) or max(updates, default=0) > state.validated:
        missing = f"that of update {min(due - set(updates))} is missing" if due - set(updates) else f"found {updates}"
        raise ValueError(f"expected the rows of the updates up to {state.validated}, {missing}"[:200])


def load_run(folder, name="last"):
    """(run, state) of the last or the best checkpoint in the folder of a run."""
    if not os.path.isdir(folder):
        raise ValueError(f"{folder}: no such folder; expected one that sab train --out made")
    if not present(folder):
        raise ValueError(f"{folder}: expected the folder of a run (sab train --out), found no {name}.npz in it")
    try:
        return load(os.path.join(folder, f"{name}.npz"))
    except files.Damaged as error:
        if name == "last" and os.path.exists(os.path.join(folder, BEFORE)):
            raise ValueError(
                f"{error}; sab train --resume --out {folder} goes on from the checkpoint before it"
            ) from None
        raise


def latest(folder):
    """(run, state, damage) of the last checkpoint in a folder, or of the one before it: damage says why, or is "".

    Raises ValueError when neither is there to go on from.
    """
    damage = []
    for name in (LAST, BEFORE):
        try:
            return *load(os.path.join(folder, name)), "".join(damage)
        except files.Damaged as error:
            damage.append(str(error))
    raise ValueError(f"{'; '.join(damage)}; nothing is removed unless --force begins anew")


class Trained(NamedTuple):
    """A trained model and where its test sequences come from."""

    name: str
    params: dict
    cfg: Any
    updates: int
    T: int
    seed: int
    task: str = "copying"


def trained(source, best=False):
    """The model in a folder of `sab train`, or a pretrained one by its name. ValueError when it is neither."""
    if source in pretrained.names():
        if best:
            raise ValueError(f"{source}: a pretrained model has its last parameters alone, found --best")
        (params, cfg), about = pretrained.load_pretrained(source), pretrained.about(source)
        return Trained(source, params, cfg, *(about[name] for name in ("updates", "T", "seed")))
    if not os.path.isdir(source):
        raise ValueError(
            f"{source}: expected the folder of a run (sab train --out), or a pretrained model: "
            f"{', '.join(pretrained.names()) or 'none is there'}"
        )
    run, state = load_run(source, "best" if best else "last")
    return Trained(source, state.params, run.config(), state.update, run.T, run.seed, run.task)


def first_parameters(run):
    """The parameters before the first update."""
    more = {"chrono": task(run.task).steps(run.T)} if run.init == "chrono" else {}
    cfg = run.config()
    return model(cfg).init_params(cfg, stream(run.seed, "parameters"), dtype=np.dtype(run.dtype), **more)


def present(folder):
    """The files of a run that are in the folder."""
    return [name for name in NAMES if os.path.lexists(os.path.join(folder, name))]


def first_state(run):
    """The state before the first update."""
    params = first_parameters(run)
    return TrainingState(params, optim.adam_init(params), history=[])


def prepare(folder, run, first, resume, force):
    """The state to begin from: `first`, or the last that was saved. Only force removes files of a run.

    Raises ValueError when the folder holds a run and neither resume nor force says what to do with it, or when it has
    nothing to go on from.
    """
    files.sweep(folder)
    here = present(folder)
    if resume and here:
        saved, state, damage = latest(folder)
        run.check_same(saved)
        state = state._replace(history=rows_seen(folder, saved, state))
        if damage:
            last = os.path.join(folder, LAST)
            if os.path.exists(last):
                os.replace(last, os.path.join(folder, "last.damaged.npz"))
            os.replace(os.path.join(folder, BEFORE), last)
        return state
    if here and not force:
        raise ValueError(f"{folder} holds a run ({', '.join(here)}): --resume goes on with it, --force replaces it")
    for name in here:
        os.unlink(os.path.join(folder, name))
    return first


def rows_seen(folder, run, state):
    """The rows of history.csv: as the state knows them; one of an earlier version does not, and the file has to do."""
    if state.history is not None or not state.validated:
        return state.history or []
    path = os.path.join(folder, HISTORY)
    rows = [row for row in files.read_rows(path, COLUMNS) if int(row["update"]) <= state.validated]
    with files.judged(path, "not the history of this checkpoint"):
        check_history(rows, run, state)
    return rows
