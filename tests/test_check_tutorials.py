"""The three scripts of tutorials/gradients run from top to bottom; their claims are asserts."""

import re
import runpy
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent.parent / "tutorials" / "gradients").glob("*.py"))


SAYS = {
    "straight_through": (
        "estimator          straight through   clipped\n"
        "straight through   PASS               FAIL\n"
        "clipped            FAIL               PASS\n"
    ),
    "temporal_difference": "W, v: credit passes stop 'target'\n",
    "truncated_bptt": (
        "no cut at all           FAIL  W: credit passes every stop: it is the gradient of f without them\n"
        "no cut before step 8    FAIL  W: credit passes stop 'h before step 8'\n"
        "the cut one step late   FAIL  W: no cause found\n"
    ),
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_runs_and_prints_a_table(script, capsys):
    runpy.run_path(str(script))
    said = capsys.readouterr().out
    assert "PASS" in said and SAYS[script.stem] in said


def test_there_are_three():
    assert [path.stem for path in SCRIPTS] == ["straight_through", "temporal_difference", "truncated_bptt"]


def test_the_page_prints_what_it_says(capsys):
    """Its code runs in order; the table is the one that it shows; with the line mended that it names, all is right."""
    page = (SCRIPTS[0].parent / "README.md").read_text(encoding="utf-8")
    story, test = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(story, names)
    rounding = lambda text: re.sub(r"\d\.\de-1\d", "rounding", text)  # noqa: E731
    assert rounding(re.search(r"```text\n(.*?)```", page, re.DOTALL).group(1)) == rounding(capsys.readouterr().out)
    wrong, mended = re.findall(r"`(dh = dz.*?)`\s+should be `(.*?)`", page)[0]
    exec(story.replace(wrong, f"dh = {mended}") + test, names)
    assert capsys.readouterr().out.splitlines()[-1].startswith("PASS: 2 of 2")
