"""The command `sab`: a table of commands, each in the module of its name.

A command's module has add_arguments(parser), whose description and epilog (an example) it may set, and
run(args) -> exit status. A user's mistake is a ValueError or an OSError there: one line, exit status 2.
"""

import argparse
import difflib
import importlib
import os
import sys

from sab_numpy.support import __version__
from sab_numpy.support.files import said
from sab_numpy.support.signals import loaded, one_stop
from sab_numpy.training.parallel import world

COMMANDS = {  # name: one line of help
    "demo": "watch SAB learn what truncated BPTT cannot (3 minutes)",
    "train": "train a model on a task",
    "evaluate": "test a trained model on lengths that it never saw",
    "gradcheck": "prove the gradients, or check your own (--module)",
    "exercises": "make your copies of the ten exercises",
    "hint": "a hint for an exercise",
    "grade": "grade one student, or a class",
    "walk": "tell in words how credit walks through a trained model",
    "explore": "make a page that steps through a sequence and its credit",
    "reproduce": "the paper's tables: run what is missing",
    "figures": "redraw every figure from the CSV files",
    "bench": "measure speed and memory",
    "sample": "see what a trained model says",
}


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are a ValueError, in one line."""

    def error(self, message):
        raise ValueError(f"{message.removeprefix('argument ')} ({self.prog} --help)")

    def check_options(self, words):
        """ValueError for an option that there is not (before what is missing), with the one that may be meant."""
        options = [option for action in self._actions for option in action.option_strings]
        for word in words[: words.index("--")] if "--" in words else words:
            option = word.partition("=")[0]
            if option.startswith("--") and not any(known.startswith(option) for known in options):
                near = difflib.get_close_matches(option, options, 1)
                self.error(f"no option {option}" + (f": did you mean {near[0]}?" if near else ""))

    def parse_args(self, args=None, namespace=None):
        found, others = self.parse_known_args(args, namespace)
        if others:
            command = next(action for action in self._actions if action.dest == "command").choices[found.command]
            command.error(f"what is {' '.join(others)}? There is no place for it")
        return found


def main(argv=None):
    """Run one command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    name = next(iter(argv), "")
    said_by = f"sab {name}" if name in COMMANDS else "sab"
    speak()
    try:
        loaded()
        with world() as ranks, one_stop():
            args = parse(argv, name)
            if ranks and name != "train":
                raise ValueError(f"mpiexec is for sab train, found sab {name}: expected one process")
            args.ranks = ranks
            status = module(name).run(args) or 0
            sys.stdout.flush()
        return status
    except BrokenPipeError:  # `sab ... | head`: the reader has had enough
        fall_silent()
        return 1
    except KeyboardInterrupt:
        exec("")  # python -m remembers one that left an exec, of a dataclass being made, say: its status would be -2
        print(f"{said_by}: stopped", file=sys.stderr)
        return 130
    except (ValueError, OSError, OverflowError, MemoryError) as error:
        if os.environ.get("SAB_DEBUG"):
            raise
        what = "not enough memory" if isinstance(error, MemoryError) else getattr(error, "filename", None) or ""
        if any(words in str(error) for words in ("Maximum allowed dimension", "array is too big", "bounds for int64")):
            what = "a number is far too large"  # NumPy's own words
        print(" ".join(f"{said_by}: {what}{': ' if what else ''}{said(error)}".split()), file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # a full disk
            fall_silent()
        return 2


def speak():
    """Let no letter that the terminal does not have end a command, and no stream that is closed (`>&-`)."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def fall_silent():
    """What was printed and cannot be written is forgotten; else Python says so at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def module(name):
    return importlib.import_module(f"sab_numpy.cli.{name}")


def parse(argv, name):
    """The arguments of command `name`; ValueError for what it does not take."""
    if not (name in COMMANDS or name.startswith("-")):
        near = difflib.get_close_matches(name, COMMANDS, 1)
        meant = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(COMMANDS)}"
        raise ValueError(f"no command {name!r}: {meant}" if name else f"which command? {meant}")
    parser = Parser(
        prog="sab", description="Sparse Attentive Backtracking in NumPy, by hand.", epilog="example: sab demo --tiny"
    )
    parser.add_argument("--version", action="version", version=f"sab_numpy {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for each, line in COMMANDS.items():
        command = commands.add_parser(
            each,
            help=line,
            description=line[0].upper() + line[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if each == name:  # import only what is run
            module(each).add_arguments(command)
    if name in COMMANDS:
        commands.choices[name].check_options(argv[1:])
    else:
        parser.check_options(argv)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
