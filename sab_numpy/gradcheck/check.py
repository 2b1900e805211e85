"""Check anyone's gradient, truncated or not, against numbers; and where it is wrong, say where and probably why.

    report = sab.check(f, params, grads)                # f(dict of arrays) -> number

Mark what the gradient holds constant with stop(name, value), and discrete choices with choose(name, indices): f is
recorded once at `params`, and what is checked is its replay, whose derivative is the truncated gradient exactly.
Every tensor, and every gate of a stacked one, is moved along random directions; a direction costs one or a few
evaluations whatever the size of the tensor, and a single wrong entry can never hide in it.
"""

import numpy as np

from sab_numpy.gradcheck.blocks import moves, part, split
from sab_numpy.gradcheck.derivative import EPS
from sab_numpy.gradcheck.diagnosis import common_cause
from sab_numpy.gradcheck.explain import explain
from sab_numpy.gradcheck.frozen import Subject
from sab_numpy.gradcheck.report import FAIL, UNRESOLVED, Report, judge

TOLERANCE = {"complex": 1e-10, "central": 1e-7}
SINGLE = 1e-4  # for float32 gradients, against float64 numbers
FLOOR = 1e-3  # a tensor is not held to less than this of the largest
EXPLAINED = 4  # so many of the failing rows are searched


def check(
    f,
    params,
    grads,
    tape=None,
    *,
    method="auto",
    seed=0,
    directions=3,
    tolerance=None,
    gates=None,
    sizes=None,
    command="",
):
    """Compare `grads` with the derivative of f at `params`; returns a Report.

    f           f(dict of float64 arrays) -> number; it may use stop and choose
    grads       dict like params, or a function params -> dict (called twice: both must agree)
    tape        what record() kept at params, or the tape of sab.forward (None: f is recorded here)
    method      "complex", "central", or "auto": complex step where f takes complex numbers
    tolerance   relative, by default 1e-10 (complex), 1e-7 (central), 1e-4 (float32 gradients); no absolute one
    gates       {"W_x": "ifgo"}: the last axis is a stack of equal parts with these names
    sizes       {"B": 8, "T": 20}: lengths that a wrong factor may be explained by

    Raises ValueError for names, shapes and values that cannot be checked.
    """
    if method not in ("auto", *TOLERANCE):
        raise ValueError(f"method must be auto, complex or central, found {method!r}")
    if directions < 1:
        raise ValueError(f"directions must be at least 1, found {directions}")
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, found {tolerance}")
    point = {name: _as_float64(name, value) for name, value in params.items()}
    grads, problems = _gradients(grads, point)
    subject = Subject(f, point, tape)
    problems += subject.problems
    command = command or f"sab.check(f, params, grads, method={method!r}, seed={seed}, directions={directions})"
    report = Report([], method, tolerance, seed, command, problems=problems)
    rng = np.random.default_rng(seed)
    if not problems and subject.is_coarse(rng):
        problems.append(
            "f computes in float32 on its way, so no number here is good enough: give it float64 arrays "
            "throughout (the gradients may be float32)"
        )
    if problems:
        return report
    blocks = split(point, gates or {})
    lines = {block.label: moves(point, block, directions_of(block, point, rng, 1)[0]) for block in blocks}
    method, note = subject.choose_method(method, lines)
    report.notes += [note] if note else []
    report.method = f"{method}{' step' if method == 'complex' else ' differences'}, {directions} directions"
    allowed = {
        name: tolerance or (SINGLE if value.dtype == np.float32 else TOLERANCE[method]) for name, value in grads.items()
    }
    report.tolerance = max(allowed.values())
    tests = [
        [(v, subject.derivative(moves(point, block, v), method)) for v in directions_of(block, point, rng, directions)]
        for block in blocks
    ]
    largest = max((abs(d.value) for group in tests for _, d in group), default=0.0)

    def judge_again(block, group):
        return judge_block(subject, block, group, grads, largest, allowed[block.name])

    report.rows = [judge_again(block, group) for block, group in zip(blocks, tests)]
    failing = [k for k, row in enumerate(report.rows) if row.verdict == FAIL]
    for k in sorted(failing, key=lambda k: -report.rows[k].error)[:EXPLAINED]:
        report.rows[k] = explain(subject, blocks, k, report.rows[k], grads, tests[k], method, judge_again, sizes, rng)
    cause = common_cause(report.rows)
    report.notes += [cause] if cause else []
    kinks = dict.fromkeys(name for _ in range(directions) for name in subject.choices_that_change(rng))
    if kinks:
        report.notes.append(f"kinks: choices that differ a small step away, held here: {', '.join(map(str, kinks))}")
    report.evaluations = subject.evaluations
    return report


