"""What a run came to: one row of a CSV, and its learning curve beside it."""

import ast
import hashlib
import json
import os
import shlex
from dataclasses import asdict, fields, replace
from functools import cache

import numpy as np

from sab_numpy.paper import recipes
from sab_numpy.support import __version__, files
from sab_numpy.support.machine import machine
from sab_numpy.support.progress import OWN
from sab_numpy.tasks import stream, task
from sab_numpy.training import checkpoints, evaluation, loop
from sab_numpy.training.run import DROPPED, MODEL, Run

COLUMNS = {  # that every row has, and its experiment's metric; run_of reads those of Run
    "name": str,
    "status": str,
    "accuracy": files.share,
    "updates_done": files.maybe,
    "cpu_seconds": files.maybe,
    "updates_to_999": files.maybe,
    "cpu_minutes_to_999": files.maybe,
}
BOOKS = ("seed", "validate_every", "validation_sequences", "checkpoint_every")  # they change no result of a recipe
LEARNED = 0.999


@cache  # the tables ask for it of every run, for every row
def recipe(run):
    """What decides the outcome of a run but its seed: its fields that differ from the default.

    A field that is added to Run later, at its default, leaves the recipe as it is. What a plain LSTM does not use is
    left out.
    """
    unused = BOOKS + (() if run.k_top != 0 else tuple(set(MODEL) - {"k_trunc", "k_top"}))
    found = {
        item.name: getattr(run, item.name)
        for item in fields(Run)
        if item.name not in unused and getattr(run, item.name) != item.default
    }
    if "empty_slots" in found and replace(run.config(), empty_slots=None).n_empty == run.empty_slots:
        del found["empty_slots"]
    return found


def same(run, other):
    """Whether two runs differ in their seeds at most."""
    return recipe(run) == recipe(other)


def row_name(run):
    """The row of the table that `run` belongs to: the first whose recipe at this length it followed, or "other"."""
    what = recipes.experiment(run.task)
    own = [name for name, _ in recipes.pairs(what, recipes.EXPERIMENTS[what].rows, [run.T])]
    return next((name for name in own if same(recipes.cell(name, run.T, run.seed, what=what), run)), "other")


def name_of(run):
    """A name that no other run has, such as T100-5-5-5-3fa9c1-seed0 (k_trunc, k_top, k_att, the rest, the seed)."""
    rest = hashlib.sha256(json.dumps(recipe(run), sort_keys=True).encode()).hexdigest()[:6]
    ks = "-".join("none" if k is None else str(k) for k in (run.k_trunc, run.k_top, run.k_att))
    return f"T{run.T}-{ks if run.model == 'lstm' else run.model}-{rest}-seed{run.seed}"


def table_of(data, what):
    """The path of the CSV of an experiment in the folder `data`."""
    return os.path.join(data, f"{what}.csv")


def columns(path):
    """What every row of the CSV at `path` has."""
    what = os.path.basename(path).removesuffix(".csv")
    return COLUMNS | {recipes.EXPERIMENTS.get(what, recipes.EXPERIMENTS["copying"]).metric: files.number}


def said(run, row):
    """What came of a run, in its experiment's metric: "99.95 %", or "squared error 0.00016"."""
    metric = recipes.EXPERIMENTS[recipes.experiment(run.task)].metric
    if metric in OWN:
        return f"{OWN[metric]} {float(row[metric]):.5f}"
    return f"{100 * float(row['accuracy']):.2f} %"


def outcome(run, state):
    """ "finished", "diverged" (the next update is no longer a number) or "unfinished"."""
    if run.finished(state):
        return "finished"
    try:
        loop.advance(run, state, loop.team_for(run))
    except loop.Diverged:
        return "diverged"
    return "unfinished"


def first_learned(history):
    """Updates and processor minutes to the first validation of at least 99.9 %; empty when there was none."""
    for row in history:
        if float(row["accuracy"]) >= LEARNED:
            return {
                "updates_to_999": int(row["update"]),
                "cpu_minutes_to_999": round(float(row["cpu_seconds"]) / 60, 2),
            }
    return {"updates_to_999": "", "cpu_minutes_to_999": ""}


def result(folder, sequences=1024, backend="numpy"):
    """The row of a run: its fields, and what its last parameters do on test sequences that no training ever used.

    A task that has data is tested on all of its test split. Raises ValueError when the run is neither finished nor
    diverged.
    """
    run, state = checkpoints.load_run(folder)
    what, problem = recipes.experiment(run.task), task(run.task)
    has_data = hasattr(problem, "batches")
    with np.errstate(over="ignore", invalid="ignore"):  # of a diverged run
        status = outcome(run, state)
        if status != "unfinished":
            found, tested = evaluation.mean_metrics(
                *(state.params, run.config(), problem, run.T),
                *(None if has_data else sequences, stream(run.seed, "test", run.T)),
            )
    if status == "unfinished":
        raise ValueError(
            f"{folder}: {state.update} of {run.updates} updates done; finish it first (sab train --resume "
            f"--out {folder})"
        )
    made = shlex.join(run.command(f"runs/{what}/{name_of(run)}", backend))
    return (
        {"name": name_of(run)}
        | spelled(asdict(run))
        | {"status": status, "updates_done": state.update, "test_sequences": tested}
        | ({"data": problem.about()} if has_data else {})
        | found
        | first_learned(checkpoints.rows_seen(folder, run, state))
        | {
            "wall_seconds": round(state.seconds, 1),
            "cpu_seconds": round(state.cpu_seconds, 1),
            "machine": machine(),
            "version": __version__,
            "command": made,
        }
    )


def spelled(values):
    """None as a word: an empty cell of a CSV means that the column is younger than the row."""
    return {name: "none" if value is None else value for name, value in values.items()}


def run_of(row):
    """The Run that a row of the CSV tells of; a field that the row does not have keeps its default."""

    def value(text):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return None if text == "none" else text

    names = [*Run.__dataclass_fields__, *DROPPED]
    return Run.of({name: value(row[name]) for name in names if row.get(name, "")})


def read(path):
    """[(Run, row), ...] of a CSV of runs; none when there is no file yet."""
    found = []
    for row in files.read_rows(path, columns(path)) if os.path.exists(path) else ():
        with files.judged(path, f"the row of {row['name']:.60} is damaged"):
            found.append((run_of(row), row))
            if name_of(found[-1][0]) != row["name"]:
                raise ValueError(f"its fields are those of {name_of(found[-1][0])}")
    return found


def keep(folder, data, runs, backend="numpy"):
    """Take in the run in `folder`: its row, its curve, and (unless it is there) a copy in `runs`. Returns the row.

    backend: where it was trained; the test, at the end, is on the CPU.
    None when the CSV has it already. Two processes may do this at the same time with different runs.
    """
    run, state = checkpoints.load_run(folder)
    path, name = table_of(data, recipes.experiment(run.task)), name_of(run)
    if any(row["name"] == name for _, row in read(path)):
        return None
    row = result(folder, backend=backend)
    curves, own = os.path.join(data, "curves"), os.path.join(runs, name)
    source, target = (os.path.join(place, checkpoints.LAST) for place in (folder, own))
    for place in (curves, own):
        os.makedirs(place, exist_ok=True)
    if not (os.path.exists(target) and os.path.samefile(source, target)):
        with open(source, "rb") as file:
            files.write_atomic(target, file.read())
    if seen := checkpoints.rows_seen(folder, run, state):
        for target in (os.path.join(own, checkpoints.HISTORY), os.path.join(curves, f"{name}.csv")):
            files.write_rows(target, seen)
    files.append_rows(path, [row], columns(path))
    return row
