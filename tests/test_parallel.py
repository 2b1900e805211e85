"""Parts of the batch in processes give what the whole batch gives, in a step and in a run."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.training.checkpoints import first_state, load_run
from sab_numpy.training.loop import Clock, train
from sab_numpy.training.parallel import Team
from sab_numpy.training.run import Run

SETTINGS = {"lstm": dict(k_top=0), "sab": dict(k_trunc=3, k_top=2, k_att=2), "attention": dict(k_top=None)}


def whole(params, x, targets, cfg, mask=None, loss=sab.softmax_cross_entropy):
    y, tape = sab.forward(params, x, cfg)
    value, dy = loss(y, targets, mask)
    return value, sab.backward(dy, tape)


def assert_equal(found, expected):
    (loss, grads, _), (true_loss, true_grads) = found, expected
    assert abs(loss - true_loss) <= 1e-12 * abs(true_loss)
    assert list(grads) == list(true_grads)
    for name, g in true_grads.items():
        assert abs(grads[name] - g).max() <= 1e-12 * max(abs(g).max(), 1e-3), name


@pytest.mark.parametrize("setting, size", [*((setting, 3) for setting in SETTINGS), ("sab", 1), ("sab", 2)])
def test_parts_of_the_batch_equal_the_whole(setting, size):
    rng = np.random.default_rng(7)
    cfg = sab.Config(3, 5, 4, **SETTINGS[setting])
    with Team(cfg, size) as team:
        for mask in (None, rng.random((11, 7)) < 0.3, np.arange(7) + np.zeros((11, 1), int) > 4):  # new parameters each
            params = sab.init_params(cfg, rng)
            x, targets = rng.standard_normal((11, 7, 3)), rng.integers(0, 4, (11, 7))
            assert_equal(team.loss_and_gradients(params, x, targets, mask), whole(params, x, targets, cfg, mask))


def test_another_loss_and_symbols():
    rng = np.random.default_rng(8)
    cfg = sab.Config(3, 4, 2, k_trunc=2, k_top=1, k_att=1)
    params, x, targets = sab.init_params(cfg, rng), rng.integers(0, 3, (9, 5)), rng.standard_normal((9, 5, 2))
    mask = rng.random((9, 5, 2)) < 0.5
    with Team(cfg, 2, sab.mean_squared_error) as team:
        assert_equal(
            team.loss_and_gradients(params, x, targets, mask),
            whole(params, x, targets, cfg, mask, sab.mean_squared_error),
        )


def test_what_one_part_refuses_is_raised_and_the_team_goes_on():
    rng = np.random.default_rng(9)
    cfg = sab.Config.full_bptt(2, 3, 2)
    params, x, targets = sab.init_params(cfg, rng), rng.standard_normal((4, 5, 2)), rng.integers(0, 2, (4, 5))
    with Team(cfg, 2) as team:
        for column in (0, 4):  # of this process, of the other
            wrong = x.copy()
            wrong[1, column] = np.nan
            with pytest.raises(ValueError, match="x: expected finite numbers"):
                team.loss_and_gradients(params, wrong, targets)
        with pytest.raises(ValueError, match="x: expected at least 2 sequences, one a process, found 1"):
            team.loss_and_gradients(params, x[:, :1], targets[:, :1])
        assert_equal(team.loss_and_gradients(params, x, targets), whole(params, x, targets, cfg))
    with pytest.raises(ValueError, match="size: expected at least one process, found 0"):
        Team(cfg, 0)


def test_a_team_that_lost_a_process_says_so_and_goes_on_with_another():
    rng = np.random.default_rng(10)
    cfg = sab.Config.full_bptt(2, 3, 2)
    params, x, targets = sab.init_params(cfg, rng), rng.standard_normal((4, 5, 2)), rng.integers(0, 2, (4, 5))
    with Team(cfg, 2) as team:
        team.loss_and_gradients(params, x, targets)
        team.others[0][1].kill()
        with pytest.raises(ChildProcessError, match="a process that shared the batch has ended"):
            team.loss_and_gradients(params, x, targets)
        assert_equal(team.loss_and_gradients(params, x, targets), whole(params, x, targets, cfg))


def carry_all(tape):
    return tape.final_state


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_state_to_go_on_from_is_split_and_joined(setting):
    rng = np.random.default_rng(13)
    cfg = sab.Config(3, 5, 4, **SETTINGS[setting])
    params, x, targets = sab.init_params(cfg, rng), rng.standard_normal((2, 6, 5, 3)), rng.integers(0, 4, (2, 6, 5))
    _, first = sab.forward(params, x[0], cfg)
    y, second = sab.forward(params, x[1], cfg, state=first.final_state)
    expected = sab.softmax_cross_entropy(y, targets[1])
    expected = expected[0], sab.backward(expected[1], second)
    with Team(cfg, 2, carried=carry_all) as team:
        *_, state = team.loss_and_gradients(params, x[0], targets[0])
        found = team.loss_and_gradients(params, x[1], targets[1], state=state)
    assert_equal(found, expected)
    for name, value in second.final_state._asdict().items():
        assert np.allclose(getattr(found[2], name), value, rtol=0, atol=1e-13), name


class Awkward(Exception):
    """It is pickled, and cannot be unpickled."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def hard_to_please(y, targets, mask=None):
    if (targets == 1).all():
        raise Awkward("this", "that")
    return sab.softmax_cross_entropy(y, targets, mask)


