"""The page of `sab explore` loads nothing, holds what backward did, and answers bad input with one line."""

import json
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.explore import page as explorer
from sab_numpy.explore.sequence import loss_at, sequence
from sab_numpy.explore.walk import KINDS
from sab_numpy.plots import COLOURS
from sab_numpy.support import files
from sab_numpy.tasks import stream, task
from sab_numpy.training import checkpoints, loop, pretrained
from sab_numpy.training.checkpoints import trained
from sab_numpy.training.run import Run

TINY = Run(T=6, updates=2, batch=4, hidden=8, k_trunc=4, k_top=2, k_att=3, validate_every=2, validation_sequences=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("explore") / "run"
    loop.train(TINY, path)
    return str(path)


@pytest.fixture(scope="module")
def text(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "page.html"
    assert cli.main(["explore", folder, "--out", str(out), "--T", "7"]) == 0
    return out.read_text(encoding="utf-8")


def data_of(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))


def test_the_page_loads_nothing_and_is_small(text):
    assert text.count('href="data:,"') == 1  # an empty icon, so that a browser does not ask for one
    for word in ("http:", "https:", "src=", "@import", "fetch(", "import ", "XMLHttpRequest", "url("):
        assert word not in text, word
    assert (
        text.count("href=") == 1
        and len(text) < explorer.LARGEST
        and "/*DATA*/" not in text
        and "/*SCRIPT*/" not in text
    )


def test_its_script_is_at_most_370_plain_lines():
    script = explorer.resources.files("sab_numpy.explore").joinpath("page.js").read_text(encoding="utf-8")
    assert len(script.splitlines()) <= 370 and max(map(len, script.splitlines())) <= 140


def test_its_script_names_the_kinds_of_events_and_its_colours_are_those_of_the_figures(text):
    assert "const [LOSS, LOCAL, SKIP, CUT, NOT_VISITED] = [0, 1, 2, 3, 4];" in text
    assert KINDS == ("loss", "local", "skip", "cut", "not visited")
    for method in ("sab", "tbptt", "bptt", "attention"):
        assert re.findall(rf"--{method}: (#\w+)", text) == [COLOURS[method]]  # one, for both themes


def test_it_says_not_visited_and_never_skipped(text):
    words = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.S)
    assert "not visited" in words and "skipped" not in words


def test_the_page_says_nothing_about_the_machine_it_was_made_on(text, folder):
    assert data_of(text)["model"] == "run" and folder not in text


def test_the_page_has_the_algorithms_and_what_they_did(text, folder):
    data, model = data_of(text), trained(folder)
    assert [one["number"] for one in data["sequences"]] == [0, 1, 2, 3]
    for one in data["sequences"]:
        x, targets = sequence(model, 7, one["number"])
        assert one["x"] == x[:, 0].tolist() and one["targets"] == targets[:, 0].tolist()
        assert [lane["name"] for lane in one["lanes"]] == ["SAB", "TBPTT", "BPTT", "BPTT", "self-attention"]
        for (*_, params, cfg), lane in zip(explorer.lanes(model), one["lanes"], strict=True):
            y, tape = sab.forward(params, x, cfg)
            _, dy = task("copying").loss(y, targets)
            assert lane["says"] == y[:, 0].argmax(-1).tolist()
            for label, steps in (
                ("the last answer", 26),
                ("the ten answers", slice(17, 27)),
                ("every step", slice(None)),
            ):
                events, rows = list(sab.walk(loss_at(dy, steps), tape)), lane["walks"][label]
                assert [[data["kinds"][row[0]], *row[1:3]] for row in rows] == [list(e[:3]) for e in events]
                assert [row[3:5] for row in rows] == [pytest.approx(e[5:], rel=1e-3) for e in events]
                weights = [e.weight for e in events if e.kind == "skip"]
                assert [row[5] for row in rows if len(row) == 6] == pytest.approx(weights, rel=1e-3)


def test_the_page_begins_with_the_sequence_that_was_asked_for(folder):
    (first, *_) = explorer.explore(trained(folder), 2, number=3)["sequences"]
    x, targets = task("copying").sequences(2, 4, stream(TINY.seed, "test", 2))
    assert (first["number"], first["x"], first["targets"]) == (3, x[:, 3].tolist(), targets[:, 3].tolist())


