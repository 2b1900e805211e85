"""The command `sab`: a table of commands, each in the module that does the work.

A command's module has add_arguments(parser), whose description and epilog (an example) it may set, and
run(args) -> exit status. A user's mistake is a ValueError or an OSError there: one line, exit status 2.
"""

import argparse
import importlib
import os
import sys

COMMANDS = {  # name: (module, one line of help)
    "demo": ("sab_numpy.cli.demo", "watch SAB learn what truncated BPTT cannot (3 minutes)"),
    "train": ("sab_numpy.training.loop", "train a model on a task"),
    "evaluate": ("sab_numpy.training.evaluation", "test a trained model on lengths that it never saw"),
    "gradcheck": ("sab_numpy.cli.gradcheck", "prove the gradients, or check your own (--module)"),
    "exercises": ("sab_numpy.cli.exercises", "make your copies of the ten exercises"),
    "hint": ("sab_numpy.cli.hint", "a hint for an exercise"),
    "grade": ("sab_numpy.cli.grade", "grade one student, or a class"),
    "walk": ("sab_numpy.cli.walk", "tell in words how credit walks through a trained model"),
    "explore": ("sab_numpy.explore.page", "make a page that steps through a sequence and its credit"),
    "reproduce": ("sab_numpy.cli.reproduce", "the paper's tables: run what is missing"),
    "figures": ("sab_numpy.cli.figures", "redraw every figure from the CSV files"),
    "bench": ("sab_numpy.cli.bench", "measure speed and memory"),
    "sample": ("sab_numpy.cli.sample", "see what a trained model says"),
}


def main(argv=None):
    """Run one command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(
        prog="sab", description="Sparse Attentive Backtracking in NumPy, by hand.", epilog="example: sab demo --tiny"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, line) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=line,
            description=line[0].upper() + line[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if argv[:1] == [name]:  # import only what is run
            importlib.import_module(module).add_arguments(command)
    args = parser.parse_args(argv)
    try:
        status = importlib.import_module(COMMANDS[args.command][0]).run(args) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `sab ... | head`: the reader has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"sab {args.command}: stopped", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        if os.environ.get("SAB_DEBUG"):
            raise
        said = f"{error.filename}: {error.strerror}" if getattr(error, "filename", None) else error
        print(f"sab {args.command}: {' '.join(str(said).split())}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
