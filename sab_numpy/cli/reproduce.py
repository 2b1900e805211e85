"""`sab reproduce`: the paper's tables. Runs what is missing, resumes what was cut off, prints both side by side."""

import os
import shlex
import sys

from sab_numpy.cli import options
from sab_numpy.paper import publish, recipes, results, runner, tables, transfer
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import task
from sab_numpy.training.checkpoints import load_run


def add_arguments(parser):
    parser.add_argument(
        "what",
        choices=(*recipes.EXPERIMENTS, "ablation", "transfer", "publish"),
        help="ablation (of copying: a part left out, a setting changed) and those before it train; transfer is copying "
        "--transfer; publish stores the median seeds with the package",
    )
    parser.add_argument(
        "--transfer", action="store_true", help="test at longer lengths what copying, or adding, trained"
    )
    parser.add_argument(
        "--T", type=options.positive, nargs="+", metavar="N", help="lengths to train at (default: the table's)"
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        metavar="ROW",
        help=". ".join(f"{what}: {', '.join(found.rows)}" for what, found in recipes.EXPERIMENTS.items()),
    )
    parser.add_argument(
        "--seeds", type=options.seeds, metavar="N", help="seeds 0..N-1, or A-B, of every cell (the fresh ones: 100-...)"
    )
    parser.add_argument(
        "--jobs", type=options.positive, default=2, metavar="N", help="trainings at a time, one a core (2)"
    )
    options.add_backend(parser)
    parser.add_argument("--quick", action="store_true", help="far too small to learn, in seconds: shows that all works")
    parser.add_argument("--table", action="store_true", help="run nothing, print the table")
    parser.add_argument(
        "--print-commands",
        action="store_true",
        help="run nothing, print a resumable command a line of what is missing: for GNU parallel, or the array job of "
        "a cluster; --add takes their folders in afterwards",
    )
    parser.add_argument(
        "--write",
        nargs="+",
        type=options.path,
        metavar="FILE",
        help="run nothing, put the tables between the marks of these Markdown files",
    )
    parser.add_argument(
        "--add", nargs="+", type=options.path, metavar="DIR", help="take in finished runs of sab train, print the table"
    )
    parser.add_argument(
        "--tested", type=options.positive, nargs="+", metavar="N", help="--transfer: lengths to test at"
    )
    options.add_sequences(parser, 256)
    parser.add_argument(
        "--data",
        type=options.folder,
        metavar="DIR",
        help="the CSV files (default: figures/data; --quick: runs/quick/data)",
    )
    parser.add_argument(
        "--runs",
        type=options.folder,
        metavar="DIR",
        help="the runs (default: runs/copying, runs/adding, ...; --quick: runs/quick)",
    )
    options.add_data_dir(parser)
    parser.epilog = (
        "example: sab reproduce copying --T 100 --rows sab-5-5-recipe --seeds 100-104 --jobs 2\n"
        "         sab reproduce images --data-dir mnist --seeds 1\n"
        "         sab reproduce copying --add runs/mine && sab reproduce transfer && sab reproduce publish\n"
        "         sab reproduce adding --transfer --tested 1000 5000\n"
        "Ctrl-C saves; the same command goes on. What a row is: sab_numpy/paper/recipes.py; those of\n"
        "hours (200,000 updates; 784 or 1,024 steps) are trained where --rows names them."
    )


def run(args):
    args.data = args.data or (os.path.join("runs", "quick", "data") if args.quick else os.path.join("figures", "data"))
    args.runs = args.runs or os.path.join("runs", "quick" if args.quick else experiment(args))
    if args.write:
        for path in args.write:
            tables.write(path, args.data)
        return 0
    action = "transfer" if args.transfer else args.what
    if action != "transfer" and args.tested:
        raise ValueError("--tested is of --transfer: expected both (sab reproduce copying --transfer --tested 1000)")
    one_thread()
    return {"transfer": test, "publish": store}.get(action, train)(args)


def experiment(args):
    """The name of the experiment that the command is about."""
    return args.what if args.what in recipes.EXPERIMENTS else "copying"


def trained_before(path, what):
    """ValueError where there is no table at `path`."""
    if not os.path.exists(path):
        raise ValueError(
            f"{path}: no such table, nothing of {what} was trained here: sab reproduce {what} trains; "
            "--data DIR says where a table is"
        )


def wanted(args, default, default_lengths=None):
    """The names of the rows and the lengths that the command is about."""
    what, names = experiment(args), args.rows or default
    every = recipes.EXPERIMENTS[what].lengths
    short = every[:1] if what == "images" else (5,)
    lengths = args.T or (short if args.quick else default_lengths or every)
    for name in names:
        if name not in recipes.EXPERIMENTS[what].rows:
            recipes.cell(name, lengths[0], 0, what=what)  # ValueError: there is no such row
    pairs = recipes.pairs(what, names, lengths)
    if not pairs:
        raise ValueError(f"no such cell: the rows of {what} have T of {', '.join(map(str, every))}, found {lengths}")
    for name, T in pairs:
        recipes.cell(name, T, 0, args.quick, what)  # ValueError when there is no such cell
    return names, lengths


