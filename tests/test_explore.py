"""The page of `sab explore` loads nothing, holds what backward did, and answers bad input with one line."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.explore import page as explorer
from sab_numpy.explore.sequence import loss_at, sequence
from sab_numpy.support import files
from sab_numpy.tasks import task
from sab_numpy.training import loop, pretrained
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
    for word in ("http:", "https:", "src=", "href=", "@import", "fetch(", "import ", "XMLHttpRequest", "url("):
        assert word not in text, word
    assert len(text) < 3_000_000 and "/*DATA*/" not in text and "/*SCRIPT*/" not in text


def test_its_script_is_at_most_200_plain_lines():
    script = explorer.resources.files("sab_numpy.explore").joinpath("page.js").read_text(encoding="utf-8")
    assert len(script.splitlines()) <= 200


def test_the_page_says_nothing_about_the_machine_it_was_made_on(text, folder):
    assert data_of(text)["model"] == "run" and folder not in text


def test_the_page_has_the_three_algorithms_and_what_they_did(text, folder):
    data, model = data_of(text), trained(folder)
    assert [lane["name"] for lane in data["lanes"]] == ["SAB", "TBPTT", "BPTT"]
    x, targets = sequence(model, 7)
    for (_, cfg), lane in zip(explorer.lanes(model.cfg), data["lanes"]):
        y, tape = sab.forward(model.params, x, cfg)
        _, dy = task("copying").loss(y, targets)
        assert lane["says"] == y[:, 0].argmax(-1).tolist()
        for label, steps in (("the last step", 26), ("every step", slice(None))):
            events = list(sab.walk(loss_at(dy, steps), tape))
            assert [[data["kinds"][row[0]], *row[1:4]] for row in lane["walks"][label]] == [list(e[:4]) for e in events]
            assert [row[6] for row in lane["walks"][label]] == pytest.approx([e.total for e in events], rel=1e-3)


def test_recalls_on_the_page_add_up_to_one(text):
    for step in data_of(text)["lanes"][0]["recalls"]:
        assert sum(weight for _, weight in step) == pytest.approx(1, abs=1e-3)


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


def test_the_controls_have_words_and_keys(text):
    for control in ("first", "back", "play", "next", "turn", "last", "position", "loss", "speed"):
        assert f'id="{control}"' in text
    for button in re.findall(r"<button[^>]*>[^<]*</button>", text):
        assert "title=" in button and ("aria-label" in button or re.search(r">[A-Za-z ]+<", button))


def test_a_name_cannot_end_the_script(folder):
    model = trained(folder)._replace(name="</script><b>")
    assert data_of(explorer.page(explorer.explore(model, 2)))["model"] == "script><b>"  # the name of a folder


def test_a_pretrained_model_is_found_by_its_name(tmp_path, monkeypatch, capsys):
    cfg = sab.Config.sab(10, 8, 10, k_trunc=5, k_top=2, k_att=5)
    monkeypatch.setattr(pretrained, "FOLDER", str(tmp_path))
    files.save_arrays(
        tmp_path / "small.npz",
        sab.init_params(cfg, np.random.default_rng(0), dtype=np.float32),
        {"config": vars(cfg), "T": 12, "seed": 3, "updates": 40},
    )
    assert cli.main(["walk", "small"]) == 0
    assert "small: 32 steps, k_trunc=5, k_top=2, k_att=5" in capsys.readouterr().out
    assert cli.main(["explore", "small", "--out", str(tmp_path / "page.html")]) == 0
    assert cli.main(["walk", "large"]) == 2
    assert (
        "large: expected the folder of a run (sab train --out), or a pretrained model: small" in capsys.readouterr()[1]
    )


@pytest.mark.parametrize(
    "argv, message",
    [
        (["nowhere"], "nowhere"),
        (["FOLDER", "--T", "0"], "--T: expected a whole number of at least 1, found 0"),
        (["FOLDER", "--number", "-1"], "--number: expected a whole number of at least 0, found -1"),
        (["FOLDER", "--out", "FOLDER"], "is a folder, expected the name of a file"),
        (["FOLDER", "--T", "300"], "give a smaller --T"),
    ],
)
def test_a_mistake_ends_in_one_line_and_writes_nothing(argv, message, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explorer, "LARGEST", 100_000)
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


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")
def test_a_browser_draws_the_three_timelines(text, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(text, encoding="utf-8")
    dom = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"file://{page}"],
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    assert dom.count('font-weight="700"') >= 3
    assert dom.count('<g data-step="') == 3 * 27 + 1 and "NaN" not in dom  # one in the script itself
