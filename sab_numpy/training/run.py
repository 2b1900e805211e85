"""A training run as data: every number that decides its result. One field is one option of `sab train`."""

from dataclasses import dataclass, field, fields
from math import cos, pi

import numpy as np

from sab_numpy.core.config import Config, check_count
from sab_numpy.core.scores import SCORES
from sab_numpy.core.sparsify import NORMALISERS
from sab_numpy.tasks import task
from sab_numpy.transformer.params import Config as TransformerConfig

FIXED = {
    "sab": {},
    "tbptt": {"k_top": 0},
    "bptt": {"k_trunc": None, "k_top": 0},  # what an algorithm decides
    "attention": {"k_trunc": None, "k_top": None},
}
SCHEDULES = ("constant", "cosine")
INITS = ("standard", "chrono")
HELD = 3  # validations in a row at stop_at, before the rate falls or a run ends
DROPPED = {"lengths": "uniform", "phase_in": 0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}  # options of older runs
USUAL = {  # of `sab train copying`: the recipe of the table's row sab-5-5-recipe
    "min_length": 5,  # or T, if that is less
    "updates": 20_000,
    "batch": 16,
    "k_att": 5,
    "empty_slots": 1,
    "lr": 3e-3,
    "warmup": 5000,
    "first_lr_ratio": 0.3333,
    "schedule": "cosine",
    "clip": 0.1,
    "stop_at": 0.98,
    "fall": 2000,  # where nothing that is given speaks against it
}
USUAL_TRANSFORMER = {  # with --model transformer: the row transformer. One length: positions are what it learns
    "hidden": 64,
    "updates": 5000,
    "batch": 16,
    "lr": 1e-3,
    "warmup": 200,
    "first_lr_ratio": 0.0,
    "schedule": "cosine",
    "decay_from": 0.0,
    "clip": 1.0,
    "stop_at": 0.999,
    "fall": 500,
}
MODEL = ("k_trunc", "k_top", "k_att", "score", "normalise", "mental_updates", "dense_forward", "empty_slots", "budget")
MODELS = {"lstm": ("init", *MODEL), "transformer": ("layers", "heads")}  # and the fields that are its own


def option(default, text):
    """A field with its line of help."""
    return field(default=default, metadata={"help": text})


def usual(given):
    """The fields of the run that `sab train` makes of those that it was given."""
    if given["task"] != "copying":
        return given
    found = (USUAL_TRANSFORMER if given.get("model") == "transformer" else USUAL) | given
    if "min_length" in found and "min_length" not in given:
        found["min_length"] = min(USUAL["min_length"], given.get("T", Run.T))
    falls = found["stop_at"] and found["schedule"] != "constant" and not found.get("decay_from")
    if "fall" not in given and not (falls and found["updates"] >= found["fall"]):
        found["fall"] = 0
    return found


