"""A run that is stopped or killed, and goes on, ends with the bits of a run that never was."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sab_numpy import cli
from sab_numpy.paper import results
from sab_numpy.support import files
from sab_numpy.training import checkpoints, evaluation, loop
from sab_numpy.training.run import Run

SMALL = Run(
    T=6,
    min_length=2,
    updates=30,
    batch=8,
    hidden=12,
    k_trunc=3,
    k_top=2,
    k_att=2,
    validate_every=8,
    checkpoint_every=3,
    validation_sequences=10,
    schedule="cosine",
    warmup=5,
)
OPTIONS = [
    "--T",
    "20",
    "--min-length",
    "5",
    "--updates",
    "120",
    "--batch",
    "8",
    "--hidden",
    "16",
    "--k-att",
    "5",
    "--validate-every",
    "20",
    "--checkpoint-every",
    "7",
    "--validation-sequences",
    "16",
    "--schedule",
    "cosine",
]
TIMES = ("seconds", "cpu_seconds")


def contents(folder):
    """All that a run leaves, but for the times."""
    kept = {}
    for name in ("last", "best"):
        run, state = checkpoints.load_run(folder, name)
        rest = state._asdict()
        kept[name] = (run, {key: rest[key] for key in rest if key not in ("params", "adam", "history", *TIMES)})
        kept |= {
            f"{name}.{group}.{key}": np.asarray(value).tobytes()
            for group in ("params", "adam")
            for key, value in rest[group].items()
        }
    rows = files.read_rows(os.path.join(folder, "history.csv"))
    return kept | {"history": [{key: row[key] for key in row if key not in TIMES} for row in rows]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run leaves that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    loop.train(SMALL, folder / "run")
    return contents(folder / "run")


class Stop:
    """Raise KeyboardInterrupt once, after a given update."""

    def __init__(self, update):
        self.update = update

    def __call__(self, state, row):
        if state.update == self.update:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stops", [[1], [8], [7, 9], [24, 29], [3, 4, 5, 16]])
def test_a_run_that_is_stopped_and_goes_on_has_the_same_bits(tmp_path, whole, stops):
    for update in stops:
        with pytest.raises(KeyboardInterrupt):
            loop.train(SMALL, tmp_path / "parts", resume=True, progress=Stop(update))
    loop.train(SMALL, tmp_path / "parts", resume=True)
    assert contents(tmp_path / "parts") == whole


@pytest.mark.parametrize("call", range(1, 12))
def test_a_stop_at_any_write_loses_and_doubles_nothing(tmp_path, whole, monkeypatch, call):
    """The worst moments: just before and just after each of the first files is renamed."""
    replace_file, calls = os.replace, []

    def interrupted(source, target):
        calls.append(target)
        if len(calls) == call and call % 2:
            raise KeyboardInterrupt
        replace_file(source, target)
        if len(calls) == call:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.train(SMALL, tmp_path / "parts")
    monkeypatch.undo()
    loop.train(SMALL, tmp_path / "parts", resume=True)
    assert contents(tmp_path / "parts") == whole
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [
        "best.npz",
        "history.csv",
        "last.npz",
        "last.npz.lock",
        "last.previous.npz",
    ]


def test_a_forgotten_moment_of_adam_would_be_seen(tmp_path, whole):
    """Planted: a checkpoint without Adam's second moments resumes to other bits."""
    with pytest.raises(KeyboardInterrupt):
        loop.train(SMALL, tmp_path / "parts", progress=Stop(10))
    run, state = checkpoints.load_run(tmp_path / "parts")
    adam = {name: np.zeros_like(value) if name.startswith("v_") else value for name, value in state.adam.items()}
    checkpoints.save(tmp_path / "parts" / "last.npz", run, state._replace(adam=adam))
    loop.train(SMALL, tmp_path / "parts", resume=True)
    assert contents(tmp_path / "parts") != whole


def test_more_updates_at_a_constant_rate_go_on_and_other_changes_are_refused(tmp_path):
    constant = replace(SMALL, schedule="constant", updates=16)
    loop.train(constant, tmp_path / "run")
    longer = loop.train(replace(constant, updates=24), tmp_path / "run", resume=True)
    straight = loop.train(replace(constant, updates=24), tmp_path / "straight")
    assert longer.update == 24 and all((longer.params[name] == straight.params[name]).all() for name in straight.params)
    with pytest.raises(ValueError, match="seed is 0 in the saved run, found 1"):
        loop.train(replace(constant, updates=24, seed=1), tmp_path / "run", resume=True)


