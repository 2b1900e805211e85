"""What TEACHING.md says of minutes, points and tutorials is so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sab_numpy.coursework import catalogue

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "TEACHING.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| ")]


def test_exercises_have_the_minutes_and_points_that_are_promised():
    rows = [row for row in ROWS if len(row) == 5 and row[0][0].isdigit()]
    promised = {int(row[0].split()[0]): (int(row[3]), int(row[4])) for row in rows}
    assert promised == {number: (catalogue.exercise(number).MINUTES, catalogue.exercise(number).POINTS)
                        for number in catalogue.NUMBERS}


@pytest.mark.parametrize("row", [row for row in ROWS if len(row) == 4 and row[0][:2].isdigit()], ids=lambda row: row[0])
def test_a_tutorial_says_the_same_minutes(row):
    files = list((ROOT / "tutorials").glob(f"{row[0].split()[0]}_*.py"))
    assert len(files) == 1 and f"*{row[3]} minutes" in files[0].read_text(encoding="utf-8")


def test_every_tutorial_has_a_row_and_every_plan_has_the_model_on_one_page():
    rows = [row[0].split()[0] for row in ROWS if len(row) == 4 and row[0][:2].isdigit()]
    assert rows == sorted(file.name.split("_")[0] for file in (ROOT / "tutorials").glob("[0-9]*.py"))
    plans = TEXT.split("## Plans")[1].split("## A project")[0]
    parts = re.split(r"\*\*(?:90 minutes|One week|Three weeks)\*\*", plans)[1:]
    assert len(parts) == 3 and all("01a" in part for part in parts)


SAID = {1: "cross-entropy", 2: "lstm_step", 3: "lstm_step_backward", 4: "[score]", 5: "threshold", 6: "[skip]",
        7: "[cuts]", 8: "`cut`", 9: "clip_gradients", 10: "clip="}


@pytest.mark.parametrize("number", catalogue.NUMBERS)
def test_an_exercise_points_to_what_explains_it_and_to_the_function_that_it_mirrors(number):
    module, copy = catalogue.exercise(number), catalogue.student_copy(number)
    assert SAID[number] in (ROOT / "tutorials" / f"{module.TUTORIAL}.py").read_text(encoding="utf-8")
    path, names = re.search(r"The package's own, for afterwards: (\S+): ([^(\n]+)", copy).groups()
    for name in names.strip().split(", "):
        assert f"def {name}(" in (ROOT / "sab_numpy" / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [4, 6])
def test_the_axes_of_m_are_said_before_its_loops(number):
    text = catalogue.student_copy(number)
    assert text.index("The axes of M are slot, row of the batch, unit") < text.index("The forward pass, as loops")


@pytest.mark.parametrize("number", catalogue.NUMBERS)
def test_an_exercise_links_to_a_tutorial_that_is_there(number):
    link = f"tutorials/{catalogue.exercise(number).TUTORIAL}.py"
    assert link in catalogue.student_copy(number) and (ROOT / link).is_file()


def test_the_plan_of_90_minutes_takes_90_minutes():
    plan = re.search(r"\*\*90 minutes\*\*: (.*?)\n\n", TEXT, re.S).group(1)
    assert sum(map(int, re.findall(r"\((\d+)\)", plan))) == 90


def test_every_try_it_has_an_answer():
    answers = {row[0] for row in ROWS if len(row) == 2}
    asked = {file.name.split("_")[0] for file in (ROOT / "tutorials").glob("[0-9]*.py")
             if "**Try it.**" in file.read_text(encoding="utf-8")}
    assert len(asked) >= 11 and asked <= answers


def test_the_rubric_makes_a_hundred():
    assert sum(int(row[0]) for row in ROWS if len(row) == 3 and row[0].isdigit() and int(row[0]) > 9) == 100


def test_ten_slides_are_drawn_from_figures_that_are_there(tmp_path):
    done = subprocess.run([sys.executable, "figures/slides.py", tmp_path / "slides.pdf"], cwd=ROOT, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.stdout.startswith("10 slides"), done.stderr
    assert (tmp_path / "slides.pdf").read_bytes().count(b"/Type /Page ") == 10
