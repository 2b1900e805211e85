"""Simple relations between wrong and right numbers, for what no listed mistake explains."""

import re
from itertools import combinations, permutations

import numpy as np

GATES = "ifgo"


def close(a, b, tolerance=1e-7):
    """Equal to 1e-7 of b's largest number, and not finite at the same places?"""
    if a.shape != b.shape or not np.array_equal(finite := np.isfinite(a), np.isfinite(b)):
        return False
    return bool(np.abs(a - b)[finite].max(initial=0) <= tolerance * np.abs(b)[finite].max(initial=1e-30))


def every(test, unit):
    return all(test(got, want) for got, want in zip(unit.got, unit.want))


def ratio(got, want):
    """The number r with got = r * want, or None."""
    r = (got * want).sum() / (want * want).sum() if (want != 0).any() else np.nan
    return float(r) if np.isfinite(r) and close(got, r * want) else None


def factor(unit, sizes):
    """What the whole unit is multiplied by, in words, or None. sizes: one dict a case, such as B, T, H."""
    ratios = [ratio(got, want) for got, want in zip(unit.got, unit.want)]
    if any(r is None for r in ratios):
        return None
    if all(r == 0 for r in ratios):
        return "is all zeros: it is never written"
    for known, words in ((-1, "has the wrong sign"), (2, "counts twice"), (0.5, "is half of what it should be")):
        if np.allclose(ratios, known, rtol=1e-9):
            return words
    found = [f"{text}{word}" for text, value in products(sizes) for sign, word in ((1, ""), (-1, ", with a minus,"))
             if np.allclose(ratios, sign * value, rtol=1e-9) and len(set(value)) > 1]
    if found:
        scale = re.fullmatch(r"sqrt\((\w)/(\w)\)", found[0])
        why = f"divided by sqrt({scale[2]}), not sqrt({scale[1]})" if scale else "a sum for a mean, or another scale"
        return f"is {' or '.join(found[:2])} times what it should be ({why})"
    if np.allclose(ratios, 1, rtol=1e-3):
        return f"is off by a factor of 1 {ratios[0] - 1:+.1g} (a small constant, added or forgotten?)"
    return f"is {ratios[0]:.4g} times what it should be" if np.allclose(ratios, ratios[0], rtol=1e-9) else None


def products(sizes):
    """(text, its value in each case) of B, 1/B, sqrt(B), B*H, sqrt(B/H), ...: the shortest comes first."""
    n = {letter: np.array([size[letter] for size in sizes], float) for letter in sizes[0]}
    two = [(f"({a} * {b})", n[a] * n[b]) for a, b in combinations(n, 2)]
    of = [(f"{a}/{b}", n[a] / n[b]) for a, b in permutations(n, 2)]
    for values in (list(n.items()), two):
        yield from values
        yield from ((f"1/{text}", 1 / value) for text, value in values)
        yield from ((f"sqrt({text.strip('()')})", value**0.5) for text, value in values)
        yield from ((f"1/sqrt({text.strip('()')})", value**-0.5) for text, value in values)
    yield from of
    yield from ((f"sqrt({text})", value**0.5) for text, value in of)


def added(unit, inputs):
    """A multiple of an input that stands beside the right numbers, as in dW + 0.01 * W, in words; or None."""
    for name in inputs[0]:
        if all(given[name].shape == want.shape for given, want in zip(inputs, unit.want)):
            ratios = [ratio(got - want, given[name]) for got, want, given in zip(unit.got, unit.want, inputs)]
            if None not in ratios and np.allclose(ratios, ratios[0], rtol=1e-6) and ratios[0]:
                decay = " (a weight decay that nobody asked for?)" if name.partition("[")[2] or name[:2] == "W_" else ""
                return f"holds {ratios[0]:.4g} * {name} as well{decay}"
    return None


def changed(unit, inputs):
    """What was done to the right numbers after they were right, in words; or None."""
    for digits in range(9):
        if all(np.array_equal(got, want.round(digits)) for got, want in zip(unit.got, unit.want)):
            return f"is rounded to {digits} digits; return it as it is"
    if every(lambda got, want: close(got, np.abs(want)), unit):
        return "is the absolute value of what it should be: the sign is lost"
    low, high = min(got.min() for got in unit.got), max(got.max() for got in unit.got)
    if low < high and every(lambda got, want: close(got, np.clip(want, low, high)), unit):
        return f"is clipped: no number is below {low:.4g} or above {high:.4g}"
    for axis in range(unit.want[0].ndim):
        if all(close(got, np.flip(want, axis)) for got, want in zip(unit.got, unit.want)):
            return f"is in reversed order along axis {axis}"
    for name in inputs[0]:
        if all(map(close, unit.got, [given[name] for given in inputs])):
            return f"holds the numbers of {name}"
    return None


def transposed(unit):
    """Square and transposed?"""
    return all(w.ndim == 2 and w.shape[0] == w.shape[1] for w in unit.want) and every(lambda g, w: close(g, w.T), unit)


def other_gate(unit, units):
    """The gate whose right numbers stand here, or None."""
    for candidate in units:
        if candidate.name == unit.name and candidate.gate != unit.gate and all(map(close, unit.got, candidate.want)):
            return candidate.gate
    return None


def in_place(unit):
    """Where a unit is wrong, if that is at one end of an axis only, or everywhere but there; or None."""
    for axis in range(unit.want[0].ndim):
        sides = set()
        for got, want in zip(unit.got, unit.want):
            n = want.shape[axis]
            bad = [k for k in range(n) if not close(got.take(k, axis), want.take(k, axis))]
            sides.add({(0,): "the first", (n - 1,): "the last"}.get(tuple(bad), "") if n > 1 and bad else "")
        if len(sides) == 1 and (side := sides.pop()):
            return f"at {side} index of axis {axis} alone"
    return None


def in_time(unit):
    """For arrays whose first axis is time: which steps are wrong, in words."""
    words = []
    for got, want, case in zip(unit.got, unit.want, unit.cases):
        steps = [t for t in range(len(want)) if not close(got[t], want[t])]
        if steps and steps == list(range(steps[-1] + 1)) and steps[-1] < len(want) - 1:
            words.append(f"case {case + 1}: right from step {steps[-1] + 1} on, wrong before")
        elif 0 < len(steps) < len(want):
            words.append(f"case {case + 1}: wrong at steps {', '.join(map(str, steps[:6]))}")
    return words[0] if words else None
