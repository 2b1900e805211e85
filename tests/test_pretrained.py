"""Parameters that come with the package: small, float32, the median seed, and as good as they say."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.paper import publish, recipes, results
from sab_numpy.tasks import stream, task
from sab_numpy.training import checkpoints, evaluation, pretrained
from sab_numpy.training.loop import train

THERE = pretrained.names()
DATA = Path(__file__).parents[1] / "figures" / "data"
SHIPPED = {  # what README and the docstring promise: the recipe, the best BPTT, the paper's cell
    "copying-T100-sab": "sab-5-5-recipe",
    "copying-T300-sab": "sab-5-5-recipe",
    "copying-T100-bptt": "bptt-20k",
    "copying-T100-paper": "sab-5-5-cell-chrono",
    "copying-T300-budget": "sab-5-5-surprising-5",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with three tiny runs, and the seed that is the median."""
    folder, order = tmp_path_factory.mktemp("pretrained"), []
    for seed in range(7, 10):
        run = recipes.cell("sab-5-5", 5, seed, quick=True)
        train(run, folder / "runs" / results.name_of(run))
        row = results.keep(folder / "runs" / results.name_of(run), folder / "data", folder / "runs")
        order.append((-row["accuracy"], row["ce10"], seed))
    return folder, sorted(order)[1][2]


@pytest.fixture
def published(trained, tmp_path, monkeypatch):
    """The median of the three was stored: its seed and the folder of the runs."""
    folder, seed = trained
    monkeypatch.setattr(pretrained, "FOLDER", str(tmp_path / "pretrained"))
    monkeypatch.setitem(recipes.PUBLISHED, "tiny", ("sab-5-5", 5))
    folders = ["--data", f"{folder}/data", "--runs", f"{folder}/runs"]
    assert cli.main(["reproduce", "publish", "--quick", "--rows", "tiny", *folders]) == 0
    return seed, folder


def test_the_median_seed_comes_back_as_it_was_trained(published, capsys):
    seed, folder = published
    params, cfg = sab.load_pretrained("tiny")
    run = recipes.cell("sab-5-5", 5, seed, quick=True)
    _, state = checkpoints.load_run(folder / "runs" / results.name_of(run))
    assert cfg == run.config() and set(params) == set(state.params)
    assert all(np.array_equal(params[name], state.params[name]) and params[name].dtype == np.float32 for name in params)
    about = pretrained.about("tiny")
    assert (about["seed"], about["rank"], about["seeds"], about["T"]) == (seed, 2, 3, 5)
    words = f"copying --T 5 --rows sab-5-5 --seeds {seed}-{seed} --data mine --runs mine/runs"
    assert about["command"] == f"sab reproduce {words}"


def test_a_file_that_was_cut_short_is_one_clear_error(published):
    path = os.path.join(pretrained.FOLDER, "tiny.npz")
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)
    with pytest.raises(ValueError, match="tiny.npz"):
        sab.load_pretrained("tiny")


