"""A training run as data: every number that decides its result. One field is one option of `sab train`."""

import argparse
from dataclasses import dataclass, field, fields

import numpy as np

from sab_numpy.core.config import Config, check_count
from sab_numpy.tasks import task
from sab_numpy.training.schedule import LENGTHS, SCHEDULES

FIXED = {
    "sab": {},
    "tbptt": {"k_top": 0},
    "bptt": {"k_trunc": None, "k_top": 0},  # what an algorithm decides
    "attention": {"k_trunc": None, "k_top": None},
}
MODEL = ("k_trunc", "k_top", "k_att", "score", "normalise", "mental_updates", "dense_forward", "empty_slots")


def option(default, text):
    """A field with its line of help."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Run:
    """A training run. Raises ValueError, in one line, for values that mean nothing."""

    task: str = option("copying", "what to learn")
    T: int = option(100, "the wait, in steps; validation is always at T")
    min_length: int | None = option(None, "draw a length from min-length..T for each update (default: T, one length)")
    lengths: str = option("uniform", "how they are drawn: uniform, or log-uniform (mostly short)")
    phase_in: int = option(0, "the longest training length grows from min-length to T over so many updates")
    updates: int = option(10_000, "updates in all")
    seed: int = option(0, "decides the data and the first parameters")
    batch: int = option(64, "sequences an update")
    hidden: int = option(128, "width of the LSTM")
    k_trunc: int | None = option(5, "credit walks blocks of so many steps; none: never cut")
    k_top: int | None = option(5, "microstates recalled a step; 0: no recall, none: all of them")
    k_att: int = option(2, "a state becomes a microstate every so many steps")
    score: str = option("dot", "how microstates are scored: dot, mlp or additive")
    normalise: str = option("softmax", "how scores become weights: softmax or relu")
    mental_updates: bool = option(True, "no credit flows into microstates")
    dense_forward: bool = option(False, "the forward reads every microstate, credit flows through k-top of them")
    empty_slots: int | None = option(None, "zero microstates at the start (default: k-top + 1)")
    lr: float = option(1e-3, "learning rate of Adam")
    schedule: str = option("constant", "of the learning rate: constant, cosine or linear")
    warmup: int = option(0, "the learning rate rises over so many updates")
    first_lr_ratio: float = option(0.0, "the warm-up begins at lr times this")
    decay_from: float = option(0.0, "fraction of all updates at which the learning rate begins to fall")
    final_lr_ratio: float = option(0.01, "it falls to lr times this")
    clip: float = option(1.0, "largest norm of the gradient")
    beta1: float = option(0.9, "of Adam")
    beta2: float = option(0.999, "of Adam")
    eps: float = option(1e-8, "of Adam")
    dtype: str = option("float32", "float32 or float64")
    validate_every: int = option(250, "updates between two rows of history.csv")
    validation_sequences: int = option(256, "sequences of the validation")
    checkpoint_every: int | None = option(None, "updates between two checkpoints (default: validate-every)")
    stop_at: float | None = option(None, "stop when three validations in a row reach this accuracy (0..1)")

    def __post_init__(self):
        task(self.task)
        for name, least in (
            ("T", 1),
            ("phase_in", 0),
            ("updates", 1),
            ("seed", 0),
            ("batch", 1),
            ("hidden", 1),
            ("warmup", 0),
            ("validate_every", 1),
            ("validation_sequences", 1),
        ):
            check_count(name, getattr(self, name), least)
        for name, value in (("min_length", self.T), ("checkpoint_every", self.validate_every)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
            check_count(name, getattr(self, name), 1)
        for name, known in (("schedule", SCHEDULES), ("lengths", LENGTHS), ("dtype", ("float32", "float64"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, found {getattr(self, name)!r}")
        for name in ("lr", "clip", "eps"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)}")
        for name in ("decay_from", "first_lr_ratio", "final_lr_ratio", "beta1", "beta2"):
            if not 0 <= getattr(self, name) <= 1 - (name in ("beta1", "beta2")) * 1e-12:
                raise ValueError(f"{name} must lie in 0..1, found {getattr(self, name)}")
        if self.min_length > self.T:
            raise ValueError(f"min_length must be at most T={self.T}, found {self.min_length}")
        if self.stop_at is not None and not 0 < self.stop_at <= 1:
            raise ValueError(f"stop_at is an accuracy, expected above 0 and at most 1, found {self.stop_at}")
        self.config()

    def config(self):
        """The model's Config."""
        sizes = task(self.task)
        return Config(sizes.N_IN, self.hidden, sizes.N_OUT, **{name: getattr(self, name) for name in MODEL})

    def check_same(self, saved):
        """Raises ValueError unless `saved` may go on as this run: all the same, but more updates at a constant rate."""
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(saved, item.name)
            if mine != theirs and not (item.name == "updates" and self.schedule == "constant"):
                raise ValueError(
                    f"{item.name} is {theirs} in the saved run, found {mine}: a run goes on as it began "
                    "(another --out, or --force, begins a new one)"
                )


def decided_by(algorithm, given):
    """The options that `algorithm` decides; ValueError when they are given too."""
    if algorithm not in FIXED:
        raise ValueError(f"algorithm must be one of {', '.join(FIXED)}, found {algorithm!r}")
    for name in FIXED[algorithm]:
        if name in given:
            raise ValueError(f"--algorithm {algorithm} decides {name}: expected one of the two options, found both")
    return FIXED[algorithm]


def whole_or_none(text):
    return None if text == "none" else int(text)


def add_options(parser):
    """One option a field of Run. Only what the user gives ends up in the parsed arguments."""
    for item in fields(Run)[1:]:  # the task is not an option
        flag, text = "--" + item.name.replace("_", "-"), item.metadata["help"]
        about = {"dest": item.name, "default": argparse.SUPPRESS}
        if item.type is bool:
            flag = "--no-" + flag[2:] if item.default else flag
            parser.add_argument(flag, action="store_const", const=not item.default, help=text, **about)
            continue
        convert = {int: int, float: float, str: str, float | None: float}.get(item.type, whole_or_none)
        text += "" if item.default is None else f" (default: {item.default})"
        parser.add_argument(
            flag, type=convert, metavar="N" if convert in (int, whole_or_none) else "X", help=text, **about
        )
