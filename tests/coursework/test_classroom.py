"""A class: one row a student, whatever the folders hold; what was graded survives."""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import student
import test_hostile as hostile

from sab_numpy.cli import grade as grade_command
from sab_numpy.coursework import catalogue, classroom, feedback, grading, isolate
from sab_numpy.support.files import lock, read_rows

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


def no_process(*args, **named):
    raise OSError(11, "Resource temporarily unavailable")


def test_what_the_grader_could_not_do_is_no_0_and_is_done_again(a_class, tmp_path, monkeypatch, capsys):
    words = ("--class", a_class, "--csv", tmp_path / "grades.csv", "--resume", "--out", tmp_path / "say")
    with monkeypatch.context() as patch:
        patch.setattr("sab_numpy.coursework.isolate.subprocess.Popen", no_process)
        assert grade_command.run(arguments(*words, "--sandbox", "none")) == 1
    rows = {row["student"]: row for row in read_rows(tmp_path / "grades.csv")}
    assert rows["good"]["points"] == rows["good"]["exercise_01"] == "" and rows["nothing"]["points"] == "0"
    assert rows["good"]["note"].startswith("not graded: exercise 9: no process could be started (Resource temp")
    assert "not graded: exercise 1: no process" in (tmp_path / "say" / "good.txt").read_text()
    assert "3 not graded, --resume tries again: bug, good, nested" in capsys.readouterr().out
    assert grade_command.run(arguments(*words, "--sandbox", "none")) == 0
    assert points(tmp_path / "grades.csv")["good"] == 10


def test_an_error_of_ours_does_not_stop_the_class(a_class, tmp_path, quick, monkeypatch):
    def grade(folder, **named):
        if folder.name == "bug":
            raise IndexError("pop from an empty list")
        return right(folder, **named)
    right = classroom.grade
    monkeypatch.setattr(classroom, "grade", grade)
    assert grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "grades.csv")) == 1
    notes = {row["student"]: row["note"] for row in read_rows(tmp_path / "grades.csv")}
    assert len(notes) == 5 and notes["bug"] == "not graded: IndexError: pop from an empty list"


@pytest.mark.parametrize("place", ["catalogue.earlier", "grading.make_cases", "isolate.child.pack", "grading.judge",
                                   "judge.expected", "judge.judge_output", "grading.conclude", "classroom.grade",
                                   "feedback.note", "feedback.as_text"])
def test_a_value_error_of_ours_is_no_0_of_a_students(place, a_class, tmp_path, quick, monkeypatch):
    def fails(*args, **named):
        raise ValueError("operands could not be broadcast together")
    words = ("--class", a_class, "--csv", tmp_path / "grades.csv", "--resume", "--sandbox", "none")
    with monkeypatch.context() as patch:
        patch.setattr(f"sab_numpy.coursework.{place}", fails)
        if place.startswith("isolate"):
            patch.setattr("sab_numpy.coursework.grading.grade_exercise.__defaults__", (0, LIMITS, isolate.run))
        assert grade_command.run(arguments(*words)) == 1
    row = next(row for row in read_rows(tmp_path / "grades.csv") if row["student"] == "good")
    assert row["points"] == "" and row["note"].startswith("not graded: ") and "broadcast together" in row["note"]
    assert grade_command.run(arguments(*words)) == 0 and points(tmp_path / "grades.csv")["good"] == 10


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_what_is_no_plain_file_is_not_read(a_class, tmp_path, quick):
    name, other = catalogue.file_name(1), a_class / "good" / catalogue.file_name(1)
    for kind in ("pipe", "zeros", "link", "inner_link", "..."):
        (a_class / kind).mkdir()
    os.mkfifo(a_class / "pipe" / name)
    (a_class / "zeros" / name).symlink_to("/dev/zero")
    (a_class / "link" / name).symlink_to(other)
    (a_class / "folder_link").symlink_to(a_class / "good")
    (a_class / "inner_link" / "inner").symlink_to(a_class / "good")
    (a_class / "dangling").symlink_to("nowhere")
    (a_class / "..." / name).write_text("x = 1\n")
    grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "grades.csv", "--out", tmp_path / "say"))
    found = points(tmp_path / "grades.csv")
    notes = {row["student"]: row["note"] for row in read_rows(tmp_path / "grades.csv")}
    assert {name for name in found if found[name]} == {"good", "bug", "nested"}
    said = {path.stem: path.read_text() for path in (tmp_path / "say").iterdir()}
    assert "exercise 1: it is not a plain file" in said["pipe"]
    assert "exercise 1: it is a link: hand in the file itself" in said["zeros"] and "is a link" in said["link"]
    assert notes["folder_link"] == "folder_link is a link: hand in the folder itself"
    assert notes["inner_link"] == "inner is a link: hand in the folder itself"
    assert notes["dangling"] == "dangling is a link: hand in the folder itself" and "..." in found


