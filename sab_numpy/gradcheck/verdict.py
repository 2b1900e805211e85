"""Three verdicts: PASS and FAIL are what numbers can tell, UNRESOLVED is what they cannot, with its size."""

from typing import NamedTuple

import numpy as np

from sab_numpy.gradcheck.derivative import EPS
from sab_numpy.gradcheck.report import FAIL, PASS, UNRESOLVED, Row

SMALL = 64 * EPS  # times f and the largest derivative of all: the rounding that any backward is granted
SURE = 3  # times its uncertainty, which is an estimate, a central difference must be off
COARSE, WHOLE = 1e-3, 1e-4  # a part of a tensor, and all of it, can pass when it is known to this
AGREED = 1e-2  # a complex step loses no digits: a part below all rounding that agrees with it to this is right to this


class Comparison(NamedTuple):
    """A line through a block: the given and the numeric derivative along v, and what an error is held against."""

    v: np.ndarray
    analytic: float
    numeric: float
    uncertainty: float
    kink: bool
    norm: float  # of v times the gradient given: large where single terms are, though their sum is not

    @property
    def whole(self):
        return bool(self.v.all())

    @property
    def scale(self):
        return max(abs(self.numeric), self.norm, np.finfo(float).tiny)


def decide(block, group, limits, spread, exact):
    """The Row of a block: the gravest of its comparisons, and of those the worst.

    limits: (relative tolerance, what the gradient may be off by whatever it is, size of the tensor)
    spread(comparison): how much the two sides depend on the last bits of the point; asked where they disagree
    exact: the numbers are complex steps
    """
    if not any(s.analytic or s.numeric or not np.isfinite(s.analytic) for s in group):
        return Row(block.label, PASS, 0.0, None, 0.0, 0.0, 0.0, "identically zero on both sides", gate=block.gate)
    found = [(*_verdict(s, limits, spread, exact), s) for s in group]
    verdict, error, known, s = max(found, key=lambda one: ((PASS, UNRESOLVED, FAIL).index(one[0]), one[1]))
    note = ""
    if not np.isfinite(s.analytic):
        note = "not finite"
    elif verdict == UNRESOLVED:
        note = _known(s, known, group[0])
    elif not s.analytic and abs(s.numeric) <= max(s.uncertainty, limits[1]):
        note = "zero on both sides, the numeric one up to rounding"
    known = max(one[2] for one in found)
    return Row(
        block.label, verdict, error, None, s.analytic, s.numeric, s.uncertainty / s.scale, note, known, block.gate
    )


def _known(s, known, whole):
    """What is known of a comparison that numbers cannot judge, and of which entries it is."""
    part = "" if s.whole else f"entries of {s.scale / whole.scale:.0e} of the largest are "
    told = f"known to {known:.0e} only" if known < 1 else "lost in rounding"
    return f"{part}{told}: {s.analytic:.2g} and {s.numeric:.2g}"


def _verdict(s, limits, spread, exact):
    """(verdict, error, what the error is known to) of one comparison, both relative to its scale."""
    scale, (tolerance, rounding, size) = s.scale, limits
    if not np.isfinite(s.analytic):
        return FAIL, np.inf, 0.0
    if not (np.isfinite(s.numeric) and np.isfinite(s.uncertainty)):
        return UNRESOLVED, 0.0, np.inf
    if s.analytic == 0 and abs(s.numeric) <= s.uncertainty <= 1e-7 * size:
        return PASS, 0.0, s.uncertainty / size
    error, doubt = abs(s.analytic - s.numeric) / scale, s.uncertainty / scale
    doubt_most = max(tolerance, WHOLE) if s.whole and not exact else COARSE
    if error <= tolerance and doubt <= doubt_most:
        return PASS, error, max(tolerance, doubt)
    if error > tolerance + doubt + rounding / scale:
        doubt += spread(s) / scale  # an exact derivative of an ill-conditioned f is exact for another point
        doubt_most = COARSE
    doubt += rounding / scale
    if error > tolerance + (1 if exact else SURE) * doubt:
        return FAIL, error, doubt
    if exact and not s.whole and error <= AGREED:
        doubt, doubt_most = min(doubt, AGREED), AGREED
    return (PASS if doubt <= doubt_most else UNRESOLVED), error, max(tolerance, doubt)
