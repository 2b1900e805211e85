"""A student's code runs behind a fence: whatever it does, it gets 0 for that exercise and the rest is graded."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import student
import test_hostile as hostile

from sab_numpy.coursework import catalogue, isolate
from sab_numpy.coursework.grading import grade, grade_exercise

JUDGE = str(Path(isolate.__file__).with_name("judge.py"))
LIMITS = isolate.Limits(seconds=2, patience=60)
LOOP = isolate.Limits(seconds=1, patience=60)                  # of what runs until it is stopped
HEAD = "import numpy as np\nEXERCISE = 1\nEXERCISE_SET = 2\n"
DEFINITION = "def sigmoid_cross_entropy(z, targets):\n"
# the names of os, reached without an import
OS = "s = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__\n"

HOSTILE = {
    "an endless loop": (DEFINITION + "    while True: pass\n", "time limit"),
    "an endless loop while loading": ("while True: pass\n", "time limit"),
    "sys.exit": (DEFINITION + "    raise SystemExit(0)\n", "SystemExit"),
    "a forged exit code": (OS + DEFINITION + "    s['_exit'](0)\n", "handed back"),
    "a flood of output": (DEFINITION + "    while True: print('x' * 10000)\n", "printed more than"),
    "all the memory": (DEFINITION + "    return [np.ones(2**27) for _ in range(99)]\n", "MemoryError"),
    "endless recursion": ("def f(): f()\n" + DEFINITION + "    f()\n", "RecursionError"),
    "a forged comparison": (
        "class Yes(np.ndarray):\n    def __eq__(s, o): return np.ones(s.shape, bool)\n    __array_priority__ = 99\n"
        + DEFINITION + "    y = z.view(Yes)\n    return y, y, y\n", "Yes"),
    "an object that is equal to all": (
        "class Yes:\n    def __eq__(s, o): return True\n    def __array__(s, *a, **k): return np.zeros((2, 3))\n"
        + DEFINITION + "    return Yes(), Yes(), Yes()\n", "Yes"),
    "patched numpy": (
        DEFINITION + "    np.allclose = np.array_equal = lambda *a, **k: True\n    np.abs = lambda x: x * 0\n"
        "    return z, z, z\n", "p"),
    "the grader's files, written": (f"open({JUDGE!r}, 'a')\n", "writing"),
    "the grader's files, read": (f"open({JUDGE!r})\n", "read"),
    "a violation that is caught": (
        "try:\n    open('/tmp/x', 'w')\nexcept Exception:\n    pass\n" + DEFINITION + "    return z, z, z\n",
        "writing"),
    "np.save": (DEFINITION + "    np.save('mine.npy', z)\n    return z, z, z\n", "writing"),
    "a shell": (OS + "s['system']('true')\n", "os.system"),
    "a fork": (OS + "s['fork']()\n", "os.fork"),
    "a signal to the grader": (OS + "s['kill'](s['getppid'](), 9)\n", "os.kill"),
    "a removed file": (OS + "s['remove']('job.json')\n", "os.remove"),
    "forged results": (OS + "s['write'](3, b'PK'); s['_exit'](0)\n", "handed back"),
}
IMPORTS = ("sab_numpy", "torch", "jax", "autograd", "os", "sys", "subprocess", "sab_numpy.coursework.judge")


@pytest.mark.parametrize("name", HOSTILE)
def test_mischief_gets_nothing_and_is_named(name, tmp_path):
    text, words = HOSTILE[name]
    file = tmp_path / catalogue.file_name(1)
    file.write_text(HEAD + text)
    result = grade_exercise(1, file, limits=LOOP if "loop" in name else LIMITS)
    assert result.points == 0 and result.status in ("failed", "wrong")
    assert words in result.feedback[0], result.feedback


def test_the_clock_stops_what_uses_no_processor_time(tmp_path):
    file = tmp_path / catalogue.file_name(1)
    file.write_text(HEAD + "while True: pass\n")
    result = grade_exercise(1, file, limits=isolate.Limits(seconds=100, patience=0.01))
    assert result.points == 0 and "1 s on the clock" in result.feedback[0]


@pytest.mark.parametrize("name, text, words", [(name, "import {}\n", "refused") for name in IMPORTS] + [
    ("torch", "__import__('{}')\n", "refused"),
    ("sab_numpy", "np.testing.__builtins__['__import__']('{}')\n", "No module named")])
def test_only_numpy_is_imported(name, text, words, tmp_path):
    file = tmp_path / catalogue.file_name(1)
    file.write_text(HEAD + text.format(name) + DEFINITION + "    return z, z, z\n")
    result = grade_exercise(1, file, limits=LIMITS)
    assert result.points == 0 and words in result.feedback[0], result.feedback


def test_earlier_parts_are_for_the_exercises_that_need_them_only(tmp_path):
    file = tmp_path / catalogue.file_name(3)
    file.write_text(student.solution(3) + "\nfrom earlier_08 import lstm_step_backward\n")
    assert "refused" in grade_exercise(3, file, limits=LIMITS).feedback[0]


def test_what_numpy_needs_of_python_is_not_in_the_way(tmp_path):
    text = student.solution(1).replace("    B, O = z.shape\n", """    B, O = z.shape
    rng = np.random.default_rng()
    np.linalg.svd(np.fft.fft(rng.normal(size=(3, 3))))
    np.testing.assert_allclose(np.einsum("ij,jk,kl->il", *rng.normal(size=(3, 2, 2)), optimize=True).shape, (2, 2))
    np.random.seed(3)
    print(np.polynomial.Polynomial([1, 2])(z), np.ma.masked_less(z, 0), np.array2string(z), sep=chr(10))