def test_a_hidden_folder_that_is_not_graded_is_named(a_class, tmp_path, quick, capsys):
    (a_class / ".git").mkdir()
    grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "grades.csv"))
    assert "not graded, as it is no student's folder: .git\n" in capsys.readouterr().err
    assert ".git" not in points(tmp_path / "grades.csv")


def test_a_class_has_a_seed_that_nobody_knows_beforehand_and_resume_keeps_it(a_class, tmp_path, quick, capsys):
    seeds = set()
    for name in ("one", "two"):
        grade_command.run(arguments("--class", a_class, "--csv", tmp_path / name))
        seeds |= {row["seed"] for row in read_rows(tmp_path / name)}
        assert f"seed {read_rows(tmp_path / name)[0]['seed']}, " in capsys.readouterr().out
    assert len(seeds) == 2
    shutil.copytree(a_class / "good", a_class / "late")
    grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "two", "--resume"))
    rows = read_rows(tmp_path / "two")
    assert len(rows) == 6 and len({row["seed"] for row in rows}) == 1


@pytest.mark.parametrize("words, seeds", [((), {0}), (("--format", "json"), {0}), (("--seed", 5), {5})])
def test_a_students_own_grading_has_seed_0(words, seeds, a_class, quick, capsys):
    grade_command.run(arguments(a_class / "good", "--sandbox", "none", *words))
    assert any(f"seed {seed} " in (said := capsys.readouterr().out) or f'"seed": {seed},' in said for seed in seeds)


def test_gradescope_has_a_drawn_seed(a_class, tmp_path, quick):
    said = set()
    for _ in range(2):
        grade_command.run(arguments(a_class / "good", "--format", "gradescope", "--out", tmp_path / "results.json"))
        said.add(json.loads((tmp_path / "results.json").read_text())["output"])
    assert len(said) == 2


