"""What a command prints is true: every number is computed again, from its files or without the package."""

import csv
import io
import json
import re
import time
from types import SimpleNamespace

import numpy as np
import pytest
from told import MODEL, model, sequences, told, trained_here, walked

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.cli import demo
from sab_numpy.paper import recipes, results
from sab_numpy.support import files
from sab_numpy.support.progress import Progress
from sab_numpy.tasks import copying

SMALL = ["--T", "3", "--batch", "4", "--hidden", "6", "--k-top", "2", "--validation-sequences", "5"]


@pytest.fixture
def sab_says(capsys):
    """sab_says(*words): what the command prints, and what it says beside it."""

    def run(*words, status=0):
        capsys.readouterr()
        assert cli.main([str(word) for word in words]) == status
        return capsys.readouterr()

    return run


def numbers(text):
    return [int(word) for word in text.split() if word.isdecimal()]


# ---- sample, evaluate


@pytest.mark.parametrize("name, T", [(MODEL, 30), ("copying-T100-bptt", 5000)])
def test_sample_prints_what_the_model_reads_should_say_and_says(name, T, sab_says):
    lines, (params, cfg) = sab_says("sample", name, "--T", T).out.splitlines(), model(name)
    x, targets = (a[:, 0] for a in sequences(name, T, 1))
    says = told(name, T).says if cfg.k_top else sab.forward(params, x[:, None], cfg)[0][:, 0].argmax(-1)
    assert numbers(lines[0].partition("then")[0]) == list(x[:10])
    assert numbers(lines[1]) == list(targets[-10:])
    assert numbers(lines[2].partition("(")[0]) == list(says[-10:])
    assert f"then {T - 1} blanks, and at step {T + 9} the marker" in lines[0]
    right = (says == targets)[-10:].sum()
    assert f"({right} of 10 right)" in lines[2] and (right < 10) == (name != MODEL)


def test_sample_prints_the_recalls_of_every_answer_the_heaviest_first(sab_says):
    real, lines = told(MODEL, 30), sab_says("sample", MODEL, "--T", 30).out.splitlines()
    assert [numbers(line)[:3] for line in lines[4:]] == [[t, real.says[t], real.targets[t]] for t in range(40, 50)]
    for t, line in zip(range(40, 50), lines[4:]):
        found = [(name, float(weight)) for name, weight in re.findall(r"(\d+|empty) \(([\d.]+)\)", line)]
        expected = {str(state): weight for state, weight in real.recalls[t].items()}
        assert dict(found) == pytest.approx(expected, abs=0.006)
        assert [weight for _, weight in found] == sorted((weight for _, weight in found), reverse=True)


def test_evaluate_prints_the_share_of_right_answers_and_their_cross_entropy(sab_says):
    name, n, lengths = "copying-T100-bptt", 20, (4000, 5000)  # where full BPTT makes mistakes
    lines, (params, cfg) = sab_says("evaluate", name, "--T", *lengths, "--sequences", n).out.splitlines(), model(name)
    for T, line in zip(lengths, lines[2:]):
        x, targets = sequences(name, T, n)
        y, _ = sab.forward(params, x, cfg)
        right = 100 * (y.argmax(-1) == targets)[-10:].mean()
        ce10, ce = (sab.softmax_cross_entropy(y[at:], targets[at:])[0] for at in (-10, 0))
        length, shown, low, high, shown10, shown_ce, _ = (float(word) for word in re.findall(r"[\d.]+", line))
        assert (length, shown, shown10, shown_ce) == pytest.approx((T, right, ce10, ce), abs=0.0051)
        assert low < right < high and 5 < right < 95
    assert lines[-2:] == ["  CE10: nats on the ten answers; CE: on all steps.", "  Chance: 12.5 %, CE10 2.079."]


# ---- walk, explore


