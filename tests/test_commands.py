"""What a command does where something around it ends, is closed, is too large, or is not what it seems."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sab_numpy import cli
from sab_numpy.support import threads
from sab_numpy.training import checkpoints, pretrained

SMALL = "train copying --T 3 --updates 3 --hidden 4 --validate-every 2 --validation-sequences 4 --out".split()


def sab(words, redirect="", **more):
    """A command line of the shell: (status, what it said)."""
    line = f"{sys.executable} -m sab_numpy {words} {redirect}"
    child = subprocess.run(
        line, shell=True, capture_output=True, text=True, errors="replace", env=threads.environment(**more)
    )
    return child.returncode, child.stdout, child.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell of Unix")
@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_ends_no_command(tmp_path, redirect):
    status, _, stderr = sab(" ".join([*SMALL, str(tmp_path / "run")]), redirect)
    assert (status, stderr.count("Traceback")) == (0, 0)
    assert checkpoints.load_run(tmp_path / "run")[1].update == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_behind_the_output_is_one_line():
    status, _, stderr = sab("hint 1", "> /dev/full")
    assert (status, stderr) == (2, "sab hint: No space left on device\n")


@pytest.mark.parametrize("code", ["ascii", "cp1252"])
def test_a_terminal_with_few_letters_ends_no_command(code):
    status, stdout, stderr = sab(
        f"reproduce copying --table --T 100 --rows sab-5-5 --data {threads.HOME}/figures/data", PYTHONIOENCODING=code
    )
    assert (status, stderr) == (0, "") and "SAB 5/5" in stdout


@pytest.mark.parametrize("words", ["copying --table", "adding --table", "transfer", "transfer --table"])
def test_a_table_that_is_not_there_is_one_line_that_says_what_to_do(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["reproduce", *words.split(), "--data", "nowhere"]) == 2
    said = capsys.readouterr()
    what = "adding" if "adding" in words else "copying"
    assert said.err == (
        f"sab reproduce: nowhere/{what}.csv: no such table, nothing of {what} was trained here: sab reproduce {what} "
        "trains; --data DIR says where a table is\n"
    )
    assert not said.out and not list(tmp_path.iterdir())


def test_lengths_to_test_at_are_of_transfer(capsys):
    assert cli.main(["reproduce", "copying", "--tested", "1000", "--table"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("sab reproduce: --tested is of --transfer: expected both") and not said.out


@pytest.mark.parametrize(
    "words, option",
    [
        ("train copying --updates 2 --out {}", "--out"),
        ("train copying --updates 2 --out {}/deep/er", "--out"),
        ("demo --tiny --out {}", "--out"),
        ("exercises --out {}", "--out"),
        ("figures kink_of_selection --out {}", "--out"),
        ("reproduce copying --quick --data {}", "--data"),
        ("reproduce copying --quick --runs {}", "--runs"),
    ],
)
def test_a_file_where_a_folder_belongs_is_named_before_any_work(words, option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("mine")
    assert cli.main(words.format("notes.txt").split()) == 2
    said, name = capsys.readouterr(), words.split()[0]
    assert said.err == f"sab {name}: {option}: expected a folder, found the file notes.txt (sab {name} --help)\n"
    assert not said.out and os.listdir() == ["notes.txt"] and Path("notes.txt").read_text() == "mine"


def test_a_file_where_the_feedback_of_a_class_belongs_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("mine")
    Path("class/ann").mkdir(parents=True)
    words = ["grade", "--sandbox", "none", "--class", "class"]
    for more, said in (
        (["--csv", "grades.csv", "--out", "notes.txt"], "expected a folder, found the file notes.txt"),
        (["--csv", "no/grades.csv"], "no/grades.csv: cannot be written (there is no folder no: make it first)"),
        (["--csv", "class"], "class: cannot be written (Is a directory)"),
    ):
        assert cli.main([*words, *more]) == 2
        assert capsys.readouterr().err == f"sab grade: {said}\n"
    assert sorted(os.listdir()) == ["class", "notes.txt"]


@pytest.mark.parametrize(
    "words, computes",
    [
        ("gradcheck --json", "gradcheck._check_model"),
        ("gradcheck --csv", "gradcheck._check_model"),
        ("gradcheck --picture", "gradcheck._check_model"),
        ("explore copying-T100-sab --out", "explore.explore"),
        ("grade . --out", "grade.grading.grade"),
    ],
)
@pytest.mark.parametrize(
    "place, why", [("no/x.png", "there is no folder no: make it first"), ("here.png", "Is a directory")]
)
def test_a_place_that_cannot_be_written_is_said_before_any_work(
    words, computes, place, why, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("here.png").mkdir()
    cli.module(words.split()[0])
    monkeypatch.setattr(f"sab_numpy.cli.{computes}", None)
    assert cli.main([*words.split(), place]) == 2
    said = capsys.readouterr()
    folder = f"--out {place} is a folder" if words.startswith("explore") else f"{place}: cannot be written ({why})"
    assert (folder if why == "Is a directory" else f"{place}: cannot be written ({why})") in said.err
    assert said.err.count("\n") == 1 and not said.out


def test_a_picture_of_another_kind_is_refused_before_any_work(monkeypatch, capsys):
    from sab_numpy.cli import gradcheck

    monkeypatch.setattr(gradcheck, "_check_model", None)
    assert cli.main(["gradcheck", "--picture", "x.foo"]) == 2
    assert "expected a name that ends in .png, .svg, .pdf, found x.foo" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["sample", "walk", "explore", "evaluate"])
def test_a_folder_without_a_run_is_told_as_such(command, tmp_path, capsys):
    assert cli.main([command, str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"sab {command}: {tmp_path}: expected the folder of a run (sab train --out), found no last.npz in it\n"
    )


@pytest.mark.parametrize("command", ["evaluate", "walk", "explore", "sample", "bench"])
def test_the_help_lists_the_pretrained_models_and_its_example_runs(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    said = capsys.readouterr().out
    listed, example = said.partition("example")[::2]
    listed = "".join(listed.split())  # argparse breaks lines within a name
    assert all(name in listed for name in pretrained.names()) and len(pretrained.names()) > 3
    named = re.findall(r"copying-T\d+-\w+", example)
    assert named and set(named) == {"copying-T100-sab"} and "runs/copy" not in example


@pytest.mark.parametrize(
    "words, message",
    [
        ("train copying --hidden 1000000 --out {}", "not enough memory: Unable to allocate 29.1 TiB"),
        ("train copying --T 1000000000000 --out {}", "not enough memory: Unable to allocate"),
        (f"train copying --T 1{'0' * 23} --out {{}}", "a number is far too large: "),
        (f"train copying --batch 1{'0' * 23} --out {{}}", "a number is far too large: "),
        (f"sample copying-T100-sab --number 1{'0' * 18}", "a number is far too large: array is too big"),
        ("explore copying-T100-sab --T 100000 --out {}", "--T 100000: the page would have about"),
        ("train copying --lr inf --out {}", "--lr: expected a finite number, found 'inf'"),
        ("train copying --k-top x --out {}", "--k-top: expected a whole number or none, found 'x'"),
        ("train copying --resume --force --out {}", "--force: not allowed with argument --resume"),
        ("reproduce copying --quick --seeds 0-99999", "expected N or A-B, 1 to 10000 seeds, found '0-99999'"),
    ],
)
def test_what_cannot_be_is_one_line_and_makes_no_file(words, message, tmp_path, capsys):
    assert cli.main(words.format(tmp_path / "made").split()) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--module", "--csv", "--json", "--picture"])
def test_a_name_of_nothing_is_no_file(option, capsys):
    assert cli.main(["gradcheck", option, ""]) == 2
    assert f"{option}: expected a name, found ''" in capsys.readouterr().err


def test_a_module_that_ends_python_is_one_line(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("import sys\n\nsys.exit(0)\n")
    assert cli.main(["gradcheck", "--module", str(tmp_path / "mine.py")]) == 2
    assert capsys.readouterr().err == f"sab gradcheck: {tmp_path}/mine.py, line 3: SystemExit: 0\n"


def test_a_module_that_ends_in_no_exception_is_one_line(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("class Skipped(BaseException):\n    pass\n\n\nraise Skipped('no torch')\n")
    assert cli.main(["gradcheck", "--module", str(tmp_path / "mine.py")]) == 2
    assert capsys.readouterr().err == f"sab gradcheck: {tmp_path}/mine.py, line 5: Skipped: no torch\n"


def test_evaluate_prints_each_length_as_it_comes(monkeypatch, capsys):
    from sab_numpy.cli import evaluate as command

    def stopped(*args):
        yield {"T": 5, "low": 0, "high": 1, "accuracy": 0.5, "ce10": 1, "ce": 1, "max_abs_h": 1}
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "evaluate", stopped)
    assert cli.main(["evaluate", "copying-T100-sab"]) == 130
    assert capsys.readouterr().out.splitlines()[2].split()[:2] == ["5", "50.00"]


def children(pid):
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = place.read_text().rpartition(")")
        except OSError:
            continue
        if int(rest.split()[1]) == pid and rest.split()[0] != "Z":
            found.append(int(place.parent.name))
    return found


def until(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_trainings_of_a_command_end_with_it_and_save(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "sab_numpy", "demo", "--quiet", "--out", str(tmp_path)],
        env=threads.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    lasts = [tmp_path / "seed0" / side / "last.npz" for side in ("sab", "tbptt")]
    until(lambda: all(path.exists() for path in lasts))
    mine = children(process.pid)
    assert len(mine) == 2
    process.send_signal(number)
    assert process.wait() == (130 if number == signal.SIGTERM else -number)
    until(lambda: not any(os.path.exists(f"/proc/{pid}") and pid in alive() for pid in mine))
    assert all(checkpoints.load(path)[1].update >= 0 for path in lasts)


@pytest.mark.skipif(os.name != "posix", reason="no SIGTERM")
def test_a_stop_while_a_module_is_executed_from_text_has_the_status_of_any_other(tmp_path):
    """python -m ends by SIGINT (-2) where a KeyboardInterrupt went through an exec, though it was caught."""
    (tmp_path / "matplotlib.py").write_text("exec('import os, signal; os.kill(os.getpid(), signal.SIGTERM)')\n")
    words = [sys.executable, "-m", "sab_numpy", "figures"]
    env = threads.environment(PYTHONPATH=os.pathsep.join((threads.HOME, str(tmp_path))))
    done = subprocess.run(words, env=env, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (130, "sab figures: stopped\n")


def alive():
    return [int(p.parent.name) for p in Path("/proc").glob("[0-9]*/stat") if _running(p)]


def _running(place):
    try:
        return place.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
