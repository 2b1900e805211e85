"""Every tutorial runs, says what it says of itself, and links a term of the glossary before it uses it."""

import contextlib
import io
import os
import re
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import jupytext
import matplotlib.pyplot as plt
import numpy as np
import pytest
import worked_out

import sab_numpy as sab
from sab_numpy.core import optim

ROOT = Path(__file__).parent.parent
TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9]*.py"))
every = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


def cells(text):
    """(markdown or code, source) of every cell of a script."""
    return [(cell.cell_type, cell.source) for cell in jupytext.reads(text, "py:percent").cells]


def number(path):
    """00, 01a, ..."""
    return path.name.partition("_")[0]


def in_python(path, folder, quick):
    """What a script prints in a Python of its own; run in `folder`, where its picture goes."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "Agg",
        "OPENBLAS_NUM_THREADS": "1",
        "SAB_QUICK": "1" if quick else "0",
        "PYTHONWARNINGS": "error::UserWarning",
    }
    done = subprocess.run(
        [sys.executable, str(path)], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """printed(path): output, pictures and names of a tutorial in quick mode, run once, in this process."""

    @cache
    def once(path):
        folder, said = tmp_path_factory.mktemp(path.stem), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
            patch.chdir(folder)
            patch.setenv("OPENBLAS_NUM_THREADS", "1")
            patch.setenv("SAB_QUICK", "1")
            plt.switch_backend("Agg")
            names = runpy.run_path(str(path), run_name="__main__")
            plt.close("all")
        return said.getvalue(), sorted(folder.glob("tutorials/out/*.png")), SimpleNamespace(**names)

    return once


def test_the_tutorials_are_there_from_00_to_14():
    assert [number(path) for path in TUTORIALS] == sorted([f"{n:02d}" for n in range(15)] + ["01a"])


@every
def test_a_tutorial_prints_its_headings_and_says_where_its_picture_is(path, printed):
    output, pictures, _ = printed(path)
    headings = re.findall(r"^# ## (\d\. .*)$", path.read_text(encoding="utf-8"), re.M)
    plain = [re.sub("[`*]", "", heading).replace('"', "'") for heading in headings if "picture" not in heading]
    assert len(plain) >= 2 and re.findall(r"^\d\. .*$", output, re.M) == plain
    assert [number(picture) for picture in pictures] == [number(path)] and pictures[0].stat().st_size > 5000
    assert f"The picture: tutorials/out/{pictures[0].name}\n" in output


@pytest.mark.slow
@every
def test_a_tutorial_runs_in_full_in_less_than_60_seconds_of_processor_time(path, tmp_path):
    before = os.times()
    in_python(path, tmp_path, quick=False)
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 60


@every
def test_a_tutorial_keeps_the_rules(path):
    text = path.read_text(encoding="utf-8")
    code = "\n".join(source for kind, source in cells(text) if kind == "code")
    header = text.split("\n# %%\n")[0]
    assert 80 <= len(text.splitlines()) <= 231
    assert text.startswith("# %% [markdown]\n# # ") and re.search(r"\*\d+ minutes", header)
    assert "You need:" in header and "You will see:" in header
    assert not re.search(r"__file__|argparse|sys\.argv|get_ipython|urllib|plt\.show", code)
    assert not re.search(r"^\s*[%!]", code, re.M)
    assert code.count("assert ") >= 5
    assert set(re.findall(r"\bsab\.(\w+)", code)) <= set(sab.__all__)  # what is there without another import


# What the reader is told to change.


def changed(name, old, new, folder):
    """What tutorial `name` prints, in quick mode, with the text `old`, there once, replaced."""
    (path,) = (path for path in TUTORIALS if number(path) == name)
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    (folder / path.name).write_text(text.replace(old, new), encoding="utf-8")
    return in_python(folder / path.name, folder, quick=True)


SETTINGS = [
    "1, 5",
    *(pytest.param(setting, marks=pytest.mark.slow) for setting in ("5, 1", "7, 3", "None, 5", "2, 130")),
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_asserts_of_tutorial_06_hold_at_every_setting(setting, tmp_path):
    printed = changed("06", "K_TRUNC, K_ATT = 5, 5 ", f"K_TRUNC, K_ATT = {setting} ", tmp_path)
    if setting == "None, 5":  # nothing is cut: the whole gradient of the same forward, with as many empty slots
        assert re.search(r"^SAB +sparse +sparse +120 +439 +1\.000 ", printed, re.M)


def test_try_it_of_tutorial_03_passes_by_far_and_cutting_costs_little(tmp_path):
    printed = changed("03", 'UPDATES = 20 if os.environ.get("SAB_QUICK") == "1" else 3000', "UPDATES = 1", tmp_path)
    assert float(re.search(r"^10 +(\S+)", printed, re.M)[1]) > 0.95
    assert float(re.search(r"against the replay: PASS \(error (\S+)\), the loss: FAIL", printed)[1]) < 1e-9


def test_the_picture_of_tutorial_00_has_an_arrow_where_there_is_credit_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    drawn = runpy.run_path(str(ROOT / "tutorials" / "00_credit_by_hand.py"))
    for ax, (k_trunc, k_top, credit) in zip(drawn["rows"], drawn["by_hand"].values(), strict=True):
        found = {(*arrow.xyann, *arrow.xy) for arrow in ax.texts if getattr(arrow, "arrow_patch", None)}
        local = {(t - 0.18, 0, t - 0.82, 0) for t in (1, 2, 3) if t != k_trunc and credit[t]}
        assert found == local | ({(3, 0.3, 1, 0.3)} if k_top else set())
        assert all(credit[round(start)] and credit[round(end - 0.2)] for start, _, end, _ in found)
    plt.close("all")


# What it prints and draws, beside what it has worked out.


@every
def test_a_tutorial_prints_and_draws_what_it_has_worked_out(path, printed):
    output, _, v = printed(path)
    figure = getattr(v, "fig", None) or v.figure
    getattr(worked_out, f"says_{number(path)}")(v, output)
    getattr(worked_out, f"draws_{number(path)}")(v, figure.axes)


def test_the_speed_of_tutorial_10_is_sequences_a_second(printed):
    (path,) = (path for path in TUTORIALS if number(path) == "10")
    measure, ticks = printed(path)[2].sequences_per_second, iter(range(100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(measure.__globals__, "time", SimpleNamespace(perf_counter=lambda: next(ticks) / 4))
        assert measure("numpy", 6, 4, repeats=1) == 24


@pytest.mark.parametrize(
    "cupy, said",
    [((1, 250, 900), "from a batch of 8"), ((1, 2, 3), "at none of these batches"), (None, "not measured")],
)
def test_tutorial_10_says_from_which_batch_a_gpu_is_ahead(cupy, said, capsys):
    (path,) = (path for path in TUTORIALS if number(path) == "10")
    (code,) = (source for _, source in cells(path.read_text(encoding="utf-8")) if "a GPU is ahead" in source)
    speed = {"numpy": (40, 200, 800)} | ({"cupy": cupy} if cupy else {})
    exec(code[code.index("crossover =") :], {"batches": (1, 8, 64), "speed": speed})
    assert capsys.readouterr().out == f"a GPU is ahead: {said}\n"


def test_a_link_of_the_book_leads_to_its_page_and_where_there_is_none_the_words_remain(monkeypatch):
    for name in ("nbclient", "nbclient.exceptions"):  # what runs the notebooks: not needed here
        parts = dict.fromkeys(("NotebookClient", "CellExecutionError", "CellTimeoutError"))
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**parts))
    linked = runpy.run_path(str(ROOT / "tutorials" / "book" / "build.py"))["linked"]
    pages = {"GLOSSARY.md": "GLOSSARY.md", "tutorials/05_sab.py": "tutorials/05_sab.ipynb"}
    text = "[a\nskip](../GLOSSARY.md#skip), [five]({}), {}, [web](https://x.org/y.py), ![p](p.png), [here](#cut)"
    found = linked(text.format("05_sab.py", "[the core](../sab_numpy/core)"), "tutorials", pages)
    assert found == text.format("05_sab.ipynb", "the core")


# The glossary.


def glossary():
    """{term in lower case: anchor}."""
    return {
        term.lower(): anchor
        for anchor, term in re.findall(
            r'<a id="([\w-]+)"></a>\*\*(.+?)\*\*', (ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
        )
    }


def unlinked(text, terms):
    """Terms that the prose of a tutorial uses before it links them."""
    prose = "\n".join(
        "\n".join(line for line in source.splitlines() if not line.startswith(("#", "    ")))
        for kind, source in cells(text)
        if kind == "markdown"
    )
    prose = re.sub(r"`[^`\n]*`|\$[^$]*\$", "", prose)
    # a link to the glossary, a link elsewhere (skipped), or a bare word; the longest term first
    words = "|".join(sorted(map(re.escape, terms), key=len, reverse=True)).replace(r"\ ", r"\s+")
    found, linked = [], set()
    for match in re.finditer(rf"\[[^\]]*\]\(\.\./GLOSSARY\.md#([\w-]+)\)|\b({words})s?\b", prose, re.I):
        if match[1]:
            linked.add(match[1])
        elif terms[re.sub(r"\s+", " ", match[2].lower())] not in linked:
            found.append(match[2])
    return list(dict.fromkeys(found))


@every
def test_a_tutorial_links_a_term_before_it_uses_it(path):
    assert unlinked(path.read_text(encoding="utf-8"), glossary()) == []


def test_a_term_without_its_link_is_found():
    cell = "# %% [markdown]\n# # A skip\n#\n# {} and then `skip` the skips.\n"
    assert unlinked(cell.format("Skips come first, [skip](../GLOSSARY.md#skip)"), {"skip": "skip"}) == ["Skip"]
    assert unlinked(cell.format("A [skip](../GLOSSARY.md#skip)"), {"skip": "skip"}) == []
    assert unlinked(cell.format("An empty\n# slot"), {"slot": "s", "empty slot": "e"}) == ["empty\nslot"]


ROUTE = ("00", "01a", "03", "05", "07")
SAID = {  # what code uses: the term that says what it is
    r"\bdy\b": "dy",
    "cross_entropy": "cross-entropy",
    r"\bclip": "clipping",
    "adam_": "adam",
    r"\bquer(y|ies)\b": "query",
    r"\bkeys?\b(?!\))": "key-and-value",
    r"\bslots\b": "slot",
    "empty_slots|n_empty": "empty-slot",
    r"\bk_trunc\b|K_TRUNC": "cut",
    r"\bk_top\b|K_TOP": "recall",
}


def unsaid(texts):
    """(tutorial, term) of what code uses before a link in the prose, of this tutorial or one before it, says it."""
    linked, found = set(), []
    for name, text in texts.items():
        for kind, source in cells(text):
            linked |= set(re.findall(r"GLOSSARY\.md#([\w-]+)", source)) if kind == "markdown" else set()
            uses = (term for words, term in SAID.items() if kind == "code" and re.search(words, source))
            found += [(name, term) for term in uses if term not in linked]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("route", [ROUTE, tuple(map(number, TUTORIALS))], ids=["evening", "all"])
def test_on_the_route_nothing_is_used_before_it_is_said(route):
    texts = {number(path): path.read_text(encoding="utf-8") for path in TUTORIALS if number(path) in route}
    assert unsaid(texts) == []


def test_what_is_used_before_it_is_said_is_found():
    link, code = "# %% [markdown]\n# [dy](../GLOSSARY.md#dy)\n", "# %%\ndy = 0\n"
    assert unsaid({"00": code + link, "01": code}) == [("00", "dy")] and unsaid({"00": link, "01": code}) == []


@every
def test_links_of_a_tutorial_lead_to_the_glossary(path):
    assert set(re.findall(r"GLOSSARY\.md#([\w-]+)", path.read_text(encoding="utf-8"))) <= set(glossary().values())


def test_every_number_of_the_glossary_is_printed_by_the_tutorial_that_it_names(printed):
    lines = [line for line in (ROOT / "GLOSSARY.md").read_text(encoding="utf-8").splitlines() if line.startswith("- ")]
    assert len(lines) == len(glossary()) >= 20
    for line in lines:
        path, rest = re.search(r"\[Tutorial \d\da?\]\(tutorials/(\w+\.py)\): (.*)\*$", line).groups()
        numbers = re.findall(r"`(.+?)`", rest)
        assert numbers, line
        for number in numbers:
            assert number in printed(ROOT / "tutorials" / path)[0], line


# The index.


def test_the_index_names_every_tutorial_with_its_minutes():
    index = (ROOT / "tutorials" / "README.md").read_text(encoding="utf-8")
    for path in TUTORIALS:
        minutes = re.search(r"\*(\d+) minutes", path.read_text(encoding="utf-8"))[1]
        assert re.search(rf"\({path.name}\) \| {minutes} \|", index), path.name


# All of SAB in one file.

ONE_FILE = ROOT / "tutorials" / "sab_in_one_file.py"


def gradients(k_trunc, k_top, k_att, seed=0):
    """(package's, the one file's): output, loss and gradients."""
    one = runpy.run_path(str(ONE_FILE), run_name="one")
    cfg = sab.Config(7, 5, 6, k_trunc=k_trunc, k_top=k_top, k_att=k_att, empty_slots=1)
    rng = np.random.default_rng(seed)
    params = sab.init_params(cfg, rng) | {"W_q": rng.standard_normal((5, 5))}
    x, targets = rng.integers(0, 7, (13, 4)), rng.integers(0, 6, (13, 4))
    y, tape = sab.forward(params, x, cfg)
    loss, dy = sab.softmax_cross_entropy(y, targets)
    theirs_y, theirs_tape = one["forward"](params, x, k_top, k_att)
    theirs_loss, theirs_dy = one["cross_entropy"](theirs_y, targets)
    return (
        {"y": y, "loss": loss, **sab.backward(dy, tape)},
        {"y": theirs_y, "loss": theirs_loss, **one["backward"](params, x, theirs_dy, theirs_tape, k_trunc, k_att)},
    )


@pytest.mark.parametrize("setting", [(3, 2, 2), (None, 0, 1), (4, 0, 1), (5, 3, 3), (None, 2, 1), (1, 1, 4)])
def test_the_one_file_equals_the_package(setting):
    ours, theirs = gradients(*setting)
    for name, value in ours.items():
        assert np.abs(value - theirs[name]).max() <= 1e-12 * max(np.abs(value).max(), 1e-3), name


def test_the_comparison_with_the_one_file_sees_a_cut_in_the_wrong_place():
    ours, _ = gradients(3, 2, 2)
    _, theirs = gradients(4, 2, 2)
    assert np.abs(ours["W_h"] - theirs["W_h"]).max() > 1e-6


def test_the_one_file_is_about_150_lines_and_trains_in_quick_mode(tmp_path):
    assert len(ONE_FILE.read_text(encoding="utf-8").splitlines()) <= 155
    head, *lines = in_python(ONE_FILE, tmp_path, quick=True).splitlines()
    assert head.endswith("Chance: 12.5 %")  # of one of eight symbols
    assert [re.match(r"k_top=(\d)  update +20  loss \d\.\d{4}  right +[\d.]+ %$", line)[1] for line in lines] == [
        "5",
        "0",
    ]


def test_the_one_file_begins_updates_and_asks_as_the_package_does():
    one = runpy.run_path(str(ONE_FILE), run_name="one")
    cfg = sab.Config(7, 5, 6, k_top=1)
    params = sab.init_params(cfg, 3)
    mine, state, theirs = one["init"](7, 5, 6, np.random.default_rng(3)), {}, optim.adam_init(params)
    assert mine.keys() == params.keys() and all(np.array_equal(mine[name], params[name]) for name in params)
    rng = np.random.default_rng(0)
    for size in (1e-3, 10, 1e-3):  # the second is clipped
        grads = {name: size * rng.standard_normal(value.shape) for name, value in params.items()}
        one["adam"](mine, grads, state, lr=0.01)
        params, theirs, _ = optim.adam_step(params, grads, theirs, lr=0.01, clip=1.0)
        assert all(np.allclose(mine[name], params[name], rtol=1e-6, atol=1e-9) for name in params)
    x, targets = one["copying"](7, 2000, np.random.default_rng(0))
    assert set(x[:5].ravel()) == {*range(1, 9)} and np.array_equal(x[:5], targets[-5:]) and len(x) == len(targets) == 17
    assert not x[5:11].any() and (x[11] == 9).all() and not x[12:].any() and not targets[:12].any()  # as copying's


def test_the_one_file_counts_the_last_five_answers_and_says_percent(monkeypatch, capsys):
    train = runpy.run_path(str(ONE_FILE), run_name="one")["train"]

    def last_but_one(p, x, k_top, k_att):  # all right but the fourth answer; nothing is learned
        y = np.eye(10)[np.concatenate([0 * x[5:], x[:5]])]
        y[-2] = np.eye(10)[0]
        return y, None

    monkeypatch.setitem(train.__globals__, "forward", last_but_one)
    monkeypatch.setitem(train.__globals__, "backward", lambda *_: {"b": np.ones(256)})
    assert train(5, updates=1) == 0.8
    assert capsys.readouterr().out.endswith("right  80.0 %\n")
