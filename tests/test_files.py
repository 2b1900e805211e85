"""A file is whole or as it was before; what goes wrong is said of the name that the user gave."""

import errno
import io
import os

import pytest

from sab_numpy import cli
from sab_numpy.support import files, progress
from sab_numpy.support.text import table


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
