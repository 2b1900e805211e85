"""Ranks of MPI give what one process gives: with a stand-in for MPI in threads, and with mpiexec where it is."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_parallel import RUN, RUNS, SETTINGS, assert_equal, carry_all, hard_to_please, whole

import sab_numpy as sab
from sab_numpy.training import parallel
from sab_numpy.training.checkpoints import load_run
from sab_numpy.training.loop import train
from sab_numpy.training.parallel import Ranks
from sab_numpy.training.run import Run


class Threads:
    """As much of an MPI communicator as we use; the ranks are threads."""

    def __init__(self, rank, size, meet, board):
        self.rank, self.size, self.meet, self.board = rank, size, meet, board

    def gather(self, item):
        self.board[self.rank] = item
        self.meet.wait()
        found = list(self.board)
        self.meet.wait()
        return None if self.rank else found

    def scatter(self, items):
        self.meet.wait()
        if not self.rank:
            self.board[:] = items
        self.meet.wait()
        return self.board[self.rank]

    def Bcast(self, buffer):
        buffer[:] = self.scatter([buffer.copy()] * self.size)

    def Reduce(self, part, total):
        if (parts := self.gather(part.copy())) is not None:
            total[:] = sum(parts)

    def Abort(self, status):
        self.meet.abort()


@pytest.fixture
def ranks(monkeypatch):
    """ranks(n): the communicator of n ranks, at rank 0; the others serve in threads."""

    def in_the_main_thread(*handler, set_to=signal.signal):
        return set_to(*handler) if threading.current_thread() is threading.main_thread() else None

    monkeypatch.setattr(parallel, "_prepare", lambda: None)
    monkeypatch.setattr(signal, "signal", in_the_main_thread)
    started = []

    def start(size):
        meet, board = threading.Barrier(size, timeout=60), [None] * size
        comms = [Threads(rank, size, meet, board) for rank in range(size)]
        others = [threading.Thread(target=parallel._serve, args=(comm,), daemon=True) for comm in comms[1:]]
        started.append((comms[0], others))
        for other in others:
            other.start()
        return comms[0]

    yield start
    for comm, others in started:
        with contextlib.suppress(RuntimeError):  # a test that loses a rank
            comm.scatter([None] * comm.size)
        for other in others:
            other.join()


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("setting", SETTINGS)
def test_unequal_parts_of_the_batch_equal_the_whole_and_all_ranks_compute_with_the_same_bits(
    setting, size, ranks, monkeypatch
):
    seen, part = [], parallel._part
    monkeypatch.setattr(parallel, "_part", lambda *a: seen.append((a[4], a[5].shape[1])) or part(*a))
    rng = np.random.default_rng(7)
    cfg = sab.Config(3, 5, 4, **SETTINGS[setting])
    team = Ranks(cfg, ranks(size))
    for mask in (None, rng.random((11, 7)) < 0.3, np.arange(7) + np.zeros((11, 1), int) > 4):  # new parameters each
        params = sab.init_params(cfg, rng)
        x, targets = rng.standard_normal((11, 7, 3)), rng.integers(0, 4, (11, 7))
        assert_equal(team.loss_and_gradients(params, x, targets, mask), whole(params, x, targets, cfg, mask))
        assert sorted(B for _, B in seen) == {2: [3, 4], 3: [2, 2, 3]}[size]
        assert all((given[name] == params[name]).all() for given, _ in seen for name in params)
        seen.clear()


def test_the_state_of_a_text_is_split_and_joined(ranks):
    rng = np.random.default_rng(13)
    cfg = sab.Config(3, 5, 4, **SETTINGS["sab"])
    params, x, targets = sab.init_params(cfg, rng), rng.standard_normal((2, 6, 5, 3)), rng.integers(0, 4, (2, 6, 5))
    _, first = sab.forward(params, x[0], cfg)
    y, second = sab.forward(params, x[1], cfg, state=first.final_state)
    loss, dy = sab.softmax_cross_entropy(y, targets[1])
    team = Ranks(cfg, ranks(3), carried=carry_all)
    *_, state = team.loss_and_gradients(params, x[0], targets[0])
    assert_equal(team.loss_and_gradients(params, x[1], targets[1], state=state), (loss, sab.backward(dy, second)))


def test_what_one_rank_refuses_is_raised_and_the_next_answer_is_right(ranks):
    rng = np.random.default_rng(11)
    cfg = sab.Config.full_bptt(2, 3, 2)
    params, x = sab.init_params(cfg, rng), rng.standard_normal((4, 6, 2))
    team = Ranks(cfg, ranks(3), hard_to_please)
    for column in (0, 2, 4):
        targets = np.tile([[0, 1] * 3], (4, 1))
        targets[:, column : column + 2] = 1
        with pytest.raises(Exception, match="this and that"):
            team.loss_and_gradients(params, x, targets)
        targets[0] = 0
        assert_equal(team.loss_and_gradients(params, x, targets), whole(params, x, targets, cfg))


def test_a_ctrl_c_waits_for_the_end_of_the_turn(ranks, monkeypatch):
    rng = np.random.default_rng(14)
    cfg = sab.Config.full_bptt(2, 3, 2)
    params, x, targets = sab.init_params(cfg, rng), rng.standard_normal((4, 5, 2)), rng.integers(0, 2, (4, 5))
    part = parallel._part

    def interrupted(*job):
        if threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)
        return part(*job)

    monkeypatch.setattr(parallel, "_part", interrupted)
    team = Ranks(cfg, ranks(2))
    with pytest.raises(KeyboardInterrupt):
        team.loss_and_gradients(params, x, targets)
    monkeypatch.setattr(parallel, "_part", part)
    assert_equal(team.loss_and_gradients(params, x, targets), whole(params, x, targets, cfg))


@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_two_ranks_equals_a_run_on_one_process(name, ranks, tmp_path, monkeypatch):
    monkeypatch.setenv("SAB_DATA", str(tmp_path))
    (tmp_path / "text.txt").write_bytes(bytes(range(256)) * 10)
    one = train(RUNS[name], tmp_path / "one")
    assert_same_run(one, train(RUNS[name], tmp_path / "two", processes=ranks(2)))


def test_a_run_that_loses_a_rank_is_saved_and_goes_on(ranks, tmp_path, monkeypatch, capsys):
    asked, part = [], parallel._part

    def killed(*job):
        asked.append(job)
        if len(asked) > 14 and threading.current_thread() is not threading.main_thread():
            raise SystemExit  # as far as the others can see
        return part(*job)

    monkeypatch.setattr(parallel, "_part", killed)
    with pytest.raises(ChildProcessError, match="a process that shared the batch has ended"):
        train(RUN, tmp_path, processes=ranks(2))
    assert "SystemExit" in capsys.readouterr().err
    monkeypatch.setattr(parallel, "_part", part)
    assert load_run(tmp_path)[1].update == 7
    assert_same_run(train(RUN, tmp_path / "one"), train(RUN, tmp_path, resume=True, processes=ranks(2)))


def assert_same_run(one, other):
    for group in ("params", "adam", "carried"):
        for key, value in getattr(one, group).items():
            assert np.allclose(getattr(other, group)[key], value, rtol=1e-9, atol=1e-11), key
    assert [row["accuracy"] for row in other.history] == [row["accuracy"] for row in one.history]


# ---- mpiexec


def reason():
    """Why there is no mpiexec here, or ""."""
    try:
        from mpi4py import MPI  # noqa: F401
    except (ImportError, RuntimeError):
        return 'mpi4py or its MPI is missing: pip install "sab_numpy[mpi]"'
    return "" if MPIEXEC else "mpiexec is missing"


MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
AS_ROOT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
with_mpi = pytest.mark.skipif(bool(reason()), reason=reason() or "it is there")


def mpiexec(n, *words):
    return subprocess.Popen(
        [MPIEXEC, "-n", str(n), sys.executable, "-m", "sab_numpy", *map(str, words)],
        env=os.environ | AS_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@with_mpi
@pytest.mark.parametrize("n", [2, 3])
def test_mpiexec_trains_what_one_process_trains_and_another_number_goes_on(n, tmp_path):
    one = train(RUN, tmp_path / "one")
    for run, more in ((replace(RUN, updates=10), []), (RUN, ["--resume"])):
        process = mpiexec(n, *run.command(tmp_path / "many")[1:], *more)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
        assert said.count(f"{n} processes share each batch") == 1 and said.count("12/12") == bool(more)
    assert_same_run(one, load_run(tmp_path / "many")[1])


@with_mpi
@pytest.mark.parametrize("end", ["a rank", "rank 0", "SIGINT", "SIGTERM"])
def test_however_ranks_end_none_is_left_and_the_run_goes_on(end, tmp_path):
    run = Run(T=50, updates=100_000, batch=8, hidden=16, checkpoint_every=5)
    process = mpiexec(2, *run.command(tmp_path)[1:])
    while not (tmp_path / "last.previous.npz").exists():
        time.sleep(0.05)
        assert process.poll() is None, process.communicate()
    found = ranks_below(process.pid)
    assert sorted(found) == [0, 1]
    if end in ("a rank", "rank 0"):
        os.kill(found[end == "a rank"], signal.SIGKILL)
    else:
        process.send_signal(getattr(signal, end))
    said = process.communicate(timeout=60)[0]
    assert process.returncode != 0 and "Traceback" not in said
    assert "signal 9" in said or "has ended" in said or "rank" not in end
    for _ in range(200):
        if not any(Path(f"/proc/{number}").exists() for number in found.values()):
            break
        time.sleep(0.05)
    assert not any(Path(f"/proc/{number}").exists() for number in found.values())
    state = load_run(tmp_path)[1]
    assert state.update >= 5 and state.update == state.adam["step"]

    def stop(later, row):
        if later.update == state.update + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, tmp_path, resume=True, progress=stop)
    assert load_run(tmp_path)[1].update == state.update + 2


def ranks_below(number):
    """{rank: process number} of those that mpiexec, process `number`, started (Linux)."""
    found = {}
    for task in Path(f"/proc/{number}/task").iterdir():
        for child in (task / "children").read_text().split():
            variables = Path(f"/proc/{child}/environ").read_bytes().decode().split("\0")
            variables = dict(one.split("=", 1) for one in variables if "=" in one)
            rank = variables.get("OMPI_COMM_WORLD_RANK", variables.get("PMI_RANK"))
            found |= ranks_below(child) if rank is None else {int(rank): int(child)}
    return found


@with_mpi
@pytest.mark.parametrize(
    "words, message",
    [
        ("train copying --nonsense", "unrecognized arguments"),
        ("train copying --batch 1", "expected 1 to the batch of 1, 1 on a GPU, found 2"),
        ("train copying --processes 2", "expected none where mpiexec has started 2"),
        ("reproduce copying --table", "mpiexec is for sab train"),
    ],
)
def test_a_mistake_under_mpiexec_is_one_line_of_ours(words, message, tmp_path):
    process = mpiexec(2, *words.split(), *(["--out", tmp_path / "run"] if "train" in words else []))
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 2 and not (tmp_path / "run").exists()
    lines = [line for line in said.splitlines() if line.startswith("sab")]
    assert len(lines) == 1 and message in lines[0]


@pytest.mark.parametrize("variables", ["OMPI_COMM_WORLD", "PMI"])
def test_ranks_without_mpi4py_are_told_what_to_install_once(variables, tmp_path):
    said = ""
    code = "import sys; sys.modules['mpi4py'] = None; from sab_numpy import cli; sys.exit(cli.main(sys.argv[1:]))"
    for rank in "01":
        more = {f"{variables}_SIZE": "2", f"{variables}_RANK": rank}
        words = ["train", "copying", "--out", str(tmp_path / "run")]
        done = subprocess.run(
            [sys.executable, "-c", code, *words], env=os.environ | more, capture_output=True, text=True
        )
        assert done.returncode == 2 and not (tmp_path / "run").exists()
        said += done.stderr
    assert (
        said
        == 'sab train: mpiexec started 2 processes, and mpi4py or its MPI is missing: pip install "sab_numpy[mpi]"\n'
    )
