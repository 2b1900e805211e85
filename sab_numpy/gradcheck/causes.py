"""From a wrong gradient to the likely bug: candidates, each held against numbers along several directions, or none."""

import itertools

import numpy as np

NO_CAUSE = "no cause found"
STOPS, PAIRS, SLABS = 400, 12, 60  # so many stops, stops in all pairs and slices along all axes are tried
FACTORS = {
    -1.0: "the sign is flipped",
    2.0: "twice too large: counted twice",
    0.5: "half of what it should be",
    -2.0: "the sign is flipped and it is twice too large",
}


class Evidence:
    """A failing block: the gradient given, its worst entry, derivatives n along v, to `tolerance` of the largest."""

    def __init__(self, trial, block, given, worst, group):
        self.trial, self.block, self.given, self.worst = trial, block, given, worst
        self.v, self.n = [v for v, _ in group], np.array([s.numeric for _, s in group])
        self.a = self.along(given)
        self.scale = float(np.abs(self.n).max())
        unsure, error = np.array([max(s.uncertainty for _, s in group), np.abs(self.a - self.n).max()]) / max(
            self.scale, np.finfo(float).tiny
        )
        self.tolerance = float(min(max(1e-6 if trial.methods[block] == "complex" else 1e-4, unsure), 0.03 * error))

    def along(self, candidate):
        return np.array([float((v * candidate).sum()) for v in self.v])

    def same(self, a, n):
        return bool((np.abs(a - n) <= self.tolerance * max(float(np.abs(n).max()), np.finfo(float).tiny)).all())

    def numeric(self, v, thaw=(), block=None):
        return self.trial.numeric(block or self.block, v, thaw).value

    def ratio(self, a, n):
        """The factor between two lists of numbers, None where there is no such one."""
        ratio = float((a * n).sum() / max(float((n * n).sum()), np.finfo(float).tiny))
        return ratio if self.same(a, ratio * n) else None


def cause(evidence):
    """What explains the numbers, all that does where it is cheap to tell; NO_CAUSE where nothing does."""
    if not evidence.n.any():
        return "it should be zero: credit flows where none should"
    if found := list(filter(None, (_stops(evidence), _factor(evidence)))):
        return "; or ".join(found)
    searches = (_moved, _stands_in, _decay, _one_entry, _shifted, _confined)
    return next(filter(None, (search(evidence) for search in searches)), NO_CAUSE)


def name_ratio(ratio, sizes=None, tolerance=1e-6):
    """analytic / numeric in words: sign, a factor 2, a forgotten 1/B, 1/T or temperature: all that it may be."""
    known = list(FACTORS.items())
    groups = [list(pair) for length in (1, 2) for pair in itertools.combinations(sizes or {}, length)]
    for group in groups:
        product, text = float(np.prod([sizes[name] for name in group])), " ".join(group)
        for value, name in ((product, text), (product**0.5, f"sqrt({text})")):
            if value != 1:
                known.append((value, f"{value:.4g} times too large: a division by {name} is missing"))
                known.append((1 / value, f"{value:.4g} times too small: divided by {name} once too often"))
    if ratio == 0:
        return "it is zero: the term is never added"
    if abs(ratio - 1) < 1e-5:
        return (
            f"scaled by 1{ratio - 1:+.1e}: an epsilon, or a constant of few digits, that f and backward do not share?"
        )
    said = [words for value, words in known if abs(ratio - value) <= max(tolerance, 1e-9) * abs(value)]
    return " or ".join(said) or f"scaled by {ratio:.6g}"


def _factor(e):
    """One factor for all of it. (One number alone has always some factor: only one with a name says anything.)"""
    ratio = 0.0 if not e.given.any() else e.ratio(e.a, e.n)
    words = "" if ratio is None else name_ratio(ratio, e.trial.sizes, e.tolerance)
    return "" if e.given.size == 1 and words.startswith("scaled") else words


