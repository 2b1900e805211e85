"""A file is whole or as it was before; what goes wrong is said of the name that the user gave."""

import errno
import io
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sab_numpy import cli
from sab_numpy.paper import tables
from sab_numpy.support import files, progress, threads
from sab_numpy.support.text import table
from sab_numpy.training import checkpoints, loop, pretrained
from sab_numpy.training.run import Run


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refused(*names):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), *names[:1])


@pytest.mark.parametrize(
    "what, fails, words",
    [
        ("fsync", full, "No space left on device"),
        ("replace", refused, "Permission denied"),
        ("open", refused, "Permission denied"),
    ],
)  # os.open makes the temporary name
def test_a_failure_names_the_users_file_and_leaves_the_old_one(what, fails, words, tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(os, what, fails)
        with pytest.raises(OSError) as caught:
            files.write_atomic(tmp_path / "table.csv", "new")
    assert caught.value.filename == str(tmp_path / "table.csv")
    assert caught.value.strerror == f"cannot be written ({words})"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    assert (tmp_path / "table.csv").read_text() == "old"


@pytest.mark.parametrize(
    "path, words", [("nowhere/page.html", "there is no folder nowhere: make it first"), ("here", "Is a directory")]
)
def test_a_command_says_it_in_one_line(path, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "exercise_01_mine.py").write_text("x = 1\n")
    assert cli.main(["grade", "exercise_01_mine.py", "--out", path]) == 2
    assert capsys.readouterr().err == f"sab grade: {path}: cannot be written ({words})\n"


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="no /dev/fd")
@pytest.mark.parametrize("name", ["l" * 255, "é" * 127, "😀" * 63], ids=["ascii", "accents", "pictures"])
def test_the_longest_name_that_a_file_may_have_is_written(name, tmp_path):
    left = tmp_path / f".tmp-{name[:60]}-killed"
    left.write_text("")
    os.utime(left, (0, 0))
    files.write_atomic(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "text"


def test_a_pipe_is_written_as_it_is():
    reading, writing = os.pipe()
    files.write_atomic(f"/dev/fd/{writing}", "text")
    os.close(writing)
    with open(reading, "rb") as file:
        assert file.read() == b"text"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "kept").mkdir()
    try:
        (tmp_path / "table.csv").symlink_to(tmp_path / "kept" / "grades.csv")
    except OSError:
        pytest.skip("this system makes no links")
    for text in ("one", "two"):
        files.write_atomic(tmp_path / "table.csv", text)
        assert (tmp_path / "table.csv").is_symlink() and (tmp_path / "kept" / "grades.csv").read_text() == text


def test_a_table_has_its_numbers_at_the_right_and_its_words_at_the_left():
    assert table(["T", "who", "%"], [[5, "SAB", "99.5"], [100, "a", ""]]) == [
        "  T  who     %",
        "  5  SAB  99.5",
        "100  a",
    ]
    assert table(["T", "who"], [[100, "a"]], markdown=True) == ["| T   | who |", "| --- | --- |", "| 100 | a   |"]


@pytest.mark.parametrize(
    "done, total, seconds, words", [(0, 9, 5.0, "?"), (25, 100, 30.0, "1:30"), (1, 3, 4000.0, "2:13:20")]
)
def test_the_time_that_is_left(done, total, seconds, words):
    assert progress.left(done, total, seconds) == words


@pytest.mark.parametrize("live, pause, shown", [(True, None, "\r60.0 %"), (False, None, ""), (False, 10, "60.0 %\n")])
def test_the_line_is_written_over_on_a_screen_and_rare_elsewhere(live, pause, shown):
    stream = io.StringIO()
    stream.isatty = lambda: live
    line = progress.Line(stream, pause)
    line.write(lambda: "60.0 %")
    line.write(lambda: "70.0 %")  # a moment later
    assert stream.getvalue().rstrip(" ") == shown


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    loop.train(Run(T=2, updates=4, batch=2, hidden=3, validate_every=2, validation_sequences=4, seed=5), folder)
    return folder / "last.npz"


