"""Options that several commands share, and the types of their values: a wrong value is one line, exit status 2."""

import argparse
import os

from sab_numpy.core.backend import require
from sab_numpy.core.config import Config
from sab_numpy.support import files
from sab_numpy.training import pretrained

MOST_SEEDS = 10_000


def kind(convert, expected, holds=lambda value: True):
    """The type of an option: what `convert` makes of it if that holds; else one line that says what was expected."""

    def converted(text):
        try:
            if holds(value := convert(text)):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r:.40}")

    converted.expected = expected
    return converted


def or_none(convert):
    return lambda text: None if text == "none" else convert(text)


def whole(least):
    """The type of whole numbers of at least `least`."""
    return kind(int, f"a whole number of at least {least}", lambda number: number >= least)


def _seeds(text):
    """N: the seeds 0..N-1; A-B: the seeds A..B."""
    first, dash, last = text.partition("-")
    return range(files.whole(first), files.whole(last) + 1) if dash else range(files.whole(first))


natural, positive, integer = whole(0), whole(1), kind(int, "a whole number")
real = kind(files.number, "a finite number")
whole_or_none = kind(or_none(int), "a whole number or none")  # no bound, all of them
number_or_none = kind(or_none(files.number), "a finite number or none")
path = kind(str, "a name", lambda name: name.strip() and "\0" not in name)


def folder(text):
    """The name of a folder, of one that can be made if need be."""
    try:
        files.check_folder(path(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


seeds = kind(_seeds, f"N or A-B, 1 to {MOST_SEEDS} seeds", lambda found: 1 <= found.stop - found.start <= MOST_SEEDS)


def backend(text):
    """The name of a backend that is there."""
    try:
        require(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_backend(parser, text="where arrays live"):
    parser.add_argument(
        "--backend", type=backend, default="numpy", metavar="NAME", help=f"{text}: numpy, cupy or auto (default: numpy)"
    )


def add_seed(parser, text="decides every random number"):
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help=f"{text} (default: 0)")


def add_model(parser):
    """Which trained model."""
    parser.add_argument(
        "folder",
        metavar="DIR",
        help=f"the folder of a run (sab train --out), or a pretrained name: {', '.join(pretrained.names())}",
    )
    parser.add_argument("--best", action="store_true", help="the best parameters on validation, not the last")


def that_recalls(model):
    """The model; ValueError for one without a memory."""
    if not isinstance(model.cfg, Config):
        raise ValueError(f"{model.name}: expected a model that recalls, found a Transformer; sab evaluate tests it")
    return model


def of_copying(model):
    """The model; ValueError for one of another task, or without a memory."""
    if model.task != "copying":
        raise ValueError(f"{model.name}: expected a model of copying, found one of {model.task}; sab sample shows it")
    return that_recalls(model)


def add_sequence(parser, length="that of the training"):
    """Which test sequence."""
    parser.add_argument("--T", type=positive, metavar="N", help=f"length (default: {length})")
    parser.add_argument("--number", type=natural, default=0, metavar="N", help="which test sequence (default: 0)")


def add_sequences(parser, default):
    parser.add_argument(
        "--sequences", type=positive, default=default, metavar="N", help=f"test sequences a length (default: {default})"
    )


class _DataDir(argparse.Action):
    """The tasks look in SAB_DATA: processes that a command starts find it there too."""

    def __call__(self, parser, namespace, value, option=None):
        os.environ["SAB_DATA"] = value


def add_data_dir(parser):
    parser.add_argument(
        "--data-dir", action=_DataDir, metavar="DIR", help="where the files of a task with data are (default: SAB_DATA)"
    )
