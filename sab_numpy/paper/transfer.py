"""Trained at one length, tested at much longer ones: every seed that the table of copying or of adding has."""

import os
import time

from sab_numpy.core.backend import to_backend
from sab_numpy.paper import results
from sab_numpy.paper.runner import claim, title
from sab_numpy.support import __version__, files
from sab_numpy.support.machine import machine
from sab_numpy.tasks import stream, task
from sab_numpy.training import checkpoints, evaluation

COLUMNS = {"name": str, "T": files.whole, "accuracy": files.share}  # that every row of transfer.csv has
DENSE_ENTRIES = 50_000_000  # weights of one forward that reads every microstate: bounds the memory


def test(run, params, T, sequences):
    """Metrics of one trained model at length T; few sequences at once when T is long."""
    chunk = max(1, min(sequences, 512, evaluation.STEPS_AT_ONCE // T))
    if run.k_top is None:
        chunk = max(1, min(chunk, DENSE_ENTRIES * run.k_att // T**2))
    rng = stream(run.seed, "test", T)
    return evaluation.mean_metrics(params, run.config(), task(run.task), T, sequences, rng, chunk)[0]


def read(data):
    """The rows of transfer.csv in the folder `data`; none when there is no file yet."""
    path = os.path.join(data, "transfer.csv")
    return files.read_rows(path, COLUMNS) if os.path.exists(path) else []


def fill(found, data, runs, lengths, sequences, backend="numpy"):
    """Test each (Run, row) of `found` at the lengths that transfer.csv does not have, and append a row each.

    Returns the number of runs whose parameters are not in `runs`. Raises ValueError when another process is at it.
    """
    path, missing = os.path.join(data, "transfer.csv"), 0
    with claim(os.path.join(data, "transfer")):
        have = {(row["name"], row["T"]) for row in read(data)}
        for run, row in found:
            wanted = [T for T in lengths if (row["name"], str(T)) not in have]
            folder = os.path.join(runs, row["name"])
            missing += bool(wanted) and not os.path.isdir(folder)
            if wanted and os.path.isdir(folder):
                _, state = checkpoints.load_run(folder)
                params = to_backend(state.params, backend)
                for T in wanted:
                    files.append_rows(path, [one(run, row, params, T, sequences, backend)], COLUMNS)
    return missing


def one(run, row, params, T, sequences, backend):
    """The row of one trained model at one length; printed too."""
    start = time.process_time()
    metrics = test(run, params, T, sequences)
    print(f"{title(run)}, tested at T={T}: {results.said(run, metrics)}", flush=True)
    model = results.spelled({name: getattr(run, name) for name in ("task", "k_trunc", "k_top", "k_att", "seed")})
    return (
        {"name": row["name"], "trained_at": run.T, "T": T}
        | model
        | {"test_sequences": sequences}
        | metrics
        | {
            "cpu_seconds": round(time.process_time() - start, 1),
            "machine": machine(),
            "version": __version__,
            "command": f"sab reproduce {run.task} --transfer --tested {T} --sequences {sequences}"
            + f" --backend {backend}" * (backend != "numpy"),
        }
    )