def one_line(call, *words):
    with pytest.raises(ValueError) as caught:
        call()
    said = str(caught.value)
    assert "\n" not in said and all(word in said for word in words), said


@pytest.mark.parametrize("seed", range(4))
def test_no_flip_and_no_cut_of_a_checkpoint_is_read(checkpoint, tmp_path, seed):
    data, rng, path = checkpoint.read_bytes(), random.Random(seed), tmp_path / "last.npz"
    for place in [*rng.sample(range(len(data)), 200), *range(len(data) - 90, len(data))]:
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << rng.randrange(8)
        path.write_bytes(spoilt)
        one_line(lambda: checkpoints.load(path), "last.npz: damaged")
        path.write_bytes(data[:place])
        one_line(lambda: checkpoints.load(path), "last.npz: damaged")


def without_checksum(path, arrays, meta):
    np.savez(path, __meta__=np.array(files.json.dumps(meta)), **arrays)


def member(name, data):
    """An .npz of an earlier version with one more member, of these bytes."""

    def harm(path):
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(name, data)

    return harm


def changed(change):
    """One whose arrays and record were changed before they were written."""

    def harm(path):
        arrays, meta = files.load_arrays(path)
        change(arrays, meta)
        without_checksum(path, arrays, meta)

    return harm


def npy(shape, kind="<f8"):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode()


def compressed(path):
    with np.load(path) as file:
        np.savez_compressed(path, **dict(file))


def encrypted(path):
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.find(mark) + place] |= 1
    path.write_bytes(data)


