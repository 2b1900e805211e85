"""One check at several points, and at several shapes: one Report of them all."""

import inspect

import numpy as np

from sab_numpy.gradcheck.inputs import Tree
from sab_numpy.gradcheck.report import PASS


def at_points(check, f, params, grads, tape, points, make, sizes, seed):
    """The Report of check(f, params, grads) at the first point and shape, with the rows that do not pass at others."""
    if points < 1:
        raise ValueError(f"points must be at least 1, found {points}")
    if make is None:
        runs = ((where, sizes, *case) for where, *case in _moved(f, params, grads, tape, points, seed))
    else:
        if f is not None or params is not None or grads is not None or tape is not None:
            raise ValueError("make stands in place of f, params, grads and tape: give one or the others")
        first = lengths_of(make, sizes)
        shapes = [("", first)] + [(f"{name}=1", {**first, name: 1}) for name in first if first[name] != 1]
        runs = [
            (" ".join(filter(None, (where, words))), lengths, *case)
            for words, lengths in shapes
            for where, *case in _moved(*made(make, seed, lengths), None, points, seed)
        ]
    report = None
    for where, lengths, f, params, grads, tape in runs:
        if report is None:
            report = check(f, params, grads, tape, sizes=lengths)
            continue
        try:
            other = check(f, params, grads, tape, sizes=lengths)
        except Exception as error:  # whatever f or grads do with a length of 1, or at another point
            report.problems.append(f"{where}: {type(error).__name__}: {error}")
            continue
        report.add(where, other)
        passed = sum(row.verdict == PASS for row in other.rows)
        report.notes.append(f"{where}: {passed} of {len(other.rows)} pass, worst error {other.worst:.1e}")
    return report


def _moved(f, params, grads, tape, points, seed):
    """(where, f, params, grads, tape) of every point: no entry changes its sign, zeros move too."""
    yield "", f, params, grads, tape
    if points > 1 and not callable(grads):
        raise ValueError("points: gradients at other points are needed, so grads must be a function of params")
    tree, rng = Tree(params), np.random.default_rng(seed)
    for k in range(2, points + 1):
        flat = {}
        for name, value in tree.point.items():
            size = np.sqrt(np.mean(value**2)) or 1.0
            normal = rng.standard_normal(value.shape)
            flat[name] = np.where(value, value * np.exp(0.3 * normal), 0.1 * size * normal)
        yield f"point {k}", f, tree.build(flat), grads, None


def lengths_of(make, sizes):
    """{length: value} of make's arguments: as in sizes, else 3, 4, ..."""
    names = list(inspect.signature(make).parameters)[1:]
    if not names:
        raise ValueError("make must take rng and lengths, such as make(rng, B, T)")
    return {name: (sizes or {}).get(name, 3 + k) for k, name in enumerate(names)}


def made(make, seed, lengths):
    """(f, params, grads) of these lengths."""
    found = make(np.random.default_rng(seed), **lengths)
    if not isinstance(found, (list, tuple)) or len(found) != 3:
        raise ValueError(f"make must return (f, params, grads), found {type(found).__name__}")
    return found
