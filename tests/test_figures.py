"""Figures are drawn from CSV files and trained parameters alone, twice the same, and say what was not run."""

import csv
import os
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.paper import recalls_of_images, recalls_while_learning, recipes, results
from sab_numpy.plots import cost, credit, derivatives, reproduction
from sab_numpy.plots.figures import BUDGET, FIGURES, MODEL
from sab_numpy.support import files
from sab_numpy.tasks import copying, stream
from sab_numpy.training import checkpoints, loop, pretrained

TO_999 = ("updates_to_999", "cpu_minutes_to_999")
RUNS = [("sab-5-5", 100, 0.99), ("sab-5-5", 300, 0.6), ("bptt", 100, 0.8), ("tbptt-5", 100, 0.3), ("attention", 100, 1)]
RUNS = [(f"{name}-recipe", T, accuracy) for name, T, accuracy in RUNS]


def write(path, rows):
    os.makedirs(path.parent, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Made-up results, in the columns that `sab reproduce` and `sab bench` write."""
    folder, runs, tests = tmp_path_factory.mktemp("data"), [], []
    for name, T, accuracy in RUNS:
        for seed in range(2):
            run = recipes.cell(name, T, seed)
            key = results.name_of(run)
            runs.append(
                {"name": key}
                | results.spelled(asdict(run))
                | {
                    "status": "finished",
                    "accuracy": accuracy - seed / 100,
                    "ce10": 0.1,
                    "ce": 0.01,
                    "command": f"sab {key}",
                }
            )
            recalls = dict(zip(("recalls_input", "recalls_empty"), (0.3, 0.5) if run.k_top else ("", "")))
            write(
                folder / "curves" / f"{key}.csv",
                [
                    {"update": update, "accuracy": accuracy * update / 1000, "max_abs_h": 2} | recalls
                    for update in (250, 500, 1000)
                ],
            )
            tests += [{"name": key, "trained_at": T, "T": length, "accuracy": accuracy * 0.9} for length in (100, 2000)]
    write(folder / "copying.csv", runs)
    run = recipes.cell("sab-5-5", 200, 0, what="adding")
    name = results.name_of(run)
    measured = {"status": "finished", "accuracy": 0.9, "squared_error": 0.001, "updates_done": 6000}
    write(folder / "adding.csv", [{"name": name} | results.spelled(asdict(run)) | measured | dict.fromkeys(TO_999, "")])
    errors = ((100, 0.04), (6000, 0.001))
    write(folder / "curves" / f"{name}.csv", [{"update": u, "accuracy": 0.5, "squared_error": e} for u, e in errors])
    for what, name, metric in (("images", "pmnist14-bptt", "ce"), ("characters", "tbptt-5", "bpc")):
        run = recipes.cell(name, 196 if what == "images" else 100, 0, what=what)
        key = results.name_of(run)
        row = {"name": key} | results.spelled(asdict(run)) | measured | {metric: 2.0} | dict.fromkeys(TO_999, "")
        write(folder / f"{what}.csv", [row])
        write(folder / "curves" / f"{key}.csv", [{"update": u, "accuracy": 0.5, metric: 2.0} for u in (270, 540)])
    pixels = [dict(image=3, label=7, says=7, step=t, pixel=3 - t, grey=0.5, weight=0.5 * (t % 2)) for t in range(4)]
    write(folder / "recalls_of_images.csv", pixels)
    write(folder / "transfer.csv", tests)
    write(
        folder / "moments.csv",
        [
            {"T": 200, "update": update, "accuracy": 0.5, "t": 215, "recalled": 4, "weight": 0.7}
            for update in (500, 1000)
        ],
    )
    write(
        folder / "cost.csv",
        [
            {
                "what": "speed",
                "model": model,
                "T": T,
                "B": 64,
                "H": 128,
                "threads": 1,
                "backend": "numpy",
                "checkpoint": "none",
                "machine": "m",
                "step_ms": T,
                "peak_mb": 50 + T,
                "steps_walked": T + 20,
                "blocks_visited": 1,
                "skips": T if model == "SAB" else 0,
            }
            for model in ("LSTM", "TBPTT", "SAB", "self-attention")
            for T in (100, 300)
        ],
    )
    return folder


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A model that was never trained, in the place of the trained one."""
    monkeypatch.setattr(pretrained, "FOLDER", str(tmp_path / "pretrained"))
    os.makedirs(pretrained.FOLDER)
    cfg = sab.Config.sab(10, 12, 10, k_trunc=5, k_top=5, k_att=5)
    params = sab.init_params(cfg, np.random.default_rng(0), dtype=np.float32)
    for name, own in ((MODEL, cfg), (BUDGET, replace(cfg, budget=3))):
        about = {"config": vars(own), "T": 100, "seed": 0, "updates": 40}
        files.save_arrays(os.path.join(pretrained.FOLDER, f"{name}.npz"), params, about)
    return params, cfg


@pytest.mark.parametrize(
    "name", ["forward_pass", "copying_table", *(pytest.param(name, marks=pytest.mark.slow) for name in FIGURES)]
)
def test_a_figure_is_drawn_twice_with_the_same_bytes(name, data, published, tmp_path, capsys):
    for out in ("one", "two"):
        assert cli.main(["figures", name, "--data", str(data), "--out", str(tmp_path / out)]) == 0
    assert "1 of 1 figures drawn" in capsys.readouterr().out
    one, two = ((tmp_path / out / f"{name}.png").read_bytes() for out in ("one", "two"))
    assert one == two and len(one) > 10_000 and not list(tmp_path.glob("*/README.md"))


def test_all_figures_are_drawn_when_all_is_there(data, published, tmp_path, monkeypatch, capsys):
    coarse = Figure.savefig  # fewer dots take less time
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, file, **options: coarse(figure, file, **options | {"dpi": 40})
    )
    assert cli.main(["figures", "--data", str(data), "--out", str(tmp_path)]) == 0
    assert "19 of 19 figures drawn" in capsys.readouterr().out
    assert {path.stem for path in tmp_path.glob("*.png")} == set(FIGURES)


