"""One model, four algorithms: the numbers that tell them apart."""

import operator
from dataclasses import dataclass

from sab_numpy.core.scores import SCORES
from sab_numpy.core.sparsify import NORMALISERS


def check_count(name, value, least):
    """`value` as an int; ValueError unless it is a whole number (not True) of at least `least`."""
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, found {value!r}")
    return number


@dataclass(frozen=True)
class Config:
    """Sizes of the model, and how far credit goes (Ke et al. 2018, sections 3 and 4).

    n_in, n_hidden, n_out   D, H, O
    k_trunc                 credit walks blocks of k_trunc steps (None: it is never cut)
    k_top                   K, microstates recalled a step (0: none, None: all)
    k_att                   a state becomes a microstate every k_att steps
    score, normalise        how microstates are scored; how the K largest scores become weights
    mental_updates          False: no credit flows into microstates
    dense_forward           True: the forward reads every slot, credit only through the K largest
    empty_slots             zero microstates at the start (None: K + 1, or one when k_top is None)
    budget                  microstates kept beside those of the start: the ones whose state had
                            changed most when they were written (None: all; see memory.py)

    Raises ValueError, in one line, for values and combinations that mean nothing.
    """

    n_in: int
    n_hidden: int
    n_out: int
    k_trunc: int | None = None
    k_top: int | None = 0
    k_att: int = 1
    score: str = "dot"
    normalise: str = "softmax"
    mental_updates: bool = True
    dense_forward: bool = False
    empty_slots: int | None = None
    budget: int | None = None

    def __post_init__(self):
        for name in ("n_in", "n_hidden", "n_out", "k_att"):
            object.__setattr__(self, name, check_count(name, getattr(self, name), 1))
        for name, least in (("k_trunc", 1), ("k_top", 0), ("empty_slots", 1), ("budget", 1)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check_count(name, getattr(self, name), least))
        for name, known in (("score", SCORES), ("normalise", NORMALISERS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, "
                                 f"found {getattr(self, name)!r}")
        for name in ("mental_updates", "dense_forward"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, found {getattr(self, name)!r}")
        found = f"found k_top={self.k_top}, dense_forward={self.dense_forward}"
        if self.normalise == "relu" and (self.k_top is None or self.dense_forward):
            raise ValueError("normalise='relu' needs a threshold, so a sparse read: expected "
                             f"k_top to be a number and dense_forward=False, {found}")
        if self.dense_forward and not self.k_top:
            raise ValueError("dense_forward=True sends credit through the k_top largest slots: "
                             f"expected k_top of at least 1, found {self.k_top}")
        if self.budget and (not self.k_top or self.dense_forward):
            raise ValueError("budget is for a sparse read: expected k_top of at least 1 and "
                             f"dense_forward=False, {found}")

    @property
    def n_empty(self):
        """Zero microstates that the memory starts with."""
        if self.empty_slots is not None:
            return self.empty_slots
        return 1 if self.k_top is None else self.k_top + 1

    def n_selected(self, n_slots):
        """How many of n_slots take part in a sparse read (relu's threshold is one of them)."""
        if self.k_top is None:
            return n_slots
        return min(n_slots, self.k_top + (self.normalise == "relu" and self.k_top > 0))

    def written_at(self, k):
        """The step whose state becomes microstate k, the first that is written being 0."""
        return (k + 1) * self.k_att - 1

    @classmethod
    def full_bptt(cls, n_in, n_hidden, n_out, **others):
        """LSTM; credit walks every step."""
        return cls(n_in, n_hidden, n_out, k_trunc=None, k_top=0, **others)

    @classmethod
    def truncated_bptt(cls, n_in, n_hidden, n_out, *, k_trunc, **others):
        """The same LSTM; credit walks blocks of k_trunc steps."""
        return cls(n_in, n_hidden, n_out, k_trunc=k_trunc, k_top=0, **others)

    @classmethod
    def self_attention(cls, n_in, n_hidden, n_out, *, k_att=1, **others):
        """LSTM that attends to every microstate; credit walks every step and every microstate."""
        return cls(n_in, n_hidden, n_out, k_trunc=None, k_top=None, k_att=k_att, **others)

    @classmethod
    def sab(cls, n_in, n_hidden, n_out, *, k_trunc, k_top, k_att, **others):
        """Sparse attentive backtracking: blocks of k_trunc steps and k_top recalled microstates."""
        return cls(n_in, n_hidden, n_out, k_trunc=k_trunc, k_top=k_top, k_att=k_att, **others)
