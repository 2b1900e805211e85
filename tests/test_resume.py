"""A run that is stopped or killed, and goes on, ends with the bits of a run that never was."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

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
    "240",
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
        kept[name] = (run, {key: rest[key] for key in rest if key not in ("params", "adam", *TIMES)})
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
        loop.train(replace(constant, seed=1), tmp_path / "run", resume=True)


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
    assert killed(tmp_path / "parts", 2, random.Random(1), 1.5) >= 1
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
    time.sleep(rng.uniform(0.0, 2.0))
    process.kill()
    process.wait()
    checkpoints.load_run(tmp_path / "parts")
    assert command(tmp_path / "parts", "--resume").wait() == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize("stops", [[8], [23, 25], [24], [29, 32, 33, 40]])
def test_a_fall_of_the_learning_rate_goes_on_where_it_was(tmp_path, stops, monkeypatch):
    measure = evaluation.measure
    monkeypatch.setattr(evaluation, "measure", lambda *args: measure(*args) | {"accuracy": 1.0})
    run = replace(SMALL, updates=100, stop_at=1.0, fall=16, schedule="cosine", decay_from=0.0, init="chrono")
    loop.train(run, tmp_path / "whole")
    for update in stops:
        with pytest.raises(KeyboardInterrupt):
            loop.train(run, tmp_path / "parts", resume=True, progress=Stop(update))
    loop.train(run, tmp_path / "parts", resume=True)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert len(contents(tmp_path / "parts")["history"]) == 5
