"""Check anyone's gradient, truncated or not, against numbers; and where it is wrong, say where and probably why.

    report = sab.check(f, params, grads)                # f(params) -> number

Mark what the gradient holds constant with stop(name, value), and discrete choices with choose(name, indices): f is
recorded once at `params`, and what is checked is its replay, whose derivative is the truncated gradient exactly.
Every tensor, and every gate of a stacked one, is moved along random directions, and so is each part of it whose given
entries are of one size (three decades; zeros apart): a direction costs one or a few evaluations whatever its size.
"""

from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np

from sab_numpy.gradcheck.blocks import split
from sab_numpy.gradcheck.causes import common_cause
from sab_numpy.gradcheck.derivative import EPS, Difference
from sab_numpy.gradcheck.explain import at_kinks, explain
from sab_numpy.gradcheck.frozen import SUSPECTS, FrozenFunction
from sab_numpy.gradcheck.inputs import Gradients, Tree
from sab_numpy.gradcheck.points import at_points
from sab_numpy.gradcheck.report import FAIL, PASS, UNRESOLVED, Report
from sab_numpy.gradcheck.verdict import SMALL, Comparison, decide
from sab_numpy.support.threads import single_blas_thread

TOLERANCE = {"complex": 1e-10, "central": 1e-7}
SINGLE = 1e-4, 1e-3  # for float32 gradients, against float64 numbers; for an f that computes in float32
EXPLAINED = 4  # so many of the failing rows are searched
OUTPUTS = 8  # so many entries of an output are tested apart
ROUNDING = 4096 * EPS  # of f and the largest derivative: so much, 1e-3 of a tensor at most, may be a backward's own
DECADES = 3  # entries of one tensor that differ by more are tested apart


def check(
    f=None,
    params=None,
    grads=None,
    tape=None,
    *,
    method="auto",
    seed=0,
    directions=3,
    tolerance=None,
    gates=None,
    sizes=None,
    command="",
    explain=EXPLAINED,
    nondet_tol=None,
    points=1,
    make=None,
):
    """Compare `grads` with the derivative of f at `params`; returns a Report.

    f           f(params) -> number, or an array y: then grads is params, dy -> gradients of sum(y * dy), for a random
                dy, or gives Jacobians of shape y.shape + parameter.shape; each of up to eight entries of y is tested
                apart, too. f may use stop and choose
    params      float arrays or scalars: one, or lists, tuples and dicts of them, nested or not; taken as float64
    grads       like params, or, better, a function params -> the same: called twice (both must agree), and at seven
                points near by where a small disagreement may be its rounding
    tape        what record() kept at params, or the tape of sab.forward (None: f is recorded here)
    method      "complex", "central", or "auto": complex step where f takes complex numbers
    tolerance   relative, by default 1e-10 (complex), 1e-7 (central), 1e-4 (float32 gradients), 1e-3 (an f that
                computes in float32); no absolute one. What numbers cannot tell is UNRESOLVED, with its size
    gates       {"W_x": "ifgo"}: the last axis is a stack of equal parts with these names
    sizes       {"B": 8, "T": 20}: lengths that a wrong factor may be explained by
    explain     so many failing rows are explained, the worst first, or "all"
    nondet_tol  two calls of f, and of grads, may differ by so much, relatively (1e-10; 1e-5 in float32)
    points      so many points: params, and others some 30 % away (grads must then be a function)
    make        in place of f, params and grads: make(rng, B, T) -> (f, params, grads), called with its lengths as in
                `sizes` (else 3, 4, ...), then with each of them 1

    A wrong gradient can PASS where all its errors are below the tolerance of its tensor (so 1 % in one of 1e5 float32
    entries is missed), or of what is known of a part with small entries: the `known` column says to what.
    Raises ValueError for names, shapes and values that cannot be checked.
    """
    _check_options(method, directions, tolerance, explain)
    options = dict(method=method, seed=seed, directions=directions, tolerance=tolerance, gates=gates)
    options |= dict(sizes=sizes, command=command, explain=explain, nondet_tol=nondet_tol)
    if make is not None or points != 1:
        return at_points(partial(check, **options), f, params, grads, tape, points, make, sizes, seed)
    with single_blas_thread():
        report = _checked(f, tree := Tree(params), grads, tape, **options)
        apart = not report.problems and 1 < np.prod(tree.shape) <= OUTPUTS
        for index in np.ndindex(tree.shape) if apart else ():
            alone = _checked(f, Tree(params, tree.shape, index), grads, tape, **options)
            wrong = {row.name for row in report.rows if row.verdict == FAIL}  # that is known already
            report.add(f"output {list(index)}", alone, lambda row, wrong=wrong: row.name not in wrong)
    return report


