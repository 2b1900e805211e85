"""Trains the runs that are missing: each in a process and a folder of its own, a few at a time, resumed if cut off."""

import contextlib
import os
import shutil
import subprocess
import sys
import time

from sab_numpy.paper import results
from sab_numpy.support import files
from sab_numpy.support.progress import clock
from sab_numpy.support.threads import VARIABLES

PATIENCE = 20.0  # seconds to save in, after Ctrl-C
HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def claim(folder):
    """Hold `folder` against other processes, or files.Taken; a training inherits what it yields."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    return files.lock(folder, wait=False)


class Training:
    """One `sab train --resume` with one BLAS thread. It inherits the claim: if we are killed, nobody else steps in."""

    def __init__(self, run, folder, backend):
        self.run, self.folder, self.backend = run, folder, backend
        self.claim = claim(folder)
        handle = self.claim.__enter__()
        os.makedirs(folder, exist_ok=True)
        path = os.pathsep.join(filter(None, [HOME, os.environ.get("PYTHONPATH")]))
        words = [sys.executable, "-m", "sab_numpy", *results.command(run, folder, backend)[1:], "--quiet", "--resume"]
        self.process = subprocess.Popen(
            words,
            env=os.environ | dict.fromkeys(VARIABLES, "1") | {"PYTHONPATH": path},
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[handle] if os.name == "posix" else [],
        )

    def words(self):
        """How far it is, in a few words."""
        try:
            row = files.read_rows(os.path.join(self.folder, "history.csv"))[-1]
        except (OSError, IndexError):
            return f"{title(self.run)}: begun"
        done = int(row["update"])
        left = clock((self.run.updates - done) * float(row["seconds"]) / done)
        return f"{title(self.run)}: {done}/{self.run.updates}  {100 * float(row['accuracy']):.1f} %  left {left}"

    def close(self):
        """Stop it (Ctrl-C reaches it too: first it may save) and give up the claim."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=PATIENCE)
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()
        self.claim.__exit__(None, None, None)


def title(run):
    """A run in a few words."""
    row = results.row_name(run)
    return results.name_of(run) if row == "other" else f"{row} T={run.T} seed {run.seed}"


def finish(training, data, runs):
    """Take in a training that has ended and print what came of it; True unless it failed."""
    said = training.process.stderr.read().strip()
    print("\n" if sys.stderr.isatty() else "", end="", file=sys.stderr)  # keep the live line
    try:
        row = results.keep(training.folder, data, runs, training.backend)
    except ValueError as error:
        print(f"{title(training.run)}: {' '.join((said or str(error)).splitlines()[-1:])}", file=sys.stderr)
        return False
    if row:
        print(
            f"{title(training.run)}: {row['status']}, {100 * row['accuracy']:.2f} % after {row['updates_done']} "
            f"updates, {row['wall_seconds'] / 60:.1f} minutes",
            flush=True,
        )
    return True


def train(wanted, data, runs, jobs=1, backend="numpy"):
    """Train the runs of the list `wanted`, `jobs` at a time, and append a row each. How many failed.

    data, runs: the folders of the CSV files and of the runs. Ctrl-C (KeyboardInterrupt) lets them save.
    """
    waiting, active, failed, live = list(wanted), [], 0, sys.stderr.isatty()
    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                run = waiting.pop(0)
                try:
                    active.append(Training(run, os.path.join(runs, results.name_of(run)), backend))
                except files.Taken:
                    print(f"{title(run)}: another process is at it", file=sys.stderr)
            for training in [training for training in active if training.process.poll() is not None]:
                if training.process.returncode in (130, -2):
                    raise KeyboardInterrupt
                failed += not finish(training, data, runs)
                training.close()
                active.remove(training)
            if live:
                words = " | ".join(training.words() for training in active)
                width = shutil.get_terminal_size().columns - 1
                print(f"\r{words[:width]:{width}s}", end="", file=sys.stderr, flush=True)
            time.sleep(0.3)
    except KeyboardInterrupt:
        print(f"\nsaved in {runs}; the same command goes on", file=sys.stderr)
        raise
    finally:
        for training in active:
            training.close()
        print("\n" if live else "", end="", file=sys.stderr)
    return failed
