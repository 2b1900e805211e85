"""The paper's tables, run again: every run is one row, nothing is run twice, nothing is lost when it is cut off."""

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sab_numpy import cli
from sab_numpy.cli import options, train
from sab_numpy.paper import publish, recipes, results, runner, tables, transfer
from sab_numpy.support import files, threads
from sab_numpy.tasks import stream, task
from sab_numpy.training import checkpoints, evaluation, launch, loop
from sab_numpy.training.run import Run

NAMES = ("sab-5-5", "tbptt-5")
DATA = f"{threads.HOME}/figures/data"


def sab_reproduce(folder, what, *options):
    return cli.main(["reproduce", what, "--quick", "--data", f"{folder}/data", "--runs", f"{folder}/runs", *options])


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder in which two rows were run with two seeds, two at a time."""
    folder = tmp_path_factory.mktemp("reproduce")
    assert sab_reproduce(folder, "copying", "--rows", *NAMES, "--seeds", "2", "--jobs", "2") == 0
    return folder


def rows_of(folder):
    return files.read_rows(folder / "data" / "copying.csv")


def quick(name="sab-5-5", seed=0, **others):
    return replace(recipes.cell(name, 5, seed, quick=True), **others)


def trained(folder, run):
    """A finished run of `sab train` in `folder`."""
    loop.train(run, folder)
    return folder


def test_every_run_is_one_row_and_one_curve(done):
    rows = rows_of(done)
    assert sorted((int(row["k_top"]), int(row["seed"])) for row in rows) == [(0, 0), (0, 1), (5, 0), (5, 1)]
    for row in rows:
        curve = (done / "data" / "curves" / f"{row['name']}.csv").read_bytes()
        assert curve == (done / "runs" / row["name"] / "history.csv").read_bytes()
        assert row["status"] == "finished" and int(row["updates_done"]) == 40 and float(row["cpu_seconds"]) > 0
        assert all(row[name] for name in ("machine", "version", "command", "ce10", "ce", "max_abs_h", "wall_seconds"))


def test_a_row_tells_what_the_last_parameters_do_on_test_sequences(done):
    row = rows_of(done)[0]
    folder = done / "runs" / row["name"]
    last, best = (next(evaluation.evaluate(folder, n=1024, best=best)) for best in (False, True))
    assert [float(row[name]) for name in ("accuracy", "ce10", "ce")] == [last["accuracy"], last["ce10"], last["ce"]]
    assert best["ce10"] != last["ce10"]  # the two would be told apart


def test_what_was_run_is_not_run_again(done, capsys, monkeypatch):
    monkeypatch.setattr(runner, "Training", None)
    assert sab_reproduce(done, "copying", "--rows", *NAMES, "--seeds", "2") == 0
    assert "0 of 4 runs are missing" in capsys.readouterr().out


def test_a_run_that_was_cut_off_is_resumed_to_the_same_bits(done, tmp_path, monkeypatch, capsys):
    name = results.name_of(quick())
    saved, wait = tmp_path / "runs" / name / "last.npz", launch.time.sleep

    def interrupt(seconds):
        wait(0.01)
        if saved.exists() and checkpoints.load(saved)[1].update:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(launch, "PATIENCE", 0.0)
        patch.setattr(launch.time, "sleep", interrupt)
        assert sab_reproduce(tmp_path, "copying", "--rows", "sab-5-5", "--seeds", "1") == 130
    assert not (tmp_path / "data" / "copying.csv").exists() and checkpoints.load(saved)[1].update >= 20
    assert sab_reproduce(tmp_path, "copying", "--rows", "sab-5-5", "--seeds", "1") == 0
    assert "1 of 1 runs are missing" in capsys.readouterr().out and len(rows_of(tmp_path)) == 1
    one, other = (checkpoints.load(path / "runs" / name / "last.npz")[1].params for path in (done, tmp_path))
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path, capsys):
    with runner.claim(str(tmp_path / "runs" / results.name_of(quick()))):
        assert sab_reproduce(tmp_path, "copying", "--rows", "sab-5-5", "--seeds", "1") == 0
    said = capsys.readouterr()
    assert f"another process is at it (process {os.getpid()})" in said.err and "not run" in said.out


def test_two_processes_may_append_at_the_same_time(tmp_path):
    writer = (
        "import sys\nfrom sab_numpy.support.files import append_rows\n"
        "for i in range(10): append_rows(sys.argv[1], [{'writer': sys.argv[2], 'i': i, f'only-{sys.argv[2]}': i}])"
    )
    path = tmp_path / "rows.csv"
    writers = [subprocess.Popen([sys.executable, "-c", writer, str(path), name]) for name in "ab"]
    assert [process.wait() for process in writers] == [0, 0]
    rows = files.read_rows(path)
    assert sorted((row["writer"], int(row["i"])) for row in rows) == [(name, i) for name in "ab" for i in range(10)]
    assert all(row[f"only-{row['writer']}"] == row["i"] for row in rows)


def test_a_run_of_sab_train_is_taken_in_once(tmp_path, capsys):
    folder = trained(tmp_path / "mine", quick(seed=7))
    for expected in ("row other", "is in the table already"):
        assert sab_reproduce(tmp_path, "copying", "--add", str(folder)) == 0
        assert expected in capsys.readouterr().out
    (row,) = rows_of(tmp_path)
    assert row["seed"] == "7" and (tmp_path / "runs" / row["name"] / "last.npz").exists()
    assert (tmp_path / "data" / "curves" / f"{row['name']}.csv").exists()


def test_an_unfinished_run_is_refused_and_leaves_no_row(tmp_path, capsys):
    def stop(state, row):
        if state.update == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.train(quick(), tmp_path / "half", progress=stop)
    assert sab_reproduce(tmp_path, "copying", "--add", str(tmp_path / "half")) == 2
    assert "25 of 40 updates done; finish it" in capsys.readouterr().err
    assert not (tmp_path / "data" / "copying.csv").exists()


def test_a_diverged_seed_is_a_row(tmp_path, capsys):
    run = quick(lr=1e38, schedule="constant")
    with pytest.raises(loop.Diverged):
        loop.train(run, tmp_path / "wild")
    row = results.keep(tmp_path / "wild", tmp_path, tmp_path / "runs")
    assert row["status"] == "diverged" and row["updates_done"] < 40 and 0 <= row["accuracy"] <= 1
    assert tables.measured(files.read_rows(tmp_path / "copying.csv"))[1].endswith(", 1 diverged")


def test_a_training_that_fails_is_told_and_is_no_row(tmp_path, capsys):
    folder = tmp_path / "runs" / results.name_of(quick())
    folder.mkdir(parents=True)
    (folder / "last.npz").write_bytes(b"not a checkpoint")
    assert sab_reproduce(tmp_path, "copying", "--rows", "sab-5-5", "--seeds", "1") == 1
    assert "last.npz" in capsys.readouterr().err and not (tmp_path / "data" / "copying.csv").exists()


@pytest.mark.parametrize(
    "others", [{"lr": 2e-3}, {"updates": 41}, {"k_att": 2}, {"normalise": "relu"}, {"schedule": "constant"}], ids=str
)
def test_a_change_of_the_recipe_is_another_run(others):
    assert not results.same(quick(), quick(**others))
    assert results.name_of(quick()) != results.name_of(quick(**others))


def test_neither_seed_nor_validations_nor_what_a_plain_lstm_does_not_use_change_the_recipe():
    assert results.same(quick(), quick(seed=3, validate_every=7, checkpoint_every=3, validation_sequences=9))
    assert results.same(quick(), quick(empty_slots=6)) and not results.same(quick(), quick(empty_slots=1))
    assert results.same(quick("bptt"), quick("bptt", k_att=2, normalise="relu", empty_slots=3))
    assert not results.same(quick("bptt"), quick("tbptt-5"))


def test_a_field_that_is_added_to_run_later_changes_no_name():
    """What the recipe holds differs from the default, so a new field at its default is not in it."""
    assert "stop_at" not in results.recipe(quick()) and results.recipe(quick(stop_at=0.5))["stop_at"] == 0.5


def test_every_published_run_has_the_name_that_its_row_says():
    found = results.read(f"{DATA}/copying.csv")
    assert len(found) >= 117
    assert [row["name"] for _, row in found] == [results.name_of(run) for run, _ in found]


def test_the_command_of_every_published_run_still_makes_it():
    """Whatever `sab train` does where it is not told otherwise: the CSV's commands tell it."""
    for run, row in results.read(f"{DATA}/copying.csv"):
        args = cli.parse(row["command"].split()[1:], "train")
        assert train.wanted(args) == replace(run, checkpoint_every=train.wanted(args).checkpoint_every), row["name"]


