"""Training learns, keeps its word about what it writes, and answers bad input with one line."""

import csv
import os
from dataclasses import replace
from glob import glob
from types import SimpleNamespace

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.cli import sample as sample_command
from sab_numpy.core import backend, optim
from sab_numpy.support import files, threads
from sab_numpy.tasks import copying, stream
from sab_numpy.training import checkpoints, evaluation, loop
from sab_numpy.training.checkpoints import TrainingState
from sab_numpy.training.run import Run

BEGUN = TrainingState({}, {})

TINY = Run(
    T=4,
    min_length=2,
    updates=24,
    batch=8,
    hidden=12,
    k_trunc=3,
    k_top=2,
    k_att=2,
    validate_every=8,
    validation_sequences=10,
    seed=3,
)
OPTIONS = [
    "--T",
    "4",
    "--updates",
    "6",
    "--batch",
    "4",
    "--hidden",
    "8",
    "--validate-every",
    "3",
    "--validation-sequences",
    "5",
    "--quiet",
]


def rows(folder):
    with open(folder / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_training_learns_to_copy_over_a_short_wait(tmp_path):
    easy = Run(
        T=1,
        updates=200,
        batch=32,
        hidden=32,
        k_trunc=10,
        k_top=2,
        k_att=5,
        empty_slots=1,
        lr=1e-2,
        validate_every=100,
        validation_sequences=64,
        seed=1,
    )
    assert loop.train(easy, tmp_path / "run").best > 0.25  # chance is 0.125


def test_history_has_a_row_for_every_validation(tmp_path):
    loop.train(TINY, tmp_path / "run")
    history = rows(tmp_path / "run")
    assert [row["update"] for row in history] == ["8", "16", "24"]
    for row in history:
        for name in (
            "seconds",
            "cpu_seconds",
            "loss",
            "gradient_norm",
            "gradient_norm_max",
            "lr",
            "accuracy",
            "ce10",
            "ce",
            "max_abs_h",
            "recalls_empty",
            "recalls_input",
        ):
            assert np.isfinite(float(row[name])), name
        assert float(row["gradient_norm"]) <= float(row["gradient_norm_max"])


def test_a_row_holds_the_means_of_its_window_and_the_last_may_be_shorter(tmp_path, monkeypatch):
    def kept(place, name, part, values):
        real = getattr(place, name)

        def keeps(*args, **named):
            found = real(*args, **named)
            values.append(float(found[part]))
            return found

        monkeypatch.setattr(place, name, keeps)
        return values

    losses, norms = kept(copying, "loss", 0, []), kept(optim, "adam_step", 2, [])
    loop.train(replace(TINY, updates=11), tmp_path / "run")
    for row, end, window in zip(rows(tmp_path / "run"), ("8", "11"), (slice(0, 8), slice(8, 11)), strict=True):
        found = [float(row[name]) for name in ("loss", "gradient_norm", "gradient_norm_max")]
        expected = [np.mean(losses[window]), np.mean(norms[window]), max(norms[window])]
        assert row["update"] == end and found == pytest.approx(expected, rel=1e-6)


def test_last_is_the_last_state_and_best_the_best_on_validation_and_evaluate_tests_either(tmp_path):
    state = loop.train(TINY, tmp_path / "run")
    run, last = checkpoints.load_run(tmp_path / "run")
    assert run == TINY and last.update == 24
    for name, value in state.params.items():
        assert (last.params[name] == value).all()
    accuracies = [float(row["accuracy"]) for row in rows(tmp_path / "run")]
    _, best = checkpoints.load_run(tmp_path / "run", "best")
    assert best.update == 8 * (1 + int(np.argmax(accuracies)))
    found, _ = evaluation.mean_metrics(best.params, run.config(), copying, run.T, 10, stream(run.seed, "validation"))
    assert found["accuracy"] == max(accuracies) and best.update < 24
    for name, own in (("last", last), ("best", best)):
        for row in evaluation.evaluate(tmp_path / "run", [3, 6], 20, best=name == "best"):
            rng = stream(run.seed, "test", row["T"])
            found, _ = evaluation.mean_metrics(own.params, run.config(), copying, row["T"], 20, rng)
            assert found.items() <= row.items(), (name, row["T"])


def test_one_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    first, again = (loop.train(TINY, tmp_path / name) for name in ("first", "again"))
    other = loop.train(replace(TINY, seed=4), tmp_path / "other")
    for name in first.params:
        assert (first.params[name] == again.params[name]).all()
    assert (first.params["W_h"] != other.params["W_h"]).any()


def test_an_update_is_forward_loss_backward_and_adam(tmp_path):
    """Written out once more: the batch of the update's own stream, its gradient, clipped, one step of Adam."""
    run = replace(TINY, updates=1, dtype="float64", clip=0.01)
    state = loop.train(run, tmp_path / "run")
    params, rng = checkpoints.first_parameters(run), stream(run.seed, "training", 0)
    x, targets = copying.sequences(rng.integers(2, 5), 8, rng)
    y, tape = sab.forward(params, x, run.config())
    _, dy = sab.softmax_cross_entropy(y, targets)
    grads = sab.backward(dy, tape)
    norm = np.sqrt(sum((grad**2).sum() for grad in grads.values()))
    for name, grad in grads.items():
        grad = grad * 0.01 / norm
        step = 1e-3 * grad / (np.abs(grad) + 1e-8)  # Adam's first step
        np.testing.assert_allclose(params[name] - step, state.params[name], rtol=1e-6, atol=1e-12)


def test_the_learning_rate_rises_stays_and_falls():
    run = replace(TINY, updates=1000, lr=0.5, schedule="cosine", warmup=100, decay_from=0.4, final_lr_ratio=0.1)
    rates = np.array([run.learning_rate(update, BEGUN) for update in range(1000)])
    assert rates[0] == pytest.approx(0.005) and rates[99] == pytest.approx(0.5)
    assert (rates[99:401] == 0.5).all()
    assert (np.diff(rates[400:]) < 0).all() and rates[-1] == pytest.approx(0.05)
    assert rates[700] == pytest.approx(0.275, abs=1e-3)  # half way down
    early = replace(run, first_lr_ratio=0.25)
    assert {early.learning_rate(update, BEGUN) for update in range(25)} == {0.125} and early.learning_rate(
        29, BEGUN
    ) == 0.15


def test_a_constant_learning_rate_is_constant():
    assert {replace(TINY, lr=0.5).learning_rate(update, BEGUN) for update in range(24)} == {0.5}


def test_every_length_is_drawn_alike():
    run = replace(TINY, T=30, min_length=5)
    drawn = [run.length(stream(0, "training", update)) for update in range(5000)]
    assert np.bincount(drawn, minlength=31)[5:].min() > 120 and min(drawn) == 5 and max(drawn) == 30
    assert replace(TINY, min_length=4).length(stream(0, "training", 0)) == 4


def test_two_trainings_cannot_write_one_folder(tmp_path, capsys):
    loop.train(TINY, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with files.lock(tmp_path / "run" / "last.npz"):  # as another process would
        for option in (["--resume"], ["copying", "--force", *OPTIONS]):
            assert cli.main(["train", "--out", str(tmp_path / "run"), *option, "--quiet"]) == 2
            said = capsys.readouterr().err
            assert f"another process is at work on it (process {os.getpid()}); try again" in said
            assert said.count("\n") == 1
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}


def test_training_stops_after_three_good_validations(tmp_path):
    state = loop.train(replace(TINY, updates=200, stop_at=1e-9), tmp_path / "run")
    assert state.update == 24


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_state_before_it(tmp_path, monkeypatch):
    def loss(y, targets):
        value, dy = sab.softmax_cross_entropy(y, targets)
        calls.append(value)
        return (float("nan"), dy * np.nan) if len(calls) == 6 else (value, dy)

    calls = []
    monkeypatch.setattr(copying, "loss", loss)
    with pytest.raises(loop.Diverged, match="update 6 has loss nan"):
        loop.train(TINY, tmp_path / "run")
    _, state = checkpoints.load_run(tmp_path / "run")
    assert state.update == 5 and all(np.isfinite(value).all() for value in state.params.values())
    whole = loop.train(TINY, tmp_path / "run", resume=True)  # the sixth call is over: it can go on
    assert whole.update == 24


def test_a_diverged_run_is_one_line_and_exit_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(copying, "loss", lambda y, targets: (float("inf"), np.zeros_like(y)))
    assert cli.main(["train", "copying", *OPTIONS, "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "algorithm, expected", [("sab", (5, 5)), ("bptt", (None, 0)), ("tbptt", (5, 0)), ("attention", (None, None))]
)
def test_an_algorithm_is_two_numbers(tmp_path, algorithm, expected):
    assert cli.main(["train", "copying", *OPTIONS, "--algorithm", algorithm, "--out", str(tmp_path / "run")]) == 0
    run, _ = checkpoints.load_run(tmp_path / "run")
    assert (run.k_trunc, run.k_top) == expected
    assert cli.main(["evaluate", str(tmp_path / "run"), "--T", "3", "9", "--sequences", "20"]) == 0


def test_switches_and_numbers_reach_the_run(tmp_path):
    options = [
        "--k-trunc",
        "none",
        "--k-top",
        "3",
        "--no-mental-updates",
        "--dense-forward",
        "--empty-slots",
        "2",
        "--lr",
        "0.01",
        "--dtype",
        "float64",
        "--stop-at",
        "0.9",
    ]
    assert cli.main(["train", "copying", *OPTIONS, *options, "--out", str(tmp_path / "run")]) == 0
    run, state = checkpoints.load_run(tmp_path / "run")
    assert (run.k_trunc, run.k_top, run.mental_updates, run.dense_forward, run.empty_slots) == (None, 3, False, True, 2)
    assert (run.lr, run.stop_at, state.params["W_h"].dtype) == (0.01, 0.9, np.float64)


def test_ctrl_c_is_one_line_and_saves(tmp_path, monkeypatch, capsys):
    def interrupted(run, cfg, problem, state):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "validate", interrupted)  # after the third update
    assert cli.main(["train", "copying", *OPTIONS, "--out", str(tmp_path)]) == 130
    assert "--resume goes on" in capsys.readouterr().err
    assert checkpoints.load_run(tmp_path)[1].update == 3


@pytest.mark.parametrize("asked, expected", [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_one_thread_unless_the_environment_says_otherwise(monkeypatch, asked, expected):
    import ctypes

    libraries = glob(os.path.dirname(np.__file__) + ".libs/*openblas64*")
    if not libraries or not hasattr(ctypes.CDLL(libraries[0]), "scipy_openblas_get_num_threads64_"):
        pytest.skip("another BLAS")
    library = ctypes.CDLL(libraries[0])
    before = library.scipy_openblas_get_num_threads64_()
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    try:
        library.scipy_openblas_set_num_threads64_(2)
        threads.one_thread()
        assert library.scipy_openblas_get_num_threads64_() == expected
    finally:
        library.scipy_openblas_set_num_threads64_(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    loop.train(replace(TINY, updates=8), folder)
    return folder


def test_evaluate_prints_a_row_for_each_length(trained, capsys):
    assert cli.main(["evaluate", str(trained), "--T", "4", "50", "--sequences", "30"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["4", "50"]


def test_sample_says_what_it_reads_and_what_it_recalls(trained, capsys):
    assert cli.main(["sample", str(trained), "--T", "6", "--number", "1"]) == 0
    said = capsys.readouterr().out
    assert "reads" in said and "should say" in said and "of 10 right" in said and "recalls" in said


def test_recalls_in_words_are_steps_by_weight():
    cfg = sab.Config.sab(10, 4, 10, k_trunc=5, k_top=4, k_att=3, empty_slots=2)  # slots 2, 3, 4: steps 2, 5, 8
    assert sample_command.say([0, 4, 1, 2, -1], [0.1, 0.5, 0.15, 0.25, 0.0], cfg) == (
        "8 (0.50), empty (0.25), 2 (0.25)"
    )


def cut_short(folder):
    path = folder / "last.npz"
    path.write_bytes(path.read_bytes()[:2000])


def foreign(folder):
    np.savez(folder / "last.npz", weights=np.ones(3))


def one_array(folder):
    with open(folder / "last.npz", "wb") as file:
        np.save(file, np.ones(3))


def a_letter(folder):
    (folder / "last.npz").write_text("Dear reader")


def of_another_shape(folder):
    run, state = checkpoints.load_run(folder)
    checkpoints.save(folder / "last.npz", run, state._replace(params={**state.params, "b": np.zeros(3)}))


def of_another_version(folder):
    saved_with(folder, unheard_of=1)


def of_an_option_that_is_no_more(folder):
    saved_with(folder, beta1=0.8)


def saved_with(folder, **options):
    """Write the checkpoint again, as a version would have that had these options too."""
    arrays, meta = files.load_arrays(folder / "last.npz")
    meta["run"] |= options
    files.save_arrays(folder / "last.npz", arrays, meta)


def test_a_checkpoint_of_an_older_version_goes_on(tmp_path):
    loop.train(replace(TINY, updates=5), tmp_path)
    before = checkpoints.load_run(tmp_path)
    saved_with(tmp_path, lengths="uniform", phase_in=0, beta1=0.9, beta2=0.999, eps=1e-8)
    run, state = checkpoints.load_run(tmp_path)
    assert run == before[0] and all((value == before[1].params[name]).all() for name, value in state.params.items())
    assert loop.train(replace(TINY, updates=9), tmp_path, resume=True).update == 9


@pytest.mark.parametrize(
    "harm",
    [cut_short, foreign, one_array, a_letter, of_another_shape, of_another_version, of_an_option_that_is_no_more],
)
@pytest.mark.parametrize("command", ["evaluate", "sample", "train"])
def test_a_spoilt_checkpoint_is_one_line_and_status_2(tmp_path, harm, command, capsys):
    loop.train(replace(TINY, updates=2), tmp_path)
    harm(tmp_path)
    arguments = ["copying", "--resume", "--out", str(tmp_path)] if command == "train" else [str(tmp_path)]
    (tmp_path / "last.previous.npz").unlink()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert cli.main([command, *arguments]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "last.npz" in message and "Traceback" not in message
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


BAD = {
    "T must be a whole number of at least 1, found 0": ["copying", "--T", "0"],
    "task must be one of copying": ["sorting"],
    "which task?": [],
    "updates must be": ["copying", "--updates", "0"],
    "min_length must be at most T=4, found 9": ["copying", "--T", "4", "--min-length", "9"],
    "lr must be above 0": ["copying", "--lr", "-1"],
    "schedule must be one of": ["copying", "--schedule", "steps"],
    "score must be one of": ["copying", "--score", "cosine"],
    "relu": ["copying", "--normalise", "relu", "--k-top", "none"],
    "dtype must be one of": ["copying", "--dtype", "float16"],
    "decides k_top: expected one of the two": ["copying", "--algorithm", "bptt", "--k-top", "3"],
    "algorithm must be one of": ["copying", "--algorithm", "rtrl"],
    "backend must be one of": ["copying", "--backend", "tpu"],
    "is not the folder of a run": ["copying", "--resume"],
    "stop_at is an accuracy": ["copying", "--stop-at", "99"],
}


@pytest.mark.parametrize("message", BAD)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(tmp_path, message, capsys):
    assert cli.main(["train", *BAD[message], "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_missing_gpu_is_one_line(tmp_path, capsys):
    if "cupy" in backend.available():
        pytest.skip("there is a GPU")
    assert cli.main(["train", "copying", *OPTIONS, "--backend", "cupy", "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "pip install" in said and said.count("\n") == 1 and not (tmp_path / "run").exists()
    assert cli.main(["train", "copying", *OPTIONS, "--backend", "auto", "--out", str(tmp_path / "run")]) == 0


def test_a_gradient_whose_squares_overflow_is_clipped_all_the_same():
    rng = np.random.default_rng(0)
    small = {"a": rng.standard_normal((3, 4)).astype(np.float32), "b": rng.standard_normal(5).astype(np.float32)}
    exact = np.sqrt(sum((g.astype(float) ** 2).sum() for g in small.values()))
    assert optim.global_norm(small) == np.sqrt(sum((g * g).sum() for g in small.values()))  # to the last bit
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(optim.global_norm({"a": np.inf + small["a"]}))
        clipped, norm = optim.clip_gradients({name: np.float32(1e25) * g for name, g in small.items()}, 0.5)
    assert norm == pytest.approx(1e25 * exact, rel=1e-6)
    for name, g in small.items():
        assert clipped[name] == pytest.approx(0.5 * g / exact, rel=1e-5) and clipped[name].dtype == np.float32
    assert optim.clip_gradients({name: 0 * g for name, g in small.items()}, 0.5)[1] == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["evaluate", "nowhere"], "expected the folder of a run"),
        (["sample", "nowhere"], "expected the folder of a run"),
        (["evaluate", "{run}", "--T", "0"], "--T: expected a whole number of at least 1, found '0'"),
        (["evaluate", "{run}", "--sequences", "0"], "--sequences: expected a whole number of at least 1, found '0'"),
        (["sample", "{run}", "--T", "-1"], "--T: expected a whole number of at least 1"),
        (["sample", "{run}", "--number", "-1"], "at least 0, found '-1'"),
    ],
)
def test_a_mistake_in_other_commands_is_one_line(trained, arguments, message, capsys):
    assert cli.main([argument.format(run=trained) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_folder_that_holds_a_run_is_refused_without_force(trained, tmp_path, capsys):
    command = ["train", "copying", *OPTIONS, "--out", str(tmp_path)]
    assert cli.main(command) == 0
    before = (tmp_path / "last.npz").read_bytes()
    assert cli.main([*command, "--seed", "1"]) == 2
    assert "--force" in capsys.readouterr().err and (tmp_path / "last.npz").read_bytes() == before
    assert cli.main([*command, "--seed", "1", "--force"]) == 0
    assert checkpoints.load_run(tmp_path)[0].seed == 1


def test_a_run_is_not_resumed_with_other_numbers(tmp_path, capsys):
    loop.train(replace(TINY, updates=2), tmp_path)
    assert cli.main(["train", "--resume", "--out", str(tmp_path), "--hidden", "99"]) == 2
    assert "hidden is 12 in the saved run, found 99" in capsys.readouterr().err
    with pytest.raises(ValueError, match="hidden is 12 in the saved run, found 13"):
        loop.train(replace(TINY, updates=2, hidden=13), tmp_path, resume=True)


def test_a_full_disk_is_one_line_and_keeps_the_old_files(tmp_path, monkeypatch, capsys):
    command = ["train", "copying", *OPTIONS, "--schedule", "constant", "--out", str(tmp_path / "run")]
    assert cli.main(command) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main([*command, "--updates", "9", "--resume"]) == 2
    said = capsys.readouterr().err
    assert "No space left" in said and said.count("\n") == 1
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}


def test_a_folder_that_is_a_file_is_one_line(tmp_path, capsys):
    (tmp_path / "run").write_text("not a folder")
    assert cli.main(["train", "copying", *OPTIONS, "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and (tmp_path / "run").read_text() == "not a folder"


FALLS = replace(TINY, updates=200, stop_at=0.5, schedule="cosine", fall=16, lr=0.5, final_lr_ratio=0.1)


def scripted(monkeypatch, accuracies):
    """Validations find these accuracies, the last for ever."""
    script, whole = iter(accuracies), evaluation.mean_metrics

    def told(*args, **named):
        found, n = whole(*args, **named)
        return found | {"accuracy": next(script, accuracies[-1])}, n

    monkeypatch.setattr(evaluation, "mean_metrics", told)


def rates_of(run, folder):
    """(last state, {update: learning rate})."""
    state = loop.train(run, folder)
    return state, {int(row["update"]): float(row["lr"]) for row in rows(folder)}


def test_the_rate_falls_once_the_task_is_learned_and_then_the_run_ends(tmp_path, monkeypatch):
    scripted(monkeypatch, [0, 1, 1, 0, 1])  # at 8, 16, 24, 32, 40 and on: held from 56, fallen at 72
    state, rates = rates_of(FALLS, tmp_path / "run")
    assert state.update == max(rates) == 72
    assert {rates[update] for update in range(8, 57, 8)} == {0.5}
    assert rates[64] == pytest.approx(0.275, abs=0.03) and rates[72] == pytest.approx(0.05)


def test_a_bad_validation_takes_the_fall_back(tmp_path, monkeypatch):
    scripted(monkeypatch, [1, 1, 1, 0, 0, 1])  # falls from 24, not after 32; again from 64
    state, rates = rates_of(FALLS, tmp_path / "run")
    assert rates[32] < 0.3 and {rates[update] for update in (40, 48, 56, 64)} == {0.5}
    assert state.update == 80 and rates[80] == pytest.approx(0.05)


def test_the_rate_falls_in_the_last_updates_when_nothing_is_learned(tmp_path, monkeypatch):
    scripted(monkeypatch, [0])
    state, rates = rates_of(replace(FALLS, updates=45), tmp_path / "run")
    assert state.update == 45 and rates[24] == 0.5 and rates[32] < 0.5 and rates[45] == pytest.approx(0.05)


def test_chrono_biases_reach_as_far_as_the_sequence(tmp_path):
    run = replace(TINY, T=80, hidden=400)
    usual, chrono = (checkpoints.first_parameters(replace(run, init=init)) for init in ("standard", "chrono"))
    i, f, g, o = chrono["b"].reshape(4, 400)
    assert (i == -f).all() and not g.any() and not o.any()
    assert (f >= 0).all() and np.exp(f).max() <= 99 and np.exp(f).mean() == pytest.approx(50, abs=5)  # U(1, 99)
    assert all((usual[name] == chrono[name]).all() for name in usual if name != "b")
    with pytest.raises(ValueError, match="chrono must be a whole number of at least 3, found 2"):
        sab.init_params(run.config(), 0, chrono=2)


SHORT = {"T": 3, "hidden": 4, "batch": 2, "validate_every": 2, "validation_sequences": 4}


def test_evaluate_says_the_updates_that_were_done(tmp_path, capsys):
    loop.train(Run(**SHORT, updates=200, stop_at=1e-9), tmp_path)
    cli.main(["evaluate", str(tmp_path), "--sequences", "4"])
    assert "trained at T=3, 6 updates, seed 0" in capsys.readouterr().out


def test_best_is_tested_where_it_is_asked_for(tmp_path, capsys):
    loop.train(Run(**SHORT, updates=4), tmp_path)
    run, state = checkpoints.load_run(tmp_path)
    others = {name: value + 1 for name, value in state.params.items()}
    checkpoints.save(tmp_path / "best.npz", run, state._replace(params=others))
    said = []
    for words in ([], ["--best"]):
        cli.main(["evaluate", str(tmp_path), "--sequences", "9", *words])
        said.append(capsys.readouterr().out.splitlines()[2])
    assert said[0] != said[1]


def test_the_clock_of_a_run_goes_on_from_its_earlier_sittings():
    clock = loop.Clock(TrainingState({}, {}, seconds=70, cpu_seconds=50), SimpleNamespace(seconds=0))
    state = clock.read(TrainingState({}, {}))
    assert 70 <= state.seconds < 71 and 50 <= state.cpu_seconds < 51


def test_evaluate_says_meanwhile_how_many_sequences_are_done(trained, monkeypatch):
    said = []
    line = SimpleNamespace(write=lambda text: said.append(text()), clear=lambda: None)
    monkeypatch.setattr("sab_numpy.cli.evaluate.Line", lambda: line)
    monkeypatch.setattr(evaluation, "STEPS_AT_ONCE", 40)
    assert cli.main(["evaluate", str(trained), "--T", "4", "8", "--sequences", "10"]) == 0
    assert [words.split("  ")[0] for words in said] == ["T=4: 10 sequences", "T=8: 5 sequences", "T=8: 10 sequences"]