def _stops(e):
    """Whether the gradient is that of f with one of its stops, two, or all let through (some number of times)."""
    stops = [name for name, value in e.trial.frozen.recording.items() if np.asarray(value).dtype.kind in "fc"]
    leak = lambda thaw, k: e.numeric(e.v[k], thaw) - e.n[k]  # noqa: E731
    found = {}  # what each stop alone lets through along the first line
    for thaw in ([stops] if len(stops) > 1 else []) + [[name] for name in stops[:STOPS]]:
        first = leak(thaw, 0)
        found |= {thaw[0]: first} if len(thaw) == 1 else {}
        if words := _let_through(e, thaw, first, len(stops)):
            return words
    pairs = list(itertools.combinations(found, 2))
    if len(stops) > PAIRS:  # too many to try: those that add up along two lines
        sums = np.array([[found[name], leak([name], 1)] for name in found])
        apart = np.abs(sums[:, None] + sums - (e.a - e.n)[:2]).max(2)  # (stops, stops)
        i, j = np.triu_indices(len(sums), 1)
        near = np.argsort(apart[i, j])[:4]
        pairs = [pair for pair, k in ((pairs[k], k) for k in near) if apart[i[k], j[k]] <= 1e-4 * e.scale]
    tried = (_let_through(e, list(pair), leak(pair, 0), len(stops)) for pair in pairs)
    return next(filter(None, tried), "")


def _let_through(e, thaw, first, count):
    """Words, where the gradient is that of f with these stops let through, which add `first` along the first line."""
    times = (e.a[0] - e.n[0]) / first if abs(first) > 1e-9 * e.scale else 0.0
    once, single = abs(times - 1) < 1e-5, len(thaw) == 1 and e.given.size > 1
    if not (once or (single and (0 < times < 20 or abs(times + 1) < 1e-5))):
        return ""  # a term of another size looks like a leak of -0.25
    leaks = np.array([first, *(e.numeric(v, thaw) - n for v, n in zip(e.v[1:], e.n[1:]))])
    if not e.same(e.n + times * leaks, e.a):
        return ""
    every = "every stop: it is the gradient of f without them"
    named = every if 1 < len(thaw) == count else "stop " + " and stop ".join(map(repr, thaw))
    return f"credit passes {named}" + ("" if once else f", {times:.4g} times")


def _moved(e):
    """The right numbers in the wrong place: axes exchanged or backwards."""
    given = e.given
    for i, j in itertools.combinations(range(given.ndim), 2):
        for sign, also in ((1, ""), (-1, ", with the sign flipped")):
            if given.shape[i] == given.shape[j] > 1 and e.same(e.along(sign * given.swapaxes(i, j)), e.n):
                return f"it is transposed{also}" if given.ndim == 2 else f"axes {i} and {j} are exchanged{also}"
    for axis, length in enumerate(given.shape):
        if length > 1 and e.same(e.along(np.flip(given, axis)), e.n):
            return f"it runs backwards along axis {axis}"
    return ""


def _stands_in(e):
    """The gradient of another tensor or gate of the same shape, told by its numeric values."""
    for other in e.trial.blocks:
        if other == e.block or e.trial.given(other).shape != e.given.shape:
            continue
        for sign, also in ((1, ""), (-1, ", with the sign flipped,")):
            numbers = (sign * e.numeric(v, block=other) for v in e.v)
            if any(e.n) and all(abs(a - n) <= e.tolerance * e.scale for a, n in zip(e.a, numbers)) and e.a.any():
                name = f"gate {other.gate}" if other.gate and other.name == e.block.name else other.label
                return f"the values of {name}{also} stand here"
    return ""


def _decay(e):
    """A multiple of the parameter itself too much or too little."""
    value = e.block.part(e.trial.frozen.point)
    p, size = e.along(value), e.given.size
    times = float(((e.a - e.n) * p).sum() / max(float((p * p).sum()), np.finfo(float).tiny))
    if size < 3 or not times or np.abs(e.a - e.n - times * p).max() > 1e-3 * np.abs(e.a - e.n).max():
        return ""
    return f"{times:.4g} times the parameter is too much here: weight decay that f does not have?"