HARM = {
    "a member of absurd size": member("params.big.npy", npy((10**15,))),
    "a head that is no head": member("params.big.npy", npy("(" * 90 + ")" * 90)),
    "objects": member("params.o.npy", npy((1,), "|O")),
    "a head of text": member("params.t.npy", b"\x93NUMPY\1\0"),
    "more after an array": member("params.t.npy", npy((1,)) + bytes(9)),
    "compressed": compressed,
    "encrypted": encrypted,
    "a moment of Adam is missing": changed(lambda arrays, meta: arrays.pop("adam.v_W_h")),
    "all moments are missing": changed(
        lambda arrays, meta: [arrays.pop(name) for name in [*arrays] if name.startswith("adam")]
    ),
    "a moment of another shape": changed(lambda arrays, meta: arrays.update({"adam.m_b": np.zeros(1, np.float32)})),
    "a moment of another dtype": changed(lambda arrays, meta: arrays.update({"adam.m_b": np.zeros(12)})),
    "NaN": changed(lambda arrays, meta: arrays["params.W_h"].fill(np.nan)),
    "infinity": changed(lambda arrays, meta: arrays["adam.v_b"].fill(np.inf)),
    "another dtype than the run's": changed(lambda arrays, meta: meta["run"].update(dtype="float64")),
    "an update that is no number": changed(lambda arrays, meta: meta["state"].update(update="9")),
    "an update below 0": changed(lambda arrays, meta: meta["state"].update(update=-1)),
    "a window without its loss": changed(lambda arrays, meta: meta["state"].update(window={})),
    "a best of NaN": changed(lambda arrays, meta: meta["state"].update(best=float("nan"))),
    "a history without a row": changed(lambda arrays, meta: meta["state"]["history"].pop(0)),
    "a record that is a list": lambda path: without_checksum(path, {}, []),
    "a run that is a word": changed(lambda arrays, meta: meta.update(run="x")),
    "deep nesting": lambda path: np.savez(path, __meta__=np.array("[" * 100_000)),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_an_earlier_version_could_not_have_written_is_one_error(checkpoint, tmp_path, harm):
    path = tmp_path / "last.npz"
    arrays, meta = files.load_arrays(checkpoint)
    without_checksum(path, arrays, meta)
    assert checkpoints.load(path)[1].update == 4
    HARM[harm](path)
    one_line(lambda: checkpoints.load(path), "last.npz")


def test_a_pretrained_model_of_nan_is_refused(tmp_path, monkeypatch, capsys):
    arrays, meta = files.load_arrays(os.path.join(pretrained.FOLDER, "copying-T100-sab.npz"))
    arrays["W_h"][0, 0] = np.nan
    monkeypatch.setattr(pretrained, "FOLDER", str(tmp_path))
    without_checksum(tmp_path / "mine.npz", arrays, meta)
    assert cli.main(["evaluate", "mine"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "W_h.npy holds NaN or infinity" in said.err and not said.out


def test_a_state_that_diverges_into_its_parameters_is_not_saved(tmp_path, monkeypatch):
    run = Run(T=2, updates=9, batch=2, hidden=3, validate_every=9, validation_sequences=4, lr=1e38)
    with pytest.raises(loop.Diverged, match="finite"):
        loop.train(run, tmp_path)
    assert checkpoints.load_run(tmp_path)[1].update < 9  # it can be read: its numbers are finite


TABLE = "# made by hand\nT,accuracy\n5,0.5\n# seen\n9,0.25\n"


@pytest.mark.parametrize(
    "text, words",
    [
        (TABLE[:-1], "line 5 is cut short"),
        (TABLE[:-3], "line 5 is cut short"),
        ("", "it has no head"),
        ("# a word\n", "no head"),
        (TABLE.replace("9,", "9;"), "line 5: not a row of this table (expected 2 cells, found 1)"),
        (TABLE.replace("0.5", "0.5,1"), "line 3: not a row of this table (expected 2 cells, found 3)"),
        (
            TABLE.replace("0.25", "nan"),
            "line 5: not a row of this table (accuracy: 'nan' (expected a number of 0 to 1))",
        ),
        (TABLE.replace("0.25", "1.25"), "line 5"),
        (TABLE.replace("9,", "9.5,"), "T: '9.5' (expected a whole number)"),
        (TABLE.replace("9,", '"9,'), "line 5"),
        (TABLE.replace("0.5", '0.5X"a, b"').replace("acc", "more,acc"), "a quote stands in a cell"),
        (TABLE.replace("9,", "#9,"), "line 5"),
        (TABLE.replace("T,", "\ufeffT,"), "line 2: not the head of this table (expected a column T"),
        (TABLE.replace("accuracy", "T"), "expected a column accuracy"),
        (TABLE.replace("5,0.5", "5,0.5\0"), "line 3"),
        ("\udcff", "decode"),
    ],
)
def test_a_table_that_was_cut_or_changed_is_refused_with_its_line(text, words, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    columns = {"T": files.whole, "accuracy": files.share, "younger": files.maybe}
    one_line(lambda: files.read_rows(path, columns), "table.csv", words)


def test_rows_are_appended_below_the_comments_that_were_there(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    files.append_rows(path, [{"T": 7, "accuracy": 1, "seed": 3}], {"T": files.whole})
    assert path.read_text() == "# made by hand\n# seen\nT,accuracy,seed\n5,0.5,\n9,0.25,\n7,1,3\n"
    files.append_rows(path, [{"T": 9, "accuracy": 0}], {"T": files.whole}, key=lambda row: str(row["T"]))
    assert path.read_text().endswith("\n5,0.5,\n9,0,\n7,1,3\n")


def test_a_folder_is_no_table_and_a_file_that_is_gone_is_one_line(tmp_path):
    one_line(lambda: files.check_table(tmp_path, {}), f"{tmp_path}: not a table (Is a directory)")
    one_line(lambda: files.read_rows(tmp_path / "gone.csv"), "gone.csv: not a table (No such file or directory)")


def test_two_names_of_one_table_have_one_lock(tmp_path):
    (tmp_path / "other.csv").symlink_to(tmp_path / "table.csv")
    with files.lock(tmp_path / "table.csv", wait=False):
        with pytest.raises(files.Taken), files.lock(tmp_path / "other.csv", wait=False):
            pass


def test_a_lock_of_a_process_that_is_gone_holds_nobody_up_and_says_who_has_it_now(tmp_path):
    path, lock = tmp_path / "last.npz", tmp_path / "last.npz.lock"
    lock.write_text("\n4194999 elsewhere\n")  # as a kill leaves it
    with files.lock(path, wait=False), pytest.raises(files.Taken) as caught:
        with files.lock(path, wait=False):
            pass
    assert str(caught.value) == (
        f"{path}: another process is at work on it (process {os.getpid()}); try again when it is done"
    )
    with files.lock(path, wait=False):
        lock.write_text("\n17 elsewhere\n")
        with pytest.raises(files.Taken, match=r"at work on it \(process 17 on elsewhere\); try"):
            files.lock(path, wait=False).__enter__()
        lock.write_text("")
        with pytest.raises(files.Taken, match="at work on it; try"):
            files.lock(path, wait=False).__enter__()
    assert not lock.read_bytes()


def test_a_killed_process_lets_go_of_its_lock(tmp_path):
    words = "import sys, time\nfrom sab_numpy.support import files\nwith files.lock(sys.argv[1], wait=False):\n"
    words += "    print(flush=True)\n    time.sleep(600)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", words, str(tmp_path / "a")], stdout=subprocess.PIPE, env=threads.environment()
    )
    process.stdout.readline()
    with pytest.raises(files.Taken, match=rf"\(process {process.pid}\)"):
        files.lock(tmp_path / "a", wait=False).__enter__()
    process.kill()
    process.wait()
    process.stdout.close()
    with files.lock(tmp_path / "a", wait=False):
        pass


@pytest.mark.parametrize("command", ["demo --tiny", "bench --quick"])
@pytest.mark.parametrize("text", ["student,points\nana,3\n", TABLE[:-2], ""])
def test_a_table_that_is_not_ours_is_refused_before_any_work(command, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text(text)
    assert cli.main([*command.split(), "--csv", "mine.csv"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "mine.csv" in said.err and not said.out
    assert os.listdir() == ["mine.csv"] and Path("mine.csv").read_text() == text


FIGURES = Path(__file__).parents[1] / "figures" / "data"


@pytest.mark.parametrize(
    "name, harm",
    [
        ("copying.csv", lambda text: text[:-20]),
        ("transfer.csv", lambda text: text[:-20]),
        ("copying.csv", lambda text: text.replace("0.003", "0.004", 1)),  # its name says which recipe it was
        ("copying.csv", None),
    ],
)
def test_damaged_results_are_one_line_and_come_into_no_document(name, harm, tmp_path, capsys):
    for each in ("copying.csv", "transfer.csv"):
        shutil.copy(FIGURES / each, tmp_path / each)
    path = tmp_path / name
    path.write_text(harm(path.read_text())) if harm else path.unlink()
    document = tmp_path / "README.md"
    document.write_text(f"{tables.BEGIN}\n{tables.END}\n")
    before = document.read_text()
    assert cli.main(["reproduce", "copying", "--write", str(document), "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and document.read_text() == before


@pytest.mark.parametrize("name", ["copying", "adding", "transfer", "demo"])
def test_a_head_that_lost_a_column_is_one_line_or_was_not_needed(name, tmp_path):
    """All columns in turn: a KeyError, or "None" in a table, would end a command in a traceback."""
    for path in FIGURES.glob("*.csv"):
        (tmp_path / path.name).write_text("".join(path.read_text().splitlines(keepends=True)[:10]))
    write = {
        "transfer": lambda: tables.document(str(tmp_path)),
        "copying": lambda: tables.document(str(tmp_path)),
        "adding": lambda: tables.document_of("adding", str(tmp_path)),
        "demo": lambda: tables.demo(str(tmp_path)),
    }[name]
    head, *rows = (tmp_path / f"{name}.csv").read_text().splitlines(keepends=True)
    needed = []
    for column in head.strip().split(","):
        lost = re.sub(f"(^|,){column}(?=,|$)", r"\1lost", head, count=1)
        (tmp_path / f"{name}.csv").write_text("".join([lost, *rows]))
        try:
            write()
        except ValueError as error:
            assert "\n" not in str(error), column
            needed.append(column)
    assert {"demo": "seed", "adding": "squared_error", "copying": "ce10", "transfer": "accuracy"}[name] in needed
