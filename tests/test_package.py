"""The package as a stranger gets it: what it needs, what it brings, and what make says when something is missing."""

import argparse
import glob
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import sab_numpy
from sab_numpy import cli
from sab_numpy.cli import train
from sab_numpy.training.run import Run

ROOT = Path(__file__).parent.parent
PEERS = ("sab_numpy.bench.torch_sab",)  # needs PyTorch, which nothing else does


@pytest.fixture(scope="module")
def project():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def modules():
    """Every module of the package."""
    found = pkgutil.walk_packages(sab_numpy.__path__, "sab_numpy.")
    return [module.name for module in found if module.name not in PEERS and not module.name.endswith("__main__")]


def without(*packages):
    """A program that refuses to import `packages`, then imports what its arguments name."""
    return (
        "import importlib, sys\n"
        f"for name in {packages!r}: sys.modules[name] = None\n"
        "for name in sys.argv[1:]: importlib.import_module(name)"
    )


def test_it_needs_three_packages_and_the_extras_are_there(project):
    names = [re.match(r"[\w-]+", line).group() for line in project["project"]["dependencies"]]
    assert names == ["numpy", "scipy", "matplotlib"] and project["project"]["requires-python"] == ">=3.10"
    extras = {"test", "gpu-cuda12", "gpu-cuda13", "mpi", "notebooks", "browser", "book"}
    assert set(project["project"]["optional-dependencies"]) == extras
    assert project["project"]["scripts"] == {"sab": "sab_numpy.cli:main"}
    for cuda in ("12", "13"):
        assert project["project"]["optional-dependencies"][f"gpu-cuda{cuda}"] == [f"cupy-cuda{cuda}x"]


def test_every_module_imports_without_optional_packages():
    run = [sys.executable, "-c", without("torch", "jax", "cupy", "pytest"), *modules()]
    assert subprocess.run(run, capture_output=True, text=True, cwd=ROOT).stderr == ""


def test_the_core_imports_with_numpy_alone_and_the_proof_of_it_can_fail():
    run = [sys.executable, "-c", without("scipy", "matplotlib"), "sab_numpy", "sab_numpy.training.loop"]
    assert subprocess.run(run, capture_output=True, text=True, cwd=ROOT).stderr == ""
    run[-1] = "sab_numpy.plots"
    assert "matplotlib" in subprocess.run(run, capture_output=True, text=True, cwd=ROOT).stderr


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"])
    said = capsys.readouterr().out
    assert left.value.code == 0 and re.search(rf"example.*sab {name}", said, re.DOTALL)


def test_sab_says_its_version(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])
    assert left.value.code == 0 and capsys.readouterr().out == f"sab_numpy {sab_numpy.__version__}\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["trian"], "sab: no command 'trian': did you mean train?"),
        (["xyz"], "sab: no command 'xyz': expected one of demo, train, "),
        ([], "sab: which command? expected one of demo, train, "),
        (["sample", "x", "--bset"], "sab sample: no option --bset: did you mean --best? (sab sample --help)"),
        (
            ["train", "copying", "--updatse", "5"],
            "sab train: no option --updatse: did you mean --updates? (sab train -",
        ),
        (["train", "--k_top=3"], "sab train: no option --k_top: did you mean --k-top? (sab train --help)"),
        (["hint", "4", "--zzz"], "sab hint: no option --zzz (sab hint --help)"),
        (["hint", "4", "5"], "sab hint: what is 5? There is no place for it (sab hint --help)"),
        (["--verison"], "sab: no option --verison: did you mean --version? (sab --help)"),
        (["evaluate", "x", "--T", "ten"], "sab evaluate: --T: expected a whole number of at least 1, found 'ten'"),
        (["train", "copying", "--k-top", "all"], "sab train: --k-top: expected a whole number or none, found 'all'"),
    ],
)
def test_a_command_that_does_not_exist_is_one_line(arguments, message, capsys):
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_every_field_of_a_run_is_an_option_in_a_group():
    names = [name for group in train.GROUPS.values() for name in group]
    assert sorted(names) == sorted(item.name for item in fields(Run) if item.name != "task")


def test_every_file_that_the_package_reads_is_installed_with_it(project):
    """Data files beside the modules, each matched by a pattern of package-data."""
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    found = pkgutil.walk_packages(sab_numpy.__path__, "sab_numpy.")
    names = ["sab_numpy"] + [module.name for module in found if module.ispkg]
    packages = [Path(importlib.import_module(name).__file__).parent for name in names]
    matched = {path for package in packages for pattern in patterns for path in glob.glob(str(package / pattern))}
    data = {
        str(path)
        for path in packages[0].rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
    }
    assert data <= matched and any(path.endswith("paper.csv") for path in data)


def test_the_licence_and_both_papers_are_named():
    licence, citation = ((ROOT / name).read_text(encoding="utf-8") for name in ("LICENSE", "CITATION.cff"))
    assert licence.startswith("MIT License") and "2026 the sab_numpy authors" in licence
    assert "Temporal Credit Assignment Through Reminding" in citation and "1711.02326" in citation
    assert f"version: {sab_numpy.__version__}" in citation