def test_fewer_updates_than_the_saved_run_has_are_refused_and_its_record_stays(tmp_path, capsys):
    loop.train(replace(SMALL, schedule="constant"), tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert cli.main(["train", "--resume", "--updates", "1", "--out", str(tmp_path / "run")]) == 2
    assert "updates is 30 in the saved run, found 1" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("stop", [4, 16, 27])
@pytest.mark.parametrize("harm", [Path.unlink, cut, flip])
def test_a_damaged_last_checkpoint_is_recovered_from_the_one_before_it(tmp_path, whole, stop, harm, capsys):
    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        loop.train(SMALL, folder, progress=Stop(stop))
    harm(folder / "last.npz")
    if harm is not Path.unlink:
        assert cli.main(["evaluate", str(folder)]) == 2
        assert "sab train --resume" in capsys.readouterr().err
    assert cli.main(["train", "--resume", "--quiet", "--out", str(folder)]) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "last.npz" in said and "going on from update" in said
    assert contents(folder) == whole
    assert (folder / "last.damaged.npz").exists() == (harm is not Path.unlink)


def test_two_damaged_checkpoints_are_refused_and_nothing_is_removed(tmp_path, capsys):
    loop.train(SMALL, tmp_path)
    for name in ("last.npz", "last.previous.npz"):
        cut(tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for gone in ("last.npz", "last.previous.npz"):
        assert cli.main(["train", "copying", "--resume", "--out", str(tmp_path)]) == 2
        said = capsys.readouterr().err
        assert all(word in said for word in ("last.npz: ", "last.previous.npz: ", "nothing is removed unless --force"))
        assert said.count("\n") == 1
        assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}
        before.pop(tmp_path / gone)
        (tmp_path / gone).unlink()
    assert cli.main(["train", "copying", "--resume", "--out", str(tmp_path)]) == 2  # best.npz and history.csv alone
    assert "nothing is removed unless --force" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


SPOILT = {
    "cut": lambda text: text[:-9],
    "without its second row": lambda text: "".join(line for n, line in enumerate(text.splitlines(True)) if n != 2),
    "of a spreadsheet": lambda text: "\ufeff" + text.replace(",", ";").replace("\n", "\r\n"),
    "foreign": lambda text: "student,points\nana,3\n",
    "empty": lambda text: "",
}
CHANGED = {"with another number": lambda text: re.sub(r",0\.\d+", ",0.999", text)}  # that nothing in it gives away


@pytest.mark.parametrize("spoilt", [*SPOILT, *CHANGED])
@pytest.mark.parametrize("stop", [20, SMALL.updates])
def test_a_history_that_was_spoilt_is_written_again_from_the_checkpoint(tmp_path, whole, spoilt, stop):
    with contextlib.suppress(KeyboardInterrupt):
        loop.train(SMALL, tmp_path / "parts", progress=Stop(stop))
    path = tmp_path / "parts" / "history.csv"
    path.write_text((SPOILT | CHANGED)[spoilt](path.read_text()), encoding="utf-8", newline="")
    loop.train(SMALL, tmp_path / "parts", resume=True)
    assert contents(tmp_path / "parts") == whole


def test_what_a_run_came_to_is_read_from_its_checkpoint_not_from_its_history(tmp_path):
    loop.train(SMALL, tmp_path / "run")
    path, before = tmp_path / "run" / "history.csv", results.result(tmp_path / "run")
    text = path.read_text()
    path.write_text(CHANGED["with another number"](text))
    assert path.read_text() != text
    assert results.result(tmp_path / "run")["updates_to_999"] == before["updates_to_999"] == ""
    row = results.keep(tmp_path / "run", tmp_path / "data", tmp_path / "runs")
    assert (tmp_path / "data" / "curves" / f"{row['name']}.csv").read_text() == text


def of_an_earlier_version(folder):
    """Checkpoints as they were before: no rows in them, no checksum."""
    for path in folder.glob("*.npz"):
        arrays, meta = files.load_arrays(path)
        del meta["state"]["history"]
        np.savez(path, __meta__=np.array(json.dumps(meta)), **arrays)


def test_an_earlier_checkpoint_goes_on_to_the_same_bits(tmp_path, whole):
    with pytest.raises(KeyboardInterrupt):
        loop.train(SMALL, tmp_path / "parts", progress=Stop(20))
    of_an_earlier_version(tmp_path / "parts")
    loop.train(SMALL, tmp_path / "parts", resume=True)
    assert contents(tmp_path / "parts") == whole


@pytest.mark.parametrize("spoilt", SPOILT)
def test_with_an_earlier_checkpoint_a_spoilt_history_is_refused(tmp_path, spoilt):
    with pytest.raises(KeyboardInterrupt):
        loop.train(SMALL, tmp_path, progress=Stop(20))
    of_an_earlier_version(tmp_path)
    path = tmp_path / "history.csv"
    path.write_text(SPOILT[spoilt](path.read_text()), encoding="utf-8", newline="")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="history.csv") as caught:
        loop.train(SMALL, tmp_path, resume=True)
    assert "\n" not in str(caught.value) and ("line" in str(caught.value) or "update" in str(caught.value))
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_what_a_killed_writer_left_is_removed_at_the_next_start(tmp_path):
    (tmp_path / ".tmp-last.npz-abc").write_bytes(b"half")
    loop.train(SMALL, tmp_path, resume=True)
    assert not list(tmp_path.glob(".tmp-*"))


