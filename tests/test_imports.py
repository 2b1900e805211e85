"""The house: a room imports only from rooms below it, and the core, which is read in the order in which it is imported,
NumPy alone."""

import ast
import graphlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sab_numpy
from sab_numpy.core import backward, forward

FOLDER = Path(sab_numpy.__file__).parent
READING = sab_numpy.__doc__.partition("Reading")[2].split("\n\n")[0].replace(",", " ").split()
CORE = "scores sparsify config params lstm replay memory tape inputs forward credit backward losses optim".split()
PUBLIC = "forward", "adam_step"  # their parameters are fixed
PROJECTED = [f"core/{name}" for name in CORE] + [f"transformer/{name}" for name in ("params", "forward", "backward")]

BLOCKED = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("scipy", "matplotlib", "cupy", "torch", "jax", "pytest", "yaml", "PIL"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Refuse())
import numpy as np
import sab_numpy as sab

cfg = sab.Config.sab(2, 3, 2, k_trunc=3, k_top=2, k_att=2)
rng = np.random.default_rng(0)
params, x = sab.init_params(cfg, rng), rng.standard_normal((7, 2, 2))
y, tape = sab.forward(params, x, cfg)
loss, dy = sab.softmax_cross_entropy(y, rng.integers(0, 2, (7, 2)))
grads = sab.backward(dy, tape)
from sab_numpy.core.optim import adam_init, adam_step
adam_step(params, grads, adam_init(params), 1e-3, clip=1.0)
report = sab.check_gradients(params, x, cfg, rng)
foreign = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - set(BEFORE)
print(report.ok, *sorted(foreign))
"""


def test_the_core_runs_with_numpy_alone():
    code = "import sys; BEFORE = [name.partition('.')[0] for name in sys.modules]\n" + BLOCKED
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=FOLDER.parent)
    assert done.returncode == 0, done.stderr
    ok, *foreign = done.stdout.split()
    assert ok == "True" and {name for name in foreign if "cython" not in name} == {"numpy", "sab_numpy"}, foreign


def test_the_block_is_not_empty():
    code = BLOCKED.partition("import numpy")[0] + "import scipy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "scipy is blocked" in done.stderr


def imported(name):
    """The modules of the package that module `name` imports, wherever in the file."""
    tree = ast.parse((FOLDER / "core" / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            parts = node.module.split(".")
            if parts[:2] == ["sab_numpy", "core"]:
                yield from [parts[2]] if len(parts) > 2 else [alias.name for alias in node.names]
            elif parts[0] not in sys.stdlib_module_names:
                yield parts[0]
        elif isinstance(node, ast.Import):
            yield from (
                alias.name for alias in node.names if alias.name.partition(".")[0] not in sys.stdlib_module_names
            )


def test_the_package_names_the_reading_order():
    assert READING == CORE


@pytest.mark.parametrize("name", ["backend", *CORE])
def test_a_module_of_the_core_imports_only_numpy_and_what_is_read_before_it(name):
    before = {"backend"} | set(CORE[: CORE.index(name)] if name in CORE else [])
    assert set(imported(name)) - {"numpy"} <= before - {name}


@pytest.mark.parametrize("name", ["core/backend", *PROJECTED])
def test_the_core_is_short_enough_to_be_read_and_narrow_enough_to_be_projected(name):
    lines = (FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 250 and not [line for line in lines if len(line) > 100]


@pytest.mark.parametrize("folder", ["tutorials", "tutorials/gradients"])
def test_a_tutorial_is_narrow_enough_to_be_projected(folder):
    for path in (FOLDER.parent / folder).glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if len(line) > 100], path.name


@pytest.mark.parametrize("name", PROJECTED)
def test_a_function_of_the_core_has_few_lines_and_parameters(name):
    """Lines of code: the forward lines that a comment quotes are not counted."""
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    for function in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)):
        lines = [line.strip() for line in text.splitlines()[function.lineno - 1 : function.end_lineno]]
        code = len([line for line in lines if line and line[0] != "#"])
        code -= len([line for line in (ast.get_docstring(function) or "").splitlines() if line])
        most = 40 if any(isinstance(node, ast.For) for node in ast.walk(function)) else 25
        assert code <= most and (len(function.args.args) <= 6 or function.name in PUBLIC), (function.name, code)


def test_the_backward_names_every_line_of_the_forward():
    """Its comments quote the lines of forward.py that they reverse."""
    lines = re.findall(r"^    (\w+)  ", forward.__doc__, re.M)
    assert lines == ["cut", "lstm", "recall", "state", "output", "write"]
    ahead, back = (inspect.getsource(f) for f in (forward.step_forward, backward.step_backward))
    assert set(re.findall(r"\b(\w+): ", "\n".join(re.findall(r"^    # .*: .*", back, re.M)))) == set(lines)
    assert set(re.findall(r"\w+", "\n".join(re.findall(r"^    # (.*)", ahead, re.M)))) == set(lines) - {"output"}
    ahead, back = (inspect.getsource(f) for f in (forward.recall, backward.recall_backward))
    quoted = re.findall(r"^    # .* = (?:score\.)?(\w+)\(", back, re.M)
    assert quoted == ["weights", "compare", "project"] and all(f"{name}(xp, " in ahead for name in quoted)


FLOORS = (  # a room may import from itself and from the floors below its own
    ("core",),
    ("support",),
    ("gradcheck", "tasks", "transformer"),
    ("training", "coursework"),
    ("explore", "paper", "bench"),
    ("plots",),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = {
    ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(FOLDER.rglob("*.py"))
}


def ours(name, text=None):
    """The modules of the package that module `name` imports, wherever in the file."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(text or MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "sab_numpy")
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            source = (above + (node.module or "")).removesuffix(".")
            if source.partition(".")[0] == "sab_numpy":
                for alias in node.names:
                    yield f"{source}.{alias.name}" if f"{source}.{alias.name}" in MODULES else source


def room(name):
    return name.split(".")[1] if "." in name else ""


def uphill(name, text=None):
    """What module `name` imports and may not: its own floor's other rooms, those above, and the package's face."""
    found, own = set(ours(name, text)), room(name)
    if own in ("", "__main__"):
        return {other for other in found if room(other) == "cli" and not own}
    return {other for other in found if not room(other) or room(other) != own and FLOOR[room(other)] >= FLOOR[own]}


def test_every_module_lives_in_a_room():
    assert {room(name) for name in MODULES} - {"", "__main__"} == set(FLOOR)


@pytest.mark.parametrize("name", MODULES)
def test_a_room_imports_only_from_rooms_below_it(name):
    assert not uphill(name)


@pytest.mark.parametrize(
    "name, text",
    [
        ("sab_numpy.core.lstm", "from sab_numpy.support import files"),
        ("sab_numpy.tasks.copying", "def f():\n    from ..training import run"),
        ("sab_numpy.transformer.forward", "from sab_numpy.tasks import copying"),
        ("sab_numpy.explore.page", "import sab_numpy as sab"),
        ("sab_numpy.training.loop", "from sab_numpy import __version__"),
        ("sab_numpy.paper.results", "from sab_numpy.bench.cost_table import growth"),
        ("sab_numpy.plots.figures", "from sab_numpy.cli.walk import tell"),
        ("sab_numpy", "from sab_numpy.cli import main"),
    ],
)
def test_an_arrow_uphill_is_noticed(name, text):
    assert len(uphill(name, text)) == 1


def test_modules_do_not_import_each_other_in_a_circle():
    graphlib.TopologicalSorter({name: set(ours(name)) - {name} for name in MODULES}).prepare()
