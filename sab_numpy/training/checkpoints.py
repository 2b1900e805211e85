"""The folder of a run: last.npz, best.npz and history.csv, each whole or absent at any moment."""

import os
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from sab_numpy.core import backend, optim
from sab_numpy.core.params import check_params, init_params
from sab_numpy.support import files
from sab_numpy.tasks import stream, task
from sab_numpy.training import pretrained
from sab_numpy.training.run import Run

NAMES = ("last.npz", "best.npz", "history.csv")
ARRAYS = ("params", "adam", "carried")
WINDOW = {"updates": 0, "loss": 0.0, "gradient_norm": 0.0, "gradient_norm_max": 0.0}


class State(NamedTuple):
    """All that a run needs to go on. The random numbers follow from the seed and the update."""

    params: dict
    adam: dict
    update: int = 0  # updates done
    validated: int = 0  # the update of the last row of history.csv
    best: float = -1.0  # best validation accuracy so far
    streak: int = 0  # validations in a row at stop_at
    seconds: float = 0.0  # wall clock, all sittings together
    cpu_seconds: float = 0.0  # of this process
    window: dict = WINDOW  # sums since the last row
    carried: dict = {}  # h, c and memory that the next segment of a stream goes on from


def save(path, run, state):
    """Write a checkpoint."""
    arrays = {
        f"{group}.{name}": backend.to_numpy(value) if backend.is_array(value) else np.array(value)
        for group in ARRAYS
        for name, value in getattr(state, group).items()
    }
    rest = {name: value for name, value in state._asdict().items() if name not in ARRAYS}
    files.save_arrays(path, arrays, {"sab_numpy": "checkpoint", "run": asdict(run), "state": rest})


def load(path):
    """(run, state) of a checkpoint; ValueError when it is missing, cut short, foreign or of another configuration."""
    arrays, meta = files.load_arrays(path)
    try:
        if meta["sab_numpy"] != "checkpoint":
            raise KeyError("checkpoint")
        run, rest = Run.of(meta["run"]), meta["state"]
        groups = {group: {} for group in ARRAYS}
        for name, array in arrays.items():
            group, _, key = name.partition(".")
            groups[group][key] = array if array.ndim else array.item()
        state = State(**groups, **rest)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected a checkpoint of sab train, found another file ({error})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        check_params(state.params, run.config())
    except ValueError as error:
        raise ValueError(f"{path}: its parameters do not fit its configuration: {error}") from None
    return run, state


def load_run(folder, name="last"):
    """(run, state) of the last or the best checkpoint in the folder of a run."""
    if not os.path.isdir(folder):
        raise ValueError(f"{folder}: no such folder; expected one that sab train --out made")
    return load(os.path.join(folder, f"{name}.npz"))


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
        params, cfg = pretrained.load_pretrained(source)
        return Trained(source, params, cfg, *(pretrained.about(source)[name] for name in ("updates", "T", "seed")))
    if not os.path.isdir(source):
        raise ValueError(
            f"{source}: expected the folder of a run (sab train --out), or a pretrained model: "
            f"{', '.join(pretrained.names()) or 'none is there'}"
        )
    run, state = load_run(source, "best" if best else "last")
    return Trained(source, state.params, run.config(), state.update, run.T, run.seed, run.task)


def first_parameters(run):
    """The parameters before the first update."""
    chrono = task(run.task).steps(run.T) if run.init == "chrono" else None
    return init_params(run.config(), stream(run.seed, "parameters"), dtype=np.dtype(run.dtype), chrono=chrono)


def prepare(folder, run, resume, force):
    """The state to begin from and the rows of history.csv so far; empties the folder of another run.

    Raises ValueError when the folder holds a run and neither resume nor force says what to do with it.
    """
    present = [name for name in NAMES if os.path.exists(os.path.join(folder, name))]
    if resume and "last.npz" in present:
        saved, state = load_run(folder)
        run.check_same(saved)
        rows = files.read_rows(os.path.join(folder, "history.csv")) if "history.csv" in present else []
        return state, [row for row in rows if int(row["update"]) <= state.validated]
    if present and not (force or resume):
        raise ValueError(f"{folder} holds a run ({', '.join(present)}): --resume goes on with it, --force replaces it")
    for name in present:
        os.unlink(os.path.join(folder, name))
    params = first_parameters(run)
    return State(params, optim.adam_init(params)), []
