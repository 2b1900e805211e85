"""`sab bench`: what it measures is what it says, and its files and tables hold it."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.bench import contestants, measurement, processes
from sab_numpy.bench.cost_table import growth, lines, update_csv
from sab_numpy.bench.floor import Floor
from sab_numpy.cli import bench
from sab_numpy.core import credit
from sab_numpy.support import files
from sab_numpy.tasks import copying

TINY = ["--T", "3", "--B", "2", "--H", "4", "--rounds", "1"]


def multiplications(cfg, steps, B):
    """Of the forward and backward products of the model, counted by hand from the equations."""
    D, H, O = cfg.n_in, cfg.n_hidden, cfg.n_out
    forward, backward = B * 4 * H * (D + H) + B * H * O, B * 4 * H * (D + H) + B * 4 * H * H + 2 * B * H * O
    forward, backward = steps * forward, steps * backward
    if cfg.k_top == 0:
        return forward, backward
    forward += steps * B * H * O
    backward += steps * 2 * B * H * O + steps * B * H * H  # V_s, s; W_q of every step
    for t in range(steps):
        n = t // cfg.k_att
        K = n if cfg.k_top is None else min(n, cfg.k_top)
        forward += B * H * (H + n + K) if K else 0  # query, scores, summary
        backward += B * H * (H + 4 * K) if K else 0  # dquery W_q^T; dw, dquery, the recalled twice
    return forward, backward


@pytest.mark.parametrize("model", contestants.MODELS)
def test_the_floor_does_the_products_of_the_equations_and_no_others(model, monkeypatch):
    cfg = contestants.config(model, {"H": 6})
    floor = Floor(cfg, 37, 3, np.random.default_rng(0))
    done, real = [0], np.matmul

    def counted(a, b, out=None):
        result = real(a, b, out=out)
        done[0] += result.size * a.shape[-1]
        return result

    monkeypatch.setattr(np, "matmul", counted)
    found = []
    for part in (floor.forward, floor.backward):
        done[0] = 0
        part()
        found.append(done[0])
    assert tuple(found) == multiplications(cfg, 37, 3)


def test_every_recall_of_the_constructed_model_goes_to_the_input():
    spec = dict(T=60, B=3, H=16)
    cfg, params, x, targets, _ = contestants.batch("SAB", spec)
    contestants.remind_of_the_input(params, cfg.n_hidden)
    y, tape = sab.forward(params, x, cfg)
    inputs = set(range(tape.memory.initial_slots, tape.memory.initial_slots + copying.WIDTH // cfg.k_att))
    assert all(set(row) == inputs for row in tape.slots[copying.WIDTH + 1 :].reshape(-1, cfg.k_top))
    _, dy = sab.softmax_cross_entropy(y, targets, mask=measurement.last_step(x))
    walk = measurement.walk(tape, dy)
    assert walk["blocks_visited"] == 3 and walk["blocks"] == 16  # the last, and the two of the input
    assert walk["steps_walked"] == credit.count(tape, dy).steps < 15


def test_an_unconstructed_model_visits_more():
    spec = dict(T=60, B=3, H=16)
    cfg, params, x, targets, _ = contestants.batch("SAB", spec)
    y, tape = sab.forward(params, x, cfg)
    _, dy = sab.softmax_cross_entropy(y, targets, mask=measurement.last_step(x))
    assert measurement.walk(tape, dy)["blocks_visited"] > 3


@pytest.mark.parametrize("name, one, batch", [("copying-T100-sab", 90, 415), ("copying-T300-sab", 45, 1020)])
def test_the_documents_have_the_visits_of_the_shipped_models_and_one_sequence_of_a_thousand_has_few(name, one, batch):
    figures = Path(__file__).parents[1] / "figures"
    rows = {
        int(row["B"]): int(row["steps_walked"])
        for row in files.read_rows(figures / "data" / "cost.csv")
        if (row["what"], row["model"], row["T"]) == ("visits", name, "1000")
    }
    assert rows == {1: one, 64: batch}
    findings = (figures / "FINDINGS.md").read_text(encoding="utf-8")
    assert f"`{name}` walks {one} steps of 1,020" in findings or f"`{name}` {one}." in findings
    assert "a batch of 64 walks 415, and all 1,020" in findings
    (row,) = measurement.visits(dict(trained=name, T=1000, B=1))
    assert row["model"] == name and row["blocks"] == 204 and row["steps_walked"] == pytest.approx(one, abs=25)


def test_the_timed_step_is_a_whole_train_step(monkeypatch):
    called = []
    for place, name in ((contestants, "forward"), (copying, "loss"), (contestants, "backward")):
        real = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *a, name=name, real=real, **k: (called.append(name), real(*a, **k))[1])
    step = contestants.ours("SAB", dict(T=8, B=2, H=4, threads=1, checkpoint=None), "numpy")
    step(lambda: called.append("now"))
    assert called == ["forward", "loss", "now", "backward"]


def test_turns_are_taken_and_the_warm_up_is_not_counted():
    order = []
    ticks = iter(range(1000))
    timer = measurement.Timer("numpy")
    timer.now = lambda: next(ticks)
    steps = {name: lambda now, name=name: (order.append(name), now())[1] for name in "AB"}
    times = measurement.take_turns(steps, timer, rounds=4, seconds=100)
    assert "".join(order) == "AB" * 6
    assert times == {"A": [(2, 1)] * 4, "B": [(2, 1)] * 4}


def test_three_rounds_are_timed_however_little_time_there_is():
    times = measurement.take_turns({"A": lambda now: now()}, measurement.Timer("numpy"), rounds=9, seconds=0)
    assert len(times["A"]) == 3


def test_the_floor_of_several_processes_is_that_of_the_largest_part_of_the_batch(monkeypatch):
    made = []
    monkeypatch.setattr(contestants, "Floor", lambda cfg, steps, B, rng: made.append((cfg.k_top, steps, B)))
    contestants.products("SAB", dict(T=3, B=5, H=4, threads=2))
    assert made == [(5, 23, 3)]


def test_a_ratio_is_the_median_of_the_rounds():
    assert measurement.ratio([(2, 1), (40, 5), (3, 1)], [(1, 1), (10, 5), (3, 2)]) == 2


def test_a_model_is_compared_with_its_floor_and_the_fastest_of_its_peers(monkeypatch):
    seconds = {  # of a step and of its backward pass
        "LSTM": (3, 1),
        "SAB": (2, 1),
        ("floor", "LSTM"): (2, 1),
        ("floor", "SAB"): (1, 0.25),
        "torch.nn.LSTM": (1.5, 1),
        "SAB in PyTorch": (8, 1),
        "SAB in PyTorch, own reads": (6, 1),
    }
    monkeypatch.setattr(measurement, "peer", lambda name, spec: None)
    monkeypatch.setattr(measurement, "take_turns", lambda steps, *rest: {name: [seconds[name]] for name in steps})
    spec = dict(T=3, B=2, H=4, backend="numpy", threads=1, checkpoint=None, rounds=1, seconds=1, peers=True)
    rows = measurement.speed(spec | {"models": ["LSTM", "SAB"]})
    columns = ("step_over_floor", "backward_over_floor", "faster_peer", "times_its_speed", "sequences_per_second")
    assert [rows[0][name] for name in columns] == [1.5, 1, "torch.nn.LSTM", 0.5, pytest.approx(2 / 3)]
    assert [rows[1][name] for name in columns] == [2, 4, "SAB in PyTorch, own reads", 3, 1]
    assert [row["model"] for row in rows[2:]] == list(contestants.PEERS)


def test_growth_finds_the_exponent():
    rows = [{"model": "SAB", "T": T, "steps": T + 20, "B": 4, "H": 8, "step_ms": (T + 20) ** 1.5} for T in (180, 80)]
    (line,) = growth(rows)
    assert line["exponent"] == pytest.approx(1.5) and (line["from"], line["to"]) == (80, 180)


def test_growth_tells_a_step_from_its_backward_pass_and_compares_no_other_sizes():
    about = {"model": "SAB", "B": 4, "H": 8}
    rows = [about | {"T": n - 20, "steps": n, "step_ms": n, "backward_ms": n**2} for n in (100, 200)]
    found = [(line["part"], line["times"], line["exponent"]) for line in growth(rows)]
    assert found == [("step", 2, pytest.approx(1)), ("backward", 4, pytest.approx(2))]
    assert growth([rows[0], rows[1] | {"B": 8}]) == growth([rows[0], rows[1] | {"H": 4}]) == []


def test_bench_prints_json_and_the_csv_keeps_one_row_a_setting(tmp_path, capsys):
    path = str(tmp_path / "cost.csv")
    for _ in range(2):
        assert cli.main(["bench", *TINY, "--models", "LSTM", "SAB", "--json", "--csv", path]) == 0
        rows = json.loads(capsys.readouterr().out)["rows"]
    kept = files.read_rows(path)
    assert [row["model"] for row in kept] == [row["model"] for row in rows] == ["LSTM", "SAB"]
    for row, old in zip(rows, kept):
        assert float(old["step_ms"]) == pytest.approx(row["step_ms"], abs=1e-3)
        assert row["step_ms"] > row["backward_ms"] > 0 and row["step_over_floor"] > 0 and row["steps_walked"] == 23
    assert kept[0]["skips"] == "0" and int(kept[1]["skips"]) > 0
    assert all(row["machine"] and row["date"] and row["command"] for row in kept)
    with open(path) as file:
        assert file.readline().startswith("# Measured by `sab bench`")


@pytest.mark.parametrize("name", ["adding", "text", "mnist14"])
def test_a_task_is_timed_on_its_own_batch_with_its_own_loss(name, tmp_path, monkeypatch, capsys):
    from test_tasks import make_data

    make_data(tmp_path)
    length = [] if name == "mnist14" else ["--T", "6"]
    words = ["bench", "--task", name, *length, "--B", "2", "--H", "4", "--rounds", "1", "--sab", "3", "2", "3"]
    path = str(tmp_path / "cost.csv")
    words += ["--models", "LSTM", "SAB", "--data-dir", str(tmp_path), "--json", "--csv", path]
    assert cli.main(words) == 0
    lstm, sab_row = json.loads(capsys.readouterr().out)["rows"]
    steps = 196 if name == "mnist14" else 6
    assert lstm["steps"] == lstm["steps_walked"] == steps and lstm["what"] == f"{name} 3 2 3"
    assert sab_row["blocks"] == -(-steps // 3) and sab_row["step_ms"] > sab_row["backward_ms"] > 0


def test_another_setting_keeps_the_rows_that_are_there(tmp_path):
    path = str(tmp_path / "cost.csv")
    row = {
        "what": "speed",
        "model": "SAB",
        "T": 3,
        "B": 2,
        "H": 4,
        "threads": 1,
        "backend": "numpy",
        "checkpoint": "none",
        "step_ms": 1.0,
    }
    update_csv(path, [row])
    update_csv(path, [row | {"threads": 2, "step_ms": 2.0, "peak_mb": 7}])
    update_csv(path, [row | {"step_ms": 3.0}])
    assert [(r["threads"], r["step_ms"], r["peak_mb"]) for r in files.read_rows(path)] == [
        ("1", "3.0", ""),
        ("2", "2.0", "7"),
    ]


ROW = dict(what="speed", model="SAB", T=3, B=2, H=4, threads=1, backend="numpy", checkpoint="none", step_ms=1.0)


@pytest.mark.parametrize(
    "name, other",
    dict(what="growth", model="LSTM", T=4, B=3, H=5, threads=2, backend="cupy", checkpoint="blocks").items(),
)
def test_a_row_of_another_setting_replaces_none(name, other, tmp_path):
    update_csv(tmp_path / "cost.csv", [ROW])
    update_csv(tmp_path / "cost.csv", [ROW | {name: other}])
    assert [row[name] for row in files.read_rows(tmp_path / "cost.csv")] == [str(ROW[name]), str(other)]


def test_a_row_says_the_command_that_measured_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/sab", "bench", "long", "--B", "2"])
    update_csv(tmp_path / "cost.csv", [ROW])
    assert files.read_rows(tmp_path / "cost.csv")[0]["command"] == "sab bench long --B 2"


@pytest.mark.parametrize(
    "heading, key",
    {
        "step ms": "step_ms",
        "backward": "backward_ms",
        "floor ms": "floor_ms",
        "step/floor": "step_over_floor",
        "backward/floor": "backward_over_floor",
        "CPU ms": "cpu_ms",
        "GPU/CPU": "step_over_cpu",
        "one step ms": "once_ms",
        "start MB": "start_mb",
        "peak MB": "peak_mb",
        "blocks": "blocks",
        "visited": "blocks_visited",
        "steps walked": "steps_walked",
        "skips": "skips",
        "x faster peer": "times_its_speed",
    }.items(),
)
def test_a_column_of_the_table_has_the_number_that_it_names(heading, key):
    _, head, *_, line = lines("heading", [{"model": "SAB", key: 7}]).splitlines()
    assert head.strip() == heading and float(line.split()[-1]) == 7


def test_the_table_has_a_column_where_a_row_has_a_value():
    text = lines("heading", [{"model": "SAB", "step_ms": 12.34}, {"model": "LSTM", "step_ms": 1.0, "skips": 3}])
    assert "12.3" in text and "skips" in text and "peak" not in text and len(text.splitlines()) == 4


def test_of_the_only_step_the_backward_pass_is_a_part(monkeypatch):
    moments = iter([10.0, 11.0, 14.0])
    monkeypatch.setattr(measurement.time, "perf_counter", lambda: next(moments))
    (row,) = measurement.memory(dict(T=3, B=2, H=4, checkpoint=None, models=["SAB"]))
    assert (row["once_ms"], row["once_backward_ms"]) == (4000, 3000)


def test_the_peak_is_the_most_memory_that_was_ever_held(monkeypatch):
    monkeypatch.setattr(measurement, "resident_mb", {"VmRSS": 40, "VmHWM": 90}.get)
    spec = dict(T=3, B=2, H=4, checkpoint=None, rounds=1, models=["SAB"])
    (one,), (sparse,) = measurement.memory(spec), measurement.sparse(spec)
    assert (one["start_mb"], one["peak_mb"], sparse["peak_mb"]) == (40, 90, 90)


def test_a_peer_has_its_memory_measured_alone_around_one_step(monkeypatch):
    held, spec = {"VmRSS": 40, "VmHWM": 40}, dict(T=3, B=2, H=4, backend="numpy", measure="speed", models=["SAB"])
    monkeypatch.setattr(measurement, "resident_mb", held.get)
    monkeypatch.setattr(measurement, "peer", lambda name, spec: lambda now: held.update(VmRSS=80, VmHWM=90))
    (row,) = measurement.memory(spec | {"models": ["torch.nn.LSTM"]})
    assert row == {"model": "torch.nn.LSTM", "start_mb": 40, "peak_mb": 90}
    alone = []

    def start(spec):
        alone.append(spec["models"])
        models = ["SAB", "SAB in PyTorch"] if spec["measure"] == "speed" else spec["models"]
        return [{"model": model, "peak_mb": len(alone)} for model in models]

    monkeypatch.setattr(processes, "start", start)
    assert [row["peak_mb"] for row in processes.measure(spec)] == [2, 3]
    assert alone == [["SAB"], ["SAB"], ["SAB in PyTorch"]]


def test_sparse_takes_the_median_of_its_rounds_without_the_warm_up(monkeypatch):
    moments = iter([0, 50, 100, 150, 200, 201, 300, 302, 400, 409])
    monkeypatch.setattr(measurement.time, "perf_counter", lambda: next(moments))
    (row,) = measurement.sparse(dict(T=3, B=2, H=4, checkpoint=None, rounds=3))
    assert row["backward_ms"] == 2000


def test_the_floor_of_a_row_is_of_the_step_and_of_its_backward_pass(monkeypatch):
    seconds = {"SAB": (4, 2), ("floor", "SAB"): (3, 1)}
    monkeypatch.setattr(measurement, "take_turns", lambda steps, *_: {name: [seconds[name]] for name in steps})
    spec = dict(T=3, B=2, H=4, backend="numpy", threads=1, checkpoint=None, rounds=1, seconds=1, peers=False)
    (row,) = measurement.speed(spec | {"models": ["SAB"]})
    columns = ("step_ms", "backward_ms", "floor_ms", "floor_backward_ms")
    assert [row[name] for name in columns] == [4000, 2000, 3000, 1000]


def test_a_step_takes_the_median_of_its_rounds(monkeypatch):
    monkeypatch.setattr(measurement, "take_turns", lambda steps, *_: {name: [(1, 1), (2, 1), (9, 1)] for name in steps})
    spec = dict(T=3, B=2, H=4, backend="numpy", threads=1, checkpoint=None, rounds=3, seconds=1, peers=False)
    assert measurement.speed(spec | {"models": ["SAB"]})[0]["step_ms"] == 2000


@pytest.mark.parametrize("what", [["long", "--checkpoint", "blocks"], ["sparse"]])
def test_the_other_measurements_print_a_table(what, capsys):
    assert cli.main(["bench", *what, *TINY]) == 0
    assert "steps walked" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--threads", "100000"], "--threads must be between 1 and"),
        (["--T", "0"], "--T: expected a whole number of at least 1"),
        (["--H", "1"], "--H: expected a whole number of at least 2"),
        (["--rounds", "0"], "--rounds: expected"),
        (["visits"], "belong together"),
        (["--trained", "x.npz"], "belong together"),
        (["visits", "--trained", "missing.npz"], "missing.npz: no such file"),
        (
            ["visits", "--trained", "missing"],
            "a pretrained name: copying-T100-bptt, copying-T100-paper, copying-T100-sab",
        ),
        (["long", "--peers"], "--peers compares speed"),
        (["sparse", "--models", "LSTM"], "measures SAB alone"),
        (["sparse", "--task", "adding"], "sparse measures copying with SAB 5/5/2"),
        (["--csv", os.path.join("no", "such", "folder.csv")], "there is no folder"),
    ],
)
def test_mistakes_end_in_one_line(arguments, message, capsys):
    assert cli.main(["bench", *TINY, *arguments]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and message in error[-1]


def test_threads_and_cores_are_set_before_numpy_loads(monkeypatch):
    seen = {}

    def fake(command, input, env, **others):
        seen.update(env=env, spec=json.loads(input))
        return type("Done", (), {"returncode": 0, "stdout": "[]", "stderr": ""})

    monkeypatch.setattr(processes.subprocess, "run", fake)
    processes.start(dict(measure="speed", threads=2))
    assert [seen["env"][f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS")] == ["2", "2", "1"]


def test_a_killed_measurement_is_a_mistake_that_says_what_to_do(monkeypatch):
    killed = type("Done", (), {"returncode": -9, "stdout": "", "stderr": ""})
    monkeypatch.setattr(processes.subprocess, "run", lambda *a, **k: killed)
    with pytest.raises(ValueError, match="not enough memory"):
        processes.start(dict(measure="memory", threads=1, T=5, B=2, H=4, backend="numpy", checkpoint=None))


def test_every_measurement_has_its_own_table_and_the_growth_its_lengths(monkeypatch, capsys):
    monkeypatch.setattr(bench, "measure", lambda spec: [{"model": "SAB", "step_ms": float(spec["T"] + 20)}])
    assert cli.main(["bench", "growth", "--T", "20", "60", "--models", "SAB"]) == 0
    said = capsys.readouterr()
    assert [line.split()[1] for line in said.out.splitlines() if line.startswith("SAB  ")] == ["40.0", "80.0"]
    assert said.out.endswith("SAB: step grows as T^1.00 from T=20 to 60 (x 2.0)\n")
    assert [line[:5] for line in said.err.splitlines()] == ["[1/2]", "[2/2]"]
