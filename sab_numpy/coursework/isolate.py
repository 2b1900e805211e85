"""One exercise of one student in a process of its own, with limits; what comes back is read with suspicion."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from sab_numpy.coursework import child
from sab_numpy.support.threads import VARIABLES

CHILD = Path(child.__file__).read_text(encoding="utf-8")       # as it was when the grader started
NUMPY = os.path.dirname(np.__file__)
MOST_PRINTED = 1_000_000                                       # bytes; more is a flood
MOST_RETURNED = 2**26                                          # bytes of all arrays together
KEPT = 2_000                                                   # bytes of what the student printed that are shown
NOBODY = 65534                                                 # a user that nothing belongs to
KILLED = "its process was killed, twice, and not by the grader (no memory left on this machine?)"
FENCES = {"bwrap": "in a sandbox (bubblewrap)", "none": "without a sandbox"}
TRIAL = b"""import numpy as np, numpy.testing
def f(): return np.linalg.inv(np.random.default_rng().normal(size=(9, 9))),
"""
running, stopped = set(), threading.Event()                    # processes of students; is the grader to end?


class NotGraded(Exception):
    """The grader failed, not the student."""


@dataclass(frozen=True)
class Limits:
    """Processor seconds, where the system can count them; on the clock `patience` times as many, so that a busy machine
    costs nobody a grade. sandbox: bwrap or none."""

    seconds: int = 10
    megabytes: int = 1024
    patience: float = 6
    sandbox: str = "none"

    @property
    def clock(self):
        return self.seconds * self.patience

    def __str__(self):
        memory = f"{self.megabytes} MB of memory" if sys.platform == "linux" else "no memory limit on this system"
        processor = f"{self.seconds} s of processor time, " if os.name == "posix" else ""
        return f"{processor}{self.clock:g} s on the clock, {memory}, {FENCES[self.sandbox]}"


@dataclass
class Outcome:
    """What a process gave back: why it failed (None: it did not), notes, arrays, the beginning of what it printed."""

    failure: str | None = None
    notes: dict = field(default_factory=dict)
    arrays: dict = field(default_factory=dict)
    printed: str = ""

    def array(self, name, kinds, shape):
        """The array, if it is of this kind and shape; else a string that says what was found."""
        if name not in self.arrays:
            return "is missing"
        found = self.arrays[name]
        if found.dtype.kind not in kinds or (found.dtype.kind == "f" and found.dtype.itemsize != 8):
            return f"has dtype {found.dtype}, expected {'float64' if 'f' in kinds else 'integers'}"
        return found if found.shape == shape else f"has shape {found.shape}, expected {shape}"


def sandbox(wanted):
    """bwrap or none; for auto, bwrap where it works. ValueError where bwrap is asked for and does not work."""
    if wanted == "none":
        return "none"
    try:
        job = dict(function="f", arguments=[], outputs=["a"], file="")
        trial = run(TRIAL, job, [{}], None, Limits(sandbox="bwrap"))
        problem = trial.failure or trial.notes["error"]
    except (NotGraded, ValueError) as error:
        problem = str(error)
    if problem and wanted == "bwrap":
        raise ValueError(f"--sandbox bwrap: {problem}")
    return "none" if problem else "bwrap"


@cache
def bubblewrap():
    """Python's, NumPy's and the system's libraries, to be read; no other file, no network, no process but its own."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise ValueError("there is no bwrap on this machine: install bubblewrap, or take --sandbox none")
    words = [bwrap, "--die-with-parent", "--new-session", "--dir", "/tmp", "--cap-drop", "ALL", "--unshare-ipc",
             "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if we_are_root() else ["--unshare-user"]
    libraries = {os.path.dirname(path) for path in mapped() if "-packages" not in path}
    roots = sorted({os.path.dirname(os.__file__), sysconfig.get_config_var("DESTSHARED"), *libraries} - {None})
    files = [NUMPY, f"{NUMPY}.libs", os.path.realpath(sys.executable), "/etc/ld.so.cache", "/etc/alternatives"]
    passed = {os.path.dirname(path) for path in (*roots, *files)}
    for folder in sorted(passed | {str(parent) for path in passed for parent in Path(path).parents}):
        words += ["--dir", folder]                             # anybody may pass through
    for folder in roots:
        words += ["--ro-bind", folder, folder]
    installed = sorted({str(path) for root in roots for path in Path(root).glob("*-packages")}
                       | {str(path) for root in roots for path in Path(root).glob("python*/*-packages")})
    for folder in installed:
        words += ["--tmpfs", folder]
    for path in files:
        words += ["--ro-bind-try", path, path]
    for path in ("/lib", "/lib64", "/usr/lib64"):              # where the linker looks
        words += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind-try", path, path]
    for folder in (*installed, "/"):
        words += ["--remount-ro", folder]
    return [*words, "--chdir", "/tmp", "--"]


def we_are_root():
    return os.name == "posix" and os.geteuid() == 0


def mapped():
    """The libraries that this process has loaded."""
    with open("/proc/self/maps") as file:
        return {line.split(maxsplit=5)[5].strip() for line in file if ".so" in line}


def run(source, job, cases, earlier, limits):
    """Call the function of `source` (bytes) for every case: an Outcome. Raises NotGraded where that cannot be done."""
    arrays, others = child.pack({str(number): case for number, case in enumerate(cases)})
    job = {**job, "others": others, "earlier": earlier, "seconds": limits.seconds, "megabytes": limits.megabytes,
           "user": NOBODY if limits.sandbox == "bwrap" and we_are_root() else 0}
    message = child.dump(job, {**arrays, "source": np.frombuffer(source, np.uint8)})
    message = b"%d\n%b" % (len(message), message)
    fence = bubblewrap() if limits.sandbox == "bwrap" else ()  # and a Python that has nothing of the teacher's
    words = [*fence, os.path.realpath(sys.executable), "-I", "-S", "-B", "-u", "-c", CHILD, os.path.dirname(NUMPY)]
    outcome = watch(words, message, limits)
    if outcome.failure == KILLED:                              # once more: the fence lets no student do this
        outcome = watch(words, message, limits)
    if outcome.failure is None:
        try:
            notes, outcome.arrays = child.load(outcome.arrays, np)
            wrong = {int(number): {str(k): str(v) for k, v in of.items()} for number, of in notes["wrong"].items()}
            outcome.notes = {"error": notes["error"] and str(notes["error"]), "wrong": wrong,
                             "raised": {int(number): str(error) for number, error in notes["raised"].items()},
                             "violations": [str(violation) for violation in notes["violations"]]}
        except Exception:                                      # whatever a student's process may have sent
            outcome.failure = "its process ended before it handed back any array"
    return outcome


class Listener(threading.Thread):
    """Reads a pipe to its end and keeps the first bytes; more than `most` end the process."""

    def __init__(self, process, pipe, most, kept):
        super().__init__(daemon=True)
        self.process, self.pipe, self.most, self.kept = process, pipe, most, kept
        self.count, self.data = 0, bytearray()
        self.start()

    def run(self):
        while chunk := os.read(self.pipe.fileno(), 65536):
            self.count += len(chunk)
            self.data += chunk[:max(self.kept - len(self.data), 0)]
            if self.count > self.most:
                return end(self.process)


def feed(process, message):
    with contextlib.suppress(OSError):                         # it has ended
        while message:
            message = message[os.write(process.stdin.fileno(), message):]


def watch(words, message, limits):
    """Start a process, give it `message` and wait: an Outcome, whose arrays are the bytes that came back."""
    try:
        process = subprocess.Popen(words, cwd=os.path.abspath(os.sep), env=environment(), bufsize=0,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=os.name == "posix")
    except OSError as error:
        raise NotGraded(f"no process could be started ({error.strerror})") from None
    running.add(process)
    failure, listeners = None, []
    try:
        if not stopped.is_set():
            listeners.append(Listener(process, process.stdout, MOST_RETURNED, MOST_RETURNED))
            listeners.append(Listener(process, process.stderr, MOST_PRINTED, KEPT))
            threading.Thread(target=feed, args=(process, memoryview(message)), daemon=True).start()
            process.wait(timeout=limits.clock)
    except subprocess.TimeoutExpired:
        failure = f"time limit: not done after {limits.clock:g} s on the clock (an endless loop?)"
    except RuntimeError as error:                              # no thread
        raise NotGraded(str(error)) from None
    finally:
        end(process)
        running.discard(process)
        process.stdin.close()
        for listener in listeners:
            listener.join(timeout=10)
        if not any(listener.is_alive() for listener in listeners):     # else what outlives its parent has the pipes
            process.stdout.close()
            process.stderr.close()
    if stopped.is_set():
        raise KeyboardInterrupt
    results, printed = listeners
    return concluded(process.returncode, failure, results, printed, limits)


def concluded(status, failure, results, printed, limits):
    """The Outcome of a process that has ended. What came before its first word was none of the student's doing."""
    said = printed.data.decode("utf-8", "replace")
    if not results.data.startswith(child.READY):
        last = (said.strip().splitlines() or [failure or f"status {status}"])[-1]
        raise NotGraded(f"its process could not start ({last[:200]})")
    if results.count > MOST_RETURNED:
        failure = "it handed back far more than was asked for"
    elif printed.count > MOST_PRINTED:
        failure = f"it printed more than {MOST_PRINTED:,} bytes and was stopped"
    elif os.name == "posix" and status in (-signal.SIGXCPU, 128 + signal.SIGXCPU):       # by itself, within bwrap
        failure = f"time limit: not done after {limits.seconds} s of processor time (an endless loop?)"
    elif failure is None and os.name == "posix" and status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        failure = KILLED
    elif failure is None and status != 0:
        failure = f"its process died (status {status}) before it handed back any array"
    return Outcome(failure, arrays=bytes(results.data[len(child.READY):]), printed=said)


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


def stop():
    """End all processes of students, and start no other: the grader is to end."""
    stopped.set()
    for process in list(running):
        end(process)


def environment():
    """Nothing of the grader's surroundings but what Python needs to start."""
    kept = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ} | dict.fromkeys(VARIABLES, "1")
