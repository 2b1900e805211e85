"""A failing row, explained: which entry, and the likely cause; a row at kinks, judged by the slopes of both sides."""

import numpy as np

from sab_numpy.gradcheck import kinks
from sab_numpy.gradcheck.causes import Evidence, cause
from sab_numpy.gradcheck.report import FAIL, UNRESOLVED


def at_kinks(trial, block, row, group):
    """(row, comparisons) where f has kinks: those entries by the slopes of their sides, the rest as ever."""
    places = kinks.find(trial, block, group[0].v)
    if places is None:
        note = f"more than {kinks.KINKS} kinks at this point: move the point"
        return row._replace(verdict=UNRESOLVED, note=note), group
    if not places:
        return row, group
    wrong, words = kinks.disallowed(trial, block, places)
    if wrong is not None:
        v = np.zeros(trial.given(block).shape)
        v[wrong] = 1.0
        a, n = float(trial.given(block)[wrong]), trial.numeric(block, v).value
        error = abs(a - n) / max(abs(a), abs(n), np.finfo(float).tiny)
        fields = dict(error=error, index=block.whole(wrong), analytic=a, numeric=n, note=words)
        return row._replace(verdict=FAIL, **fields), group
    rest = np.ones(group[0].v.size)
    rest[places] = 0.0
    lines = [s.v * rest.reshape(s.v.shape) for s in group]
    group = trial.compare(block, [v for v in lines if v.any()])
    if not group:
        return row._replace(verdict="PASS", note=words, error=0.0), group
    row = trial.decide(block, group)
    return row._replace(note="; ".join(filter(None, (words, row.note)))), group


def explain(trial, block, row, group):
    """The failing row at its worst entry, with the likely cause."""
    given = trial.given(block)
    whole = [s for s in group if np.count_nonzero(s.v) == np.count_nonzero(group[0].v)]
    worst_line = next(s for s in group if s.analytic == row.analytic and s.numeric == row.numeric or s is group[-1])
    if not np.isfinite(given).all():
        worst = np.unravel_index(np.argmin(np.isfinite(given)), given.shape)
        note = f"{np.count_nonzero(~np.isfinite(given))} values are not finite"
        return row._replace(index=block.whole(worst), note=note)
    worst = bisect(trial, block, worst_line)
    unit = np.zeros(given.shape)
    unit[worst] = 1.0
    pairs = [(s.v, s) for s in whole]
    if len(pairs) == 1:  # one number proves nothing
        v = group[0].v * trial.rng.uniform(0.5, 1.5, given.shape)
        pairs.append((v, trial.compare(block, [v])[0]))
    evidence = Evidence(trial, block, given, worst, pairs)
    index, numeric = block.whole(worst), trial.numeric(block, unit).value
    return row._replace(index=index, analytic=float(given[worst]), numeric=numeric, note=cause(evidence))


def bisect(trial, block, line):
    """The entry that the discrepancy along a line comes from: halves, keeping the worse one."""
    v, given, places = line.v, trial.given(block), np.flatnonzero(line.v)
    excess = line.analytic - line.numeric
    while len(places) > 1:
        left = places[: len(places) // 2]
        half = kinks.only(v, left)
        excess_left = float((half * given).sum()) - trial.numeric(block, half).value
        if abs(excess_left) >= abs(excess - excess_left):
            places, excess = left, excess_left
        else:
            places, excess = places[len(left) :], excess - excess_left
    return np.unravel_index(places[0], v.shape)
