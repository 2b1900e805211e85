"""The demo trains its sides on the same data, says what came out, and draws it."""

import contextlib
import csv
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from told import trained_here

from sab_numpy import cli
from sab_numpy.cli import demo
from sab_numpy.core.forward import forward
from sab_numpy.core.params import init_params
from sab_numpy.support import files
from sab_numpy.training import checkpoints, launch
from sab_numpy.training.run import Run

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


def test_the_sides_see_the_same_data_and_differ_from_sab_in_one_number(shown):
    folder, _ = shown
    runs = {side: checkpoints.load_run(folder / "seed4" / side)[0] for side in demo.SIDES}
    sab = vars(runs["sab"])
    differ = {
        side: {name: value for name, value in vars(run).items() if value != sab[name]} for side, run in runs.items()
    }
    assert differ == {"sab": {}, "tbptt": {"k_top": 0}, "constant": {"mental_updates": False}}
    assert (sab["k_top"], sab["k_trunc"], sab["seed"]) == (5, 5, 4)


def test_the_controls_forward_is_sabs():
    """What the demo calls the same forward: with equal parameters they say the same, to the last bit."""
    sab, control = (Run(**demo.BOTH | SMALL | demo.SIDES[side][1]).config() for side in ("sab", "constant"))
    params, x = init_params(sab, np.random.default_rng(0)), np.random.default_rng(1).integers(0, 10, (25, 3))
    assert (forward(params, x, sab)[0] == forward(params, x, control)[0]).all()