@pytest.mark.parametrize(
    "given, fall",
    [([], 2000), (["--schedule", "constant"], 0), (["--updates", "100"], 0), (["--stop-at", "none"], 0)]
    + [(["--decay-from", "0.5"], 0), (["--fall", "500"], 500)],
    ids=str,
)
def test_sab_train_copying_is_the_recipe_where_it_is_not_told_otherwise(given, fall):
    run = train.wanted(cli.parse(["train", "copying", "--T", "100", "--out", "x", *given], "train"))
    assert run.fall == fall and (given or results.row_name(run) == "sab-5-5-recipe")


def test_the_recipe_of_sab_train_takes_waits_shorter_than_its_shortest():
    assert train.wanted(cli.parse(["train", "copying", "--T", "3", "--out", "x"], "train")).min_length == 3


def test_a_row_with_an_option_that_is_no_more_is_read_where_it_was_at_its_default():
    row = {"name": "x", "T": "100", "beta1": "0.9", "eps": "1e-08", "lengths": "uniform", "phase_in": "0"}
    assert results.run_of(row) == Run(T=100)
    with pytest.raises(ValueError, match="phase_in is no longer an option: expected 0, found 50"):
        results.run_of(row | {"phase_in": "50"})


@pytest.mark.parametrize("name, T", recipes.pairs("copying", recipes.ROWS, [100, 300]))
def test_a_row_of_the_csv_gives_its_run_back(tmp_path, name, T):
    run = recipes.cell(name, T, 104)
    row = results.spelled(vars(run)) | {"name": "x"}
    files.append_rows(tmp_path / "a.csv", [row])
    assert results.run_of(files.read_rows(tmp_path / "a.csv")[0]) == run
    assert results.row_name(run) == name
    assert results.run_of({"name": "x", "T": "100", "young": ""}) == Run(T=100)


