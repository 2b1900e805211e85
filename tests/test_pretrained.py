"""Parameters that come with the package: small, float32, the median seed, and as good as they say."""

import os

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.paper import recipes, results
from sab_numpy.tasks import stream, task
from sab_numpy.training import checkpoints, evaluation, pretrained
from sab_numpy.training.loop import train

THERE = pretrained.names()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with three tiny runs, and the seed that is the median."""
    folder, order = tmp_path_factory.mktemp("pretrained"), []
    for seed in range(3):
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
    assert (about["seed"], about["rank"], about["seeds"]) == (seed, 2, 3) and about["command"].startswith("sab train")


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


def test_a_model_too_large_for_the_package_is_refused(published, monkeypatch, capsys):
    from sab_numpy.paper import publish

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
    assert os.path.getsize(os.path.join(pretrained.FOLDER, f"{name}.npz")) < 1_000_000
    params, cfg = sab.load_pretrained(name)
    about = pretrained.about(name)
    assert name in recipes.PUBLISHED and about["T"] == recipes.PUBLISHED[name][1]
    rng = stream(about["seed"], "test", about["T"])
    found, _ = evaluation.mean_metrics(params, cfg, task("copying"), about["T"], 128, rng)
    assert abs(found["accuracy"] - about["accuracy"]) <= 0.07, "128 of the 1,024 sequences"


@pytest.mark.parametrize("name", THERE)
def test_its_rank_is_the_medians(name):
    about = pretrained.about(name)
    assert about["rank"] == about["seeds"] // 2 + 1


def test_the_best_parameters_of_a_pretrained_model_are_refused(published, capsys):
    assert cli.main(["evaluate", "tiny", "--best"]) == 2
    assert "last parameters alone" in capsys.readouterr().err