@pytest.mark.parametrize(
    "python, expected",
    [
        ('#!/bin/sh\ncase "$2" in *venv*) exit 1;; esac\n', "python3-venv is missing: install it"),
        ('#!/bin/sh\ncase "$2" in *version*) exit 1;; esac\n', "Python 3.10 or later is needed"),
        (None, "is missing: install Python"),
    ],
    ids=["no venv", "old", "none"],
)
@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_make_says_in_one_line_what_is_missing(tmp_path, python, expected):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    if python:
        (tmp_path / "python").write_text(python)
        (tmp_path / "python").chmod(0o755)
    run = subprocess.run(["make", "test", "PYTHON=./python"], cwd=tmp_path, capture_output=True, text=True)
    lines = [line for line in (run.stdout + run.stderr).splitlines() if not line.startswith("make")]
    assert run.returncode and len(lines) == 1 and expected in lines[0] and not (tmp_path / ".venv").exists()


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_make_sets_up_again_when_pyproject_changes(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "ready").touch()

    def plan():
        return subprocess.run(["make", "-n", "test"], cwd=tmp_path, capture_output=True, text=True).stdout

    os.utime(tmp_path / "pyproject.toml", (1, 1))
    assert "pip install" not in plan() and "pytest" in plan()
    os.utime(tmp_path / "pyproject.toml")
    os.utime(tmp_path / ".venv" / "ready", (1, 1))
    assert "pip install" in plan()


PYTEST = "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 {}/bin/python -m pytest -q{}"
TARGETS = {  # what help says of it, what it runs
    "demo": ("watch SAB learn", ".venv/bin/python -m sab_numpy demo"),
    "book": ("as a site in book/", ".venv/bin/python tutorials/book/build.py"),
    "slides": ("slides.pdf", ".venv/bin/python figures/slides.py slides.pdf"),
    "check": (
        "format and lint",
        ".venv/bin/python -m ruff format --check --quiet . && .venv/bin/python -m ruff check --quiet .",
    ),
    "test": ("all tests but the slow ones", PYTEST.format(".venv", " -n 2 --dist loadfile")),
    "test-slow": ("the slow ones", PYTEST.format(".venv", " -m slow")),
    "test-oldest": ("make test on the oldest", PYTEST.format(".venv-oldest", "")),
}


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_make_runs_what_its_help_says(tmp_path, project):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # not below make test

    def make(*words):
        done = subprocess.run(["make", *words], cwd=tmp_path, env=alone, capture_output=True, text=True, check=True)
        return done.stdout

    said = dict(re.findall(r"^make ([\w-]+) +(.*)$", make("help"), re.M))
    assert said.keys() == TARGETS.keys() and make() == make("help")
    fresh = make("-n", "test-oldest")
    floors = [line.replace(">=", "==") for line in project["project"]["dependencies"]]
    assert " ".join(["--editable .", *floors, "pytest==7.2"]) in fresh
    oldest = re.search(r"version_info < \((\d+), (\d+)\)", make("-n", "test")).groups()
    assert project["project"]["requires-python"] == ">=" + ".".join(oldest)
    for venv, name in ((".venv", "ready"), (".venv", "book"), (".venv-oldest", "ready")):
        (tmp_path / venv).mkdir(exist_ok=True)
        (tmp_path / venv / name).touch()
    for target, (words, command) in TARGETS.items():
        assert words in said[target] and make("-n", target) == f"{command}\n"


def test_ci_calls_make_test():
    path = ROOT / ".ci" / "run"
    assert path.read_text().startswith("#!/usr/bin/env bash") and "\nmake test" in path.read_text()
    assert os.access(path, os.X_OK)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the wheel brings, and one to stand in that is not the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a build leaves its traces beside the source
    shutil.copytree(ROOT / "sab_numpy", source / "sab_numpy", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    built = subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, source], capture_output=True, text=True)
    if built.returncode and re.search("connection|network|No matching distribution|No module named pip", built.stderr):
        pytest.skip("a wheel is built with setuptools from the network, and there is none")
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("sab_numpy-*-none-any.whl")  # of any platform: nothing was compiled
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", folder / "site", wheel], check=True)
    (folder / "elsewhere").mkdir()
    return folder / "site", folder / "elsewhere"


def there(installed, *words):
    site, elsewhere = installed
    env = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], cwd=elsewhere, env=env, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words, last",
    [
        (["-c", "import sab_numpy; print(sab_numpy.__file__)"], r"/site/sab_numpy/__init__\.py$"),
        (["-m", "sab_numpy", "demo", "--tiny", "--quiet"], r"SAB +9\d\.\d\d % .*attention_map.png: what each"),
        (["-m", "sab_numpy", "explore", "copying-T100-sab", "--out", "page.html"], r"page.html: \d+ kB"),
        (["-m", "sab_numpy", "exercises", "--out", "mine"], "start with: sab grade"),
        (["-m", "sab_numpy", "grade", "mine"], "total: 0 of 100 points"),
        (["-m", "sab_numpy", "reproduce", "copying", "--table", "--T", "100"], r"\| 99\.8 "),  # the paper's numbers
    ],
    ids=lambda value: value[2] if isinstance(value, list) and len(value) > 2 else "",
)
def test_the_wheel_works_from_another_folder(words, last, installed):
    done = there(installed, *words)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    assert re.search(last, done.stdout, re.S), done.stdout


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_a_default_that_the_help_names_is_the_real_one(command):
    parser = cli.Parser()
    cli.module(command).add_arguments(parser)
    for action in parser._actions:
        named = re.search(r"\(default:? ([\w-]+)[;)]|\((\d[\d ]*)\)", action.help or "")
        if named and action.default not in (None, argparse.SUPPRESS):
            default = action.default if isinstance(action.default, list) else [action.default]
            assert (named[1] or named[2]).split() == [str(value) for value in default], action.dest
