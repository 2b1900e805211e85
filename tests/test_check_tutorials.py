"""The three scripts of tutorials/gradients run from top to bottom; their claims are asserts."""

import runpy
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent.parent / "tutorials" / "gradients").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_runs_and_prints_a_table(script, capsys):
    runpy.run_path(str(script))
    assert "PASS" in capsys.readouterr().out


def test_there_are_three():
    assert [path.stem for path in SCRIPTS] == ["straight_through", "temporal_difference", "truncated_bptt"]