def assert_gradients_close(f, params, grads, tape=None, **options):
    """`check`, for a test: raises AssertionError with the table unless every row passes; returns the Report."""
    report = check(f, params, grads, tape, **options)
    if not report.ok:
        raise AssertionError("gradients differ\n" + str(report))
    return report


def _as_float64(name, value):
    value = np.asarray(value)
    if value.dtype.kind != "f" or not value.size or not np.isfinite(value).all():
        found = value.dtype if value.dtype.kind != "f" else "NaN or infinity" if value.size else "none"
        raise ValueError(f"params[{name!r}] must hold finite floating-point numbers, found {found}")
    return np.array(value, np.float64)


def _gradients(grads, point):
    """The gradients as arrays, and what is wrong with how they were made."""
    problems = []
    if callable(grads):
        given = {name: value.copy() for name, value in point.items()}
        first = grads(given)
        if not isinstance(first, dict):
            raise ValueError(f"grads(params) must give a dict like params, found {type(first).__name__}")
        first = {name: np.array(value) for name, value in first.items()}
        problems += [
            f"the backward changes params[{name!r}]" for name in point if not np.array_equal(given[name], point[name])
        ]
        second = grads({name: value.copy() for name, value in point.items()})
        problems += [
            f"backward twice gives two values of {name!r}: something is kept between the calls"
            for name in first
            if not np.array_equal(first[name], second[name], equal_nan=True)
        ]
        grads = first
    if not isinstance(grads, dict):
        raise ValueError(
            f"grads must be a dict like params, or a function that gives one, found {type(grads).__name__}"
        )
    grads = {name: np.asarray(value) for name, value in grads.items()}
    if set(grads) != set(point):
        odd = sorted(set(grads) ^ set(point))[0]
        raise ValueError(
            f"params and grads must have the same names; only {'params' if odd in point else 'grads'} has {odd!r}"
        )
    for name, value in grads.items():
        if value.dtype not in (np.float32, np.float64):
            raise ValueError(f"grads[{name!r}] must be float32 or float64, found {value.dtype}")
        if value.shape != point[name].shape:
            raise ValueError(
                f"grads[{name!r}] must have the shape of params[{name!r}], {point[name].shape}, found "
                f"{value.shape}{' (transposed?)' if value.shape == point[name].shape[::-1] else ''}"
            )
    return grads, problems


def judge_block(subject, block, group, grads, largest, tolerance):
    """The Row of one block from its directions: pairs (v, Difference)."""
    with np.errstate(invalid="ignore"):  # an infinite gradient is judged, not warned about
        a = np.array([float((v * part(grads[block.name], block)).sum()) for v, _ in group])
    n = np.array([d.value for _, d in group])
    u = np.array([d.uncertainty for _, d in group])
    scale = max(float(np.abs(n).max()), FLOOR * largest)
    rounding = 1e3 * EPS * abs(subject.value_0)  # no gradient of f is known better than this
    lost = (np.abs(a - n) > tolerance * scale) & (np.abs(a - n) < rounding)
    row = judge(block.label, a, n, np.where(lost, rounding, u), scale, tolerance)
    if row.verdict == UNRESOLVED and lost.any():
        note = f"lost in the rounding of f(params) = {subject.value_0:.3g}; take off its constant part"
        return row._replace(note=note)
    return row


def directions_of(block, point, rng, count):
    """Random signs times 0.5 to 1.5: no entry is ever left out, and two equal errors do not cancel."""
    shape = part(point[block.name], block).shape
    return [rng.choice((-1.0, 1.0), shape) * rng.uniform(0.5, 1.5, shape) for _ in range(count)]