def test_what_was_not_run_is_said_and_the_rest_is_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pretrained, "FOLDER", str(tmp_path / "none"))
    assert cli.main(["figures", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    told, error = capsys.readouterr()
    assert error.count("\n") == 1 and "copying_table" in error and "--data DIR" in error
    assert "copying_table              not run: copying.csv (sab reproduce copying)" in told
    assert f"forward_pass               not run: {MODEL} (sab reproduce publish)" in told
    drawn = sorted(path.stem for path in (tmp_path / "out").glob("*.png"))
    assert drawn == ["error_over_step_size", "kink_of_selection"] and "2 of 19 figures drawn" in told
    text = (tmp_path / "out" / "README.md").read_text()
    assert re.findall(r"^## (.*)$", text, re.M) == list(FIGURES)
    assert re.findall(r"\((.*)\.png\)", text) == [name for name in FIGURES if name in drawn]
    assert all(figure.alternative in text for figure in FIGURES.values())


def test_drawing_never_trains(data, published, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "advance", None)
    assert cli.main(["figures", "copying_table", "--data", str(data), "--out", str(tmp_path)]) == 0


def test_a_damaged_csv_ends_in_one_line(tmp_path, capsys):
    (tmp_path / "cost.csv").write_text("what,model\nspeed,SAB\n")
    assert cli.main(["figures", "cost_over_length", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().out.splitlines()
    assert "cost.csv, line 1: not the head of this table (expected a column T" in said[0] and len(said) == 2


def test_an_unknown_figure_is_refused_with_the_names(capsys):
    assert cli.main(["figures", "forward"]) == 2
    error = capsys.readouterr().err
    assert "no figure 'forward': expected one of forward_pass" in error and error.count("\n") == 1


@pytest.mark.parametrize("name, jumps", [("softmax", True), ("relu", False)])
def test_softmax_jumps_where_relu_has_a_kink(name, jumps):
    below, above, later = (derivatives.weight_of_first(score, name) for score in (0.5 - 1e-9, 0.5 + 1e-9, 0.5 + 2e-9))
    assert below == 0 and (above > 0.3) == jumps
    if not jumps:
        assert later - above > 1e-9 and later > above > below  # a slope on one side alone


def test_the_loss_has_another_derivative_than_the_replay_at_every_step():
    h, errors = derivatives.step_errors()
    assert errors["complex step of the replay"][h < 1e-8].max() < 1e-12
    assert errors["central difference of the replay"].min() < 1e-8
    assert errors["central difference of the loss itself"].min() > 1e-3


def test_credit_is_wrong_only_where_it_was_cut(published):
    params, cfg = {name: value.astype(np.float64) for name, value in published[0].items()}, published[1]
    x, targets = copying.sequences(10, 3, np.random.default_rng(1))

    def dy_of(y):
        dy = sab.softmax_cross_entropy(y, targets)[1]
        dy[:-1] = 0
        return dy

    found = credit.over_distance(params, cfg, x, dy_of)
    assert (found["BPTT"][1] == 0).all() and (found["self-attention"][1] == 0).all()
    assert (found["BPTT"][0] > 0).all()
    norms, wrong = found["TBPTT"]
    assert (norms[:5] > 0).all() and (norms[5:] == 0).all() and (wrong[:5] < 1e-12).all() and (wrong[5:] == 1).all()
    assert found["SAB"][1][:5].max() < 1e-12 and (found["SAB"][0][5:] > 0).any()


def test_costs_of_another_setting_are_not_drawn_beside(data):
    rows = files.read_rows(data / "cost.csv")
    other = [rows[0] | {"B": "1", "T": "7"}, rows[0] | {"what": "sparse", "T": "9"}]
    assert {row["T"] for row in cost.comparable(rows + other)} == {"100", "300"}


def test_costs_of_another_machine_are_not_drawn_beside(data):
    rows = files.read_rows(data / "cost.csv")
    faster = rows[0] | {"machine": "another", "step_ms": "1"}
    assert {(row["machine"], row["step_ms"]) for row in cost.comparable([*rows, faster])} == {
        ("m", "100"),
        ("m", "300"),
    }


def test_a_cell_of_the_table_has_its_seeds_and_no_others(data):
    found = reproduction.cells(str(data))
    assert {key: len(rows) for key, rows in found.items()} == {(name, T): 2 for name, T, _ in RUNS}


def test_works_or_not_compares_seeds_of_one_command(data, tmp_path):
    name, T, rows = reproduction.furthest_apart(str(data))
    assert name == "sab-5-5-recipe" and T in (100, 300) and [row["seed"] for row in rows] == ["1", "0"]
    assert len({row["name"].rpartition("-seed")[0] for row in rows}) == 1
    shutil.copytree(data / "curves", tmp_path / "curves")
    write(tmp_path / "copying.csv", [row for row in files.read_rows(data / "copying.csv") if row["seed"] == "0"])
    assert reproduction.furthest_apart(str(tmp_path)) is None


def test_moments_writes_what_was_recalled(tmp_path, monkeypatch):
    monkeypatch.setattr(recalls_while_learning, "MOMENTS", (20, 40))
    run = recipes.cell("sab-5-5", 6, 0, quick=True)
    recalls_while_learning.record(run, tmp_path / "run", tmp_path / "moments.csv")
    rows = files.read_rows(tmp_path / "moments.csv")
    assert {row["update"] for row in rows} == {"20", "40"} and all(int(row["recalled"]) < int(row["t"]) for row in rows)
    shares = {row["update"]: float(row["accuracy"]) for row in files.read_rows(tmp_path / "run" / "history.csv")}
    assert all(row["accuracy"] == f"{shares[row['update']]:.4f}" for row in rows)
    _, state = checkpoints.load_run(tmp_path / "run")  # after update 40, on the first test sequence
    x, _ = copying.sequences(run.T, 1, stream(run.seed, "test", run.T))
    _, tape = sab.forward(state.params, x, run.config())
    recalls = [(t, step, weight) for t in range(len(x)) for _, step, weight in tape.recalls(t)]
    given = {(t, step): f"{weight:.3f}" for t, step, weight in recalls if step >= 0 and weight >= 0.005}
    assert {(int(r["t"]), int(r["recalled"])): r["weight"] for r in rows if r["update"] == "40"} == given
    before = (tmp_path / "moments.csv").read_bytes()
    recalls_while_learning.record(run, tmp_path / "run", tmp_path / "moments.csv")
    assert (tmp_path / "moments.csv").read_bytes() == before


def test_works_or_not_shows_a_seed_that_did_not_work():
    data = str(Path(__file__).parents[1] / "figures" / "data")
    _, _, rows = reproduction.furthest_apart(data)
    assert float(rows[0]["accuracy"]) < 0.2 < 0.99 < float(rows[-1]["accuracy"]) and len(rows) >= 5
    assert max(len(more) for more in reproduction.cells(data).values()) > len(rows)  # most seeds is not enough


def test_a_moment_says_its_update_and_its_accuracy_in_percent(tmp_path, monkeypatch, capsys):
    def train(run, out, resume, progress):
        for update in (499, 500, 2000):
            progress(SimpleNamespace(update=update), {"accuracy": update / 4000})

    monkeypatch.setattr(recalls_while_learning, "look", lambda *_: [])
    monkeypatch.setattr(loop, "train", train)
    recalls_while_learning.record(recipes.cell("sab-5-5", 6, 0), tmp_path, tmp_path / "moments.csv")
    assert capsys.readouterr().err == "update 500: 12.5 %\nupdate 2000: 50.0 %\n"


def test_what_trains_the_moments_is_the_recipe_at_the_length_and_seed_that_help_says(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(recalls_while_learning, "record", lambda *given: asked.append(given))
    for words in ([], ["--T", "9", "--seed", "3", "--out", "x", "--csv", "y"]):
        recalls_while_learning.main(words)
    folders = ("runs/moments", "figures/data/moments.csv")
    assert asked == [
        (recipes.cell("sab-5-5-recipe", 200, 100), *folders),
        (recipes.cell("sab-5-5-recipe", 9, 3), "x", "y"),
    ]
    with pytest.raises(SystemExit):
        recalls_while_learning.main(["--help"])
    said = capsys.readouterr().out
    assert "length (default: 200)" in said and re.search(r"--seed N +\(default: 100\)", said)


def test_the_recalls_of_images_begin_with_the_run_that_they_are_of(tmp_path, monkeypatch):
    model = checkpoints.Trained("x", {}, None, 1, 196, 7, "pmnist14")
    monkeypatch.setattr(recalls_of_images, "trained", lambda folder: model)
    monkeypatch.setattr(recalls_of_images, "look", lambda given: iter([{"image": 3}] * (given is model)))
    recalls_of_images.main(["run", "--csv", str(tmp_path / "x.csv")])
    first, *rows = (tmp_path / "x.csv").read_text().splitlines()
    assert first == "# python -m sab_numpy.paper.recalls_of_images RUN, a run of pmnist14, seed 7"
    assert rows == ["image", "3"]


def test_the_moments_begin_with_the_command_that_makes_them(tmp_path):
    row = {"T": 200, "update": 500, "accuracy": 0.5, "t": 215, "recalled": 4, "weight": 0.7}
    recalls_while_learning.write(tmp_path / "moments.csv", [row], recipes.cell("sab-5-5-recipe", 200, 101))
    first = (tmp_path / "moments.csv").read_text().splitlines()[0]
    assert first == "# python -m sab_numpy.paper.recalls_while_learning --T 200 --seed 101"
