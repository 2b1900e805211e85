"""`sab hint`: one of three hints for an exercise."""

import textwrap

from sab_numpy.cli import options
from sab_numpy.coursework import catalogue


def add_arguments(parser):
    parser.epilog = "example: sab hint 4 --level 2"
    parser.add_argument("exercise", type=options.integer, metavar="N", help="1 to 10")
    parser.add_argument("--level", type=options.integer, default=1, help="1 (where to start) to 3 (nearly the answer)")


def run(args):
    module = catalogue.exercise(args.exercise)
    if not 1 <= args.level <= len(module.HINTS):
        raise ValueError(f"--level must be from 1 to {len(module.HINTS)}, found {args.level}")
    print(f"exercise {args.exercise}, {catalogue.title(args.exercise)}: hint {args.level} of {len(module.HINTS)}")
    print(textwrap.fill(module.HINTS[args.level - 1], 100, initial_indent="  ", subsequent_indent="  "))
    print(f"  the whole story: tutorials/{module.TUTORIAL}.py")
    return 0