def test_the_summary_of_walk_counts_the_lines_above_it(sab_says):
    *lines, last = sab_says("walk", MODEL, "--T", 5, "--text").out.splitlines()
    step, walked_steps, skips, cuts, blocks = None, set(), [], 0, 0
    for line in lines:
        if heading := re.match(r"step (\d+): reads", line):
            step = int(heading.group(1))
            walked_steps.add(step)
        elif skip := re.match(r"  skip: .* to the state of step (\d+) ", line):
            skips.append(step - int(skip.group(1)))
        cuts += line.startswith("--- cut")
        blocks += line.startswith("--- not visited")
    assert last == (
        f"walked {len(walked_steps)} of 25 steps; skips: {len(skips)}, the longest over {max(skips)} steps; "
        f"cuts: {cuts}; blocks not visited: {blocks}"
    )
    assert len(set(skips)) > 2


def test_walk_prints_the_events_of_the_backward_pass(sab_says):
    lines = sab_says("walk", MODEL, "--T", 5, "--text").out.splitlines()
    found = [re.search(r"skip: (\S+) to the state of step (\d+) \(slot (\d+), weight (\S+)\)", line) for line in lines]
    found = [tuple(map(float, one.groups())) for one in found if one]
    skips = [event for event in walked(told().cfg, 24) if event.kind == "skip"]
    assert [one[1:3] for one in found] == [(event.end, event.slot) for event in skips]
    norms = [event.norm for event in skips]
    np.testing.assert_allclose([one[0] for one in found], norms, rtol=0.01, atol=1e-4 * max(norms))  # it has float32
    np.testing.assert_allclose([one[3] for one in found], [event.weight for event in skips], atol=0.006)
    (loss,) = (line for line in lines if line.startswith("  loss: y_24 gives credit "))
    assert float(loss.split()[-1]) == pytest.approx(walked(told().cfg, 24)[0].norm, rel=0.01)


def test_walk_tells_the_credit_a_state_has_after_a_skip_and_where_nothing_passes(sab_says):
    said, events = sab_says("walk", MODEL, "--T", 40, "--text").out, walked(told().cfg, 59, T=40)
    totals = [event.total for event in events if event.kind == "skip"]
    found = [float(total) for total in re.findall(r"which now has (\S+)$", said, re.M)]
    np.testing.assert_allclose(found, totals, rtol=0.01, atol=1e-4 * max(totals))
    for words, kind in (("nothing passes from step", "cut"), ("no credit reaches steps", "not visited")):
        between = [tuple(map(int, pair)) for pair in re.findall(rf"{words} (\d+) to (?:step )?(\d+) ---", said)]
        ends = [(event.start, event.end) for event in events if event.kind == kind]
        assert between == (ends if kind == "cut" else [pair[::-1] for pair in ends])
        assert len(between) > 1


def test_a_line_of_walk_is_a_block_its_largest_credit_and_its_skips(sab_says):
    lines = sab_says("walk", MODEL, "--T", 5).out.splitlines()
    events = walked(told().cfg, 24)
    credit = {event.end: event.total for event in events if event.kind in ("loss", "local", "skip")}
    skips = [event for event in events if event.kind == "skip"]
    for first, line in zip((20, 15, 10, 5, 0), lines[2:-1], strict=True):
        block = range(first, first + 5)
        assert line.split()[0] == f"{first}-{first + 4}"
        if not any(t in credit for t in block):
            assert "(not visited)" in line
            continue
        largest, ending, starting = map(float, line.split()[-3:])
        assert largest == pytest.approx(max(credit.get(t, 0) for t in block), rel=0.01)
        assert ending == sum(event.end in block for event in skips)
        assert starting == sum(event.start in block for event in skips)


def test_the_page_of_explore_recalls_what_the_model_recalls(tmp_path, sab_says):
    sab_says("explore", MODEL, "--T", 5, "--out", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page, real = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))["sequences"][0], told()
    lane = page["lanes"][0]
    step_of = dict(lane["slots"])
    assert page["x"] == list(real.x) and page["targets"] == list(real.targets) and lane["says"] == list(real.says)
    for found, expected in zip(lane["recalls"], real.recalls, strict=True):
        shown = {}
        for slot, weight in found:
            state = step_of.get(slot, "empty")
            shown[state] = shown.get(state, 0.0) + weight
        assert shown == pytest.approx(expected, abs=1e-3)


# ---- train


