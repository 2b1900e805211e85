"""`sab gradcheck`: prove the model's gradients, or check those of a file of your own."""

import contextlib
import importlib.util
import os
import sys
import traceback

import numpy as np

from sab_numpy.cli import options
from sab_numpy.core.backend import require, to_backend
from sab_numpy.core.backward import backward
from sab_numpy.core.config import NORMALISERS, SCORES, Config
from sab_numpy.core.forward import forward
from sab_numpy.core.params import init_params
from sab_numpy.gradcheck.attribution import attribute
from sab_numpy.gradcheck.check import check
from sab_numpy.gradcheck.model import check_gradients
from sab_numpy.gradcheck.points import lengths_of, made
from sab_numpy.gradcheck.step_sizes import step_sizes
from sab_numpy.plots.derivatives import draw_step_sizes
from sab_numpy.support.files import check_place, write_atomic

SIZES = dict(n_in=3, n_hidden=4, n_out=2)
STEPS, ROWS = 11, 2  # T is a multiple of nothing
DRAWS = 20
PICTURES = (".png", ".svg", ".pdf")
SETTINGS = {
    "sab": dict(k_trunc=3, k_top=2, k_att=2),
    "bptt": dict(k_trunc=None, k_top=0),
    "tbptt": dict(k_trunc=3, k_top=0),
    "attention": dict(k_trunc=None, k_top=None),
}
EPILOG = """examples:
  sab gradcheck                                   SAB, every entry, complex step
  sab gradcheck --setting sab --normalise relu --score mlp
  sab gradcheck --method central --csv proof.csv
  sab gradcheck --module mine.py --picture mine.png
  sab gradcheck --edges --setting tbptt           which family of credit (local, skips, query ...) is wrong
  sab gradcheck --edges --module forgetful.py     the same for a backward(dy, tape) of your own:

    from dataclasses import replace
    import sab_numpy as sab
    def backward(dy, tape):                       # forgets what it owes to recalled states
        _, other = sab.forward(tape.params, tape.x, replace(tape.cfg, mental_updates=False))
        return sab.backward(dy, other)            # "skip values and skip scores: credit is missing"

mine.py defines   params   float arrays: one, or dicts and lists of them
                  f        f(params) -> number; mark what your gradient holds constant with sab_numpy.stop and choose
                  grads    a dict like params, or a function params -> dict
or, in place of these three,
                  make     make(rng, B, T) -> (f, params, grads): tried at the lengths of sizes, and at lengths of 1
and may define    tape (what record() kept), gates ({"W_x": "ifgo"}), sizes ({"B": 8, "T": 20}),
                  points (3: params, and two points beside them; grads must then be a function)

Exit status: 0 when every row passes, 1 when not, 2 for a mistake in what was asked."""