@pytest.mark.parametrize("name", recipes.ROWS)
def test_the_command_of_a_row_makes_that_run(name):
    run = recipes.cell(name, 200, 3)
    words = run.command("out")
    assert words[:2] == ["sab", "train"] and train.wanted(cli.parse(words[1:], "train")) == run
    assert Run(T=200) != run


def test_the_table_stands_beside_the_papers_and_says_what_was_not_run():
    found = [
        (
            recipes.cell("sab-5-5", 100, seed),
            {
                "name": str(seed),
                "accuracy": accuracy,
                "ce10": "0.1",
                "ce": "0.01",
                "status": "finished",
                "updates_to_999": reached,
                "cpu_minutes_to_999": reached and "3.5",
            },
        )
        for seed, (accuracy, reached) in enumerate([("0.9995", "4000"), ("0.5", ""), ("1.0", "5000")])
    ]
    names = ["sab-5-5", "tbptt-150", "sab-5-5-constant"]
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in tables.copying(tables.cells(found, names, [100, 300]))
    ]
    assert cells[2] == [
        "earlier: SAB 5/5",
        "5",
        "100",
        "3",
        "99.95 (50.00 – 100.00)",
        "2 of 3 (9 – 99)",
        "0.1000",
        "4,500, 3.5",
        "100.0",
        "0.000",
    ]
    assert all(line[4] == "not run" for line in cells[3:])
    assert [line[-2:] for line in cells[3:]] == [  # TBPTT 150 is never cut at T=100, so it is no row there
        ["–", "–"],  # the paper prints nothing without mental updates
        ["99.9", "0.007"],
        ["24.4", "1.857"],
        ["–", "–"],
    ]
    assert len(tables.copying(tables.cells(found, names, [100, 300]), all_cells=False)) == 3
    assert (
        tables.others(found, tables.cells(found, ["sab-5-5"], [300])) == 3
        and tables.others(found, tables.cells(found, ["sab-5-5"], [100])) == 0
    )


def test_where_a_recipe_has_fresh_seeds_they_alone_are_reported():
    run = recipes.cell("sab-5-5-recipe", 300, 100)
    old = replace(run, seed=3)
    assert tables.of([(old, "chosen on")], run) == ["chosen on"]
    assert tables.of([(old, "chosen on"), (run, "fresh")], run) == ["fresh"]
    assert tables.others([(old, "chosen on"), (run, "fresh")], {"row": (run, ["fresh"])}) == 0


def test_the_papers_numbers_agree_with_each_other_where_they_can():
    """CE = CE10 * 10 / (T + 20) within rounding; the bracketed ones break it, and only they."""
    for row in files.read_rows(tables.PAPER):
        if row["ce"]:
            ce10, ce = (float(row[name].strip("()")) for name in ("ce10", "ce"))
            off = abs(ce - ce10 * 10 / (int(row["T"]) + 20))
            assert (off > 0.02) == ("(" in row["ce10"] + row["ce"]), row
            assert off < 0.003 or "(" in row["ce10"] + row["ce"], row
    assert len(files.read_rows(tables.PAPER)) == 27 + 18 + 9


