"""`sab train`: a training run, its options and its progress."""

import argparse
import os
import sys
from dataclasses import fields

from sab_numpy.cli import options
from sab_numpy.support.progress import Progress
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import TASKS, task
from sab_numpy.training import checkpoints
from sab_numpy.training.launch import orphaned
from sab_numpy.training.loop import Diverged, train
from sab_numpy.training.run import MODELS, USUAL, Run, decided_by, usual

GROUPS = {
    "task and data": ("T", "min_length", "seed", "batch"),
    "model": ("model", "hidden", *MODELS["lstm"], *MODELS["transformer"]),
    "optimisation": (
        "updates",
        "lr",
        "schedule",
        "warmup",
        "first_lr_ratio",
        "decay_from",
        "final_lr_ratio",
        "clip",
        "dtype",
    ),
    "validation and files": ("validate_every", "validation_sequences", "checkpoint_every", "stop_at", "fall"),
}
TYPES = {
    int: options.integer,
    float: options.real,
    str: str,
    float | None: options.number_or_none,
    int | None: options.whole_or_none,
}


def add_option(group, item):
    """The option of one field of Run. Only what the user gives ends up in the parsed arguments."""
    flag, text = item.name.replace("_", "-"), item.metadata["help"]
    about = {"dest": item.name, "default": argparse.SUPPRESS}
    if item.type is bool:
        flag = f"--no-{flag}" if item.default else f"--{flag}"
        group.add_argument(flag, action="store_const", const=not item.default, help=text, **about)
        return
    text += "" if item.default is None else f" (default: {item.default})"
    text += f" (copying: {USUAL[item.name]})" if item.name in USUAL else ""
    metavar = "N" if item.type in (int, int | None) else "X"
    group.add_argument(f"--{flag}", type=TYPES[item.type], metavar=metavar, help=text, **about)


def add_arguments(parser):
    parser.add_argument("task", nargs="?", help=f"{', '.join(TASKS)} (may be left out with --resume)")
    about = {item.name: item for item in fields(Run)}
    groups = {title: parser.add_argument_group(title) for title in GROUPS}
    groups["model"].add_argument(
        "--algorithm",
        default="sab",
        metavar="X",
        help="sab; bptt, tbptt or attention decide k-trunc and k-top (default: sab)",
    )
    for title, names in GROUPS.items():
        for name in names:
            add_option(groups[title], about[name])
    files = groups["validation and files"]
    files.add_argument(
        "--out", required=True, type=options.folder, metavar="DIR", help="folder for last.npz, best.npz and history.csv"
    )
    begin = files.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="go on with the run in DIR, bit for bit")
    begin.add_argument("--force", action="store_true", help="replace the run in DIR")
    files.add_argument("--quiet", action="store_true", help="no progress")
    options.add_backend(groups["optimisation"])
    groups["optimisation"].add_argument(
        "--processes",
        type=options.positive,
        default=1,
        metavar="N",
        help="that share each batch: the same result to rounding, so a run may go on with another number (1)",
    )
    options.add_data_dir(groups["task and data"])
    parser.epilog = (
        "example: sab train copying --T 20 --out runs/copy     (80 s of one core)\n"
        "What it does with copying where it is not told otherwise is the row sab-5-5-recipe of sab reproduce.\n"
        "Ctrl-C saves; the same command with --resume goes on.\n"
        "mpiexec -n 4 sab train ...: four processes, of one machine or of several, share each batch\n"
        '(pip install "sab_numpy[mpi]"); the result is the same to rounding.'
    )


def wanted(args):
    """The Run that the command asks for: with --resume the saved one, which the options must not contradict."""
    given = {name: value for name, value in vars(args).items() if name in Run.__dataclass_fields__}
    if given["task"] is None:
        del given["task"]
    given |= decided_by(args.algorithm, given)
    if args.resume and checkpoints.present(args.out):
        saved, state, damage = checkpoints.latest(args.out)
        if damage:
            print(f"sab train: {damage}; going on from update {state.update}, saved before it", file=sys.stderr)
        return of_its_model(Run(**{**vars(saved), **given}), given)
    if args.resume and not os.path.isdir(args.out):
        raise ValueError(f"--resume: {args.out} is not the folder of a run")
    if "task" not in given:
        raise ValueError(f"which task? expected one of {', '.join(TASKS)}, found none")
    return of_its_model(Run(**usual({"T": getattr(task(given["task"]), "LENGTH", Run.T)} | given)), given)


def of_its_model(asked, given):
    """The Run; ValueError where an option of another model was given."""
    for name in sorted(asked.foreign() & given.keys()):
        owner = next(model for model, own in MODELS.items() if name in own)
        raise ValueError(f"{name} is of the model {owner}: expected with it, found with {asked.model}")
    return asked


def watched(progress):
    """The same, and a stop where the process that waited for this one is gone."""

    def look(state, row):
        if orphaned():
            raise KeyboardInterrupt
        if progress:
            progress(state, row)

    return look


def run(args):
    asked = wanted(args)
    if args.ranks and args.processes > 1:
        raise ValueError(f"--processes: expected none where mpiexec has started {args.ranks.size}")
    one_thread()
    if hasattr(task(asked.task), "about") and not args.quiet:
        print(task(asked.task).about(), file=sys.stderr)
    if args.ranks and not args.quiet:  # mpiexec may end us without a word
        print(
            f"{args.ranks.size} processes share each batch; Ctrl-C saves; if one is lost all end, and the same command "
            f"with --resume goes on from the last checkpoint (every {asked.checkpoint_every} updates)",
            file=sys.stderr,
        )
    try:
        progress = watched(None if args.quiet else Progress(asked))
        state = train(asked, args.out, args.resume, args.force, args.backend, progress, args.ranks or args.processes)
    except KeyboardInterrupt:
        print(f"\nstopped; saved in {args.out}: the same command with --resume goes on", file=sys.stderr)
        return 130
    except ChildProcessError as error:
        print(f"sab train: {error}; saved in {args.out}: the same command with --resume goes on", file=sys.stderr)
        return 1
    except Diverged as error:
        print(f"sab train: {error}", file=sys.stderr)
        return 1
    print(
        f"{state.update} updates in {state.seconds:.0f} s; best validation accuracy {100 * state.best:.2f} %; "
        f"saved in {args.out}"
    )
    return 0