""")
    file = tmp_path / catalogue.file_name(1)
    file.write_text(text)
    result = grade_exercise(1, file, limits=LIMITS)
    assert result.status == "right", result.feedback


@pytest.mark.parametrize("text, words", [
    ("return 1\n", "'return' outside function (line 4)"), ("x = (\n", "(line 4)"), ("x = '\0'\n", "cannot read"),
    ("x = '\\x'\n", "truncated \\xXX escape (line 4)")])
def test_what_python_cannot_read_is_told_with_its_line(text, words, tmp_path):
    result = student.grade_text(tmp_path, 1, HEAD + text, run=isolate.run)
    assert result.feedback[0].startswith("exercise 1: Python cannot read the file") and words in result.feedback[0]


def test_one_hostile_file_does_not_stop_the_rest(tmp_path):
    for number in (1, 2, 9):
        (tmp_path / catalogue.file_name(number)).write_text(student.solution(number))
    (tmp_path / catalogue.file_name(2)).write_text("EXERCISE = 2\nEXERCISE_SET = 2\nwhile True: pass\n")
    results = {result.number: result for result in grade(tmp_path, limits=LOOP)}
    assert [results[number].status for number in (1, 2, 3, 9)] == ["right", "failed", "missing", "right"]


def test_same_file_and_seed_same_score(tmp_path):
    file = tmp_path / catalogue.file_name(6)
    file.write_text(student.solution(6).replace("M[n, b] - s)", "M[n, b])"))
    first, second, other = (grade_exercise(6, file, seed=seed) for seed in (4, 4, 5))
    assert (first.points, first.feedback) == (second.points, second.feedback)
    assert first.feedback[1] != other.feedback[1]              # other numbers


SENT = ("an encrypted archive", "a damaged stream", "a length without end", "a length that lies", "lists in lists",
        "notes of other types", "a shape beyond all", "a type of objects", "more than was asked for")


@pytest.mark.parametrize("name", SENT)
def test_forged_results_are_0_points_with_a_reason_and_no_exception(name, tmp_path):
    text = dict(hostile.forgers())[f"sends {name}"][1]
    result = student.grade_text(tmp_path, 1, text, run=isolate.run, limits=LIMITS)
    assert (result.status, result.points) == ("failed", 0) and "handed back" in result.feedback[0]


def no_process(*args, **named):
    raise OSError(errno.EAGAIN, "Resource temporarily unavailable")


@pytest.mark.parametrize("name, value, words", [
    ("subprocess.Popen", no_process, "no process could be started (Resource temporarily unavailable)"),
    ("CHILD", "raise MemoryError('none left')", "could not start (MemoryError: none left)"),
    ("CHILD", "while True: pass", "could not start (time limit: not done after 2 s on the clock"),
    ("Listener.start", lambda self: exec("raise RuntimeError(\"can't start new thread\")"), "can't start new thread")])
def test_the_graders_own_failure_is_not_the_students(name, value, words, tmp_path, monkeypatch):
    monkeypatch.setattr(f"sab_numpy.coursework.isolate.{name}", value)
    limits = isolate.Limits(seconds=2, patience=1)
    result = student.grade_text(tmp_path, 1, student.solution(1), run=isolate.run, limits=limits)
    assert result.status == "not graded" and result.feedback[0].startswith("not graded: exercise 1: ")
    assert words in result.feedback[0]


BWRAP = pytest.mark.skipif(not hostile.works("bwrap"), reason="no bwrap here that can start a namespace")


@BWRAP
@pytest.mark.parametrize("way", range(4))
def test_in_the_sandbox_no_solution_can_be_read(way, tmp_path):
    name, files = list(hostile.readers())[way]
    result = student.grade_text(tmp_path, 1, files[1], run=isolate.run, limits=isolate.Limits(2, sandbox="bwrap"))
    assert result.points == 0, name


@BWRAP
def test_in_the_sandbox_there_are_python_numpy_and_an_empty_temporary_folder(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    text = student.solution(1) + hostile.OS + f"""
def sees(path):
    try: return bool(s['stat'](path))
    except OSError: return False
