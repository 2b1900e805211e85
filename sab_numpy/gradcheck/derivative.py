"""Derivatives along a line, from values of a function alone.

complex step        Im phi(i h) / h, h = 1e-30: no subtraction, so no loss of digits (Squire and Trapp 1998)
central difference  (phi(h) - phi(-h)) / 2h, extrapolated to h = 0 over a ladder of steps (Ridders 1982)
noise               of phi, from third differences over tiny steps (Hamming 1971; Moré and Wild 2011)
"""

from typing import NamedTuple

import numpy as np

EPS = np.finfo(np.float64).eps
COMPLEX_H = 1e-30
RATIO, RUNGS = 4.0, 20  # the ladder: h, h/4, h/16, ...
PROBES = 4.0**-3, 4.0**-7  # smaller steps, at which a value must hold too


class Difference(NamedTuple):
    """A derivative, how far it may be off, and whether the slopes of the two sides differ (a kink)."""

    value: float
    uncertainty: float
    kink: bool = False


def complex_step(phi):
    """The derivative of phi at 0. Raises TypeError when phi loses the imaginary part."""
    value = phi(1j * COMPLEX_H)
    if not np.iscomplexobj(value):
        raise TypeError("the result is real: the imaginary part was lost on the way")
    return float(np.imag(value)) / COMPLEX_H


def noise(seven):
    """The noise of seven values in a row, between which the function itself is as good as a parabola."""
    third = np.sort(np.abs(np.diff(seven, 3)))
    return 3 * float(np.sqrt(np.mean(third[:2] ** 2) / 20))  # 1 + 9 + 9 + 1 = 20; the others may lie across a kink


def central(phi, h, phi_0, noise=0.0):
    """The derivative of phi at 0 with an error estimate; phi_0 = phi(0). The first step, h, is a tenth of the point.

    Each rung divides h by 4 and removes one more power of h^2. The best estimate is the one that its neighbours in
    the table confirm, and the plain differences of smaller steps: a function with many kinks agrees with itself by
    chance, and one that is nearly singular looks smooth from afar. Rounding, of phi and of the point, and the noise of
    phi are the least error that is admitted. Steps where phi is not finite are skipped.
    """
    best, table, sides, size = (np.nan, np.inf, 0), [], [], 10 * h

    def plain(h):
        """(central difference, the slopes of the two sides, rounding) of one step."""
        plus, minus = phi(h), phi(-h)
        slope = (plus - minus) / (2 * h)
        rounding = (max(noise, 2 * EPS * max(abs(plus), abs(minus), abs(phi_0))) + 2 * EPS * size * abs(slope)) / h
        return slope, ((phi_0 - minus) / h, (plus - phi_0) / h, rounding)

    def holds(value, apart):
        """Whether smaller steps, as far as rounding lets them, are no farther from value than this one."""
        left, right, rounding = sides[-1]
        probes = [plain(h * factor) for factor in PROBES if rounding < factor * max(abs(left), abs(right))]
        return all(abs(slope - value) <= apart + 4 * side[2] for slope, side in probes)

    for _ in range(RUNGS):
        slope, side = plain(h)
        row = [slope]
        if np.isfinite(slope):
            for j, older in enumerate(table[-1] if table else ()):
                row.append(row[j] + (row[j] - older) / (RATIO ** (2 * j + 2) - 1))
                error = max(abs(row[j + 1] - row[j]), abs(row[j + 1] - older), side[2])
                if error <= best[1]:
                    best = (row[j + 1], error, len(table))
            table.append(row)
            sides.append(side)
            if len(table) > best[2] + 2 and side[2] > best[1]:  # confirmed twice, and rounding has taken over
                if holds(best[0], best[1] + abs(slope - best[0])):
                    break
                best = (np.nan, np.inf, len(table))
        h /= RATIO
    value, error, k = best
    for n in range(k + 1, len(table)):  # what smaller steps say, beyond their own errors
        allowed = 4 * abs(table[k][0] - value) / RATIO ** (2 * (n - k)) + 4 * sides[n][2]
        error = max(error, abs(table[n][0] - value) - allowed)
    return Difference(value, error, _kinked(sides))


def _kinked(sides):
    """Whether the slopes to the left and right stay apart as the step shrinks (a smooth function: like h)."""
    gaps = [abs(right - left) for left, right, _ in sides]
    slopes = max((max(abs(left), abs(right)) for left, right, _ in sides[-2:]), default=0.0)
    clear = [k for k in range(1, len(sides)) if gaps[k] > 1e-6 * slopes + 50 * sides[k][2]]
    return bool(clear) and bool(gaps[clear[-1]] > 0.6 * gaps[clear[-1] - 1])  # where the gap is not rounding