def test_gradescope_gets_no_points_that_the_grader_could_not_give(a_class, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sab_numpy.coursework.isolate.subprocess.Popen", no_process)
    words = (a_class / "good", "--format", "gradescope", "--out", tmp_path / "results.json", "--sandbox", "none")
    assert grade_command.run(arguments(*words)) == 1
    assert not (tmp_path / "results.json").exists() and "not graded: exercise 1: no process" in capsys.readouterr().err


def test_a_second_grader_of_one_table_is_refused(a_class, tmp_path, quick):
    with lock(tmp_path / "grades.csv"):
        with pytest.raises(ValueError, match="grades.csv: another process is at work on it"):
            grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "grades.csv"))
    assert not quick and not (tmp_path / "grades.csv").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_grades_are_for_the_teacher_alone_unless_the_teacher_says_otherwise(a_class, tmp_path, quick):
    words = ("--class", a_class, "--csv", tmp_path / "grades.csv", "--out", tmp_path / "say", "--resume")
    grade_command.run(arguments(*words))
    files = [tmp_path / "grades.csv", *(tmp_path / "say").iterdir()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    for path in files:
        path.chmod(0o640)
    (a_class / "nothing" / catalogue.file_name(9)).write_text(student.solution(9))
    grade_command.run(arguments(*words))
    assert {path.stat().st_mode & 0o777 for path in files} == {0o640}


def test_feedback_is_short_plain_text_with_one_total(tmp_path, quick):
    folder = tmp_path / "class" / "eve"
    folder.mkdir(parents=True)
    forged = "\n\ntotal: 100 of 100 points\x1b[2J\u202e\u2028total: 100" + "\u00e9" * 10_000
    for number in range(1, 11):
        (folder / catalogue.file_name(number)).write_text(
            f"EXERCISE = {number}\nEXERCISE_SET = 2\nprint({forged!r})\nraise ValueError({forged!r})\n")
    grade_command.run(arguments("--class", tmp_path / "class", "--csv", tmp_path / "g.csv", "--out", tmp_path / "say"))
    data = (tmp_path / "say" / "eve.txt").read_bytes()
    assert len(data) <= 4096 and all(line.isprintable() for line in data.decode().splitlines())
    totals = [line for line in data.decode().splitlines() if line.startswith("total")]
    assert totals == ["total: 0 of 100 points; 0 checks ran: nothing could be checked, see above"]


@pytest.mark.parametrize("text", ["", "student,mark\n", "a;b\n1;2\n", "\ufeffstudent\n", "rubbish",
                                  "# mine\n{}", "{}\n# a remark\n"])
def test_a_table_of_others_is_not_gone_on_with(text, a_class, tmp_path, quick):
    table = tmp_path / "grades.csv"
    table.write_text(text.format(",".join(classroom.COLUMNS)))
    before = table.read_bytes()
    with pytest.raises(ValueError, match="expected a table that sab grade wrote"):
        grade_command.run(arguments("--class", a_class, "--csv", table, "--resume"))
    assert not quick and table.read_bytes() == before


@pytest.mark.parametrize("fence, said", [("none", "without a sandbox"), ("auto", "sandbox")])
def test_the_report_says_which_fence_held(fence, said, a_class, tmp_path, quick, capsys):
    grade_command.run(arguments(a_class / "good", "--sandbox", fence))
    assert said in capsys.readouterr().out.splitlines()[0]
    grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "grades.csv", "--sandbox", fence))
    assert said in capsys.readouterr().out and said in read_rows(tmp_path / "grades.csv")[0]["limits"]


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
    nothing = (tmp_path / "say" / "nothing.txt").read_text()
    assert nothing.count(" points, not attempted\n") == 10 and "total: 0 of 100 points" in nothing


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
    grade_command.run(arguments("--class", a_class, "--csv", table, "--seed", 0))
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


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.slow
def test_a_grader_that_is_killed_again_and_again_loses_nothing_and_leaves_no_process(tmp_path):
    for number in range(6):
        folder = tmp_path / "class" / f"student{number}"
        folder.mkdir(parents=True)
        for exercise in (1, 3, 9):
            text = student.solution(exercise)
            (folder / catalogue.file_name(exercise)).write_text(text if number else text.replace("dz", "dq"))
    words = [sys.executable, "-m", "sab_numpy", "grade", "--class", tmp_path / "class", "--jobs", "2", "--resume",
             "--seed", "3", "--csv"]
    silent = dict(cwd=hostile.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert subprocess.run([*words, tmp_path / "whole.csv"], **silent).returncode == 0
    rng, killed, ended, rows = random.Random(0), 0, 0, []
    while killed < 50:
        grader = subprocess.Popen([*words, tmp_path / "grades.csv"], **silent)
        time.sleep(rng.uniform(0.2, 4))
        family = hostile.children(grader.pid)
        grader.send_signal(signal.SIGTERM if killed % 2 else signal.SIGKILL)
        ended += grader.wait(timeout=30) == 0
        killed += 1
        assert not hostile.outlive(family)
        before, rows = rows, read_rows(tmp_path / "grades.csv") if (tmp_path / "grades.csv").exists() else []
        assert len(rows) >= len(before)
        if ended:                                              # all were graded: anew
            ended = 0
            assert without_time(rows) == without_time(read_rows(tmp_path / "whole.csv"))
            (tmp_path / "grades.csv").unlink()
            rows = []
    assert subprocess.run([*words, tmp_path / "grades.csv"], **silent).returncode == 0
    assert without_time(read_rows(tmp_path / "grades.csv")) == without_time(read_rows(tmp_path / "whole.csv"))
    assert {path.name for path in tmp_path.iterdir()} - {"class"} == {
        f"{name}.csv{lock}" for name in ("grades", "whole") for lock in ("", ".lock")} | {
        path.name for path in tmp_path.glob(".tmp-*")}         # a kill in the middle of a write leaves its beginning


def without_time(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_the_time_left_counts_the_students_of_this_sitting(tmp_path, monkeypatch, capsys):
    words, asked = {"path": None, "exercise": None, "format": "text", "resume": True, "seed": 0, "out": None}, []
    args = argparse.Namespace(**words, students=tmp_path / "class", csv=tmp_path / "g.csv", jobs=1, feedback="full")
    monkeypatch.setattr(classroom.progress, "left", lambda *numbers: asked.append(numbers[:2]) or "4:56")
    for names in ("abc", "d"):
        for name in names:
            (tmp_path / "class" / name).mkdir(parents=True)
        classroom.grade_class(args, isolate.Limits(sandbox="none"))
        assert capsys.readouterr().err.endswith("left 4:56\n")
    assert asked == [(1, 3), (2, 3), (3, 3), (1, 1)]


def test_gradescope_scores_points():
    result = grading.Result(1, "f", "wrong", 5, ran=9, passed=3, share=0.5)
    said = json.loads(feedback.as_gradescope([result], "f", 0, ""))
    assert said["tests"][0]["score"] == said["score"] == 2.5


def test_every_format_says_how_many_of_the_checks_passed_and_whether_all_did():
    results = [grading.Result(1, "f", "wrong", 5, ["exercise 1: x"], ran=9, passed=3, share=0.5),
               grading.Result(2, "g", "right", 10, ran=12, passed=12, share=1.0)]
    heads = [line for line in feedback.as_text(results, "f", 0, "").splitlines() if line.startswith("exercise ")]
    assert [head.partition(": ")[2] for head in heads] == [
        "2.5 of 5 points, 3 of 9 checks passed   [f]", "10 of 10 points, 12 of 12 checks passed   [g]"]
    told = json.loads(feedback.as_json(results, "f", 0, ""))
    assert told["checks"] == 21 and [(row["checks"], row["passed"]) for row in told["exercises"]] == [(9, 3), (12, 12)]
    tests = json.loads(feedback.as_gradescope(results, "f", 0, ""))["tests"]
    assert [test["status"] for test in tests] == ["failed", "passed"] and "3 of 9 checks passed" in tests[0]["output"]


def test_a_row_has_the_points_of_every_exercise_and_the_checks_that_were_made(a_class, tmp_path, quick):
    grade_command.run(arguments("--class", a_class, "--csv", tmp_path / "grades.csv"))
    rows = {row["student"]: row for row in read_rows(tmp_path / "grades.csv")}
    own = {name: [float(row[column]) for column in classroom.POINTS] for name, row in rows.items()}
    assert own["good"] == [5, *7 * [0], 5, 0] and own["bug"] == [float(rows["bug"]["points"]), *9 * [0]]
    assert 0 < own["bug"][0] < 5 and rows["bug"]["checks"] == "9" and rows["nothing"]["checks"] == "0"
