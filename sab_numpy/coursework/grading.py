"""Grades exercises: one file, or a folder of them."""

import inspect
import os
import re
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sab_numpy.coursework import EXERCISE_SET, catalogue, isolate
from sab_numpy.coursework.diagnose import diagnose
from sab_numpy.coursework.judge import judge
from sab_numpy.support.files import said

NOT_GRADED = "not graded"                                      # a status, and the first words of its feedback
LARGEST_FILE = 1_000_000                                       # bytes
LONGEST_LINE = 300                                             # characters
READ_PLAINLY = os.O_RDONLY | sum(getattr(os, f"O_{name}", 0) for name in ("NOFOLLOW", "NONBLOCK", "CLOEXEC", "BINARY"))


class Refused(ValueError):
    """What a student handed in cannot be graded, for this reason: 0 points. Any other error is the grader's."""


class NothingThere(Refused):
    """A folder without a file of an exercise: none was attempted."""


@dataclass
class Result:
    """The grade of one exercise. status: right, wrong, failed (nothing was checked), missing (no file), not graded (the
    grader failed, not the student)."""

    number: int
    file: str
    status: str
    possible: int                                              # points
    feedback: list = field(default_factory=list)               # at most ten lines; the first names the mistake
    ran: int = 0                                               # checks
    passed: int = 0
    share: float = 0.0                                         # of all checks, the gates of one counted apart
    seconds: float = 0.0
    printed: str = ""

    @property
    def points(self):
        return round(self.possible * self.share, 1)


def read_file(path):
    """The bytes of a plain file, opened once. Refused for a link, a pipe, a device, for what is too large."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise Refused("it is a link: hand in the file itself" if os.path.islink(path) else "it is not a plain file")
    with open(os.open(path, READ_PLAINLY), "rb") as file:      # whatever lies there by now
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Refused("it is not a plain file")
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise Refused(f"the file has more than {LARGEST_FILE:,} bytes")
    return data


def contents(path):
    """The bytes of a file to be handed in, or why there are none."""
    try:
        return read_file(path)
    except (Refused, OSError) as error:
        return str(error).encode()


def marked(data, name):
    """The number that a student's file gives as EXERCISE or EXERCISE_SET; None where it gives none."""
    found = re.search(rb"^%s *= *(\d{1,9})\s*(#|$)" % name, data, re.M)
    return found and int(found[1])


def number_in_name(path):
    """The N of exercise_NN..., or None."""
    word = path.stem.removeprefix("exercise_")[:2]
    return int(word) if path.stem.startswith("exercise_") and word.isdecimal() else None