def test_an_exception_that_cannot_travel_is_told_in_words_and_the_next_answer_is_right():
    rng = np.random.default_rng(11)
    cfg = sab.Config.full_bptt(2, 3, 2)
    params, x = sab.init_params(cfg, rng), rng.standard_normal((4, 6, 2))
    with Team(cfg, 3, hard_to_please) as team:
        for column in (0, 2, 4):
            targets = np.tile([[0, 1] * 3], (4, 1))
            targets[:, column : column + 2] = 1
            with pytest.raises(Exception, match="this and that"):
                team.loss_and_gradients(params, x, targets)
            targets = rng.integers(0, 2, (4, 6))
            targets[0] = 0
            assert_equal(team.loss_and_gradients(params, x, targets), whole(params, x, targets, cfg))


def interrupted_at(moment):
    threading.Timer(moment, os.kill, [os.getpid(), signal.SIGINT]).start()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no kill of one's own")
def test_after_a_ctrl_c_that_was_caught_every_answer_is_that_of_its_question():
    rng = np.random.default_rng(12)
    cfg = sab.Config(3, 24, 4, k_trunc=3, k_top=2, k_att=2)
    with Team(cfg, 2) as team:
        caught = 0
        for moment in np.linspace(0.002, 0.03, 6):
            try:
                interrupted_at(moment)
                for _ in range(10_000):
                    params, x = sab.init_params(cfg, rng), rng.standard_normal((20, 4, 3))
                    targets = rng.integers(0, 4, (20, 4))
                    team.loss_and_gradients(params, x, targets)
            except KeyboardInterrupt:
                caught += 1
            params, x, targets = sab.init_params(cfg, rng), rng.standard_normal((20, 4, 3)), rng.integers(0, 4, (20, 4))
            assert_equal(team.loss_and_gradients(params, x, targets), whole(params, x, targets, cfg))
        assert caught == 6


RUN = Run(T=6, updates=12, batch=5, hidden=7, k_trunc=3, k_top=2, k_att=2, dtype="float64", validate_every=5)
RUNS = {
    "sab": RUN,
    "lstm": replace(RUN, k_top=0),
    "adding": replace(RUN, task="adding"),
    "text": replace(RUN, task="text"),  # its state goes on from update to update
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_two_processes_and_one_that_changes_their_number_equal_a_run_on_one(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SAB_DATA", str(tmp_path))
    (tmp_path / "text.txt").write_bytes(bytes(range(256)) * 10)

    def stop(state, row):
        if state.update == 7:
            raise KeyboardInterrupt

    one = train(RUNS[name], tmp_path / "one")
    two = train(RUNS[name], tmp_path / "two", processes=2)
    with pytest.raises(KeyboardInterrupt):
        train(RUNS[name], tmp_path / "both", processes=2, progress=stop)
    both = train(RUNS[name], tmp_path / "both", resume=True)
    assert not active_children()
    for other in (two, both):
        for group in ("params", "adam", "carried"):
            for key, value in getattr(one, group).items():
                assert np.allclose(getattr(other, group)[key], value, rtol=1e-9, atol=1e-11), key
        assert [row["accuracy"] for row in other.history] == [row["accuracy"] for row in one.history]


LONG = ["--T", "50", "--updates", "100000", "--batch", "8", "--hidden", "16", "--checkpoint-every", "5", "--quiet"]


def begun(folder):
    """A long `sab train` on two processes, and the process that it started."""
    words = ["train", "copying", *LONG, "--processes", "2", "--out", str(folder)]
    run = subprocess.Popen([sys.executable, "-m", "sab_numpy", *words], stderr=subprocess.PIPE, text=True)
    while not (folder / "last.previous.npz").exists():  # five updates are done
        time.sleep(0.05)
        assert run.poll() is None
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    return run, [int(child) for child in children]


def alive(number):
    return Path(f"/proc/{number}").exists() and "Z" not in Path(f"/proc/{number}/stat").read_text().split()[2]


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="reads Linux's /proc")
@pytest.mark.parametrize("end, status", [("SIGINT", 130), ("SIGTERM", 130), ("SIGKILL", -9), ("a child", 1)])
def test_however_a_run_on_two_processes_ends_it_is_saved_and_nothing_is_left(tmp_path, end, status):
    run, children = begun(tmp_path)
    workers = [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert len(workers) == 1
    if end == "a child":
        os.kill(workers[0], signal.SIGKILL)
    else:
        run.send_signal(getattr(signal, end))
    said = run.communicate()[1]
    assert run.returncode == status and "Traceback" not in said
    if end == "a child":
        assert said.count("\n") == 1 and "has ended" in said and "--resume goes on" in said
    for _ in range(100):
        if not any(map(alive, children)):
            break
        time.sleep(0.05)
    assert not any(map(alive, children))
    state = load_run(tmp_path)[1]
    assert state.update >= 5 and all(np.isfinite(value).all() for value in state.params.values())
    assert state.update == state.adam["step"]


def test_the_processor_time_of_a_run_is_that_of_all_its_processes():
    run = Run(T=3, hidden=4, batch=2)
    with Team(run.config(), 2) as team:
        clock = Clock(first_state(run), team)
        team.seconds += 1000  # as if the other had worked so long
        state = clock.read(first_state(run))
    assert 1000 <= state.cpu_seconds < 1100 and state.seconds < 100


def test_processes_that_cannot_be_are_one_line(tmp_path, capsys):
    for number, message in (("9", "processes: expected 1 to the batch of 8"), ("0", "--processes: expected")):
        words = ["train", "copying", "--batch", "8", "--processes", number, "--out", str(tmp_path / "run")]
        assert cli.main(words) == 2
        assert message in capsys.readouterr().err and not (tmp_path / "run").exists()
