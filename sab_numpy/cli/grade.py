"""`sab grade`: one file, one folder, or a class of folders."""

import secrets
import sys
from pathlib import Path

from sab_numpy.cli import options
from sab_numpy.coursework import catalogue, feedback, grading, isolate
from sab_numpy.support.files import check_folder, check_place, write_atomic


def add_arguments(parser):
    parser.description = (
        "Grade exercises. Each one runs in a process of its own, where only numpy can be imported: a "
        "fence against mistakes and mischief; with bubblewrap (Linux) also in a sandbox, against hostile "
        "code.\nExit status: 0 all points (with --class: every student graded), 1 not all, 2 nothing to grade."
    )
    parser.epilog = (
        "examples: sab grade exercises/exercise_03_lstm_step_backward.py\n"
        "          sab grade exercises --format gradescope --out results.json\n"
        "          sab grade --class submissions --csv grades.csv --jobs 2 --resume"
    )
    parser.add_argument("path", nargs="?", metavar="FILE_OR_FOLDER", help="a student's file, or the folder of all ten")
    parser.add_argument("--exercise", type=int, metavar="N", help="grade this exercise only")
    parser.add_argument(
        "--seed",
        type=options.natural,
        metavar="N",
        help="draws the numbers of the checks (default: 0; with --class or --format gradescope one that nobody "
        "knows beforehand; --resume keeps that of the table)",
    )
    parser.add_argument("--format", choices=tuple(feedback.FORMATS), default="text")
    parser.add_argument(
        "--feedback",
        choices=feedback.LEVELS,
        default="full",
        help="place: which outputs are wrong, no more; cause: also why; full (the default): also by how much",
    )
    parser.add_argument("--out", metavar="F", help="write the report to a file (with --class: a folder of feedback)")
    parser.add_argument(
        "--time-limit",
        type=options.positive,
        default=10,
        metavar="SECONDS",
        help="processor time for each exercise (default 10); on the clock, six times as long",
    )
    parser.add_argument(
        "--memory",
        type=options.whole(256),
        default=1024,
        metavar="MB",
        help="for each exercise, on Linux (default 1024; elsewhere there is no limit)",
    )
    parser.add_argument(
        "--sandbox",
        choices=("auto", "bwrap", "none"),
        default="auto",
        help="bwrap: bubblewrap shuts each exercise off from files, network and other processes; auto (the default): "
        "where that works",
    )
    parser.add_argument("--class", dest="students", metavar="DIR", help="grade every folder in DIR: one student each")
    parser.add_argument("--csv", metavar="CSV", help="with --class: one row a student")
    parser.add_argument(
        "--jobs", type=options.positive, default=1, help="with --class: how many students at a time (default 1)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="with --class: go on with the table; grade what is new or changed"
    )


def run(args):
    if args.exercise is not None:
        catalogue.exercise(args.exercise)
    limits = isolate.Limits(args.time_limit, args.memory, sandbox=isolate.sandbox(args.sandbox))
    if args.students:
        if args.out:
            check_folder(args.out)
        if args.csv:
            check_place(args.csv)
        from sab_numpy.coursework.classroom import grade_class

        return grade_class(args, limits)
    if args.csv or args.resume or args.jobs != 1:
        raise ValueError("--csv, --jobs and --resume go with --class DIR")
    if args.out:
        check_place(args.out)
    if not args.path:
        raise ValueError("what is to be graded? expected a file, a folder, or --class DIR")
    seed = args.seed if args.seed is not None else secrets.randbelow(10**9) if args.format == "gradescope" else 0
    results = grading.grade(args.path, args.exercise, seed, limits)
    if args.format == "gradescope" and (ours := [r.feedback[0] for r in results if r.status == grading.NOT_GRADED]):
        print(f"sab grade: {ours[0]}; nothing was written", file=sys.stderr)
        return 1
    results = feedback.at_level(results, args.feedback)
    text = feedback.FORMATS[args.format](results, Path(args.path).resolve(), seed, limits)
    if args.out:
        write_atomic(args.out, text)
        points, possible = feedback.total(results)
        print(f"{points:g} of {possible} points, written to {args.out}")
    else:
        sys.stdout.write(text)
    return 0 if all(result.status == "right" for result in results) else 1