def test_updates_and_minutes_to_learn_come_from_the_first_validation_that_reached_it():
    history = [
        {"update": str(u), "accuracy": str(a), "cpu_seconds": str(6 * u)}
        for u, a in ((10, 0.5), (20, 0.9991), (30, 0.2), (40, 1.0))
    ]
    assert results.first_learned(history) == {"updates_to_999": 20, "cpu_minutes_to_999": 2.0}
    assert results.first_learned(history[:1]) == {"updates_to_999": "", "cpu_minutes_to_999": ""}


def test_transfer_tests_every_seed_once_at_every_length(done, capsys):
    for expected in (4, 4):
        words = ("--tested", "5", "12", "--sequences", "30", "--rows", "sab-5-5", "sab-5-5")
        assert sab_reproduce(done, "transfer", *words) == 0
        rows = files.read_rows(done / "data" / "transfer.csv")
        assert len(rows) == expected and {row["T"] for row in rows} == {"5", "12"}
    run, state = checkpoints.load_run(done / "runs" / rows[1]["name"])
    rng = stream(run.seed, "test", 12)
    unseen, _ = evaluation.mean_metrics(state.params, run.config(), task("copying"), 12, 30, rng)
    assert rows[1]["T"] == "12" and float(rows[1]["ce10"]) == pytest.approx(unseen["ce10"], rel=1e-6)
    assert "| trained at T = 5, tested at | seeds | 5 " in capsys.readouterr().out


def test_the_transfer_table_gives_mean_and_range_of_all_seeds_beside_the_papers():
    found = [(recipes.cell("sab-5-5", 100, seed), {"name": str(seed)}) for seed in range(3)]
    tested = [
        {"name": name, "T": "300", "accuracy": accuracy}
        for name, accuracy in (("0", "0.9"), ("1", "1.0"), ("2", "0.5"), ("of another recipe", "0.1"))
    ]
    names = ["sab-5-5", "sab-1-5", "attention"]
    lines = tables.transfer(tables.cells(found, names, (100,)), tested, [300, 400])[2:]
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines] == [
        ["earlier: SAB 5/5", "3", "80.00 (50.00 – 100.00)", "not run"],
        ["earlier: SAB 1/5, one empty slot", "0", "not run", "not run"],
        ["the paper's", "", "83", "75"],
        ["earlier: LSTM + self-attention", "0", "not run", "not run"],
        ["the paper's", "", "28", "20"],
    ]


def test_what_adding_trained_is_tested_at_longer_lengths_in_its_own_metric(tmp_path, capsys):
    words = ("--rows", "sab-5-5", "bptt", "--seeds", "1")
    assert sab_reproduce(tmp_path, "adding", *words) == 0
    for tested in (4, 0):  # the second time nothing is missing
        capsys.readouterr()
        assert sab_reproduce(tmp_path, "adding", *words[:3], "--transfer", "--tested", "5", "12") == 0
        out = capsys.readouterr().out
        assert out.count("tested at T=") == tested
    rows = files.read_rows(tmp_path / "data" / "transfer.csv")
    assert [(row["task"], row["T"], row["k_top"]) for row in rows] == [
        ("adding", T, k) for k in "50" for T in ("5", "12")
    ]
    run, state = checkpoints.load_run(tmp_path / "runs" / rows[1]["name"])
    assert float(rows[1]["squared_error"]) == transfer.test(run, state.params, 12, 256)["squared_error"]
    line = next(line for line in out.splitlines() if line.startswith("| SAB 5/5"))
    assert [cell.strip() for cell in line.split("|")[2:-1]] == [
        "1", *(f"{float(row['squared_error']):.5f}" for row in rows[:2])
    ]  # fmt: skip


def test_the_papers_transfer_stands_beside_what_was_trained_at_its_length_alone():
    found, tested = results.read(f"{DATA}/copying.csv"), transfer.read(DATA)
    for T, beside in ((100, True), (300, False)):  # the paper's were trained at 100
        lines = tables.transfer(tables.cells(found, ("sab-5-5-recipe",), (T,)), tested, (400, 5000))
        assert any("the paper's" in line for line in lines) == beside and "not run" not in lines[2][-20:]


def test_transfer_says_whose_parameters_are_missing(done, tmp_path, capsys):
    assert sab_reproduce(done, "transfer", "--tested", "7", "--runs", str(tmp_path), "--rows", "sab-5-5") == 0
    said = capsys.readouterr()
    assert "the parameters of 2 runs are not in" in said.err and "not run" in said.out