@pytest.fixture
def two_seconds_an_update(monkeypatch):
    """A clock that moves two seconds at every loss, and not otherwise."""
    now, loss = [100.0], copying.loss

    def slow(y, targets):
        now[0] += 2
        return loss(y, targets)

    monkeypatch.setattr(copying, "loss", slow)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])


def test_progress_prints_the_row_of_the_history_the_speed_and_the_time_left(tmp_path, two_seconds_an_update, sab_says):
    said = sab_says("train", "copying", *SMALL, "--updates", 50, "--validate-every", 10, "--out", tmp_path).err
    rows = files.read_rows(tmp_path / "history.csv")
    lines = [line for line in re.split(r"[\r\n]+", said) if "accuracy" in line]
    assert len(lines) == len(rows) == 5
    for row, line in zip(rows, lines):
        left = 2 * (50 - int(row["update"]))
        assert re.match(rf"\s*{row['update']}/50 ", line)
        assert f"loss {float(row['loss']):.5f} " in line
        assert f"accuracy {100 * float(row['accuracy']):6.2f} %" in line
        assert f"max|h| {float(row['max_abs_h']):.1f} " in line
        assert "0.5 updates/s" in line and re.search(rf"left {left // 60}:{left % 60:02d}\b", line)
        assert float(row["seconds"]) == pytest.approx(2 * int(row["update"]))
    assert float(rows[0]["loss"]) == pytest.approx(np.log(10), abs=0.5)  # nothing learned yet: nats of ten symbols


def test_progress_of_adding_has_the_squared_error_of_the_row(tmp_path, sab_says):
    words = ["--T", 6, "--hidden", 4, "--batch", 4, "--updates", 4, "--validate-every", 2, "--out", tmp_path]
    lines = [line for line in sab_says("train", "adding", *words).err.splitlines() if "accuracy" in line]
    for row, line in zip(files.read_rows(tmp_path / "history.csv"), lines, strict=True):
        assert f" %  squared error {float(row['squared_error']):.5f}  max|h| {float(row['max_abs_h']):.1f}" in line


def test_the_last_line_of_a_training_has_the_seconds_on_the_clock(tmp_path, two_seconds_an_update, sab_says):
    words = ["--updates", 20, "--validate-every", 10, "--quiet"]
    said = sab_says("train", "copying", *SMALL, *words, "--out", tmp_path).out
    assert said.startswith("20 updates in 40 s; best validation accuracy ")


def test_the_line_between_two_rows_has_the_mean_loss_so_far_and_the_time_left_of_a_run_that_goes_on(monkeypatch):
    stream, now = io.StringIO(), iter([100.0, 100.0, 100.0, 110.0, 110.0])
    stream.isatty = lambda: True
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    say = Progress(SimpleNamespace(updates=50), stream)
    for update, loss in ((30, 2.5), (35, 9.0)):  # five updates in ten seconds
        say(SimpleNamespace(update=update, window={"updates": update - 29, "loss": loss}), None)
    lines = [line.split() for line in stream.getvalue().split("\r")[1:]]
    assert lines[0][:3] == ["30/50", "loss", "2.50000"] and lines[0][-2:] == ["left", "?"]
    assert lines[1] == ["35/50", "loss", "1.50000", "0.5", "updates/s", "left", "0:30"]


def test_the_warm_up_begins_at_the_first_ratio_and_never_falls_below_it(tmp_path, sab_says):
    words = ["--updates", 10, "--validate-every", 1, "--lr", 0.01, "--warmup", 8, "--first-lr-ratio", 0.5]
    words += ["--schedule", "constant"]
    sab_says("train", "copying", *SMALL, *words, "--quiet", "--out", tmp_path)
    rates = [float(row["lr"]) for row in files.read_rows(tmp_path / "history.csv")]
    assert rates == pytest.approx([0.005] * 4 + [0.00625, 0.0075, 0.00875] + [0.01] * 3)


