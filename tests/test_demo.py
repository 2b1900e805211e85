"""The demo trains both sides on the same data, says what came out, and draws it."""

import contextlib
import csv
import io
from pathlib import Path

import pytest

from sab_numpy import cli
from sab_numpy.cli import demo
from sab_numpy.training import checkpoints

SMALL = {
    "T": 5,
    "min_length": 2,
    "updates": 60,
    "hidden": 16,
    "validate_every": 20,
    "validation_sequences": 20,
    "batch": 8,
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A demo far too short to learn: its folder, what it printed, its CSV."""
    folder = tmp_path_factory.mktemp("demo")
    patch = pytest.MonkeyPatch()
    patch.setattr(demo, "TINY", SMALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert cli.main(["demo", "--tiny", "--seed", "4", "--out", str(folder), "--csv", str(folder / "demo.csv")]) == 0
    patch.undo()
    return folder, said.getvalue()


def test_both_sides_see_the_same_data_and_differ_in_k_top_alone(shown):
    folder, _ = shown
    (sab, _), (tbptt, _) = (checkpoints.load_run(folder / "seed4" / side) for side in ("sab", "tbptt"))
    assert {name for name in vars(sab) if getattr(sab, name) != getattr(tbptt, name)} == {"k_top"}
    assert (sab.k_top, tbptt.k_top, sab.k_trunc, sab.seed) == (5, 0, 5, 4)


def test_it_says_both_results_and_where_the_pictures_are(shown):
    folder, said = shown
    for words in ("SAB", "truncated BPTT", "95 % interval", "learning_curves.png", "attention_map.png"):
        assert words in said
    for name in ("learning_curves.png", "attention_map.png"):
        assert (folder / "seed4" / name).read_bytes().startswith(b"\x89PNG")


def test_it_says_when_a_seed_fails(shown):
    folder, said = shown
    assert "This seed failed" in said
    with open(folder / "demo.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["sab_accuracy"]) < demo.GOAL[True] and row["seed"] == "4"


def test_the_pictures_are_the_same_bytes_twice(shown):
    folder, _ = shown
    settings = {**demo.BOTH, **SMALL}
    before = [(folder / "seed4" / name).read_bytes() for name in ("learning_curves.png", "attention_map.png")]
    assert [Path(path).read_bytes() for path in demo.draw(folder / "seed4", settings, 4)] == before


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--seed", "-1"]])
def test_a_mistake_is_one_line(arguments, capsys):
    assert cli.main(["demo", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_side_that_fails_is_one_line_and_stops_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "TINY", SMALL | {"updates": 100_000})
    (tmp_path / "seed0" / "tbptt" / "last.npz.lock").mkdir(parents=True)  # where no file can be
    assert cli.main(["demo", "--tiny", "--out", str(tmp_path), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "the training of truncated BPTT failed: sab train: " in said and said.count("\n") == 1


@pytest.mark.slow
def test_the_tiny_demo_reaches_its_goal_in_under_half_a_minute(tmp_path, capsys):
    assert cli.main(["demo", "--tiny", "--out", str(tmp_path), "--csv", str(tmp_path / "demo.csv"), "--quiet"]) == 0
    with open(tmp_path / "demo.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["sab_accuracy"]) >= demo.GOAL[True] and float(row["seconds"]) < 60  # a busy machine is slower


def test_the_demo_ends_with_three_commands_that_exist():
    commands = [line.split("  ")[1] for line in demo.NEXT.splitlines()[1:]]
    assert ".venv/bin/activate" in demo.NEXT and len(commands) == 3
    assert (Path(__file__).parents[1] / commands[0].split()[1]).exists()
    assert {words.split()[1] for words in commands[1:]} <= set(cli.COMMANDS)
