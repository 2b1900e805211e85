"""Kinks: entries at which f has two slopes, and whether both sides allow the values given there, together."""

import itertools

import numpy as np

KINKS = 16  # so many are told apart


def find(trial, block, v):
    """Flat indices of the entries moved by v at which f has a kink; None where there are more than KINKS."""
    found, waiting = [], [np.flatnonzero(v)]
    while waiting:
        places = waiting.pop()
        if not has_kink(trial, block, only(v, places)):
            continue
        if len(places) == 1:
            found.append(int(places[0]))
        else:
            waiting += [places[len(places) // 2 :], places[: len(places) // 2]]
        if len(found) > KINKS:
            return None
    return found


def only(v, places):
    w = np.zeros(v.size)
    w[places] = v.ravel()[places]
    return w.reshape(v.shape)


def slopes(trial, block, v):
    """(left, right, uncertainty): the slopes of the two sides along v, extrapolated from two small steps."""
    frozen = trial.frozen
    phi, first = frozen.line(block.moves(frozen.point, v))
    steps = np.array((1e-4, 2.5e-5)) * first * (1000 if frozen.is_single() else 1)  # float32 shows nothing nearer
    left = [(frozen.value_0 - phi(-h)) / h for h in steps]
    right = [(phi(h) - frozen.value_0) / h for h in steps]
    curved = sum(abs(s[1] - s[0]) for s in (left, right))
    return (4 * left[1] - left[0]) / 3, (4 * right[1] - right[0]) / 3, 4 * frozen.noise / steps[1] + 0.3 * curved


def has_kink(trial, block, v):
    left, right, uncertainty = slopes(trial, block, v)
    return abs(right - left) > 10 * uncertainty + 1e-6 * max(abs(left), abs(right))


def disallowed(trial, block, places):
    """(index that is wrong, words): the entries at kinks, each alone and those of one choice together."""
    given = trial.given(block)
    shape, words = given.shape, ""
    told = lambda side, a: f"slopes {side[0]:.4g} and {side[1]:.4g}, given {a:.4g}"  # noqa: E731
    units = [only(np.ones(shape), [place]) for place in places]
    sides = [slopes(trial, block, unit) for unit in units]
    indices = [np.unravel_index(place, shape) for place in places]
    for index, side in zip(indices, sides):
        words = f"kink at {list(block.whole(index))}: {told(side, given[index])}"
        if not _between(given[index], side):
            return index, words + ", which neither side allows"
    for group in _groups(trial, block, units, sides):
        rng, together = np.random.default_rng(0), sum(units[k] for k in group)
        for v in [together] + [together * rng.uniform(-1, 1, shape) for _ in range(4)]:
            side, a = slopes(trial, block, v), float((v * given).sum())
            if not _between(a, side):
                where = [list(block.whole(indices[k])) for k in group]
                words = f"kinks at {where} belong to one choice; together along one line: {told(side, a)}"
                return indices[group[0]], words
    return None, words + (f" (and {len(places) - 1} more)" if len(places) > 1 else "")


def _between(a, side):
    left, right, uncertainty = side
    low, high = sorted((left, right))
    slack = 1e-4 * (high - low) + uncertainty + 1e-9 * max(abs(low), abs(high))
    return low - slack <= a <= high + slack


def _groups(trial, block, units, sides):
    """Lists of kinks that are no sums of their own: those of one maximum, say."""
    together = slopes(trial, block, sum(units))
    if _sums(together, sides):
        return []
    linked = np.eye(len(units), dtype=bool)
    for i, j in itertools.combinations(range(len(units)), 2):
        linked[i, j] = linked[j, i] = not _sums(slopes(trial, block, units[i] + units[j]), (sides[i], sides[j]))
    for _ in units:
        linked = linked @ linked
    return [list(group) for group in {tuple(np.flatnonzero(row)) for row in linked} if len(group) > 1]


def _sums(together, sides):
    size = sum(max(abs(side[0]), abs(side[1])) for side in sides)
    slack = 1e-4 * size + together[2] + sum(side[2] for side in sides)
    return all(abs(together[k] - sum(side[k] for side in sides)) <= slack for k in (0, 1))