print([sees(path) for path in (np.__file__, {str(secret)!r}, {str(hostile.EXERCISES)!r}, '/etc/passwd', '/proc',
                               '/bin/sh')])
print(s['environ'].get('HOME'), s['getppid'](), s['cpu_count'] is not None)
try: s['mkdir']('/tmp/x')
except PermissionError: print('refused')
"""
    result = student.grade_text(tmp_path, 1, text, run=isolate.run, limits=isolate.Limits(sandbox="bwrap"))
    assert result.printed.splitlines() == ["[True, False, False, False, False, False]", "None 1 True", "refused"]


@BWRAP
def test_in_the_sandbox_all_solutions_are_right(tmp_path):
    results = grade(student.SOLUTIONS, limits=isolate.Limits(sandbox="bwrap"))
    assert [result.status for result in results] == ["right"] * 10


def test_a_sandbox_that_is_asked_for_and_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setattr(isolate.shutil, "which", lambda name: None)
    isolate.bubblewrap.cache_clear()
    try:
        assert isolate.sandbox("auto") == isolate.sandbox("none") == "none"
        with pytest.raises(ValueError, match="no bwrap on this machine: install bubblewrap"):
            isolate.sandbox("bwrap")
    finally:
        isolate.bubblewrap.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("fence", ["none", pytest.param("bwrap", marks=BWRAP)])
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_no_process_of_a_student_outlives_a_stopped_grader(fence, how, tmp_path):
    text = hostile.head(1) + hostile.ANY + "load('time').sleep(60)\n"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / catalogue.file_name(1)).write_text(text)
    words = [sys.executable, "-m", "sab_numpy", "grade", "--class", tmp_path, "--csv", tmp_path / "grades.csv",
             "--sandbox", fence, "--jobs", "2"]
    grader = subprocess.Popen(words, cwd=hostile.ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert b"2 students" in grader.stderr.readline()

    deadline = time.monotonic() + 60
    while len(hostile.children(grader.pid)) < (2 if fence == "none" else 6) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    seen = hostile.children(grader.pid)
    assert len(seen) >= 2
    grader.send_signal(getattr(signal, how))
    assert grader.wait(timeout=20) == (-9 if how == "SIGKILL" else 130)
    grader.stderr.close()
    assert not hostile.outlive(seen)


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL")
@pytest.mark.parametrize("killed, status", [([-9], "right"), ([137], "right"), ([-9, -9], "failed"), ([-11], "failed")])
def test_a_process_that_somebody_else_kills_gets_another_try(killed, status, monkeypatch, tmp_path):
    real, ends = isolate.concluded, iter(killed)
    monkeypatch.setattr(isolate, "concluded", lambda status, *rest: real(next(ends, status), *rest))
    result = student.grade_text(tmp_path, 1, student.solution(1), run=isolate.run)
    assert result.status == status and next(ends, None) is None
    assert killed != [-9, -9] or "killed, twice" in result.feedback[0]


@pytest.mark.slow
def test_all_solutions_pass_in_their_processes_in_under_a_minute():
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    results = grade(student.SOLUTIONS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert [result.status for result in results] == ["right"] * 10
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60
