"""Options that several commands share, and the types of their values: a wrong value is one line, exit status 2."""

import argparse
import os

from sab_numpy.core.backend import require
from sab_numpy.core.config import Config
from sab_numpy.support import files

MOST_SEEDS = 10_000


def whole(least):
    """The type of whole numbers of at least `least`."""

    def convert(text):
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, found {text:.40}")
        return number

    return convert


natural, positive = whole(0), whole(1)


def integer(text):
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r:.40}") from None


def real(text):
    """A finite number."""
    try:
        return files.number(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a finite number, found {text!r:.40}") from None


def path(text):
    """The name of a file or a folder."""
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError(f"expected a name, found {text!r}")
    return text


def whole_or_none(text):
    """A whole number, or the word none: no bound, all of them."""
    try:
        return None if text == "none" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number or none, found {text!r:.40}") from None


def number_or_none(text):
    """A number, or the word none."""
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number or none, found {text}") from None


def seeds(text):
    """N: the seeds 0..N-1; A-B: the seeds A..B."""
    first, _, last = text.partition("-")
    if len(text) > 20 or not (first.isdecimal() and (last.isdecimal() or "-" not in text)):
        raise argparse.ArgumentTypeError(f"expected N or A-B, found {text}")
    found = range(int(first), int(last) + 1) if last else range(int(first))
    if not 1 <= len(found) <= MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MOST_SEEDS} seeds, found {text}")
    return found


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
    parser.add_argument("folder", metavar="DIR", help="the folder of a run (sab train --out), or a pretrained name")
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
