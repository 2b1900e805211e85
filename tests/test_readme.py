"""What README and RESULTS show is true: their Python runs and prints what it says, and their commands exist."""

import csv
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from unittest import mock

import pytest

from sab_numpy import cli
from sab_numpy.cli import demo

ROOT = Path(__file__).parent.parent
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    """The fenced blocks of the README in one language, then those of the results."""
    texts = "".join((ROOT / path).read_text(encoding="utf-8") for path in ("README.md", "figures/RESULTS.md"))
    return [text for name, text in FENCED.findall(texts) if name == language]


def promised(code):
    """What the comments behind the print lines of `code` say will be printed."""
    return [line.rpartition("# ")[2].strip() for line in code.splitlines() if line.startswith("print(")]


def commands(text):
    """The command lines of a shell block, without comments."""
    return [words for line in text.replace("\\\n", " ").splitlines() if (words := shlex.split(line, comments=True))]


def accepts(words):
    """Whether the command line exists: a target of the Makefile, a `sab` command with its options, an install."""
    if words[:1] == ["make"]:
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return all(target in targets for target in words[1:])
    if words[:3] == ["python", "-m", "sab_numpy"] or words[:1] == ["sab"]:
        arguments = words[3:] if words[0] == "python" else words[1:]
        if arguments[0] not in cli.COMMANDS:
            return False
        with mock.patch(f"sab_numpy.cli.{arguments[0]}.run", return_value=0):  # parsed, not run
            return cli.main(arguments) == 0
    return words[:4] in (["python", "-m", "pip", "install"], ["python", "-m", "pytest"]) or words[0] in ("git", "cd")


def test_the_examples_read_in_order_print_what_their_comments_say(capsys):
    names = {"__name__": "readme"}
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), names)
        assert promised(code) and capsys.readouterr().out.splitlines() == promised(code)


def test_what_the_demo_prints_is_in_its_csv():
    with open(ROOT / "figures" / "data" / "demo.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["seed"] == "0")
    shown = {name: f"{100 * float(row[f'{side}_accuracy']):.2f} %" for side, (name, _) in demo.SIDES.items()}
    *lines, gist = blocks("text")[0].splitlines()
    assert {line[:24].strip(): line[24:33].strip() for line in lines} == shown
    assert re.findall(r"[\d.]+ %", gist) == [shown[demo.SIDES[side][0]] for side in ("sab", "constant", "tbptt")]


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= 12_000
    for path in ("README.md", "figures/RESULTS.md", "figures/FINDINGS.md"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / path).read_text(encoding="utf-8")):
            assert (ROOT / path).parent.joinpath(link).exists(), (path, link)


@pytest.mark.parametrize("words", [words for text in blocks("sh") for words in commands(text)], ids=" ".join)
def test_a_command_exists(words, capsys):
    assert accepts(words), capsys.readouterr().err


def test_the_sab_commands_run_in_order(tmp_path, monkeypatch, capsys):
    """In an empty folder that holds what they name (tutorials, a table, a class of one); trainings are quick."""
    (tmp_path / "tutorials").symlink_to(ROOT / "tutorials")
    (tmp_path / "figures" / "data").mkdir(parents=True)
    shutil.copy(ROOT / "figures" / "data" / "copying.csv", tmp_path / "figures" / "data")
    monkeypatch.chdir(tmp_path)
    lines = [words for text in blocks("sh") for words in commands(text) if words[0] == "sab"]
    assert len(lines) >= 7
    for words in lines:
        if "--class" in words:
            (tmp_path / "submissions").mkdir()
            (tmp_path / "my_exercises").rename(tmp_path / "submissions" / "student")
        words += ["--quick"] * (words[1] == "reproduce" and "--table" not in words)
        words += ["--updates", "2", "--hidden", "4", "--quiet"] * (words[1] == "train")
        assert cli.main(words[1:]) in ((0, 1) if words[1] == "grade" else (0,)), capsys.readouterr().err
    assert (tmp_path / "page.html").stat().st_size > 10_000 and (tmp_path / "grades.csv").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_make_commands_work_in_a_fresh_clone(target, tmp_path):
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "clone")], check=True)
    done = subprocess.run(["make", target], cwd=tmp_path / "clone", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.parametrize("line", ["make deom", "sab dmeo", "sab demo --tinny", "rm -r"])
def test_a_command_that_does_not_exist_is_noticed(line, capsys):
    assert not accepts(line.split())


def test_a_wrong_number_would_be_noticed():
    assert promised("x = 1  # 2\nprint(x)     # 1\n") == ["1"]
    assert len(blocks("python")) >= 1 and len(blocks("sh")) >= 2
