"""`sab figures`: every figure again, from CSV files and trained parameters. Nothing is trained."""

import os
import sys

import matplotlib

from sab_numpy.cli import options
from sab_numpy.plots import style
from sab_numpy.plots.figures import FIGURES
from sab_numpy.support import files
from sab_numpy.support.threads import one_thread
from sab_numpy.training import pretrained


def missing(figure, data):
    """What the figure needs and does not find."""
    return [
        name
        for name in figure.needs
        if not (os.path.exists(os.path.join(data, name)) if name.endswith(".csv") else name in pretrained.names())
    ]


def draw(names, data, out):
    """Draw these figures into the folder `out`; yields (name, None), or why it was not drawn, as it goes."""
    os.makedirs(out, exist_ok=True)
    for name in names:
        lacking = missing(FIGURES[name], data)
        if lacking:
            yield name, f"not run: {', '.join(lacking)} ({FIGURES[name].made_by})"
            continue
        try:
            with matplotlib.rc_context(style.SETTINGS):
                FIGURES[name].draw(data, os.path.join(out, f"{name}.png"))
        except style.Missing as error:
            yield name, f"not run: {error}"
        except Exception as error:  # a CSV that was cut short, or has other columns
            yield name, f"not drawn: {type(error).__name__} {error}; is {' or '.join(FIGURES[name].needs)} damaged?"
        else:
            yield name, None


def readme(out):
    """The text of figures/README.md."""
    lines = [
        "# Figures",
        "",
        "All are drawn again by `sab figures`, from the CSV files in `data/` and the trained",
        "parameters that come with the package; drawing never trains. One alone: `sab figures NAME`.",
        "",
    ]
    for name, figure in FIGURES.items():
        lines += [f"## {name}", ""]
        if os.path.exists(os.path.join(out, f"{name}.png")):
            lines += [f"![{name.replace('_', ' ')}]({name}.png)", ""]  # it is described below
        source = " and ".join(f"`{need}`" for need in figure.needs) or "nothing but the package"
        lines += [
            figure.alternative,
            "",
            f"Command: `sab figures {name}`. Drawn from {source}"
            + (f" (`{figure.made_by}`)." if figure.made_by else "."),
            "",
        ]
    return "\n".join(lines)


def add_arguments(parser):
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all): " + ", ".join(FIGURES))
    parser.add_argument(
        "--data",
        type=options.folder,
        default=os.path.join("figures", "data"),
        metavar="DIR",
        help="the CSV files (figures/data)",
    )
    parser.add_argument(
        "--out",
        type=options.folder,
        default="figures",
        metavar="DIR",
        help="where the pictures and README.md go (figures)",
    )
    parser.epilog = "example: sab figures\n         sab figures kink_of_selection --out lecture"


def run(args):
    for name in args.names:
        if name not in FIGURES:
            raise ValueError(f"no figure {name!r}: expected one of {', '.join(FIGURES)}")
    one_thread()
    wanted, left = args.names or list(FIGURES), []
    for name, reason in draw(wanted, args.data, args.out):
        left += [name] if reason else []
        print(f"{name:26s} {reason or os.path.join(args.out, name + '.png')}", flush=True)
    if not args.names:
        files.write_atomic(os.path.join(args.out, "README.md"), readme(args.out))
    print(f"{len(wanted) - len(left)} of {len(wanted)} figures drawn")
    if left:
        print(
            f"sab figures: not drawn, for the reasons above: {', '.join(left)}; the CSV files were looked for in "
            f"{args.data}: run it in a clone, or give --data DIR",
            file=sys.stderr,
        )
    return 2 if left else 0
