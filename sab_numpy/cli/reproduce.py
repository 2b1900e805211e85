"""`sab reproduce`: the paper's tables. Runs what is missing, resumes what was cut off, prints both side by side."""

import os
import sys

from sab_numpy.cli import options
from sab_numpy.paper import publish, recipes, results, runner, tables, transfer
from sab_numpy.support.threads import one_thread
from sab_numpy.training.checkpoints import load_run


def add_arguments(parser):
    parser.add_argument(
        "what",
        choices=("copying", "ablation", "transfer", "publish"),
        help="copying and ablation train; transfer tests at longer lengths what copying trained; publish "
        "stores the median seeds with the package",
    )
    parser.add_argument(
        "--T", type=options.positive, nargs="+", metavar="N", help="lengths to train at (default: the table's)"
    )
    parser.add_argument("--rows", nargs="+", metavar="ROW", help=f"of {', '.join(recipes.ROWS)}")
    parser.add_argument(
        "--seeds", type=options.seeds, default=range(5), metavar="N", help="seeds 0..N-1, or A-B, of every cell (5)"
    )
    parser.add_argument(
        "--jobs", type=options.positive, default=2, metavar="N", help="trainings at a time, one a core (2)"
    )
    options.add_backend(parser)
    parser.add_argument("--quick", action="store_true", help="far too small to learn, in seconds: shows that all works")
    parser.add_argument("--table", action="store_true", help="run nothing, print the table")
    parser.add_argument(
        "--write",
        nargs="+",
        type=options.path,
        metavar="FILE",
        help="run nothing, put the tables of copying and transfer between the marks of these Markdown files",
    )
    parser.add_argument(
        "--add", nargs="+", type=options.path, metavar="DIR", help="take in finished runs of sab train, print the table"
    )
    parser.add_argument("--tested", type=options.positive, nargs="+", metavar="N", help="transfer: lengths to test at")
    options.add_sequences(parser, 256)
    parser.add_argument(
        "--data",
        type=options.path,
        metavar="DIR",
        help="the CSV files (default: figures/data; --quick: runs/quick/data)",
    )
    parser.add_argument(
        "--runs", type=options.path, metavar="DIR", help="the runs (default: runs/copying; --quick: runs/quick)"
    )
    parser.epilog = (
        "example: sab reproduce copying --T 100 --rows sab-5-5 tbptt-5 --seeds 5 --jobs 2\n"
        "         sab reproduce copying --add runs/mine && sab reproduce transfer && sab reproduce publish\n"
        "Ctrl-C saves; the same command goes on. What a row is: sab_numpy/paper/recipes.py; those of\n"
        f"200,000 updates ({', '.join(recipes.BY_NAME)}) are trained where --rows names them."
    )


def run(args):
    args.data = args.data or (os.path.join("runs", "quick", "data") if args.quick else os.path.join("figures", "data"))
    args.runs = args.runs or os.path.join("runs", "quick" if args.quick else "copying")
    if args.write:
        for path in args.write:
            tables.write(path, args.data)
        return 0
    one_thread()
    return {"copying": train, "ablation": train, "transfer": test, "publish": store}[args.what](args)


def wanted(args, default):
    """The names of the rows and the lengths that the command is about."""
    lengths = args.T or ((5,) if args.quick else recipes.LENGTHS if args.what == "copying" else (100,))
    names = args.rows or default
    for name in names:
        for T in lengths:
            recipes.cell(name, T, 0, args.quick)  # ValueError when there is no such cell
    return names, lengths


def train(args):
    names, lengths = wanted(args, recipes.ABLATION if args.what == "ablation" else recipes.COPYING)
    path, failed = os.path.join(args.data, "copying.csv"), 0
    for folder in args.add or []:
        run, _ = load_run(folder)
        row = add(run, folder, args)
        print(
            f"{folder}:",
            f"row {results.row_name(run)}, {100 * row['accuracy']:.2f} %" if row else "is in the table already",
        )
    if not (args.table or args.add):
        trained = [name for name in names if args.rows or args.quick or name not in recipes.BY_NAME]
        runs = [recipes.cell(name, T, seed, args.quick) for seed in args.seeds for T in lengths for name in trained]
        runs = {results.name_of(run): run for run in runs}  # two rows may be one recipe at some length
        have = {results.name_of(run) for run, _ in results.read(path)}
        missing = [run for name, run in runs.items() if name not in have]
        updates = sum(run.updates for run in missing)
        print(f"{len(missing)} of {len(runs)} runs are missing: {updates:,} updates at most", flush=True)
        failed = runner.train(missing, args.data, args.runs, args.jobs, args.backend)
    found = results.read(path)
    shown = tables.cells(found, names, lengths, args.quick)
    print(
        "the last parameters, on test sequences that no training used; CE10: cross-entropy on the last ten symbols, "
        "in nats;\nupdates, minutes: of a processor, until 99.9 % of a validation were right, medians of the seeds\n",
        *tables.copying(shown),
        sep="\n",
    )
    if count := tables.others(found, shown):
        print(f"{count} more runs in {path} belong to other rows, lengths or recipes")
    return 1 if failed else 0


def add(run, folder, args):
    """Take in a run that `sab train` made; its row, or None when the table has it."""
    with runner.claim(os.path.join(args.runs, results.name_of(run))):
        return results.keep(folder, args.data, args.runs, args.backend)


def test(args):
    names, lengths = wanted(args, [name for name in recipes.COPYING if "tbptt" not in name])
    found = results.read(os.path.join(args.data, "copying.csv"))
    tested = args.tested or ((5, 10) if args.quick else recipes.TRANSFER)
    for T in lengths:
        chosen = {
            row["name"]: (run, row)
            for name in names
            for run, row in found
            if results.same(run, recipes.cell(name, T, 0, args.quick))
        }
        missing = (
            0
            if args.table
            else transfer.fill(chosen.values(), args.data, args.runs, tested, args.sequences, args.backend)
        )
        if missing:
            print(f"the parameters of {missing} runs are not in {args.runs}: not tested", file=sys.stderr)
        print(
            "right answers (%): mean of all seeds (worst – best)\n",
            *tables.transfer(tables.cells(found, names, (T,), args.quick), transfer.read(args.data), tested),
            sep="\n",
        )
    return 0


def store(args):
    missing = 0
    for name in args.rows or recipes.PUBLISHED:
        try:
            print(publish.publish(name, args.data, args.runs, args.quick))
        except publish.NotRun as error:
            print(error, file=sys.stderr)
            missing += 1
    return 1 if missing else 0