def printable(text):
    """Text that shows itself: no control characters, no new lines, nothing that turns letters round."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def line(text):
    """One short line of it."""
    return printable(str(text)[:LONGEST_LINE])[:LONGEST_LINE]


def find(path, number=None):
    """{exercise number: file}. Refused where there is no exercise, or two files for one."""
    path = Path(path)
    if not path.exists():
        raise Refused(f"{path}: no such file or folder")
    inside = sorted(path.glob("exercise_*.py")) or sorted(path.glob("*/exercise_*.py"))       # as archives unpack
    files, found = [path] if path.is_file() else inside, {}
    for file in files:
        if file.parent != path and file.parent.is_symlink() and not path.is_file():
            raise Refused(f"{file.parent.name} is a link: hand in the folder itself")
        of_file = number_in_name(file)
        if path.is_file():
            of_file = number or of_file or marked(read_file(file), b"EXERCISE")
        if of_file in found and contents(found[of_file]) == contents(file):
            continue                                           # downloaded twice
        if of_file in found:
            raise Refused(f"{found[of_file].name} and {file.name} are both exercise {of_file}: keep one")
        if of_file in catalogue.NUMBERS and number in (None, of_file):
            found[of_file] = file
    for file in sorted(path.glob("*.py")) if path.is_dir() else []:        # another name: by the function in it
        named = number_in_name(file) or file.name.startswith("earlier_")
        of_file = None if named else catalogue.number_of(contents(file).decode("utf-8", "replace"))
        if of_file and of_file not in found and number in (None, of_file):
            found[of_file] = file
    if not found:
        wanted = f"exercise {number}" if number else "an exercise"
        kind = NothingThere if path.is_dir() else Refused
        raise kind(f"{path}: no file of {wanted} found (expected names like exercise_03_....py, made by sab "
                   "exercises); nothing was checked")
    return found


def grade(path, number=None, seed=0, limits=isolate.Limits()):
    """A Result for each exercise of a folder (those without a file score 0), or of the one file."""
    try:
        found = find(path, number)
    except NothingThere:
        found = {}
    numbers = [number] if number else catalogue.NUMBERS if Path(path).is_dir() else list(found)
    return [grade_exercise(n, found[n], seed, limits) if n in found else
            Result(n, "", "missing", catalogue.exercise(n).POINTS, ["no file"]) for n in numbers]


def grade_exercise(number, file, seed=0, limits=isolate.Limits(), run=isolate.run):
    """One exercise in a process of its own; every way to fail is a Result with 0 points, never an exception."""
    module, started = catalogue.exercise(number), time.perf_counter()
    result = Result(number, line(file), "failed", module.POINTS)
    try:
        source = read_file(file)
        check_source(source, number)
        cases = make_cases(number, seed)
        job = dict(function=catalogue.function_name(number), outputs=module.OUTPUTS, file=Path(file).name,
                   arguments=list(inspect.signature(module.reference).parameters))
        outcome = run(source, job, cases, catalogue.earlier(number), limits)
        result.printed = outcome.printed
        check_outcome(outcome, len(cases))
        with np.errstate(all="ignore"):
            conclude(result, module, judge(module, cases, outcome), cases)
    except Refused as error:
        result.feedback = [f"exercise {number}: {error}"]
    except Exception as error:                                 # no failure of ours may cost a student the grade
        result.status, result.feedback = NOT_GRADED, [f"{NOT_GRADED}: exercise {number}: {said(error)}"]
    result.feedback = [line(text) for text in result.feedback]
    result.seconds = time.perf_counter() - started
    return result


def check_source(data, number):
    """Refused for what cannot be a student's file of this exercise. Only the child process tries to read it."""
    if not data.strip():
        raise Refused("the file is empty")
    if marked(data, b"EXERCISE") not in (None, number):
        raise Refused(f"the file says EXERCISE = {marked(data, b'EXERCISE')}, graded as exercise {number}")
    if (found := marked(data, b"EXERCISE_SET")) != EXERCISE_SET:
        raise Refused(f"the file belongs to exercise set {found}, this grader has set {EXERCISE_SET}: make new copies "
                      "with sab exercises, or install the matching version")


def make_cases(number, seed):
    """The cases of this seed; the first one again at the end, so that a function must not remember anything."""
    cases = list(catalogue.exercise(number).cases(np.random.default_rng([seed, number])))
    return cases + cases[:1]


def check_outcome(outcome, cases):
    """Refused, in one line, for a process that cannot be judged, as none of so many cases gave a number."""
    if outcome.failure:
        raise Refused(outcome.failure)
    if outcome.notes["violations"]:
        raise Refused(f"refused: {outcome.notes['violations'][0][:200]}; a solution needs numpy and nothing else")
    error = outcome.notes["error"]
    if error and error.startswith("NotImplementedError"):
        raise Refused("not written yet")
    if error:
        raise Refused(error)
    raised = outcome.notes["raised"]
    if len(raised) == cases:
        raise Refused(f"does not run: {raised[min(raised)]}")


def conclude(result, module, checks, cases):
    result.ran = len(checks)
    result.passed = sum(check.problem is None for check in checks)
    result.share = sum(check.share for check in checks) / max(result.ran, 1)
    if result.ran == 0:
        raise RuntimeError(f"exercise {result.number} made no check")
    result.status = "right" if result.passed == result.ran else "wrong"
    if result.status == "wrong":
        try:
            result.feedback = diagnose(result.number, module, checks, cases)[:10]
        except Exception as error:                             # no failure of ours may cost a student the grade
            first = next(check for check in checks if check.problem)
            result.feedback = [f"exercise {result.number}: {first.problem} (no diagnosis: {type(error).__name__})"]