@dataclass(frozen=True)
class Run:
    """A training run. Raises ValueError, in one line, for values that mean nothing.

    The defaults are what results and checkpoints leave out, and never change; what `sab train` begins from is USUAL.
    """

    task: str = option("copying", "what to learn")
    T: int = option(100, "the wait, in steps; validation is always at T")
    min_length: int | None = option(
        None, "draw a length from min-length..T for each update, every one alike; none: T alone"
    )
    updates: int = option(10_000, "updates in all")
    seed: int = option(0, "decides the data and the first parameters")
    batch: int = option(64, "sequences an update")
    hidden: int = option(128, "width of the model")
    init: str = option("standard", "first biases: standard (forget 1), or chrono (as long as the sequence)")
    k_trunc: int | None = option(5, "credit walks blocks of so many steps; none: never cut")
    k_top: int | None = option(5, "microstates recalled a step; 0: no recall, none: all of them")
    k_att: int = option(2, "a state becomes a microstate every so many steps")
    score: str = option("dot", f"how microstates are scored: {', '.join(SCORES)}")
    normalise: str = option("softmax", f"how scores become weights: {', '.join(NORMALISERS)}")
    mental_updates: bool = option(True, "no credit flows into microstates")
    dense_forward: bool = option(False, "the forward reads every microstate, credit flows through k-top of them")
    empty_slots: int | None = option(None, "zero microstates at the start; none: k-top + 1")
    lr: float = option(1e-3, "learning rate of Adam")
    schedule: str = option("constant", "of the learning rate: constant or cosine")
    warmup: int = option(0, "the learning rate rises over so many updates")
    first_lr_ratio: float = option(0.0, "the warm-up begins at lr times this")
    decay_from: float = option(0.0, "fraction of all updates at which the learning rate begins to fall")
    final_lr_ratio: float = option(0.01, "it falls to lr times this")
    clip: float = option(1.0, "largest norm of the gradient")
    dtype: str = option("float32", "float32 or float64")
    validate_every: int = option(250, "updates between two rows of history.csv")
    validation_sequences: int = option(256, "sequences of the validation")
    checkpoint_every: int | None = option(None, "updates between two checkpoints (default: validate-every)")
    stop_at: float | None = option(
        None, "stop when three validations in a row reach this accuracy, 0..1 (default: never)"
    )
    fall: int = option(0, "with stop-at: first the learning rate falls over so many updates, while they still do")
    model: str = option("lstm", "lstm, or transformer: hidden, layers and heads are its options")
    layers: int = option(2, "of a transformer")
    heads: int = option(4, "of a transformer: hidden is a multiple of them")
    budget: int | None = option(None, "microstates kept, the most surprising ones of each sequence; none: all")

    def __post_init__(self):
        problem = task(self.task)
        for name, least in (
            ("T", 1),
            ("updates", 1),
            ("seed", 0),
            ("batch", 1),
            ("hidden", 1),
            ("warmup", 0),
            ("fall", 0),
            ("validate_every", 1),
            ("validation_sequences", 1),
            ("layers", 1),
            ("heads", 1),
        ):
            check_count(name, getattr(self, name), least)
        for name, value in (("min_length", self.T), ("checkpoint_every", self.validate_every)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
            check_count(name, getattr(self, name), 1)
        words = {"schedule": SCHEDULES, "init": INITS, "dtype": ("float32", "float64"), "model": MODELS}
        for name, known in words.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, found {getattr(self, name)!r}")
        for name in self.foreign():  # they decide nothing
            object.__setattr__(self, name, self.__dataclass_fields__[name].default)
        if self.model == "transformer" and hasattr(problem, "carried"):
            raise ValueError(f"{self.task} goes on from segment to segment: expected the model lstm, found transformer")
        if getattr(problem, "LENGTH", self.T) != self.T:
            raise ValueError(f"{self.task} has T={problem.LENGTH} steps, found T={self.T}")
        if self.min_length < self.T and hasattr(problem, "batches"):
            raise ValueError(f"{self.task} has one length: expected no min_length, found {self.min_length}")
        for name in ("lr", "clip"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be above 0 and finite, found {getattr(self, name)}")
        for name in ("decay_from", "first_lr_ratio", "final_lr_ratio"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0..1, found {getattr(self, name)}")
        if self.min_length > self.T:
            raise ValueError(f"min_length must be at most T={self.T}, found {self.min_length}")
        if self.stop_at is not None and not 0 < self.stop_at <= 1:
            raise ValueError(f"stop_at is an accuracy, expected above 0 and at most 1, found {self.stop_at}")
        if self.fall and (self.stop_at is None or self.schedule == "constant" or self.decay_from):
            raise ValueError(
                "a fall needs stop_at, the schedule cosine and no decay_from, found "
                f"stop_at={self.stop_at}, schedule={self.schedule!r}, decay_from={self.decay_from}"
            )
        if self.fall > self.updates:
            raise ValueError(f"fall must be at most updates={self.updates}, found {self.fall}")
        self.config()

    def config(self):
        """The model's Config."""
        sizes = task(self.task)
        if self.model == "transformer":
            steps = sizes.steps(self.T)
            return TransformerConfig(sizes.N_IN, self.hidden, sizes.N_OUT, steps, self.layers, self.heads)
        return Config(sizes.N_IN, self.hidden, sizes.N_OUT, **{name: getattr(self, name) for name in MODEL})

    def foreign(self):
        """The names of the fields that are another model's own."""
        return {name for model, own in MODELS.items() if model != self.model for name in own}

    @classmethod
    def of(cls, saved):
        """The run of a dict that an earlier version may have saved. Raises ValueError for an option that is no more."""
        for name, default in DROPPED.items():
            if saved.get(name, default) != default:
                raise ValueError(f"{name} is no longer an option: expected {default}, found {saved[name]}")
        return cls(**{name: value for name, value in saved.items() if name not in DROPPED})

    def falling(self, state):
        """When the learning rate falls, as far as `state` knows: (the first update of the fall, how many it takes).

        With a `fall` it begins when HELD validations in a row have reached stop_at, or so that it ends with the
        last update. A later validation below stop_at takes it back.
        """
        if not self.fall:
            return self.decay_from * self.updates, self.updates - self.decay_from * self.updates
        latest = self.updates - self.fall
        if state.streak < HELD:
            return latest, self.fall
        return min(latest, state.validated - (state.streak - HELD) * self.validate_every), self.fall

    def finished(self, state):
        """Whether all updates are done, or stop_at was held: HELD validations and through the whole fall."""
        held = state.streak >= HELD and (state.streak - HELD) * self.validate_every >= self.fall
        return held or state.update >= self.updates

    def learning_rate(self, update, state):
        """The learning rate of `update` (the first is 0) when `state` is the state before it, or after it.

        It is lr * first_lr_ratio until a line from 0 to lr over `warmup` updates has come up to it, follows that
        line, stays at lr until the fraction `decay_from` of all updates, or until the task is learned (see
        `falling`), then falls along half a cosine to lr * final_lr_ratio.
        """
        rate = self.lr * min(1.0, max(self.first_lr_ratio, (update + 1) / self.warmup)) if self.warmup else self.lr
        start, n = self.falling(state)
        if self.schedule == "constant" or update <= start:
            return rate
        done = min(1.0, (update - start) / max(n - 1, 1))
        return rate * (self.final_lr_ratio + (1 - self.final_lr_ratio) * (1 + cos(pi * done)) / 2)

    def length(self, rng):
        """The training length of an update: min_length..T, every length alike."""
        return int(rng.integers(self.min_length, self.T + 1))

    def command(self, out, backend="numpy"):
        """The words of the command line that makes this run: whatever is not usual, or not the default."""
        words = ["sab", "train", self.task, *(["--model", self.model] if self.model != Run.model else [])]
        plain = {"task": self.task, "T": self.T, "model": self.model}
        known = Run(**plain), Run(**usual(plain))
        for item in fields(self)[1:]:
            value, flag = getattr(self, item.name), item.name.replace("_", "-")
            if item.name == "T" or any(value != getattr(other, item.name) for other in known):
                if item.type is bool:
                    words += [f"--no-{flag}" if item.default else f"--{flag}"]
                else:
                    words += [f"--{flag}", "none" if value is None else str(value)]
        return [*words, *([] if backend == "numpy" else ["--backend", backend]), "--out", out]

    def check_same(self, saved):
        """Raises ValueError unless `saved` may go on as this run: all the same, but more updates at a constant rate."""
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(saved, item.name)
            if mine != theirs and not (item.name == "updates" and mine > theirs and self.schedule == "constant"):
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
