"""What a command does where something around it ends, is closed, is too large, or is not what it seems."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sab_numpy import cli
from sab_numpy.support import threads
from sab_numpy.training import checkpoints

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
        "reproduce copying --table --T 100 --rows sab-5-5 --data nowhere", PYTHONIOENCODING=code
    )
    assert (status, stderr) == (0, "") and "SAB 5/5" in stdout and not Path("nowhere").exists()


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
