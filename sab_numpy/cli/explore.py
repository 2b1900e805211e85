"""`sab explore`: the page of explore/page.py, written to a file."""

import os

from sab_numpy.cli import options
from sab_numpy.explore.page import explore, page
from sab_numpy.support.files import check_place, write_atomic
from sab_numpy.support.threads import one_thread
from sab_numpy.training.checkpoints import trained


def add_arguments(parser):
    options.add_model(parser)
    parser.add_argument(
        "--out", default="page.html", type=options.path, metavar="FILE", help="the page to write (default: page.html)"
    )
    options.add_sequence(parser, "100, or that of the training if shorter")
    parser.epilog = (
        "example: sab explore copying-T100-sab --out page.html\n"
        "Open the file in a browser: it explains itself in 30 seconds. It has this sequence and the next three."
    )


def run(args):
    if os.path.isdir(args.out):
        raise ValueError(f"--out {args.out} is a folder, expected the name of a file")
    check_place(args.out)
    one_thread()
    model = options.of_copying(trained(args.folder, args.best))
    text = page(explore(model, args.T, args.number))
    write_atomic(args.out, text)
    print(f"{args.out}: {len(text.encode()) / 1000:.0f} kB; open it in a browser")
    return 0
