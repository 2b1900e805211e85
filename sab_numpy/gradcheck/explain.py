"""A failing row, explained: which entry, is it a kink, what is the likely cause."""

import numpy as np

from sab_numpy.gradcheck.blocks import whole_index
from sab_numpy.gradcheck.causes import cause
from sab_numpy.gradcheck.report import FAIL, UNRESOLVED

KINKS = 8  # so many are set aside before giving up
SAMPLED = {1: (16,), 2: (6, 6), 3: (12, 2, 2)}  # entries along each axis that a search for the cause looks at


def explain(trial, block, row, group):
    """The row at its worst entry, with a note; a kink at which every wrong slope is a right one makes it PASS."""
    analytic, kinks, slopes = trial.given(block), [], ""
    if not np.isfinite(analytic).all():
        worst = np.unravel_index(np.argmin(np.isfinite(analytic)), analytic.shape)
        note = cause(analytic, np.zeros_like(analytic))
        return row._replace(index=whole_index(block, [int(i) for i in worst]), note=note)
    while len(kinks) < KINKS:
        v, d = max(group, key=lambda pair: abs((pair[0] * analytic).sum() - pair[1].value))
        worst = bisect(trial, block, v, d.value)
        a, kink = float(analytic[worst]), trial.entry(block, worst, "central")
        if not excused(a, kink):
            return _row_at(trial, block, row, worst, v)
        kinks.append(worst)
        place = list(whole_index(block, worst))
        slopes = f"kink at {place}: slopes {kink.left:.4g} and {kink.right:.4g}, given {a + 0.0:.4g}"
        group = [without(trial, block, v, kinks) for v, _ in group]
        again = trial.judge(block, group)
        if again.verdict != FAIL:
            return again._replace(note="; ".join(filter(None, [slopes, again.note])))
    return row._replace(verdict=UNRESOLVED, note=f"more than {KINKS} kinks at this point; {slopes}: move the point")


def _row_at(trial, block, row, worst, v):
    """The failing row at entry `worst`, with the likely cause of what is wrong along v."""
    note = stops_crossed(trial, block, v) or sampled_cause(trial, block, worst)
    analytic, numeric = float(trial.given(block)[worst]), trial.entry(block, worst).value
    return row._replace(index=whole_index(block, worst), analytic=analytic, numeric=numeric, note=note)


def excused(analytic, difference):
    """Whether there is a kink here and the value given lies between the slopes of its two sides."""
    low, high = sorted((difference.left, difference.right))
    slack = 0.1 * (high - low)
    return difference.kink and low - slack <= analytic <= high + slack


def bisect(trial, block, v, numeric):
    """The entry that the discrepancy along v comes from: halves, keeping the worse one."""
    analytic, places = trial.given(block), np.flatnonzero(v)
    excess = float((v * analytic).sum()) - numeric
    while len(places) > 1:
        half = np.zeros(v.size)
        left = places[: len(places) // 2]
        half[left] = v.ravel()[left]
        half = half.reshape(v.shape)
        excess_left = float((half * analytic).sum()) - trial.along(block, half).value
        if abs(excess_left) >= abs(excess - excess_left):
            places, excess = left, excess_left
        else:
            places, excess = places[len(left) :], excess - excess_left
    return tuple(int(i) for i in np.unravel_index(places[0], v.shape))


def without(trial, block, v, kinks):
    """The direction without the entries at kinks, and the derivative along it."""
    v = v.copy()
    for index in kinks:
        v[index] = 0.0
    return v, trial.along(block, v)


def sampled_cause(trial, block, worst):
    """The likely bug, from a sample of entries around the worst one."""
    given = {other: trial.given(other) for other in trial.blocks}
    shape = given[block].shape
    indices = sample(shape, worst, trial.rng)
    sampled = {
        other: value[np.ix_(*indices)] if indices else value for other, value in given.items() if value.shape == shape
    }
    others = {
        f"gate {other.gate}" if other.gate and other.name == block.name else other.label: value
        for other, value in sampled.items()
        if other != block
    }
    numeric = np.empty([len(axis) for axis in indices])
    for place in np.ndindex(numeric.shape):
        found = trial.entry(block, tuple(int(axis[i]) for axis, i in zip(indices, place)))
        numeric[place] = sampled[block][place] if excused(sampled[block][place], found) else found.value
    tolerance = 1e-6 if trial.method == "complex" else 1e-4
    return cause(sampled[block], numeric, trial.sizes, others, indices, tolerance)


def sample(shape, worst, rng):
    """Along each axis, sorted indices that include the worst; a square takes the same for both."""
    if np.prod(shape) <= 36:
        return [np.arange(length) for length in shape]
    limits = SAMPLED.get(len(shape), (2,) * len(shape))
    square = len(shape) == 2 and shape[0] == shape[1]
    indices = []
    for axis, (length, limit) in enumerate(zip(shape, limits)):
        wanted = list(dict.fromkeys(worst if square else worst[axis : axis + 1]))
        others = [i for i in rng.permutation(length) if i not in wanted]
        indices.append(np.sort(np.array(wanted + others[: max(0, limit - len(wanted))])))
    return [indices[0]] * 2 if square else indices


def stops_crossed(trial, block, v):
    """Whether the gradient is that of f with one of its stops, or all of them, let through."""
    analytic = float((v * trial.given(block)).sum())
    stops = [name for name, value in trial.frozen.recording.items() if np.asarray(value).dtype.kind in "fc"]
    for thaw in ([stops] if len(stops) > 1 else []) + [[name] for name in stops[:64]]:
        numeric = trial.along(block, v, thaw).value
        if abs(numeric - analytic) <= 1e-6 * abs(numeric):
            which = f"stop {thaw[0]!r}" if len(thaw) == 1 else "every stop: it is the gradient of f without them"
            return f"credit passes {which}"
    return ""