def train(args):
    what = experiment(args)
    every, ablation = recipes.TABLE if what == "copying" else recipes.EXPERIMENTS[what].rows, args.what == "ablation"
    default = ("sab-5-5-recipe", *recipes.ABLATION) if ablation else tuple(every)
    names, lengths = wanted(args, default, (100,) if ablation else None)
    path, failed = results.table_of(args.data, what), 0
    if args.table:
        trained_before(path, what)
    for folder in args.add or []:
        run, _ = load_run(folder)
        if recipes.experiment(run.task) != what:
            raise ValueError(f"{folder}: a run of {run.task}, expected one of {what}")
        row = add(run, folder, args)
        print(
            f"{folder}:",
            f"row {results.row_name(run)}, {results.said(run, row)}" if row else "is in the table already",
        )
    if args.print_commands:
        for line in commands(args, what, path, names, lengths):
            print(line)
        return 0
    if not (args.table or args.add):
        failed = train_missing(args, what, path, names, lengths)
    found = results.read(path)
    shown = tables.cells(found, names, lengths, args.quick, what)
    show(what, shown)
    if count := tables.others(found, shown):
        print(f"{count} more runs in {path} belong to other rows, lengths or recipes")
    return 1 if failed else 0


def missing_runs(args, what, found, names, lengths):
    """(the cells that `found`, a table's rows, does not have, how many there are in all)."""
    by_name, seeds = recipes.EXPERIMENTS[what].by_name, args.seeds or recipes.EXPERIMENTS[what].seeds
    trained = [name for name in names if args.rows or args.quick or name not in by_name]
    pairs = recipes.pairs(what, trained, lengths)
    runs = [recipes.cell(name, T, seed, args.quick, what) for seed in seeds for name, T in pairs]
    runs = {results.name_of(run): run for run in runs}  # two rows may be one recipe at some length
    have = {results.name_of(run) for run, _ in found}
    return [run for name, run in runs.items() if name not in have], len(runs)


def commands(args, what, path, names, lengths):
    """A line of shell for each missing run: it begins, or goes on where it was cut off."""
    for run in missing_runs(args, what, results.read(path), names, lengths)[0]:
        folder = os.path.join(args.runs, results.name_of(run))
        yield f"mkdir -p {shlex.quote(folder)} && {shlex.join(run.command(folder, args.backend))} --quiet --resume"


def train_missing(args, what, path, names, lengths):
    """Train the cells that the CSV at `path` does not have; how many failed."""
    found = results.read(path)
    missing, every = missing_runs(args, what, found, names, lengths)
    for name in {run.task for run in missing if hasattr(task(run.task), "about")}:
        print(task(name).about())  # ValueError where its data is missing
    updates = sum(run.updates for run in missing)
    print(
        f"{len(missing)} of {every} runs are missing: {updates:,} updates at most, "
        f"about {tables.hours(missing, found, what):.1f} hours of a core",
        flush=True,
    )
    return runner.train(missing, args.data, args.runs, args.jobs, args.backend)


def show(what, shown):
    """Print the table of an experiment."""
    if what == "copying":
        print(
            "the last parameters, on test sequences that no training used; CE10: cross-entropy on the last ten "
            "symbols, in nats;\nupdates, minutes: of a processor, until 99.9 % of a validation were right, medians "
            "of the seeds\n",
            *tables.copying(shown),
            sep="\n",
        )
        return
    note = f"the last parameters; {tables.NOTES[what]}"
    print(note, *tables.data_of(shown), "", *tables.of_task(what, shown), sep="\n")


def add(run, folder, args):
    """Take in a run that `sab train` made; its row, or None when the table has it."""
    with runner.claim(os.path.join(args.runs, results.name_of(run))):
        return results.keep(folder, args.data, args.runs, args.backend)


def test(args):
    what = experiment(args)
    table = recipes.EXPERIMENTS[what]
    if not table.tested or args.what == "publish":
        raise ValueError(f"--transfer: expected copying or adding, found {args.what}")
    names = recipes.TABLE | recipes.ABLATION if what == "copying" else table.rows
    names = [name for name, (_, fields) in names.items() if "model" not in fields]  # a Transformer has one length
    names, lengths = wanted(args, tuple(names), table.trained)
    trained_before(results.table_of(args.data, what), what)
    found = results.read(results.table_of(args.data, what))
    tested = args.tested or ((5, 10) if args.quick else table.tested)
    print(
        "right answers (%): mean of all seeds (worst – best)"
        if what == "copying"
        else tables.METRICS[table.metric].replace("median", "median of all seeds")
    )
    for T in lengths:
        chosen = {
            row["name"]: (run, row)
            for name in names
            for run, row in found
            if results.same(run, recipes.cell(name, T, 0, args.quick, what))
        }
        missing = (
            0
            if args.table
            else transfer.fill(chosen.values(), args.data, args.runs, tested, args.sequences, args.backend)
        )
        if missing:
            print(f"the parameters of {missing} runs are not in {args.runs}: not tested", file=sys.stderr)
        shown = tables.cells(found, names, (T,), args.quick, what)
        print("", *tables.transfer(shown, transfer.read(args.data), tested), sep="\n")
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