def add_arguments(parser):
    """Arguments of `sab gradcheck`."""
    parser.epilog = EPILOG
    parser.add_argument("--setting", choices=SETTINGS, default="sab", help="which of the four algorithms (default sab)")
    parser.add_argument("--score", choices=SCORES, default="dot")
    parser.add_argument("--normalise", choices=NORMALISERS, default="softmax")
    parser.add_argument("--method", choices=("complex", "central"), help="default: complex, or what --module allows")
    parser.add_argument(
        "--module", type=options.path, metavar="FILE", help="check params, f and grads, or make, of this Python file"
    )
    parser.add_argument("--edges", action="store_true", help="say which family of credit is wrong, not which entry")
    options.add_seed(parser)
    options.add_backend(parser, "where the gradient under test is made (the numbers beside it are NumPy's)")
    parser.add_argument("--json", type=options.path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--csv", type=options.path, metavar="FILE", help="write the report as CSV")
    parser.add_argument(
        "--picture", type=options.path, metavar="FILE", help="draw the error over the step size (png, svg or pdf)"
    )


def run(args):
    """Print the table; 0 when all is right, 1 when not."""
    for path in (args.json, args.csv, args.picture):
        if path:
            check_place(path)
    if args.picture and not args.picture.lower().endswith(PICTURES):
        raise ValueError(f"--picture: expected a name that ends in {', '.join(PICTURES)}, found {args.picture}")
    on_gpu = args.backend != "numpy" and require(args.backend) is not np
    if on_gpu and args.module:
        raise ValueError(f"--backend {args.backend} is for the model's gradient: a --module decides about its arrays")
    if args.edges:
        return _edges(args)
    report, (f, params, grads, tape) = _check_file(args) if args.module else _check_model(args)
    report.command, report.seed = _command(args, on_gpu), args.seed
    print(report)
    for path, text in ((args.json, report.to_json), (args.csv, report.to_csv)):
        if path:
            write_atomic(path, text())
    if args.picture and not report.problems:
        _picture(step_sizes(f, params, grads, tape, args.seed), args.picture)
    return 0 if report.ok else 1


def _command(args, on_gpu):
    """The command line that repeats this check."""
    words = ["module"] if args.module else ["setting", "score", "normalise"]
    given = [(word, getattr(args, word)) for word in (*words, "method", "seed")] + [("backend", "cupy" * on_gpu)]
    return "sab gradcheck " + " ".join(f"--{word} {value}" for word, value in given if value not in (None, ""))


def _picture(sizes, path):
    orders = {kind: sizes.order(kind) for kind in sizes._fields[1:]}
    labels = {kind: f"{kind}, order {order:.1f}" if np.isfinite(order) else kind for kind, order in orders.items()}
    draw_step_sizes(sizes.h, {label: getattr(sizes, kind) for kind, label in labels.items()}, path)
    fitted = ", ".join(f"{kind} {order:.2f}" for kind, order in orders.items())
    print(f"{path}: error over step size; fitted orders: {fitted}")


def _edges(args):
    """Say which family of credit the model's backward, or that of a file, gets wrong."""
    if args.json or args.csv or args.picture:
        raise ValueError("--edges prints a list and a sentence: leave out --json, --csv and --picture")
    params, x, cfg, rng = _live_point(args)
    backward_there = load(args.module, ("backward",)).backward if args.module else _backward_there(args)
    y, tape = forward(params, x, cfg)
    cotangent = rng.standard_normal(y.shape)  # (T, B, O)
    with _in_one_line(args.module) if args.module else contextlib.nullcontext():
        found = attribute(params, x, cfg, cotangent, backward_there(cotangent, tape))
    print(found)
    return 0 if found.right else 1


def _check_model(args):
    """The Report of the model itself, and what a picture needs: f, params, grads, tape."""
    params, x, cfg, rng = _live_point(args)
    report = check_gradients(params, x, cfg, rng, args.method or "complex", _backward_there(args))
    y, tape = forward(params, x, cfg)
    cotangent = rng.standard_normal(y.shape)  # (T, B, O)
    return report, (lambda p: (forward(p, x, cfg)[0] * cotangent).sum(), params, backward(cotangent, tape), tape)


def _backward_there(args):
    """backward(dy, tape) of the backend that was asked for, from a tape of NumPy."""

    def made_there(dy, tape):
        _, there = forward(*to_backend((tape.params, tape.x), args.backend), tape.cfg)
        return to_backend(backward(to_backend(dy, args.backend), there), "numpy")

    return made_there


def _live_point(args):
    """(params, x, cfg, rng) where credit reaches all parameters it can: of DRAWS, the first with fewest zero gradients.

    (Where every recall is empty the scores have none, and a proof of zeros proves little.)
    """
    cfg = Config(**SIZES, **SETTINGS[args.setting], score=args.score, normalise=args.normalise)
    rng, points = np.random.default_rng(args.seed), []
    for _ in range(DRAWS):
        params = {name: value + 0.3 * rng.standard_normal(value.shape) for name, value in init_params(cfg, rng).items()}
        x = rng.standard_normal((STEPS, ROWS, cfg.n_in))  # (T, B, D)
        y, tape = forward(params, x, cfg)
        grads = backward(rng.standard_normal(y.shape), tape)
        points.append((sum(not grad.any() for grad in grads.values()), params, x))
        if not points[-1][0]:
            break
    return *min(points, key=lambda point: point[0])[1:], cfg, rng


def _check_file(args):
    """The same for a file of the user's."""
    module = load(args.module)
    options = {name: getattr(module, name) for name in ("tape", "gates", "sizes", "points") if hasattr(module, name)}
    make = getattr(module, "make", None)
    case = () if make else (module.f, module.params, module.grads)
    if not callable(make or module.f):
        raise ValueError(f"{args.module}: expected {'make' if make else 'f'} to be a function")
    with _in_one_line(args.module):
        report = check(*case, make=make, method=args.method or "auto", seed=args.seed, **options)
        case = case or made(make, args.seed, lengths_of(make, options.get("sizes")))
    return report, (*case, options.get("tape"))


@contextlib.contextmanager
def _in_one_line(path):
    """Turn whatever the file raises into a ValueError with its line number."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, and pytest's skip
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        lines += [error.lineno] if isinstance(error, SyntaxError) else []
        where = f", line {lines[-1]}" if lines else ""
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ValueError(f"{path}{where}: {kind}{error}") from None


def load(path, names=("params", "f", "grads")):
    """The module in a Python file. ValueError, in one line, where it cannot be run or lacks a name."""
    if not os.path.isfile(path):
        raise ValueError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location("checked_module", path)
    if spec is None:
        raise ValueError(f"{path}: expected a Python file, a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["checked_module"] = module
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # it may import what lies beside it
    with _in_one_line(path):
        spec.loader.exec_module(module)
    missing = [name for name in names if not hasattr(module, name)]
    if missing and not ("f" in names and hasattr(module, "make")):
        raise ValueError(f"{path}: expected {', '.join(names)}; {', '.join(missing)} missing")
    return module