def test_a_read_of_every_microstate_of_a_long_sequence_takes_few_sequences_at_once(monkeypatch):
    chunks = []
    monkeypatch.setattr(evaluation, "mean_metrics", lambda *args: (None, chunks.append(args[-1])))
    for name, T in (
        ("sab-5-5", 100),
        ("sab-5-5", 5000),
        ("attention", 100),
        ("attention", 5000),
        ("attention", 100_000),
    ):
        transfer.test(quick(name, k_att=1), {}, T, 1000)
    assert chunks == [200, 4, 200, 2, 1]


@pytest.mark.parametrize(
    "accuracies, seed, rank",
    [([0.2, 1.0, 0.9], 2, 2), ([0.7], 0, 1), ([1.0, 0.5], 1, 2), ([0.1, 0.4, 0.3, 0.2], 3, 3)],
    ids=str,
)
def test_the_median_seed_is_published_and_of_two_middle_ones_the_worse(accuracies, seed, rank):
    rows = [{"accuracy": str(accuracy), "ce10": "1", "seed": i} for i, accuracy in enumerate(accuracies)]
    row, found = publish.median_seed(rows)
    assert (row["seed"], found) == (seed, rank)


@pytest.mark.parametrize(
    "words, expected",
    [
        (["copying", "--rows", "sab-9"], "no row 'sab-9'"),
        (["copying", "--T", "0"], "--T"),
        (["copying", "--jobs", "0"], "--jobs"),
        (["copying", "--seeds", "0"], "--seeds"),
        (["transfer", "--tested", "0"], "--tested"),
        (["images", "--transfer"], "--transfer: expected copying or adding, found images"),
        (["copying", "--add", "nowhere"], "nowhere: no such folder"),
        (["publish", "--rows", "sab-5-5"], "to publish"),
    ],
    ids=str,
)
def test_a_users_mistake_is_one_line(tmp_path, capsys, words, expected):
    folders = ["--data", f"{tmp_path}/data", "--runs", f"{tmp_path}/runs"]
    assert cli.main(["reproduce", *words, *folders]) == 2
    said = capsys.readouterr().err
    assert expected in said and said.count("\n") == 1


def test_what_was_seen_or_is_an_earlier_choice_is_not_trained_unless_named():
    images = recipes.EXPERIMENTS["images"]
    earlier = [name for name, (words, _) in images.rows.items() if words.startswith("earlier")]
    assert earlier and set(earlier) <= set(images.by_name) and min(images.seeds) == 103  # 100 to 102: at a first rate
    assert {name for name in recipes.TABLE if name.endswith("fall-4000")} <= set(recipes.BY_NAME)


def test_the_tables_name_rows_that_exist():
    assert set(recipes.BY_NAME) <= set(recipes.ROWS) and not set(recipes.TABLE) & set(recipes.DIARY)
    assert all(name in recipes.ROWS and T in recipes.LENGTHS for name, T in recipes.PUBLISHED.values())
    assert os.path.exists(tables.PAPER)


def test_every_row_of_the_csv_has_the_name_that_its_recipe_gives():
    for run, row in results.read(f"{DATA}/copying.csv"):
        assert row["name"] == results.name_of(run)


@pytest.mark.parametrize(
    "path, block", [("README.md", 1), *(("figures/RESULTS.md", block) for block in (0, 2, 3, 4, 5, 6))]
)
def test_the_tables_of_the_documents_are_those_of_the_csvs(path, block):
    begin, end, lines = tables.BLOCKS[block]
    with open(f"{threads.HOME}/{path}", encoding="utf-8") as file:
        here = file.read().partition(begin)[2].partition(end)[0].strip()
    assert here == "\n".join(lines(DATA)).strip()


def test_the_six_rows_are_the_medians_of_their_seeds_and_say_what_was_not_run(tmp_path):
    runs = [(recipes.cell("sab-5-5-recipe", 100, seed), accuracy) for seed, accuracy in enumerate((1.0, 0.5, 0.25))]
    runs += [(recipes.cell("bptt", 200, 0), 0.75), (recipes.cell("bptt-recipe", 100, 100), 0.125)]
    done = [{"name": results.name_of(run)} | results.spelled(vars(run)) | {"accuracy": share} for run, share in runs]
    common = {"status": "finished", "updates_done": 9, "cpu_seconds": 9, "ce10": 0.1}
    common |= {"updates_to_999": "", "cpu_minutes_to_999": ""}
    files.write_rows(tmp_path / "copying.csv", [row | common for row in done])
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in tables.six(tmp_path)]
    found = {line[0]: line[1:] for line in lines[2:]}
    assert found["SAB 5/5"][:3] == ["50.00 (25.00 – 100.00), 3 seeds *", "100.0", "not run"]  # *: seeds chosen on
    assert found["full BPTT"][::2] == ["12.50, 1 seed", "not run", "not run"]  # an earlier recipe's are not shown
    assert list(found) == list(recipes.SIX) and found["no mental updates"][1::2] == ["–"] * 3