def command(folder, *more):
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "sab_numpy", "train", "copying", *OPTIONS, "--quiet", "--out", str(folder), *more],
        env=os.environ | threads,
        stdout=subprocess.DEVNULL,
    )


def killed(folder, kills, rng, longest):
    """Kill a run at `kills` random moments, going on after each, then let it end; how many kills met it alive."""
    folder.mkdir()
    met = 0
    for _ in range(kills):
        process = command(folder, "--resume")
        time.sleep(rng.uniform(0.0, longest))
        met += process.poll() is None
        process.send_signal(signal.SIGKILL) if process.poll() is None else None
        process.wait()
        for name in ("last", "best"):  # no kill leaves a file that cannot be read
            if (folder / f"{name}.npz").exists():
                checkpoints.load_run(folder, name)
    assert command(folder, "--resume").wait() == 0
    return met


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_run_killed_twice_equals_a_run_never_killed(tmp_path):
    assert command(tmp_path / "whole").wait() == 0
    assert killed(tmp_path / "parts", 2, random.Random(1), 0.7) >= 1
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
@pytest.mark.parametrize("seed", range(20))
def test_twenty_runs_killed_at_random_moments_equal_runs_never_killed(tmp_path, seed):
    assert command(tmp_path / "whole", "--seed", str(seed)).wait() == 0
    rng = random.Random(seed)
    (tmp_path / "parts").mkdir()
    process = command(tmp_path / "parts", "--seed", str(seed))
    while not (tmp_path / "parts" / "last.npz").exists():
        time.sleep(0.01)
    time.sleep(rng.uniform(0.0, 1.0))
    process.kill()
    process.wait()
    checkpoints.load_run(tmp_path / "parts")
    assert command(tmp_path / "parts", "--resume").wait() == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize("stops", [[8], [23, 25], [24], [29, 32, 33, 40]])
def test_a_fall_of_the_learning_rate_goes_on_where_it_was(tmp_path, stops, monkeypatch):
    whole = evaluation.mean_metrics
    right = lambda *args, **named: (whole(*args, **named)[0] | {"accuracy": 1.0}, 0)  # noqa: E731
    monkeypatch.setattr(evaluation, "mean_metrics", right)
    run = replace(
        SMALL, updates=100, stop_at=1.0, fall=16, schedule="cosine", decay_from=0.0, init="chrono", k_att=1, budget=3
    )
    loop.train(run, tmp_path / "whole")
    for update in stops:
        with pytest.raises(KeyboardInterrupt):
            loop.train(run, tmp_path / "parts", resume=True, progress=Stop(update))
    loop.train(run, tmp_path / "parts", resume=True)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert len(contents(tmp_path / "parts")["history"]) == 5