def test_stop_at_waits_for_three_validations_in_a_row(tmp_path, monkeypatch, sab_says):
    accuracies, measure = iter([1, 1, 0, 1, 0.9, 0.89, 0.9, 1, 1, 1, 1]), copying.metrics
    monkeypatch.setattr(copying, "metrics", lambda *args: measure(*args) | {"accuracy": float(next(accuracies))})
    words = ["--updates", 20, "--validate-every", 1, "--stop-at", 0.9]
    said = sab_says("train", "copying", *SMALL, *words, "--quiet", "--out", tmp_path).out
    assert [float(row["accuracy"]) for row in files.read_rows(tmp_path / "history.csv")][-3:] == [0.9, 1, 1]
    assert said.startswith("9 updates in ") and "best validation accuracy 100.00 %" in said


# ---- demo, reproduce


def test_the_demo_counts_the_seeds_that_reached_the_goal(tmp_path, monkeypatch, sab_says):
    small = {"T": 2, "min_length": 2, "updates": 2, "hidden": 4, "validate_every": 1, "batch": 2}
    shares = iter([0.9, 0.2, 0.1, 0.8999, 0.95, 0.99, 1.0, 0.3, 0.25])  # SAB, truncated BPTT, the control of each seed
    measured = {"ce10": 0.1, "low": 0.1, "high": 1.0, "sequences": 9}
    monkeypatch.setattr(demo, "TINY", small)
    monkeypatch.setattr(demo, "train", trained_here)
    monkeypatch.setattr(demo, "draw", lambda *_: ("curves.png", "map.png"))
    monkeypatch.setattr(demo, "evaluate", lambda *_, **__: iter([measured | {"accuracy": next(shares)}]))
    words = ["--quiet", "--seeds", 3, "--out", tmp_path, "--csv", tmp_path / "demo.csv"]
    said = sab_says("demo", "--tiny", *words).out
    assert "SAB reached 90 % in 2 of 3 seeds." in said.splitlines()
    assert ["This seed failed" in one for one in re.split(r"seed \d:", said)[1:]] == [False, True, False]
    assert re.findall(r"SAB +([\d.]+) % of the answers", said) == ["90.00", "89.99", "100.00"]
    assert re.findall(r"truncated BPTT +([\d.]+) % of the answers", said) == ["20.00", "95.00", "30.00"]
    assert re.findall(r"without it: ([\d.]+) %; no recall", said) == ["10.00", "99.00", "25.00"]
    rows = files.read_rows(tmp_path / "demo.csv")
    assert [(row["seed"], row["sab_accuracy"], row["tbptt_accuracy"]) for row in rows] == [
        ("0", "0.9", "0.2"),
        ("1", "0.8999", "0.95"),
        ("2", "1.0", "0.3"),
    ]


def table(folder, sab_says):
    """{method: cells of its line} of the copying table."""
    lines = sab_says("reproduce", "copying", "--table", "--T", 100, "--data", folder).out.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {line[0]: dict(zip(cells[0], line)) for line in cells[2:]}


def test_a_share_of_999_in_1000_counts_as_reached(tmp_path, sab_says):
    history = [
        {"accuracy": share, "update": 10 * n, "cpu_seconds": 60 * n} for n, share in enumerate((0.9, 0.9989, 0.999))
    ]
    assert results.first_learned(history) == {"updates_to_999": 20, "cpu_minutes_to_999": 2.0}
    assert results.first_learned(history[:2]) == {"updates_to_999": "", "cpu_minutes_to_999": ""}
    rows = []
    for seed, accuracy in enumerate((0.999, 0.998, 1.0)):
        run = recipes.cell("sab-5-5-recipe", 100, 100 + seed)
        measured = {"accuracy": accuracy, "ce10": 0.01 * seed, "updates_to_999": 100 * seed, "cpu_minutes_to_999": seed}
        measured |= {"updates_done": 10_000, "cpu_seconds": 60}
        rows.append({"name": results.name_of(run)} | results.spelled(vars(run)) | {"status": "finished"} | measured)
    with open(tmp_path / "copying.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    line = table(tmp_path, sab_says)["SAB 5/5"]
    assert line["≥ 99.9 % (share of seeds: 95 %)"] == "2 of 3 (9 – 99)"
    assert line["seeds"] == "3" and line["CE10"] in ("0.0100", "0.000")
    assert line["right %, median (worst – best)"] == "99.90 (99.80 – 100.00)"
    assert line["updates, minutes"] == "100, 1.0" and line["paper: right %"] == "100.0"
