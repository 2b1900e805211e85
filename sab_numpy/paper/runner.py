"""Trains the runs that are missing: each in a process and a folder of its own, a few at a time, resumed if cut off."""

import os
import sys

from sab_numpy.paper import results
from sab_numpy.support import files
from sab_numpy.support.progress import Line
from sab_numpy.training.launch import Training, next_to_end


def claim(folder):
    """Hold `folder` against other processes, or files.Taken; a training inherits what it yields."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    return files.lock(folder, wait=False)


def title(run):
    """A run in a few words."""
    row = results.row_name(run)
    return results.name_of(run) if row == "other" else f"{row} T={run.T} seed {run.seed}"


def finish(training, said, data, runs):
    """Take in a training that has ended and print what came of it; True unless it failed."""
    try:
        row = results.keep(training.folder, data, runs, training.backend)
    except ValueError as error:
        print(f"{training.name}: {said or error}", file=sys.stderr)
        return False
    if row:
        print(
            f"{training.name}: {row['status']}, {results.said(training.run, row)} after {row['updates_done']} "
            f"updates, {row['wall_seconds'] / 60:.1f} minutes",
            flush=True,
        )
    return True


def train(wanted, data, runs, jobs=1, backend="numpy"):
    """Train the runs of the list `wanted`, `jobs` at a time, and append a row each. How many failed.

    data, runs: the folders of the CSV files and of the runs. Ctrl-C (KeyboardInterrupt) lets them save.
    """
    waiting, active, failed, line = list(wanted), [], 0, Line()
    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                run = waiting.pop(0)
                folder = os.path.join(runs, results.name_of(run))
                try:
                    active.append(Training(title(run), run, folder, backend, claim=claim(folder)))
                except files.Taken as error:
                    print(f"{title(run)}: another process is at it{error.holder}", file=sys.stderr)
            if active:
                training, said = next_to_end(active, line)
                failed += not finish(training, said, data, runs)
                training.close()
                active.remove(training)
    except KeyboardInterrupt:
        print(f"\nsaved in {runs}; the same command goes on", file=sys.stderr)
        raise
    finally:
        for training in active:
            training.close()
    return failed
