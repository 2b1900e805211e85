"""What TEACHING.md says of minutes, points and tutorials is so."""

import re
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
    files = list((ROOT / "tutorials").glob(f"{row[0][:2]}_*.py"))
    assert len(files) == 1 and f"*{row[3]} minutes" in files[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("number", catalogue.NUMBERS)
def test_an_exercise_links_to_a_tutorial_that_is_there(number):
    link = f"tutorials/{catalogue.exercise(number).TUTORIAL}.py"
    assert link in catalogue.student_copy(number) and (ROOT / link).is_file()


def test_the_plan_of_90_minutes_takes_90_minutes():
    plan = re.search(r"\*\*90 minutes\*\*: (.*?)\n\n", TEXT, re.S).group(1)
    assert sum(map(int, re.findall(r"\((\d+)\)", plan))) == 90
