"""Check anyone's gradient, truncated or not, against numbers; and where it is wrong, say where and probably why.

    report = sab.check(f, params, grads)                # f(dict of arrays) -> number

Mark what the gradient holds constant with stop(name, value), and discrete choices with choose(name, indices): f is
recorded once at `params`, and what is checked is its replay, whose derivative is the truncated gradient exactly.
Every tensor, and every gate of a stacked one, is moved along random directions; a direction costs one or a few
evaluations whatever the size of the tensor, and a single wrong entry can never hide in it.
"""

from dataclasses import dataclass

import numpy as np

from sab_numpy.gradcheck.blocks import moves, part, split
from sab_numpy.gradcheck.causes import common_cause
from sab_numpy.gradcheck.derivative import EPS
from sab_numpy.gradcheck.explain import explain
from sab_numpy.gradcheck.frozen import FrozenFunction
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
    _check_options(method, directions, tolerance)
    point = {name: _as_float64(name, value) for name, value in params.items()}
    grads, problems = _gradients(grads, point)
    frozen, rng = FrozenFunction(f, point, tape), np.random.default_rng(seed)
    problems += frozen.problems
    if not problems and frozen.is_coarse(rng):
        problems.append(
            "f computes in float32 on its way, so no number here is good enough: give it float64 arrays "
            "throughout (the gradients may be float32)"
        )
    command = command or f"sab.check(f, params, grads, method={method!r}, seed={seed}, directions={directions})"
    report = Report([], method, tolerance, seed, command, problems=problems)
    if not problems:
        trial = Trial(frozen, split(point, gates or {}), grads, tolerance, sizes, rng)
        trial.fill(report, method, directions)
    return report


@dataclass
class Trial:
    """One check: a frozen function, the gradients given, and the method by which numbers are made for them."""

    frozen: FrozenFunction
    blocks: list
    grads: dict
    tolerance: float | None
    sizes: dict | None
    rng: np.random.Generator
    method: str = ""
    largest: float = 0.0  # of all derivatives

    def fill(self, report, method, directions):
        """Judge every block, explain the worst that fail."""
        lines = {block.label: self.moves(block, self.directions(block, 1)[0]) for block in self.blocks}
        self.method, note = self.frozen.choose_method(method, lines)
        kind = "step" if self.method == "complex" else "differences"
        report.method = f"{self.method} {kind}, {directions} directions"
        report.tolerance = max(map(self.allowed, self.blocks))
        tests = [[(v, self.along(block, v)) for v in self.directions(block, directions)] for block in self.blocks]
        self.largest = max((abs(d.value) for group in tests for _, d in group), default=0.0)
        report.rows = [self.judge(block, group) for block, group in zip(self.blocks, tests)]
        failing = [k for k, row in enumerate(report.rows) if row.verdict == FAIL]
        for k in sorted(failing, key=lambda k: -report.rows[k].error)[:EXPLAINED]:
            report.rows[k] = explain(self, self.blocks[k], report.rows[k], tests[k])
        kinks = {}
        for _ in range(directions):
            v = {name: self.rng.standard_normal(value.shape) for name, value in self.frozen.point.items()}
            kinks.update(dict.fromkeys(self.frozen.choices_that_change(v)))
        held = f"kinks: choices that differ a small step away, held here: {', '.join(map(str, kinks))}" if kinks else ""
        report.notes += filter(None, (note, common_cause(report.rows), held))
        report.evaluations = self.frozen.evaluations

    def given(self, block):
        """The gradient under test, in float64."""
        return part(self.grads[block.name], block).astype(np.float64)

    def allowed(self, block):
        single = self.grads[block.name].dtype == np.float32
        return self.tolerance or (SINGLE if single else TOLERANCE[self.method])

    def directions(self, block, count):
        """Random signs times 0.5 to 1.5: no entry is ever left out, and two equal errors do not cancel."""
        shape = part(self.frozen.point[block.name], block).shape
        return [self.rng.choice((-1.0, 1.0), shape) * self.rng.uniform(0.5, 1.5, shape) for _ in range(count)]

    def moves(self, block, v):
        return moves(self.frozen.point, block, v)

    def along(self, block, v, thaw=()):
        """The numeric derivative along v, a Difference."""
        return self.frozen.derivative(self.moves(block, v), self.method, thaw)

    def entry(self, block, index, method=None):
        """The numeric derivative with respect to one entry, a Difference."""
        v = np.zeros_like(part(self.frozen.point[block.name], block))
        v[index] = 1.0
        return self.frozen.derivative(self.moves(block, v), method or self.method)

    def judge(self, block, group):
        """The Row of one block from its directions: pairs (v, Difference)."""
        with np.errstate(invalid="ignore"):  # an infinite gradient is judged, not warned about
            a = np.array([float((v * self.given(block)).sum()) for v, _ in group])
        n = np.array([d.value for _, d in group])
        u = np.array([d.uncertainty for _, d in group])
        tolerance, scale = self.allowed(block), max(float(np.abs(n).max()), FLOOR * self.largest)
        rounding = 1e3 * EPS * abs(self.frozen.value_0)  # no gradient of f is known better than this
        lost = (np.abs(a - n) > tolerance * scale) & (np.abs(a - n) < rounding)
        row = judge(block.label, a, n, np.where(lost, rounding, u), scale, tolerance)
        if row.verdict == UNRESOLVED and lost.any():
            note = f"lost in the rounding of f(params) = {self.frozen.value_0:.3g}; take off its constant part"
            return row._replace(note=note)
        return row


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


def _check_options(method, directions, tolerance):
    if method not in ("auto", *TOLERANCE):
        raise ValueError(f"method must be auto, complex or central, found {method!r}")
    if directions < 1:
        raise ValueError(f"directions must be at least 1, found {directions}")
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, found {tolerance}")


def _gradients(grads, point):
    """The gradients as arrays, and what is wrong with how they were made."""
    grads, problems = _called_twice(grads, point) if callable(grads) else (grads, [])
    if not isinstance(grads, dict):
        found = type(grads).__name__
        raise ValueError(f"grads must be a dict like params, or a function that gives one, found {found}")
    grads = {name: np.asarray(value) for name, value in grads.items()}
    if set(grads) != set(point):
        odd = sorted(set(grads) ^ set(point))[0]
        where = "params" if odd in point else "grads"
        raise ValueError(f"params and grads must have the same names; only {where} has {odd!r}")
    for name, value in grads.items():
        expected = point[name].shape
        if value.dtype not in (np.float32, np.float64):
            raise ValueError(f"grads[{name!r}] must be float32 or float64, found {value.dtype}")
        if value.shape != expected:
            transposed = " (transposed?)" if value.shape == expected[::-1] else ""
            raise ValueError(
                f"grads[{name!r}] must have the shape of params[{name!r}], {expected}, found {value.shape}{transposed}"
            )
    return grads, problems


def _called_twice(grads, point):
    """What grads(params) gives, and whether it spoils params or remembers the call before."""
    given = {name: value.copy() for name, value in point.items()}
    first = grads(given)
    if not isinstance(first, dict):
        raise ValueError(f"grads(params) must give a dict like params, found {type(first).__name__}")
    first = {name: np.array(value) for name, value in first.items()}
    problems = [
        f"the backward changes params[{name!r}]" for name in point if not np.array_equal(given[name], point[name])
    ]
    second = grads({name: value.copy() for name, value in point.items()})
    problems += [
        f"backward twice gives two values of {name!r}: something is kept between the calls"
        for name in first
        if not np.array_equal(first[name], second[name], equal_nan=True)
    ]
    return first, problems
