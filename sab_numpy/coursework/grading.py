"""Grades exercises: one file, or a folder of them."""

import ast
import inspect
import io
import time
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sab_numpy.coursework import catalogue, isolate
from sab_numpy.coursework.diagnose import diagnose
from sab_numpy.coursework.judge import judge

LARGEST_FILE = 1_000_000                                       # bytes


@dataclass
class Result:
    """The grade of one exercise. status: right, wrong, failed (nothing was checked), missing (no file)."""

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


def read_source(path):
    """(text, the file's EXERCISE and EXERCISE_SET or None). ValueError for what cannot be a student's file."""
    if not path.is_file():
        raise ValueError("it is not a plain file")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"the file has more than {LARGEST_FILE:,} bytes")
    data = path.read_bytes()
    try:
        source = data.decode(tokenize.detect_encoding(io.BytesIO(data).readline)[0])
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise ValueError("expected a file in UTF-8, or with its encoding in the first line "
                         f"(# -*- coding: latin-1 -*-), found neither ({error}): save it as UTF-8") from None
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise ValueError(f"Python cannot read the file: {error.msg} (line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"Python cannot read the file ({type(error).__name__})") from None
    if not tree.body:
        raise ValueError("the file is empty")
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            found.update({target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)})
    return source, found.get("EXERCISE"), found.get("EXERCISE_SET")


def number_in_name(path):
    """The N of exercise_NN..., or None."""
    word = path.stem.removeprefix("exercise_")[:2]
    return int(word) if path.stem.startswith("exercise_") and word.isdecimal() else None


def find(path, number=None):
    """{exercise number: file}. ValueError where there is no exercise, or two files for one."""
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    inside = sorted(path.glob("exercise_*.py")) or sorted(path.glob("*/exercise_*.py"))       # as archives unpack
    files, found = [path] if path.is_file() else inside, {}
    for file in files:
        of_file = number_in_name(file)
        if path.is_file():
            of_file = number or of_file or number_in_file(file)
        if of_file in found and found[of_file].read_bytes() == file.read_bytes():
            continue                                           # downloaded twice
        if of_file in found:
            raise ValueError(f"{found[of_file].name} and {file.name} are both exercise {of_file}: keep one")
        if of_file in catalogue.NUMBERS and number in (None, of_file):
            found[of_file] = file
    for file in sorted(path.glob("*.py")) if path.is_dir() else []:        # another name: by the function in it
        of_file = None if number_in_name(file) or file.name.startswith("earlier_") else by_function(file)
        if of_file and of_file not in found and number in (None, of_file):
            found[of_file] = file
    if not found:
        wanted = f"exercise {number}" if number else "an exercise"
        raise ValueError(f"{path}: no file of {wanted} found (expected names like exercise_03_....py, made by sab "
                         "exercises); nothing was checked")
    return found


def by_function(file):
    try:
        return catalogue.number_of(read_source(file)[0])
    except (ValueError, OSError):
        return None


def number_in_file(file):
    try:
        return read_source(file)[1]
    except ValueError:
        return None


def grade(path, number=None, seed=0, limits=isolate.Limits()):
    """A Result for each exercise of a folder (those without a file score 0), or of the one file."""
    found = find(path, number)
    numbers = [number] if number else catalogue.NUMBERS if Path(path).is_dir() else list(found)
    return [grade_exercise(n, found[n], seed, limits) if n in found else
            Result(n, "", "missing", catalogue.exercise(n).POINTS, ["no file"]) for n in numbers]


def grade_exercise(number, file, seed=0, limits=isolate.Limits(), run=isolate.run):
    """One exercise in a process of its own; every way to fail is a Result with 0 points, never an exception."""
    module, started = catalogue.exercise(number), time.perf_counter()
    result = Result(number, str(file), "failed", module.POINTS)
    try:
        source, of_file, of_set = read_source(Path(file))
        if of_file is not None and of_file != number:
            raise ValueError(f"the file says EXERCISE = {of_file}, graded as exercise {number}")
        catalogue.check_set(of_set)
        cases = make_cases(number, seed)
        job = dict(function=catalogue.function_name(number), outputs=module.OUTPUTS, file=Path(file).name,
                   arguments=list(inspect.signature(module.reference).parameters))
        outcome = run(source, job, cases, catalogue.earlier(number), limits)
        result.printed = outcome.printed
        check_outcome(outcome)
    except (ValueError, OSError) as error:
        result.feedback = [f"exercise {number}: {error}"]
    else:
        conclude(result, module, judge(module, cases, outcome), cases)
    result.seconds = time.perf_counter() - started
    return result


def make_cases(number, seed):
    """The cases of this seed; the first one again at the end, so that a function must not remember anything."""
    cases = list(catalogue.exercise(number).cases(np.random.default_rng([seed, number])))
    return cases + cases[:1]


def check_outcome(outcome):
    """ValueError, in one line, for a process that cannot be judged."""
    if outcome.failure:
        raise ValueError(outcome.failure)
    if outcome.notes["violations"]:
        raise ValueError(f"refused: {outcome.notes['violations'][0][:200]}; a solution needs numpy and nothing else")
    error = outcome.notes["error"]
    if error and error.startswith("NotImplementedError"):
        raise ValueError("not written yet")
    if error:
        raise ValueError(error)


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
