"""A class: one row a student, whatever the folders hold; what was graded survives."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import student

from sab_numpy.cli import grade as grade_command
from sab_numpy.coursework import catalogue, classroom, isolate
from sab_numpy.support.files import read_rows

LIMITS = isolate.Limits()


def arguments(*words):
    parser = argparse.ArgumentParser()
    grade_command.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.fixture
def a_class(tmp_path):
    """Five folders: a good student, one with a bug, an archive in an archive, nothing, rubbish."""
    for name, numbers in (("good", (1, 9)), ("bug", (1,)), ("nested", (9,)), ("nothing", ()), ("rubbish", ())):
        folder = tmp_path / "class" / name / ("inner" if name == "nested" else "")
        folder.mkdir(parents=True)
        for number in numbers:
            (folder / catalogue.file_name(number)).write_text(student.solution(number))
    bug = tmp_path / "class" / "bug" / catalogue.file_name(1)
    bug.write_text(bug.read_text().replace("dz = (p", "dz = -(p"))
    (tmp_path / "class" / "rubbish" / catalogue.file_name(1)).write_bytes(bytes(range(256)))
    (tmp_path / "class" / "rubbish" / catalogue.file_name(2)).mkdir()
    return tmp_path / "class"


@pytest.fixture
def quick(monkeypatch):
    """Grade without processes; counts the exercises graded."""
    count = []

    def run(source, job, cases, earlier, limits):
        count.append(job["file"])
        return student.run_here(source, job, cases, earlier, limits)

    monkeypatch.setattr("sab_numpy.coursework.grading.grade_exercise.__defaults__", (0, LIMITS, run))
    return count


def points(path):
    return {row["student"]: float(row["points"]) for row in read_rows(path)}


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_student_gets_one_row(a_class, tmp_path, quick, jobs):
    table = tmp_path / "grades.csv"
    words = ("--class", a_class, "--csv", table, "--jobs", jobs, "--out", tmp_path / "say")
    assert grade_command.run(arguments(*words)) == 0
    found = points(table)
    assert sorted(found) == ["bug", "good", "nested", "nothing", "rubbish"]
    assert found["good"] == 10 and 0 < found["bug"] < 5 and found["nested"] == 5
    assert found["nothing"] == found["rubbish"] == 0
    notes = {row["student"]: row["note"] for row in read_rows(table)}
    assert "nothing was checked" in notes["nothing"] and "1: does not run; 2: " in notes["rubbish"]
    assert notes["bug"].startswith("1: wrong; 2: not attempted")
    assert "dz has the wrong sign" in (tmp_path / "say" / "bug.txt").read_text()


def test_resume_grades_only_what_is_new_or_changed(a_class, tmp_path, quick):
    table = tmp_path / "grades.csv"
    grade_command.run(arguments("--class", a_class, "--csv", table))
    before = points(table)
    quick.clear()
    shutil.copytree(a_class / "good", a_class / "late")
    shutil.copy(a_class / "good" / catalogue.file_name(1), a_class / "bug" / catalogue.file_name(1))
    grade_command.run(arguments("--class", a_class, "--csv", table, "--resume"))
    assert len(quick) == 2 + 1                                 # late has two exercises, bug one
    assert points(table) == {**before, "late": 10, "bug": 5}


@pytest.mark.parametrize("words, said", [
    (("--seed", 8), "was made with seed 0, found 8"), (("--time-limit", 3), "was made with limits 10 s .*, found 3 s"),
    (("--memory", 512), "1024 MB .* 512 MB")])
def test_one_table_has_one_set_of_options(a_class, tmp_path, quick, words, said):
    table = tmp_path / "grades.csv"
    grade_command.run(arguments("--class", a_class, "--csv", table))
    before = table.read_bytes()
    quick.clear()
    with pytest.raises(ValueError, match=said):
        grade_command.run(arguments("--class", a_class, "--csv", table, "--resume", *words))
    assert not quick and table.read_bytes() == before


def test_a_table_of_another_exercise_set_is_not_gone_on_with(a_class, tmp_path, quick, monkeypatch):
    grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "grades.csv"))
    monkeypatch.setattr(classroom, "EXERCISE_SET", 3)
    with pytest.raises(ValueError, match="exercise set 2, found 3"):
        grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "grades.csv", "--resume"))


def test_feedback_that_is_not_there_is_written_and_nothing_else_is_graded(a_class, tmp_path, quick):
    words = "--class", a_class, "--csv", tmp_path / "grades.csv", "--resume"
    grade_command.run(arguments(*words))
    before = points(tmp_path / "grades.csv")
    for out in ("one", "two"):                                 # asked for later; then in another folder
        grade_command.run(arguments(*words, "--out", tmp_path / out))
        assert {path.stem for path in (tmp_path / out).iterdir()} == set(before)
    assert points(tmp_path / "grades.csv") == before
    (tmp_path / "two" / "bug.txt").unlink()
    quick.clear()
    grade_command.run(arguments(*words, "--out", tmp_path / "two"))
    assert len(quick) == 1 and "dz has the wrong sign" in (tmp_path / "two" / "bug.txt").read_text()
    shutil.copy(a_class / "good" / catalogue.file_name(1), a_class / "bug" / catalogue.file_name(1))
    grade_command.run(arguments(*words))                       # without feedback: that of before is old now
    grade_command.run(arguments(*words, "--out", tmp_path / "two"))
    assert "5 of 5 points" in (tmp_path / "two" / "bug.txt").read_text()
    assert {row["student"]: row["feedback"] for row in read_rows(tmp_path / "grades.csv")} == {
        name: str(tmp_path / "two" / f"{name}.txt") for name in before}


def test_grades_of_another_folder_stay_in_the_table(a_class, tmp_path, quick):
    grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "grades.csv"))
    before = points(tmp_path / "grades.csv")
    shutil.copytree(a_class / "good", tmp_path / "late" / "latecomer")
    grade_command.run(arguments("--class", tmp_path / "late", "--csv", tmp_path / "grades.csv", "--resume"))
    assert points(tmp_path / "grades.csv") == {**before, "latecomer": 10}


NAMES = {"=1+1": "'=1+1", "+a": "'+a", "-a": "'-a", "@a": "'@a", "#a": "'#a", "'=1+1": "''=1+1",
         "O'Neil, A": "O'Neil, A"}


def test_no_cell_is_a_formula_and_resume_knows_the_students_again(tmp_path, quick, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {**NAMES, os.fsdecode(b"caf\xe9"): "caf\\udce9"} if sys.platform == "linux" else NAMES
    for name in names:
        (tmp_path / "=class" / name).mkdir(parents=True)
        (tmp_path / "=class" / name / catalogue.file_name(1)).write_text(student.solution(1))
    (tmp_path / "=class" / "@a" / catalogue.file_name(1)).unlink()
    words = "--class", "=class", "--csv", "grades.csv", "--out", "=say", "--resume"
    grade_command.run(arguments(*words))
    rows = read_rows("grades.csv")
    assert sorted(row["student"] for row in rows) == sorted(names.values())
    assert {row["note"][:9] for row in rows if row["student"] == "'@a"} == {"'=class/@"}
    assert not any(value.startswith(tuple("=+-@")) for row in rows for value in row.values())
    assert {path.name for path in (tmp_path / "=say").iterdir()} == {f"{name}.txt" for name in names}
    quick.clear()
    grade_command.run(arguments(*words))
    assert not quick and read_rows("grades.csv") == rows


def test_a_table_is_not_overwritten_without_resume(a_class, tmp_path, quick):
    table = tmp_path / "grades.csv"
    table.write_text("student,mark\nsomebody,5\n")
    for words in ((), ("--resume",)):
        with pytest.raises(ValueError, match="grades.csv"):
            grade_command.run(arguments("--class", a_class, "--csv", table, *words))
    assert table.read_text() == "student,mark\nsomebody,5\n"


@pytest.mark.parametrize("words", [("--class", "nowhere", "--csv", "g.csv"), ("--class", "."), ("--jobs", 2), (),
                                   ("no.py",), ("x", "--exercise", 11), ("x", "--time-limit", 0), ("x", "--memory", 1)])
def test_wrong_arguments_are_one_clear_error(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, SystemExit)):
        grade_command.run(arguments(*words))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["json", "gradescope"])
def test_reports_for_machines_hold_the_same_points(kind, tmp_path, quick):
    (tmp_path / catalogue.file_name(1)).write_text(student.solution(1))
    status = grade_command.run(arguments(tmp_path, "--format", kind, "--out", tmp_path / "results.json"))
    found = json.loads((tmp_path / "results.json").read_text())
    assert status == 1                                         # nine exercises have no file
    if kind == "json":
        assert (found["points"], found["possible"], found["exercise_set"]) == (5, 100, 2)
        assert found["exercises"][0]["checks"] == found["exercises"][0]["passed"] == found["checks"] == 9
    else:
        assert found["score"] == 5 and sum(test["max_score"] for test in found["tests"]) == 100


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.slow
def test_a_killed_grader_leaves_a_whole_table_and_goes_on(tmp_path):
    for number in range(6):
        shutil.copytree(student.SOLUTIONS, tmp_path / "class" / f"student{number}")
    command = [sys.executable, "-m", "sab_numpy.cli", "grade", "--class", str(tmp_path / "class"), "--csv",
               str(tmp_path / "grades.csv"), "--jobs", "2", "--resume"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and not ((tmp_path / "grades.csv").exists() and points(tmp_path / "grades.csv")):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < len(points(tmp_path / "grades.csv")) < 6
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    assert points(tmp_path / "grades.csv") == {f"student{number}": 100 for number in range(6)}