def _checked(f, tree, grads, tape, method, seed, directions, tolerance, gates, sizes, command, explain, nondet_tol):
    """The Report of one point and one number."""
    command = command or f"sab.check(f, params, grads, method={method!r}, seed={seed}, directions={directions})"
    rng = np.random.default_rng(seed)
    f, grads = tree.scalar(f, rng), Gradients(grads, tree, nondet_tol)
    frozen = FrozenFunction(f, tree.point, tape, nondet_tol)
    report = Report([], method, tolerance, seed, command, problems=grads.problems + frozen.problems)
    if not report.problems:
        blocks = split(tree.point, gates or {})
        trial = Trial(frozen, blocks, grads, tolerance, sizes, rng)
        trial.fill(report, method, directions, len(blocks) if explain == "all" else explain)
    return report


@dataclass
class Trial:
    """One check: a frozen function, the gradients given, and the method by which each block gets its numbers."""

    frozen: FrozenFunction
    blocks: list
    grads: Gradients
    tolerance: float | None
    sizes: dict | None
    rng: np.random.Generator
    methods: dict = field(default_factory=dict)
    doubts: dict = field(default_factory=dict)  # blocks whose complex step is off: (a line, whether there is a kink)
    exact: dict = field(default_factory=dict)  # complex steps along the first lines
    known: dict = field(default_factory=dict)  # to what central differences confirm the complex step of a block
    largest: float = 0.0  # of all derivatives

    def fill(self, report, method, directions, explained):
        """Judge every block, explain the worst that fail."""
        lines = {block: self.directions(block, directions) for block in self.blocks}
        note = self._choose_methods(method, lines, directions)
        tests = {block: self.compare_all(block, lines[block], directions) for block in self.blocks}
        self.largest = max((abs(s.numeric) for group in tests.values() for s in group), default=0.0)
        rows = {block: self.decide(block, tests[block]) for block in self.blocks}
        for block in [block for block in self.doubts if self.methods[block] == "complex"]:  # found while judging
            if method == "complex":
                if self.doubts.pop(block)[1]:
                    continue
                raise ValueError(f"{block.label} is not what the complex step says; use method='central'")
            self.methods[block], note = "central", note or f"central differences: {self.doubts[block][0]}"
            tests[block] = self.compare(block, lines[block])
            rows[block] = self.decide(block, tests[block])
        for block, (_, kink) in self.doubts.items():
            if kink or (rows[block].verdict != PASS and any(s.kink for s in tests[block])):
                rows[block], tests[block] = at_kinks(self, block, rows[block], tests[block])
        failing = sorted((b for b in self.blocks if rows[b].verdict == FAIL), key=lambda b: -rows[b].error)
        for block in failing[:explained]:
            if rows[block].index is None:
                row = rows[block] = explain(self, block, rows[block], tests[block])
                if self.methods[block] == "complex" and row.numeric == 0 and abs(row.analytic) < 1e-12 * self.largest:
                    rows[block] = row._replace(verdict=UNRESOLVED, note=f"a term that complex numbers lose? {SUSPECTS}")
        report.rows = list(rows.values())
        report.method = self._told(directions)
        report.tolerance = max(map(self.allowed, self.blocks))
        v = {name: self.rng.standard_normal(value.shape) for name, value in self.frozen.point.items()}
        kinks = self.frozen.choices_that_change(v)
        held = f"kinks: choices that differ a small step away, held here: {', '.join(map(str, kinks))}" if kinks else ""
        report.notes += filter(None, (note, common_cause(report.rows, self.frozen.recording), held))
        report.evaluations = self.frozen.evaluations

    def _choose_methods(self, method, lines, directions):
        """Settle the method of every block; a note where complex numbers cannot be used."""
        self.methods = dict.fromkeys(self.blocks, "complex" if method == "auto" else method)
        self.doubts = dict.fromkeys(self.blocks, ("", False)) if method == "central" else {}
        for block in self.blocks if method != "central" else ():
            try:
                doubt = self._doubt(block, lines[block][:directions])
            except Exception as error:  # whatever f does with complex numbers
                why = f"f does not take complex numbers ({type(error).__name__}: {str(error)[:60]}); {SUSPECTS}"
                self.methods, doubt = dict.fromkeys(self.blocks, "central"), None
                self.doubts = dict.fromkeys(self.blocks, (why, False))
            if doubt:
                self.methods[block], self.doubts[block] = "central", doubt
            if self.doubts and method == "complex":
                raise ValueError(f"{next(iter(self.doubts.values()))[0]}; use method='central'")
            if len(self.doubts) == len(self.blocks):
                break
        why = next((why for why, _ in self.doubts.values() if why), "")
        return f"central differences: {why}" if why else ""

    def _doubt(self, block, lines):
        """(why, kink) where the complex step along the first line is not what central differences say, else None."""
        v = lines[0]
        exact = self.exact[block] = self.frozen.derivative(self.moves(block, v), "complex").value
        found = self.frozen.confirm(self.moves(block, v), exact)
        apart, size = abs(exact - found.value), max(abs(exact), abs(found.value))
        self.known[block] = max(apart, found.uncertainty) / size if size else 0.0
        lost = exact == 0 and found.uncertainty >= abs(found.value) and self.given(block).any()
        if not lost and not apart > 3 * found.uncertainty + 1e-10 * size + 1e-14 * abs(self.frozen.value_0):
            return None
        given = [float((v * self.given(block)).sum()) for v in lines]
        if found.kink and all(
            abs(a - self.numeric(block, v, method="complex").value) <= 1e-10 * size for a, v in zip(given, lines)
        ):
            return None  # a slope of one side, in which all agree
        if (known := self.frozen.spread(self.moves(block, v), self.rng)) > 1e-11 * size:
            self.known[block] = known / size  # f is so ill-conditioned that its differences are the suspect
            return None
        told = "there is a kink at this point" if found.kink else SUSPECTS
        values = f"complex step {exact:.6g} and central difference {found.value:.6g} disagree"
        return f"along {block.label} {values}; {told}", found.kink

    def _told(self, directions):
        central = [block.label for block, method in self.methods.items() if method == "central"]
        some = f" (central differences for {', '.join(central)})" if central else ""
        kind = "central differences" if len(central) == len(self.blocks) else f"complex step{some}"
        return f"{kind}, {directions} directions"

    def compare_all(self, block, lines, count):
        """The Comparisons of `count` lines and of their parts; complex steps of parts add up to those of the whole."""
        known, parts = {}, self.compare(block, lines[count:])
        if self.methods[block] == "complex":
            for k in range(count if parts else 0):
                weights = [(lines[k][s.v != 0] / s.v[s.v != 0]).flat[0] for s in parts]
                known[k] = Difference(sum(w * s.numeric for w, s in zip(weights, parts)), 0.0)
            known[0] = Difference(self.exact[block], 0.0) if block in self.exact else self.numeric(block, lines[0])
        return self.compare(block, lines[:count], known) + parts

    def compare(self, block, lines, known=MappingProxyType({})):
        """The Comparison of every line through a block; `known` are numbers that need not be found again, by place."""
        given, numbers = self.given(block), [known.get(k) or self.numeric(block, v) for k, v in enumerate(lines)]
        with np.errstate(invalid="ignore"):  # an infinite gradient is judged, not warned about
            return [
                Comparison(v, float((v * given).sum()), *number, float(np.linalg.norm(v * given)))
                for v, number in zip(lines, numbers)
            ]

    def decide(self, block, group):
        """The Row of one block from its comparisons."""
        central, doubt = self.methods[block] == "central", self.doubts.get(block, ("", False))[0]
        tolerance, slack = self.allowed(block), 10 * self.grads.scatter[block.name]
        rounding = slack + SMALL * (self.largest + abs(self.frozen.value_0))
        size = max(group[0].scale, 1e-3 * self.largest)
        row = decide(block, group, (tolerance, rounding, size), lambda s: self._spread(block, s), not central)
        if central and doubt.startswith("along") and row.verdict == PASS:
            v, a, n, u = group[0][:4]
            exact = self.frozen.derivative(self.moves(block, v), "complex").value
            if abs(a - n) > 3 * u + 1e-10 * abs(n) and abs(a - exact) < abs(a - n) / 10:
                note = f"agrees with the complex step, which loses something here: {SUSPECTS}; or f is ill-conditioned"
                return row._replace(verdict=UNRESOLVED, note=note)
        apart, rounding = abs(row.analytic - row.numeric), self.largest + abs(self.frozen.value_0)
        if row.verdict == FAIL and not self.grads.function and row.error < 1e-3 and apart < ROUNDING * rounding:
            note = (
                f"off by {row.error:.0e}, perhaps the rounding of the backward: give grads as a function to measure it"
            )
            return row._replace(verdict=UNRESOLVED, note=note)
        rounding = 1e3 * EPS * abs(self.frozen.value_0)
        if row.verdict == UNRESOLVED and row.uncertainty and rounding > tolerance * abs(row.numeric):
            note = f"lost in the rounding of f(params) = {self.frozen.value_0:.3g}; take off its constant part"
            return row._replace(note=note)
        return row._replace(known=max(row.known, self.known.get(block, 0.0) * (not central)))

    def _spread(self, block, one):
        """How far both sides may be off: the last bits of the point count, and a complex step loses small terms."""
        v, apart = one.v, abs(one.analytic - one.numeric)
        small = apart < 1e-3 * one.scale or apart < 1e-6 * self.largest  # a gross error is no rounding
        rounding = 10 * self.grads.rounding(lambda g: float((v * block.part(g)).sum())) if small else 0.0
        if self.methods[block] == "central":
            return rounding
        found = self.numeric(block, v, method="central")
        if found.kink:
            self.doubts.setdefault(block, (f"{block.label}: there is a kink at this point", True))
        elif 3 * max(found.uncertainty, abs(one.analytic - found.value)) < abs(one.numeric - found.value):
            values = f"gradient and central difference agree on {found.value:.6g}, complex step {one.numeric:.6g}"
            self.doubts.setdefault(block, (f"{block.label}: {values}; {SUSPECTS}", False))
        return self.frozen.spread(self.moves(block, v), self.rng) + rounding

    def given(self, block):
        """The gradient under test, in float64."""
        return block.part(self.grads.values).astype(np.float64)

    def allowed(self, block):
        if self.tolerance:
            return self.tolerance
        if self.frozen.single or (self.methods[block] == "central" and self.frozen.is_single()):
            return SINGLE[1]
        return SINGLE[0] if self.grads.values[block.name].dtype == np.float32 else TOLERANCE[self.methods[block]]

    def directions(self, block, count):
        """Random signs times 0.5 to 1.5, so that no entry is left out and two equal errors do not cancel; then parts.

        A part: entries of the last line whose given values are within DECADES of one another, zeros apart. Where there
        are several, the lines but the first are the parts with other weights.
        """
        given, rng = np.abs(self.given(block)), self.rng
        signs = lambda shape: rng.choice((-1, 1), shape) * rng.uniform(0.5, 1.5, shape)  # noqa: E731
        whole = [signs(given.shape) for _ in range(count)]
        largest = given.max()
        if not np.isfinite(largest) or not largest:
            return whole
        with np.errstate(divide="ignore", invalid="ignore"):
            decade = np.where(given > 0, np.minimum(-np.log10(given / largest) // DECADES, 9), 10).astype(int)
        parts = np.unique(decade)
        if len(parts) == 1:
            return whole
        whole[1:-1] = [whole[-1] * signs(11)[decade] for _ in whole[1:-1]]
        return whole + [whole[-1] * (decade == k) for k in parts]

    def moves(self, block, v):
        return block.moves(self.frozen.point, v)

    def numeric(self, block, v, thaw=(), method=None):
        """The numeric derivative along v, a Difference."""
        return self.frozen.derivative(self.moves(block, v), method or self.methods[block], thaw)


def assert_gradients_close(f, params, grads, tape=None, **options):
    """`check`, for a test: raises AssertionError with the table unless every row passes; returns the Report."""
    report = check(f, params, grads, tape, **options)
    if not report.ok:
        raise AssertionError(f"{report.summary}\n{report}")
    return report


def _check_options(method, directions, tolerance, explain):
    if method not in ("auto", *TOLERANCE):
        raise ValueError(f"method must be auto, complex or central, found {method!r}")
    if explain != "all" and not (isinstance(explain, (int, np.integer)) and explain >= 0):
        raise ValueError(f"explain must be a number of rows or 'all', found {explain!r}")
    if directions < 1:
        raise ValueError(f"directions must be at least 1, found {directions}")
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, found {tolerance}")