def test_each_lane_says_whose_parameters_it_has(folder):
    own, bptt = trained(folder), trained("copying-T100-bptt")
    sab_lane, tbptt, trained_bptt, bptt_lane, attention = explorer.lanes(own)
    assert sab_lane[2] == "parameters of run" and sab_lane[4] == own.cfg
    assert trained_bptt[2] == "trained with BPTT: parameters of copying-T100-bptt" and trained_bptt[4] == bptt.cfg
    assert (trained_bptt[3]["W_x"] == bptt.params["W_x"]).all()
    for lane in (tbptt, bptt_lane):
        assert lane[2] == "SAB's parameters without recall" and lane[3] is own.params and lane[4].k_top == 0
    assert tbptt[4].k_trunc == 4 and bptt_lane[4].k_trunc is None
    assert attention[2] == "SAB's parameters, not trained for it" and attention[3] is own.params
    assert attention[4].k_top is None and attention[4].k_trunc is None
    plain = explorer.lanes(bptt)
    assert plain[0][2] == "parameters of copying-T100-bptt, not trained as SAB" and plain[0][4].k_top == 5


def test_recalls_on_the_page_add_up_to_one(text):
    for lane in (0, 4):
        for step in data_of(text)["sequences"][1]["lanes"][lane]["recalls"]:
            assert sum(weight for _, weight in step) == pytest.approx(1, abs=1e-3)


def test_it_opens_on_a_wait_of_100_or_that_of_a_shorter_training(folder, monkeypatch):
    monkeypatch.setattr(explorer, "SEQUENCES", 1)
    assert explorer.explore(trained(folder))["T"] == 6
    data = explorer.explore(trained("copying-T300-sab"))
    assert data["T"] == 100 and len(data["sequences"][0]["x"]) == 120 and data["losses"][0] == "the last answer"


@pytest.mark.parametrize("changes", [dict(), dict(k_trunc=1, k_top=20, k_att=1), dict(k_att=1, score="mlp")])
def test_a_sequence_is_no_larger_than_what_is_said_before_it_is_computed(changes, tmp_path, monkeypatch):
    loop.train(replace(TINY, **changes), tmp_path / "run")
    model = trained(str(tmp_path / "run"))
    monkeypatch.setattr(explorer, "SEQUENCES", 1)
    for T in (2, 60):
        assert len(json.dumps(explorer.explore(model, T), separators=(",", ":"))) < explorer.size(model.cfg, T + 20)


def test_as_many_sequences_as_fit(folder, monkeypatch):
    model = trained(folder)
    monkeypatch.setattr(explorer, "LARGEST", 2.5 * explorer.size(model.cfg, 26))
    assert len(explorer.explore(model)["sequences"]) == 2


@pytest.mark.parametrize(
    "changes",
    [
        dict(k_top=0),
        dict(k_trunc=None, k_top=0),
        dict(k_trunc=None, k_top=None),
        dict(normalise="relu"),
        dict(score="mlp"),
        dict(dense_forward=True),
    ],
)
def test_every_kind_of_model_can_be_explored(changes, tmp_path):
    loop.train(replace(TINY, **changes), tmp_path / "run")
    assert cli.main(["explore", str(tmp_path / "run"), "--out", str(tmp_path / "page.html")]) == 0


def test_it_says_what_sab_and_credit_are_and_that_credit_is_no_share(text):
    intro = re.search('<p id="intro">(.*?)</p>', text, re.S)[1].replace("&nbsp;", " ")
    intro = " ".join(re.sub("<.*?>", "", intro).split())
    for words in (
        "SAB (Sparse Attentive Backtracking): a network is reminded of a few of its earlier states",
        "Credit is that blame: how much the loss would change",
        "It is a slope, not a share: several can exceed 100 %",
        "have opposite signs (bars show the size)",
        "BPTT (backpropagation through time)",
        "TBPTT (truncated)",
    ):
        assert words in intro


def test_a_button_whose_words_change_is_not_pressed_too(text):
    assert "aria-pressed" not in text  # "Pause, pressed" would be read aloud


def test_the_controls_have_words_and_keys(text):
    for control in "first back play next turn last position loss speed sequence log theme guide".split():
        assert f'id="{control}"' in text
    for button in re.findall(r"<button[^>]*>[^<]*</button>", text):
        assert "title=" in button and re.search(r">[A-Za-z ]+<", button)


def test_a_name_cannot_end_the_script(folder):
    model = trained(folder)._replace(name="</script><b>")
    assert data_of(explorer.page(explorer.explore(model, 2)))["model"] == "script><b>"  # the name of a folder


