"""From a wrong gradient and the right numbers to the likely bug, in one line."""

import itertools

import numpy as np


def close(a, n, tolerance=1e-6):
    """Whether two arrays agree, measured against the largest value of the second."""
    return a.shape == n.shape and np.isfinite(a).all() and np.abs(a - n).max() <= tolerance * np.abs(n).max()


def cause(analytic, numeric, sizes=None, others=None, indices=None, tolerance=1e-6):
    """The likely cause of the difference between two arrays of one shape, or "" where they agree.

    sizes    {"B": 8, "T": 20}: lengths that a sum or a mean may have forgotten
    others   {"gate f": array}: what might stand here by mistake
    indices  for parts of larger arrays: along each axis, where the part was taken from
    A square array may be tested for transposition; if both are parts of larger ones, take the same rows as columns.
    """
    a, n = np.asarray(analytic, np.float64), np.asarray(numeric, np.float64)
    if a.shape != n.shape:
        return f"shape {a.shape} instead of {n.shape}"
    if not np.isfinite(a).all():
        return f"{np.count_nonzero(~np.isfinite(a))} values are not finite"
    if a.size == 0 or close(a, n, tolerance):
        return ""
    indices = [np.arange(length) for length in a.shape] if indices is None else indices
    found = (
        _constant_ratio(a, n, sizes or {}, tolerance)
        or _moved(a, n, others or {}, tolerance)
        or _confined(a, n, sizes or {}, indices, tolerance)
    )
    if found:
        return found
    share = np.abs(a - n).max() / np.abs(n).max()
    return f"a term is missing or wrong: the difference is {share:.2g} of the largest value, with no constant ratio"


def _constant_ratio(a, n, sizes, tolerance):
    if not a.any():
        return "it is zero: the term is never added"
    if not n.any():
        return "it should be zero: credit flows where none should"
    ratio = float((a * n).sum() / (n * n).sum())
    if not close(a, ratio * n, tolerance):
        return ""
    return name_ratio(ratio, sizes, tolerance)


def name_ratio(ratio, sizes=None, tolerance=1e-6):
    """analytic / numeric in words: sign, a factor 2, or a forgotten 1/B or 1/T."""
    known = {
        -1.0: "the sign is flipped",
        2.0: "twice too large: counted twice",
        0.5: "half of what it should be",
        -2.0: "the sign is flipped and it is twice too large",
    }
    names = [list(pair) for length in (1, 2) for pair in itertools.combinations(sizes or {}, length)]
    for group in names:
        product = float(np.prod([sizes[name] for name in group]))
        text = " ".join(group)
        known.setdefault(product, f"{product:g} times too large: a division by {text} is missing")
        known.setdefault(1 / product, f"{product:g} times too small: divided by {text} once too often")
    for value, words in known.items():
        if abs(ratio - value) <= tolerance * abs(value):
            return words
    return f"scaled by {ratio:.6g}"


def _moved(a, n, others, tolerance):
    """The right numbers in the wrong place."""
    if a.ndim == 2 and a.shape[0] == a.shape[1]:
        for sign, words in ((1, "it is transposed"), (-1, "it is transposed, with the sign flipped")):
            if close(sign * a.T, n, tolerance):
                return words
    for name, other in others.items():
        if np.asarray(other).any() and close(a, np.asarray(other), tolerance):
            return f"the values of {name} stand here"
    for axis, length in enumerate(a.shape):
        if length > 2 and close(np.flip(a, axis), n, tolerance):
            return f"it runs backwards along axis {axis}"
        for shift in (1, -1):
            inner = [slice(None)] * a.ndim
            inner[axis] = slice(1, -1)
            if length > 3 and close(np.roll(a, shift, axis)[tuple(inner)], n[tuple(inner)], tolerance):
                return f"it is off by one along axis {axis}"
    return ""


def _confined(a, n, sizes, indices, tolerance):
    """Only some rows, columns or time steps are wrong: told along the axis where they are the fewest."""
    wrong = np.abs(a - n) > tolerance * np.abs(n).max()
    inside = _constant_ratio(a[wrong], n[wrong], sizes, tolerance) or "no constant ratio"
    if wrong.sum() == 1 and a.size > 2:
        return f"one entry only: {inside}"
    along = [wrong.any(tuple(k for k in range(a.ndim) if k != axis)) for axis in range(a.ndim)]
    axis = min(range(a.ndim), key=lambda k: along[k].mean(), default=0)
    if not a.ndim or a.shape[axis] < 3 or along[axis].all():
        return ""
    places = np.flatnonzero(along[axis])
    named = [int(indices[axis][k]) for k in places]
    run = len(places) > 1 and places[-1] - places[0] + 1 == len(places)
    span = f"{named[0]} to {named[-1]}" if run else ", ".join(map(str, named[:6])) + ", ..." * (len(named) > 6)
    before = " (before a cut?)" if run and axis == 0 and a.ndim > 2 and places[0] == 0 else ""
    return f"only at {span} of axis {axis}{before}: {inside}"


def common_cause(rows):
    """What all failing rows of a report share: one gate, or every one the same words."""
    failing = [row for row in rows if row.verdict == "FAIL"]
    gates = {row.name.rpartition(".")[2] for row in failing if "." in row.name}
    stacked = [row for row in rows if "." in row.name]
    if failing and len(gates) == 1 and all("." in row.name for row in failing) and len(stacked) > len(failing):
        return f"only gate {gates.pop()} is wrong"
    causes = {row.note for row in failing if row.note}  # only the worst rows have one
    if len(failing) > 1 and len(causes) == 1:
        return f"{', '.join(row.name for row in failing)}: {causes.pop()}"
    return ""
