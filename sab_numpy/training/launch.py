"""`sab train` in processes of their own, and how far they are."""

import contextlib
import os
import subprocess
import sys
import time

from sab_numpy.support import files
from sab_numpy.support.progress import left
from sab_numpy.support.threads import environment
from sab_numpy.training.checkpoints import COLUMNS, HISTORY

PARENT = "SAB_PARENT"  # a variable: the process that waits for this one
PATIENCE = 20.0  # seconds to save in, after Ctrl-C


def orphaned():
    """Whether a Training started this process and is no more (a kill: nobody else ends its children)."""
    return os.environ.get(PARENT, str(os.getppid())) != str(os.getppid())


class Training:
    """`sab train` of `run` in `folder`, with one BLAS thread; begin: --resume or --force.

    claim: what keeps others out of the folder, as files.lock does. It inherits that: if we are killed, nobody else
    steps in.
    """

    def __init__(self, name, run, folder, backend="numpy", begin="--resume", claim=None):
        self.name, self.run, self.folder, self.backend = name, run, folder, backend
        self.claim = claim or contextlib.nullcontext()
        handle = self.claim.__enter__()
        os.makedirs(folder, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sab_numpy", *run.command(folder, backend)[1:], "--quiet", begin],
            env=environment(**{PARENT: str(os.getpid())}),
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[handle] if claim and os.name == "posix" else [],
        )

    def __str__(self):
        """How far it is, in a few words."""
        try:
            row = files.read_rows(os.path.join(self.folder, HISTORY), COLUMNS)[-1]
        except (ValueError, IndexError):
            return f"{self.name}: begun"
        done, total = int(row["update"]), self.run.updates
        rest = left(done, total, float(row["seconds"]))
        return f"{self.name}: {done}/{total}  {100 * float(row['accuracy']):.1f} %  left {rest}"

    def close(self):
        """Stop it, but let it save first, and give up the claim."""
        if os.name == "posix":  # elsewhere Ctrl-C reaches it, and this would be a kill
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=PATIENCE)
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.claim.__exit__(None, None, None)


def next_to_end(active, line):
    """Wait until one of the trainings has ended, with `line` for the meantime: (it, the last line of what it said).

    Raises KeyboardInterrupt where it was stopped by one.
    """
    while True:
        for training in active:
            if training.process.poll() is not None:
                line.clear()
                if training.process.returncode in (130, -2):
                    raise KeyboardInterrupt
                return training, " ".join(training.process.stderr.read().strip().splitlines()[-1:])
        line.write(lambda: " | ".join(map(str, active)))
        time.sleep(0.2)