def test_a_document_gets_its_tables_between_its_marks_and_nothing_else(done, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n", encoding="utf-8")
    for _ in range(2):  # the second time changes nothing
        assert cli.main(["reproduce", "copying", "--write", str(path), "--data", DATA]) == 0
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"before\n{tables.BEGIN}\n\n| method ") and "\nold\n" not in text
        assert text.endswith(f"--rows ROW`.\n\n{tables.END}\nafter\n")
    path.write_text("no marks", encoding="utf-8")
    assert (
        cli.main(["reproduce", "copying", "--write", str(path), "--data", DATA]) == 2 and path.read_text() == "no marks"
    )


@pytest.mark.parametrize("rows, long", [([], 0), (["--rows", "sab-5-5-paper-16"], 5)])
def test_the_longest_rows_are_trained_only_where_they_are_named(rows, long, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("sab_numpy.paper.runner.train", lambda missing, *rest: asked.extend(missing))
    assert cli.main(["reproduce", "copying", "--T", "100", "--data", str(tmp_path), *rows]) == 0
    assert {run.seed for run in asked} == set(range(100, 105))
    assert asked and sum(run.updates > 20_000 for run in asked) == long


def test_printed_commands_make_the_missing_rows_without_this_process(tmp_path, capsys):
    words = ["copying", "--quick", "--T", "5", "--rows", "tbptt-1", "sab-5-5", "--seeds", "7-7"]
    words += ["--data", f"{tmp_path}/data", "--runs", f"{tmp_path}/my runs"]
    assert cli.main(["reproduce", *words, "--print-commands"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and not (tmp_path / "my runs").exists()
    for line in lines:
        for _ in range(2):  # the second time there is nothing left to do
            made = line.replace("&& sab ", f"&& {sys.executable} -m sab_numpy ")
            assert subprocess.run(made, shell=True, env=threads.environment()).returncode == 0
    folders = [str(folder) for folder in (tmp_path / "my runs").iterdir() if folder.is_dir()]
    assert cli.main(["reproduce", *words, "--add", *folders]) == 0
    capsys.readouterr()
    assert cli.main(["reproduce", *words, "--print-commands"]) == 0
    assert not capsys.readouterr().out


def test_seeds_are_a_number_of_them_or_the_first_and_the_last():
    assert [list(options.seeds(text)) for text in ("2", "100-102", "7-7")] == [[0, 1], [100, 101, 102], [7]]
    for wrong in ("0", "9-3", "-1", "1-", "x", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="expected"):
            options.seeds(wrong)


@pytest.mark.parametrize("what", ["adding", "images", "characters"])
def test_every_experiment_has_its_table_and_resumes(what, tmp_path, monkeypatch, capsys):
    from test_tasks import make_data

    monkeypatch.setenv("SAB_DATA", str(tmp_path / "files"))
    (tmp_path / "files").mkdir()
    make_data(tmp_path / "files", n=40)
    ptb = " the cat sat on the mat and said nothing at all \n" * 20
    for part in ("train", "valid", "test"):
        (tmp_path / "files" / f"ptb.{part}.txt").write_text(ptb)
    names = ["sab-5-5", "bptt"] if what == "adding" else list(recipes.EXPERIMENTS[what].rows)[:2]
    words = ("--rows", *names, "--seeds", "1", "--runs", str(tmp_path / what))
    for left in (2, 0):
        assert sab_reproduce(tmp_path, what, *words) == 0
        said = capsys.readouterr().out
        assert f"{left} of 2 runs are missing" in said and "hours of a core" in said
    found = results.read(f"{tmp_path}/data/{what}.csv")
    metric = recipes.EXPERIMENTS[what].metric
    for run, row in found:
        assert row["name"] == results.name_of(run) and f"{what}/{row['name']}" in row["command"]
        own = checkpoints.load_run(tmp_path / what / row["name"])[1]
        again, n = evaluation.mean_metrics(
            own.params,
            run.config(),
            task(run.task),
            run.T,
            1024 if what == "adding" else None,
            stream(0, "test", run.T),
        )
        assert float(row[metric]) == again[metric] and int(row["test_sequences"]) == n
        assert n == {"adding": 1024, "images": 40, "characters": 20 * len(ptb.splitlines()[0].strip() + "\n") - 1}[what]
    assert ("data" in found[0][1]) == (what != "adding")


def test_hours_are_those_of_rows_where_there_are_some():
    run = recipes.cell("bptt", 200, 0, what="adding")
    row = {"name": "x", "cpu_seconds": "120", "updates_done": "1000"}
    assert tables.hours([run], [(run, row)], "adding") == pytest.approx(12_000 * 0.12 / 3600)
    assert tables.hours([run], [], "adding") == pytest.approx(12_000 * 200 / 4000 / 3600)
    run = recipes.cell("sab-5-5", 100, 0)  # of copying, a wait of 100 is 120 steps
    assert tables.hours([run], [], "copying") == pytest.approx(run.updates * 120 / 5500 / 3600)


def test_the_papers_images_stand_beside_the_rows_that_they_belong_to():
    rows = recipes.EXPERIMENTS["images"].rows
    shown = tables.cells([], rows, (196, 784, 1024), what="images")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in tables.of_task("images", shown)]
    printed = {line[0]: line[-1] for line in lines[2:] if line[-1] != "–"}
    assert printed == {
        "pmnist: SAB 20/5/20": "89.8",
        "pmnist: SAB 50/10/50": "94.2",
        "pmnist: Transformer, 64 units": "97.9",
        "pmnist: LSTM, full BPTT": "90.3",
        "cifar10: SAB 16/10/16": "64.5",
        "cifar10: LSTM, full BPTT": "58.3",
    }


def test_the_table_of_a_task_has_the_median_and_the_minutes_of_a_core():
    run = recipes.cell("sab-5-5", 200, 0, what="adding")
    errors, cores = (0.001, 0.002, 0.009), (60, 180, 240)
    rows = [
        {"squared_error": e, "accuracy": 0.5, "status": "finished", "updates_done": 12_000, "cpu_seconds": s}
        | {"wall_seconds": 9999}
        for e, s in zip(errors, cores)
    ]
    line = [cell.strip() for cell in tables.of_task("adding", {("sab-5-5", 200): (run, rows)})[2].split("|")[1:-1]]
    assert line[3:] == ["3", "0.00200 (0.00100 – 0.00900)", "50.00 (50.00 – 50.00)", "12,000", "3.0"]


@pytest.mark.parametrize("what", recipes.EXPERIMENTS)
def test_no_two_rows_of_an_experiment_are_one_recipe(what):
    rows, lengths = recipes.EXPERIMENTS[what].rows, recipes.EXPERIMENTS[what].lengths
    for name, T in recipes.pairs(what, rows, lengths) if what != "copying" else ():
        run = recipes.cell(name, T, 3, what=what)
        assert results.row_name(run) == name
        assert train.wanted(cli.parse(run.command("out")[1:], "train")) == run


def test_a_row_has_the_seconds_of_the_wall_and_of_the_processor(tmp_path):
    loop.train(quick(), tmp_path)
    run, state = checkpoints.load_run(tmp_path)
    checkpoints.save(tmp_path / "last.npz", run, state._replace(seconds=600.0, cpu_seconds=60.0))
    row = results.result(tmp_path, 8)
    assert (row["wall_seconds"], row["cpu_seconds"]) == (600, 60)


def test_the_command_of_a_transfer_names_the_length_that_was_tested(monkeypatch):
    monkeypatch.setattr(transfer, "test", lambda *_: {"accuracy": 1.0})
    row = transfer.one(recipes.cell("sab-5-5-recipe", 100, 100), {"name": "x"}, {}, 2000, 30, "numpy")
    assert row["command"] == "sab reproduce copying --transfer --tested 2000 --sequences 30"


def test_a_finished_run_says_its_minutes(monkeypatch, capsys):
    row = {"status": "finished", "accuracy": 1.0, "updates_done": 9, "wall_seconds": 120}
    monkeypatch.setattr(runner.results, "keep", lambda *_: row)
    training = SimpleNamespace(folder="", backend="numpy", name="x", run=recipes.cell("sab-5-5-recipe", 100, 100))
    runner.finish(training, "", "", "")
    assert capsys.readouterr().out == "x: finished, 100.00 % after 9 updates, 2.0 minutes\n"


def test_hours_are_told_from_the_median_of_the_rows():
    run = recipes.cell("bptt", 200, 0, what="adding")
    found = [
        (replace(run, seed=100 + n), {"cpu_seconds": str(seconds), "updates_done": "1000"})
        for n, seconds in enumerate((100, 120, 900))
    ]
    assert tables.hours([run], found, "adding") == pytest.approx(12_000 * 0.12 / 3600)


def test_it_says_the_updates_of_all_missing_runs_and_trains_as_many_at_a_time_as_asked(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(runner, "train", lambda missing, *rest: asked.extend([len(missing), *rest]))
    words = ["--T", "100", "--rows", "sab-5-5-recipe", "bptt-recipe", "--seeds", "2", "--jobs", "3"]
    assert cli.main(["reproduce", "copying", *words, "--data", str(tmp_path), "--runs", "mine"]) == 0
    assert asked == [4, str(tmp_path), "mine", 3, "numpy"]
    assert "4 of 4 runs are missing: 80,000 updates at most, about 0.5 hours of a core\n" in capsys.readouterr().out


def test_of_seeds_with_equal_accuracies_the_one_with_the_median_cross_entropy_is_published():
    rows = [{"accuracy": "1.0", "ce10": ce10, "seed": seed} for seed, ce10 in enumerate(("0.3", "0.1", "0.2", "0.4"))]
    row, rank = publish.median_seed(rows)
    assert (row["seed"], rank) == (0, 3)  # of the two in the middle the worse


def test_seeds_that_diverged_are_told_beside_the_result_of_a_task():
    run = recipes.cell("sab-5-5", 200, 0, what="adding")
    rows = [
        {"squared_error": error, "accuracy": 0.5, "status": status, "updates_done": 9, "cpu_seconds": 60}
        for error, status in ((0.001, "finished"), (0.002, "diverged"))
    ]
    line = [cell.strip() for cell in tables.of_task("adding", {("sab-5-5", 200): (run, rows)})[2].split("|")[1:-1]]
    assert line[3:5] == ["2", "0.00150 (0.00100 – 0.00200), 1 diverged"]


def test_the_commands_of_rows_name_the_backend_that_was_asked_for(tmp_path, monkeypatch):
    loop.train(quick(), tmp_path)
    command = results.result(tmp_path, 8, "cupy")["command"]
    assert command.endswith(f" --backend cupy --out runs/copying/{results.name_of(quick())}")
    monkeypatch.setattr(transfer, "test", lambda *_: {"accuracy": 1.0})
    row = transfer.one(recipes.cell("sab-5-5-recipe", 100, 100), {"name": "x"}, {}, 2000, 30, "cupy")
    assert row["command"].endswith(" --sequences 30 --backend cupy") and (row["trained_at"], row["T"]) == (100, 2000)


def test_the_table_of_speed_has_each_model_beside_its_own_peers(tmp_path):
    head = "what,T,B,H,threads,backend,checkpoint,model,step_ms,step_over_floor,times_its_speed,start_mb,peak_mb"
    measured = [
        "pmnist 7 3 4,784,9,6,2,numpy,none,SAB,20,1.25,3.5,30,50",
        "pmnist 7 3 4,784,9,6,2,numpy,none,SAB in PyTorch,70,,,100,200",
        "speed,100,9,6,1,numpy,none,LSTM,10,1.5,2,40,57",
        "speed,100,9,6,1,numpy,none,SAB,11,1.75,4,41,60",
        "speed,100,9,6,1,numpy,none,TBPTT,12,1.5,,40,57",
        "speed,100,9,6,1,numpy,none,torch.nn.LSTM,20.04,,,100,300",
        "speed,100,9,6,1,numpy,none,SAB in PyTorch,44,,,100,400",
        'speed,100,9,6,1,numpy,none,"SAB in PyTorch, own reads",45,,,100,500',
        "speed,100,8,6,1,numpy,none,torch.nn.LSTM,99,,,100,300",
        "speed,100,9,5,1,numpy,none,torch.nn.LSTM,98,,,100,300",
        "speed,100,9,6,1,numpy,blocks,torch.nn.LSTM,97,,,100,300",
        "speed,100,9,6,1,cupy,none,LSTM,1,1.5,2,40,57",
        "growth,100,9,6,1,numpy,none,LSTM,13,1.5,2,40,57",
    ]
    (tmp_path / "cost.csv").write_text("\n".join([head, *measured, ""]))
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in tables.speed(tmp_path)]
    assert lines[2:] == [
        ["copying", "100", "1", "LSTM, full BPTT", "10.0", "1.50", "20.0", "2.00", "17", "200"],
        ["copying", "100", "1", "SAB 5/5/2", "11.0", "1.75", "44.0, 45.0", "4.00", "19", "300, 400"],
        ["pmnist", "784", "2", "SAB 7/3/4", "20.0", "1.25", "70.0", "3.50", "", ""],
    ]
    assert lines[0][4:] == ["ms", "over its floor", "PyTorch, ms", "times the faster", "MB", "PyTorch, MB"]