def test_it_says_all_results_and_where_the_pictures_are(shown):
    folder, said = shown
    for words in (
        "95 % interval",
        "learning_curves.png",
        "attention_map.png",
        *(name for name, _ in demo.SIDES.values()),
    ):
        assert words in said
    with open(folder / "demo.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    sab, tbptt, control = (f"{100 * float(row[f'{side}_accuracy']):.2f} %" for side in ("sab", "tbptt", "constant"))
    assert f"recalled: {sab}; the same forward without it: {control}; no recall: {tbptt}\n" in said
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


def test_adding_tells_the_same_story_in_squared_errors(tmp_path, monkeypatch, capsys):
    small = {"task": "adding", "T": 6, "updates": 20, "hidden": 8, "validate_every": 10, "batch": 8}
    monkeypatch.setattr(demo, "ADDING", small)
    monkeypatch.setattr(demo, "train", trained_here)
    words = ["demo", "--task", "adding", "--out", str(tmp_path), "--csv", str(tmp_path / "demo.csv"), "--quiet"]
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    (row,) = files.read_rows(tmp_path / "demo.csv")
    for side in demo.SIDES:
        run, _ = checkpoints.load_run(tmp_path / "seed0" / side)
        assert run.task == "adding" and f"squared error {float(row[f'{side}_squared_error']):.4f}" in said
    assert "half the sum of the two that are marked" in said and "attention_map" not in said
    assert "This seed failed: SAB did not reach 0.005" in said and row["command"] == "sab demo --seed 0 --task adding"
    assert (tmp_path / "seed0" / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main(["demo", "--task", "adding", "--tiny", "--out", str(tmp_path)]) == 2


def test_a_csv_from_before_the_control_is_widened(tmp_path):
    row = {"seed": 0, "T": 5, "hidden": 16, "updates": 60, "sab_accuracy": 1.0, "version": "0.1.0"}
    path = tmp_path / "demo.csv"
    files.append_rows(path, [row], demo.SAME)
    assert not demo.recorded(path, row)
    files.append_rows(path, [row | {"constant_accuracy": 0.25}], demo.SAME)
    assert demo.recorded(path, row) and not demo.recorded(path, row | {"seed": 1})
    assert [old["constant_accuracy"] for old in files.read_rows(path)] == ["", "0.25"]


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize(
    "words, said",
    [(["-m", "sab_numpy", "demo"], ""), (["-c", "import sab_numpy"], "Traceback")],
    ids=["sab", "a program"],
)
def test_ctrl_c_while_numpy_loads_leaves_no_traceback_of_a_command(words, said, tmp_path):
    (tmp_path / "numpy.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}, cwd=tmp_path
    )
    assert (done.returncode, done.stderr[:9]) == (-signal.SIGINT, said)


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
def test_the_tiny_demo_reaches_its_goal_in_half_a_minute(tmp_path, capsys):
    assert cli.main(["demo", "--tiny", "--out", str(tmp_path), "--csv", str(tmp_path / "demo.csv"), "--quiet"]) == 0
    with open(tmp_path / "demo.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["sab_accuracy"]) >= demo.GOAL[True] and float(row["seconds"]) < 90  # a busy machine is slower
    assert max(float(row["tbptt_accuracy"]), float(row["constant_accuracy"])) < 0.5


def test_the_demo_ends_with_three_commands_that_exist():
    commands = [line.split("  ")[1] for line in demo.NEXT.splitlines()[1:]]
    assert ".venv/bin/activate" in demo.NEXT and len(commands) == 3
    assert (Path(__file__).parents[1] / commands[0].split()[1]).exists()
    assert {words.split()[1] for words in commands[1:]} <= set(cli.COMMANDS)


def test_the_demo_tests_the_last_parameters(tmp_path, monkeypatch):
    asked, evaluate = [], demo.evaluate

    def heard(source, lengths=None, n=None, best=False, **options):
        asked.append(best)
        return evaluate(source, lengths, n, best, **options)

    tiny = {"T": 2, "min_length": 2, "updates": 2, "hidden": 4, "validate_every": 1, "batch": 2}
    for name, value in {"TINY": tiny, "train": trained_here, "draw": lambda *_: ("a", "b"), "evaluate": heard}.items():
        monkeypatch.setattr(demo, name, value)
    assert cli.main(["demo", "--tiny", "--quiet", "--out", str(tmp_path)]) == 0
    assert asked == [False] * 3


def test_of_trainings_the_one_that_has_ended_is_told_with_its_last_line():
    said = io.StringIO("RuntimeWarning: overflow\nsab train: no space left\n\n")
    runs, ended = (
        SimpleNamespace(process=SimpleNamespace(poll=lambda code=code: code, returncode=code, stderr=said))
        for code in (None, 2)
    )
    found = launch.next_to_end([runs, ended], SimpleNamespace(clear=lambda: None))
    assert found == (ended, "sab train: no space left")


def test_the_live_line_says_the_newest_row(tmp_path):
    training = object.__new__(launch.Training)
    training.name, training.run, training.folder = "SAB", Run(updates=90), tmp_path
    assert str(training) == "SAB: begun"
    rows = [{"update": u, "seconds": 2 * u, "cpu_seconds": u, "accuracy": a} for u, a in ((10, 0.25), (30, 0.5))]
    files.write_rows(tmp_path / "history.csv", rows)
    assert str(training) == "SAB: 30/90  50.0 %  left 2:00"


def test_a_seed_says_its_interval_and_its_row_has_its_times_and_its_own_command(monkeypatch, capsys):
    found = {"accuracy": 0.5, "ce10": 0.1, "low": 0.25, "high": 0.75, "sequences": 9}
    state = SimpleNamespace(seconds=600.0, cpu_seconds=60.0)
    monkeypatch.setattr(demo, "train", lambda *_: 7.0)
    monkeypatch.setattr(demo, "evaluate", lambda *_, **__: iter([found]))
    monkeypatch.setattr(demo.checkpoints, "load_run", lambda _: (None, state))
    row = demo.one_seed(SimpleNamespace(task="copying", tiny=True, seed=3, backend="cupy"), SMALL, 4, "x")
    assert row["command"] == "sab demo --seed 4 --tiny --backend cupy"
    assert row["seconds"] == 7 and {row[f"{side}_cpu_seconds"] for side in demo.SIDES} == {60}
    assert capsys.readouterr().out.count("50.00 % of the answers right   (95 % interval 25.0 - 75.0; 9 sequences") == 3


@pytest.mark.parametrize("force, begin", [(False, "--resume"), (True, "--force")])
def test_with_force_all_sides_are_trained_again(force, begin, monkeypatch):
    asked = []

    def training(name, run, folder, backend, begin):
        asked.append(begin)
        return SimpleNamespace(process=SimpleNamespace(returncode=0), close=lambda: None)

    monkeypatch.setattr(demo, "Training", training)
    monkeypatch.setattr(demo, "next_to_end", lambda active, line: (active[0], ""))
    demo.train(SimpleNamespace(force=force, quiet=True, backend="numpy"), SMALL, 0, "x")
    assert asked == [begin] * 3