def test_a_pretrained_model_is_found_by_its_name(tmp_path, monkeypatch, capsys):
    cfg = sab.Config.sab(10, 8, 10, k_trunc=5, k_top=2, k_att=5)
    files.save_arrays(
        tmp_path / "small.npz",
        sab.init_params(cfg, np.random.default_rng(0), dtype=np.float32),
        {"config": vars(cfg), "T": 12, "seed": 3, "updates": 40},
    )
    shutil.copy(os.path.join(pretrained.FOLDER, f"{explorer.BPTT}.npz"), tmp_path)  # a lane of every page
    monkeypatch.setattr(pretrained, "FOLDER", str(tmp_path))
    assert cli.main(["walk", "small"]) == 0
    assert "small: 32 steps, k_trunc=5, k_top=2, k_att=5" in capsys.readouterr().out
    assert cli.main(["explore", "small", "--out", str(tmp_path / "page.html")]) == 0
    assert cli.main(["walk", "large"]) == 2
    assert (
        "large: expected the folder of a run (sab train --out), or a pretrained model: copying-T100-bptt, small"
        in capsys.readouterr()[1]
    )


@pytest.mark.parametrize(
    "argv, message",
    [
        (["nowhere"], "nowhere"),
        (["FOLDER", "--T", "0"], "--T: expected a whole number of at least 1, found '0'"),
        (["FOLDER", "--number", "-1"], "--number: expected a whole number of at least 0, found '-1'"),
        (["FOLDER", "--out", "FOLDER"], "is a folder, expected the name of a file"),
        (["FOLDER", "--T", "100000"], "expected at most 0.1 MB: give a smaller --T"),
    ],
)
def test_a_mistake_ends_in_one_line_and_writes_nothing(argv, message, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explorer, "LARGEST", 100_000)
    monkeypatch.setattr(explorer, "forward", None)  # nothing is computed before it is refused
    assert cli.main(["explore", *[folder if word == "FOLDER" else word for word in argv]]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


def test_sab_walk_tells_every_event_and_says_how_many(folder, capsys):
    assert cli.main(["walk", folder, "--T", "5", "--text", "--at", "all"]) == 0
    told = capsys.readouterr().out
    assert told.count("  loss: ") == 25 and "walked 25 of 25 steps" in told
    assert "--- cut: " in told and "  skip: " in told


def test_sab_walk_without_text_has_a_line_a_block(folder, capsys):
    assert cli.main(["walk", folder, "--T", "5"]) == 0
    assert re.findall(r"^ *(\d+)-\d+ ", capsys.readouterr().out, re.M) == ["24", "20", "16", "12", "8", "4", "0"]


@pytest.mark.parametrize("at", ["25", "-1", "first"])
def test_sab_walk_refuses_a_step_that_is_not_there(at, folder, capsys):
    assert cli.main(["walk", folder, "--T", "5", f"--at={at}"]) == 2
    assert "expected" not in capsys.readouterr().out


def test_a_lane_says_the_numbers_of_its_model(tmp_path):
    loop.train(TINY, tmp_path)
    model = trained(str(tmp_path))
    for (*_, cfg), lane in zip(explorer.lanes(model), explorer.explore(model, 2)["sequences"][0]["lanes"]):
        empty = cfg.n_empty if cfg.k_top != 0 else 0
        ks = [lane[name] for name in ("k_trunc", "k_top", "k_att", "n_empty")]
        assert ks == [cfg.k_trunc, cfg.k_top, cfg.k_att, empty]


@pytest.mark.parametrize("option", [["--best"], ["--number", "3"]], ids=" ".join)
@pytest.mark.parametrize("command", ["walk", "explore", "sample"])
def test_the_best_parameters_and_another_sequence_are_told_where_they_are_asked_for(
    command, option, folder, tmp_path, capsys
):
    shutil.copytree(folder, tmp_path / "run")
    run, state = checkpoints.load_run(tmp_path / "run")
    others = {name: 2 * value for name, value in state.params.items()}
    checkpoints.save(tmp_path / "run" / "best.npz", run, state._replace(params=others))
    said, page = [], tmp_path / "page.html"
    for more in ([], option):
        out = ["--out", str(page)] if command == "explore" else []
        assert cli.main([command, str(tmp_path / "run"), "--T", "5", *more, *out]) == 0
        said.append(page.read_text(encoding="utf-8") if out else capsys.readouterr().out)
    assert said[0] != said[1]
