"""One exercise of one student in a process of its own, with limits; what comes back is read with suspicion."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sab_numpy.coursework import child
from sab_numpy.support.threads import VARIABLES

CHILD = Path(child.__file__).read_text(encoding="utf-8")       # as it was when the grader started
OURS = str(Path(child.__file__).resolve().parents[1])
MOST_PRINTED = 1_000_000                                       # bytes; more is a flood
MOST_RETURNED = 2**27                                          # bytes of all arrays together
KEPT = 2_000                                                   # bytes of what the student printed that are shown


@dataclass(frozen=True)
class Limits:
    """Processor seconds, where the system can count them; on the clock `patience` times as many, so that a busy machine
    costs nobody a grade."""

    seconds: int = 10
    megabytes: int = 1024
    patience: float = 6

    @property
    def clock(self):
        return self.seconds * self.patience

    def __str__(self):
        memory = f"{self.megabytes} MB of memory" if sys.platform == "linux" else "no memory limit on this system"
        clock = f"{self.clock:g} s on the clock"
        return f"{self.seconds} s of processor time, {clock}, {memory}" if os.name == "posix" else f"{clock}, {memory}"


@dataclass
class Outcome:
    """What a process gave back: why it failed (None: it did not), notes, arrays that are read one by one."""

    failure: str | None = None
    notes: dict = field(default_factory=dict)
    members: dict = field(default_factory=dict)                # name: bytes of an .npy file
    printed: str = ""

    def array(self, name, kinds, shape):
        """The array, if it is of this kind and shape; else a string that says what was found."""
        if name not in self.members:
            return "is missing"
        try:
            return read_npy(self.members[name], kinds, shape)
        except (ValueError, EOFError, KeyError, OSError, MemoryError, SyntaxError, TypeError) as error:
            return f"cannot be read ({type(error).__name__})"


def read_npy(data, kinds, shape):
    """Look at the header before the numbers: a forged size allocates nothing."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    found_shape, _, dtype = header(stream)
    if dtype.kind not in kinds or (dtype.kind == "f" and dtype.itemsize != 8):
        return f"has dtype {dtype}, expected {'float64' if 'f' in kinds else 'integers'}"
    if found_shape != shape:
        return f"has shape {found_shape}, expected {shape}"
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def run(source, job, cases, earlier, limits):
    """Run `source` (a string) on `cases` (dicts of inputs); returns an Outcome. Never raises for what a student did."""
    with tempfile.TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True) as folder:
        prepare(Path(folder), source, job, cases, earlier, limits)
        failure, printed = watch(folder, limits)
        outcome = Outcome(failure) if failure else read_results(Path(folder, "results.npz"))
        outcome.printed = printed
        return outcome


def prepare(folder, source, job, cases, earlier, limits):
    arrays, others = child.pack({str(number): case for number, case in enumerate(cases)})
    np.savez(folder / "cases.npz", **arrays)
    (folder / "child.py").write_text(CHILD, encoding="utf-8")
    (folder / "student.py").write_bytes(source.encode())       # its line ends as they are
    if earlier:
        (folder / f"{earlier[0]}.py").write_text(earlier[1], encoding="utf-8")
    job = {**job, "others": others, "earlier": earlier and earlier[0], "seconds": limits.seconds, "unreadable": [OURS],
           "megabytes": limits.megabytes, "numpy_folder": os.path.dirname(os.path.dirname(np.__file__))}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")


def environment():
    """Nothing of the grader's surroundings but what Python needs to start."""
    kept = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ} | dict.fromkeys(VARIABLES, "1")


def watch(folder, limits):
    """Start the process and wait; returns (why it failed or None, the beginning of what it printed)."""
    process = subprocess.Popen([sys.executable, "-I", "-S", "-B", "-u", os.path.join(folder, "child.py"), folder],
                               cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=os.name == "posix")
    printed, count = bytearray(), 0

    def listen():
        nonlocal count
        while chunk := os.read(process.stdout.fileno(), 65536):
            count += len(chunk)
            printed.extend(chunk[:KEPT - len(printed)] if len(printed) < KEPT else b"")
            if count > MOST_PRINTED:
                return end(process)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    failure = None
    try:
        process.wait(timeout=limits.clock)
    except subprocess.TimeoutExpired:
        failure = f"time limit: not done after {limits.clock:g} s on the clock (an endless loop?)"
    finally:
        end(process)
        listener.join(timeout=2)
    if not listener.is_alive():
        process.stdout.close()
    if count > MOST_PRINTED:
        failure = f"it printed more than {MOST_PRINTED:,} bytes and was stopped"
    elif os.name == "posix" and process.returncode == -signal.SIGXCPU:
        failure = f"time limit: not done after {limits.seconds} s of processor time (an endless loop?)"
    elif failure is None and process.returncode != 0:
        failure = f"its process died (status {process.returncode}) before it handed back any array"
    return failure, printed.decode("utf-8", "replace")


def end(process):
    """End the process and whatever it started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def read_results(path):
    """The notes and the raw members of results.npz; sizes are looked at before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as file:
            if sum(entry.file_size for entry in file.infolist()) > MOST_RETURNED:
                return Outcome("it handed back far more than was asked for")
            members = {entry.filename: file.read(entry) for entry in file.infolist()}
        notes = json.loads(members.pop("notes.json"))
        wrong = {int(number): {str(k): str(v) for k, v in parts.items()} for number, parts in notes["wrong"].items()}
        notes = {"error": notes["error"] and str(notes["error"]), "violations": [str(v) for v in notes["violations"]],
                 "wrong": wrong}
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, AttributeError, TypeError, NotImplementedError,
            RecursionError, MemoryError, EOFError):
        return Outcome("its process ended before it handed back any array")
    return Outcome(None, notes, {name.removesuffix(".npy"): data for name, data in members.items()})