def _one_entry(e):
    unit = np.zeros(e.given.shape)
    unit[e.worst] = 1.0
    excess = e.given[e.worst] - (right := e.numeric(unit))
    if e.given.size < 3 or not e.same(e.n + e.along(unit) * excess, e.a):
        return ""
    words = name_ratio(e.given[e.worst] / right, e.trial.sizes, e.tolerance) if right else "it should be zero"
    return f"one entry only: {words}"


def _shifted(e):
    """Off by one along an axis: compared where there is a neighbour to come from."""
    for axis, length in enumerate(e.given.shape):
        inner = [slice(None)] * e.given.ndim
        inner[axis] = slice(1, -1)
        if length < 4:
            continue
        inside = np.zeros(e.given.shape)
        inside[tuple(inner)] = 1.0
        n = np.array([e.numeric(v * inside) for v in e.v])
        for shift in (1, -1):
            rolled = np.roll(e.given, shift, axis) * inside
            if n.any() and e.same(e.along(rolled), n):
                return f"it is off by one along axis {axis}"
    return ""


def _confined(e):
    """Only some rows, columns or time steps are wrong: told along the axis where they are the fewest."""
    best, v = (1.0, None), e.v[0]
    if sum(e.given.shape) > SLABS:
        return ""
    for axis, length in enumerate(e.given.shape):
        slabs = [
            v * (np.arange(length) == k).reshape([-1 if i == axis else 1 for i in range(v.ndim)]) for k in range(length)
        ]
        a, n = np.array([(slab * e.given).sum() for slab in slabs]), np.array([e.numeric(slab) for slab in slabs])
        wrong = np.abs(a - n) > e.tolerance * e.scale
        if length > 2 and 0 < wrong.mean() < best[0]:
            best = (wrong.mean(), axis, np.flatnonzero(wrong), a[wrong], n[wrong])
    if best[1] is None:
        return ""
    _, axis, places, a, n = best
    run = len(places) > 1 and places[-1] - places[0] + 1 == len(places)
    span = f"{places[0]} to {places[-1]}" if run else ", ".join(map(str, places[:6])) + ", ..." * (len(places) > 6)
    before = " (before a cut?)" if run and axis == 0 and e.given.ndim > 2 and places[0] == 0 else ""
    return f"only at {span} of axis {axis}{before}: {_inside(e, axis, places, a, n)}"


def _inside(e, axis, places, a, n):
    """The factor within the slices that are wrong, also along another direction."""
    mask = np.isin(np.arange(e.given.shape[axis]), places).reshape(
        [-1 if i == axis else 1 for i in range(e.given.ndim)]
    )
    w = e.v[-1] * mask
    a, n = np.append(a, (w * e.given).sum()), np.append(n, e.numeric(w))
    ratio = 0.0 if not (e.given * mask).any() else e.ratio(a, n)
    return NO_CAUSE if ratio is None else name_ratio(ratio, e.trial.sizes, e.tolerance)


def common_cause(rows, stops):
    """What all failing rows of a report share: one gate, or every one the same words; or that f has no stops."""
    failing = [row for row in rows if row.verdict == "FAIL"]
    gates = {row.name.rpartition(".")[2] for row in failing if row.gate}
    stacked = [row for row in rows if row.gate]
    if failing and len(gates) == 1 and all(row.gate for row in failing) and len(stacked) > len(failing):
        return f"only gate {gates.pop()} is wrong"
    causes = {row.note for row in failing if row.note}  # only the worst rows have one
    if len(failing) > 1 and len(causes) == 1 and NO_CAUSE not in next(iter(causes)):
        return f"{', '.join(row.name for row in failing)}: {causes.pop()}"
    if NO_CAUSE in causes and not stops:
        return f"{NO_CAUSE} in f, which has no stop: is a part of it held constant on purpose? Mark it with stop"
    return ""