def test_parameters_that_are_gone_are_one_clear_error(published, tmp_path, capsys):
    _, folder = published
    folders = ["--data", f"{folder}/data", "--runs", f"{tmp_path}/elsewhere"]
    assert cli.main(["reproduce", "publish", "--quick", "--rows", "tiny", *folders]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_model_that_was_not_run_names_the_command_that_runs_it(tmp_path):
    words = "copying-T300-budget: not run yet; sab reproduce copying --rows sab-5-5-surprising-5 --T 300"
    with pytest.raises(ValueError, match=f"^{words}$"):
        publish.publish("copying-T300-budget", tmp_path, tmp_path)


def test_a_model_too_large_for_the_package_is_refused(published, monkeypatch, capsys):
    _, folder = published
    monkeypatch.setattr(publish, "LARGEST", 11_000)
    with pytest.raises(ValueError, match="expected less than 11,000"):
        publish.publish("tiny", folder / "data", folder / "runs", quick=True)


def test_evaluate_takes_the_name_of_a_model_as_it_takes_a_folder(published, capsys):
    seed, folder = published
    run = results.name_of(recipes.cell("sab-5-5", 5, seed, quick=True))
    said = []
    for source in ("tiny", f"{folder}/runs/{run}"):
        assert cli.main(["evaluate", source, "--T", "5", "9", "--sequences", "20"]) == 0
        said.append(capsys.readouterr().out.splitlines())
        assert said[-1][0] == f"{source}: copying, trained at T=5, 40 updates, seed {seed}; 20 test sequences a length"
    assert said[0][1:] == said[1][1:]
    assert [row["sequences"] for row in evaluation.evaluate("tiny", [1, 2])] == [512, 512]  # as help says


@pytest.mark.parametrize("name", ["copying-T100", "../secret", ""])
def test_evaluate_lists_the_names_where_there_is_neither(name, capsys):
    assert cli.main(["evaluate", name]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "expected the folder of a run (sab train --out), or a pretrained model" in said
    assert all(there in said for there in THERE)


@pytest.mark.parametrize("name", ["copying-T100", "../secret", ""])
def test_an_unknown_name_lists_the_names(name):
    with pytest.raises(ValueError, match="expected one of") as caught:
        sab.load_pretrained(name)
    assert "\n" not in str(caught.value) and all(there in str(caught.value) for there in THERE)


@pytest.mark.parametrize("name", THERE)
def test_a_model_of_the_package_is_small_and_is_as_good_as_it_says(name):
    assert os.path.getsize(os.path.join(pretrained.FOLDER, f"{name}.npz")) < 450_000
    (params, cfg), about = sab.load_pretrained(name), pretrained.about(name)
    copying, T = task("copying"), about["T"]
    rng = np.random.default_rng(20181206)  # no training, validation or test of ours draws from it
    found, n = evaluation.mean_metrics(params, cfg, copying, T, 200, rng)
    low, high = evaluation.interval(found["accuracy"], n)
    assert low <= about["accuracy"] <= high and low > 0.95
    own, _ = evaluation.mean_metrics(params, cfg, copying, T, 1024, stream(about["seed"], "test", T))
    assert own["accuracy"] == pytest.approx(about["accuracy"], abs=2e-4)  # the row's sequences: the row's parameters
    assert own["ce10"] == pytest.approx(about["ce10"], rel=1e-3)


@pytest.mark.parametrize("name", THERE)
def test_it_is_the_median_of_all_fresh_seeds_of_its_row_in_the_table(name, capsys):
    (_, cfg), about = sab.load_pretrained(name), pretrained.about(name)
    table = results.read(DATA / "copying.csv")
    own = [(run, row) for run, row in table if (results.row_name(run), run.T) == (SHIPPED[name], about["T"])]
    fresh = sorted(
        ((run, row) for run, row in own if run.seed >= 100),
        key=lambda found: (-float(found[1]["accuracy"]), float(found[1]["ce10"])),
    )
    run, row = fresh[len(fresh) // 2]
    assert (about["seed"], about["rank"], about["seeds"]) == (run.seed, len(fresh) // 2 + 1, len(fresh))
    assert cfg == run.config() and about["T"] == run.T == int(name[9:12]) and len(fresh) >= 5
    for column, key in (("accuracy", "accuracy"), ("ce10", "ce10"), ("updates_done", "updates")):
        assert float(row[column]) == about[key]
    words = about["command"].replace("--data mine --runs mine/runs", "--data nowhere --print-commands").split()
    assert words.pop(0) == "sab" and cli.main(words) == 0
    assert capsys.readouterr().out.count(row["name"]) == 2  # mkdir, --out: one run, and it is this one


def test_all_that_is_published_is_there():
    assert THERE == sorted(SHIPPED) == sorted(recipes.PUBLISHED)
    assert sorted(re.findall(r"copying-T\d+-\w+", sab.load_pretrained.__doc__)) == THERE


def test_the_best_parameters_of_a_pretrained_model_are_refused(published, capsys):
    assert cli.main(["evaluate", "tiny", "--best"]) == 2
    assert "last parameters alone" in capsys.readouterr().err


def test_what_is_published_says_its_seed_its_rank_and_what_its_row_has(published, capsys):
    seed, folder = published
    capsys.readouterr()
    folders = ["--data", f"{folder}/data", "--runs", f"{folder}/runs"]
    assert cli.main(["reproduce", "publish", "--quick", "--rows", "tiny", *folders]) == 0
    row = next(row for _, row in results.read(f"{folder}/data/copying.csv") if row["seed"] == str(seed))
    (params, _), about = sab.load_pretrained("tiny"), pretrained.about("tiny")
    assert (about["accuracy"], about["ce10"]) == (float(row["accuracy"]), float(row["ce10"]))
    size, share = sum(value.nbytes for value in params.values()), 100 * about["accuracy"]
    assert capsys.readouterr().out == f"tiny: seed {seed}, rank 2 of 3, {share:.2f} %, {size:,} bytes\n"
