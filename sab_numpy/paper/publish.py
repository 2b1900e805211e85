"""Choose the median seed of a row and store its parameters with the package."""

import os

import numpy as np

from sab_numpy.paper import recipes, results, tables
from sab_numpy.support import __version__
from sab_numpy.support.files import save_arrays
from sab_numpy.training import checkpoints, pretrained

LARGEST = 1_000_000  # bytes


class NotRun(ValueError):
    """The table has no run of this model yet."""


def median_seed(rows):
    """(row, rank) of the median by accuracy, then CE10; the worse of the two middle ones. Rank 1 is the best."""
    ordered = sorted(rows, key=lambda row: (-float(row["accuracy"]), float(row["ce10"])))
    return ordered[len(ordered) // 2], len(ordered) // 2 + 1


def publish(name, data, runs, quick=False):
    """Write `name`.npz into the package; a line that says which seed it is. Raises ValueError when it cannot."""
    if name not in recipes.PUBLISHED:
        raise ValueError(f"no model {name!r} to publish: expected one of {', '.join(recipes.PUBLISHED)}")
    row_name, T = recipes.PUBLISHED[name]
    rows = tables.of(results.read(os.path.join(data, "copying.csv")), recipes.cell(row_name, T, 0, quick))
    if not rows:
        raise NotRun(f"{name}: not run yet; sab reproduce copying --rows {row_name} --T {T}")
    row, rank = median_seed(rows)
    run, state = checkpoints.load_run(os.path.join(runs, row["name"]))
    arrays = {key: value.astype(np.float32) for key, value in state.params.items()}
    size = sum(value.nbytes for value in arrays.values())
    if size >= LARGEST - 10_000:
        raise ValueError(f"{name}: {size:,} bytes of parameters; expected less than {LARGEST:,} with their names")
    about = {
        "name": name,
        "config": vars(run.config()),
        "T": T,
        "seed": run.seed,
        "rank": rank,
        "seeds": len(rows),
        "accuracy": float(row["accuracy"]),
        "ce10": float(row["ce10"]),
        "updates": state.update,
        "version": __version__,
        "command": f"sab reproduce copying --T {T} --rows {row_name} --seeds {run.seed}-{run.seed} "
        "--data mine --runs mine/runs",
    }
    os.makedirs(pretrained.FOLDER, exist_ok=True)
    save_arrays(os.path.join(pretrained.FOLDER, f"{name}.npz"), arrays, about)
    return f"{name}: seed {run.seed}, rank {rank} of {len(rows)}, {100 * about['accuracy']:.2f} %, {size:,} bytes"
