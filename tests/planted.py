"""A copy of the package's core with one line changed, under another name, in this process: sab_numpy is not touched."""

import sys
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

NAME = "sab_planted"
ORDER = "backend scores sparsify config params lstm replay memory tape inputs forward credit backward".split()


@cache
def source(name):
    """The text of a module of the core, importing from the copy instead of from sab_numpy."""
    return Path(find_spec(f"sab_numpy.core.{name}").origin).read_text(encoding="utf-8").replace("sab_numpy", NAME)


@cache
def compiled(name):
    return compile(source(name), f"{NAME}/{name}.py", "exec")


@contextmanager
def planted(where, old, new):
    """While inside, `import sab_planted.core.backward` and the like give a core with `new` for `old` in module `where`.

    Raises ValueError unless `old` is there exactly once and the change really is one.
    """
    text = source(where)
    if text.count(old) != 1 or old == new:
        raise ValueError(f"{where}.py: expected {old!r} once and another text in its place, found {text.count(old)}")
    try:
        sys.modules[NAME] = ModuleType(NAME)
        sys.modules[f"{NAME}.core"] = package = ModuleType(f"{NAME}.core")
        sys.modules[NAME].__path__ = package.__path__ = []
        for name in ORDER:
            full = f"{NAME}.core.{name}"
            sys.modules[full] = module = ModuleType(full)
            changed = compile(text.replace(old, new), f"{NAME}/{name}.py", "exec") if name == where else None
            exec(changed or compiled(name), vars(module))
            setattr(package, name, module)
        yield
    finally:
        for full in [full for full in sys.modules if full.partition(".")[0] == NAME]:
            del sys.modules[full]
