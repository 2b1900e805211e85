"""A failing row, explained: which entry, is it a kink, what is the likely cause."""

import numpy as np

from sab_numpy.gradcheck.blocks import moves, part, whole_index
from sab_numpy.gradcheck.diagnosis import diagnose
from sab_numpy.gradcheck.report import FAIL, UNRESOLVED

KINKS = 8  # so many are set aside before giving up
SAMPLED = {1: (16,), 2: (6, 6), 3: (12, 2, 2)}  # entries along each axis that a diagnosis looks at


def explain(subject, blocks, k, row, grads, group, method, judge_again, sizes, rng):
    """The row at its worst entry, with a note; a kink at which every wrong slope is a right one makes it PASS."""
    block, aside, slopes = blocks[k], [], ""
    analytic = part(grads[block.name], block).astype(np.float64)
    if not np.isfinite(analytic).all():
        worst = np.unravel_index(np.argmin(np.isfinite(analytic)), analytic.shape)
        note = diagnose(analytic, np.zeros_like(analytic))
        return row._replace(index=whole_index(block, [int(i) for i in worst]), note=note)
    for _ in range(KINKS):
        v, d = max(group, key=lambda pair: abs((pair[0] * analytic).sum() - pair[1].value))
        worst = bisect(subject, block, analytic, v, d.value, method)
        a, kink = float(analytic[worst]), entry(subject, block, worst, "central")
        if not excused(a, kink):
            break
        aside.append(worst)
        slopes = (
            f"kink at {list(whole_index(block, worst))}: slopes {kink.left:.4g} and {kink.right:.4g}, "
            f"given {a + 0.0:.4g}"
        )
        group = [without(subject, block, v, aside, method) for v, _ in group]
        again = judge_again(block, group)
        if again.verdict != FAIL:
            return again._replace(note="; ".join(filter(None, [slopes, again.note])))
    else:
        return row._replace(verdict=UNRESOLVED, note=f"more than {KINKS} kinks at this point; {slopes}: move the point")
    numeric = kink if method == "central" else entry(subject, block, worst, method)
    note = cause(subject, blocks, k, grads, worst, method, sizes, rng)
    crossed = stops_crossed(subject, block, v, float((v * analytic).sum()), method)
    return row._replace(index=whole_index(block, worst), analytic=a, numeric=numeric.value, note=crossed or note)


def excused(analytic, difference):
    """Whether there is a kink here and the value given lies between the slopes of its two sides."""
    low, high = sorted((difference.left, difference.right))
    slack = 0.1 * (high - low)
    return difference.kink and low - slack <= analytic <= high + slack


def bisect(subject, block, analytic, v, numeric, method):
    """The entry that the discrepancy along v comes from: halves, keeping the worse one."""
    places = np.flatnonzero(v)
    excess = float((v * analytic).sum()) - numeric
    while len(places) > 1:
        half = np.zeros(v.size)
        left = places[: len(places) // 2]
        half[left] = v.ravel()[left]
        half = half.reshape(v.shape)
        numeric_left = subject.derivative(moves(subject.point, block, half), method).value
        excess_left = float((half * analytic).sum()) - numeric_left
        if abs(excess_left) >= abs(excess - excess_left):
            places, excess = left, excess_left
        else:
            places, excess = places[len(left) :], excess - excess_left
    return tuple(int(i) for i in np.unravel_index(places[0], v.shape))


def entry(subject, block, index, method):
    """The numeric derivative with respect to one entry, a Difference."""
    v = np.zeros_like(part(subject.point[block.name], block))
    v[index] = 1.0
    return subject.derivative(moves(subject.point, block, v), method)


def without(subject, block, v, aside, method):
    """The direction without the entries set aside, and the derivative along it."""
    v = v.copy()
    for index in aside:
        v[index] = 0.0
    return v, subject.derivative(moves(subject.point, block, v), method)


def cause(subject, blocks, k, grads, worst, method, sizes, rng):
    """The likely bug, from a sample of entries around the worst one."""
    block = blocks[k]
    shape = part(subject.point[block.name], block).shape
    indices = sample(shape, worst, rng)
    sampled = {
        other: part(grads[other.name], other)[np.ix_(*indices)] if indices else part(grads[other.name], other)
        for other in blocks
        if part(subject.point[other.name], other).shape == shape
    }
    others = {
        f"gate {other.gate}" if other.gate and other.name == block.name else other.label: value
        for other, value in sampled.items()
        if other != block
    }
    numeric = np.empty([len(axis) for axis in indices])
    for place in np.ndindex(numeric.shape):
        index = tuple(int(axis[i]) for axis, i in zip(indices, place))
        found = entry(subject, block, index, method)
        numeric[place] = sampled[block][place] if excused(sampled[block][place], found) else found.value
    return diagnose(sampled[block], numeric, sizes, others, indices, 1e-6 if method == "complex" else 1e-4)


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


def stops_crossed(subject, block, v, analytic, method):
    """Whether the gradient is that of f with one of its stops, or all of them, let through."""
    stops = [name for name, value in subject.tape.items() if np.asarray(value).dtype.kind in "fc"]
    for thaw in ([stops] if len(stops) > 1 else []) + [[name] for name in stops[:64]]:
        numeric = subject.derivative(moves(subject.point, block, v), method, thaw).value
        frozen_away = abs(numeric - analytic) <= 1e-6 * abs(numeric)
        if frozen_away:
            which = f"stop {thaw[0]!r}" if len(thaw) == 1 else "every stop: it is the gradient of f without them"
            return f"credit passes {which}"
    return ""
