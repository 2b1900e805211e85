"""A function at a point: recorded once, then replayed along lines through that point."""

import threading
import warnings
from functools import cached_property

import numpy as np

from sab_numpy.core.replay import Recording, Replay, _enter, unheard
from sab_numpy.gradcheck.derivative import EPS, RATIO, Difference, central, complex_step, noise
from sab_numpy.gradcheck.inputs import REPEATED

ComplexWarning = getattr(np, "exceptions", np).ComplexWarning  # np.exceptions came with NumPy 1.25
SUSPECTS = "suspects: abs, norm, a float buffer (or float32), float() or .real on the way"


class _Replay(Replay):
    """A replay in which some stopped values are let through again."""

    def __init__(self, recording, thaw=()):
        super().__init__(recording)
        self.thaw = thaw

    def meet(self, name, value, copy=True):
        kept = super().meet(name, value, copy)
        return value if self.now in self.thaw else kept


class FrozenFunction:
    """f at `point`; `problems` says why it cannot be differentiated."""

    def __init__(self, f, point, tape=None, nondet_tol=None):
        self.f, self.point, self.evaluations, self.problems, self.single = f, point, 0, [], False
        self.scatter = 0.0  # of f, from call to call
        self.complex_point = {name: value.astype(np.complex128) for name, value in point.items()}
        given = {name: value.copy() for name, value in point.items()}
        if tape is None:
            me, elsewhere = threading.get_ident(), set()
            unheard.append(lambda name: threading.get_ident() == me or elsewhere.add(name))
            try:
                with _enter(Recording()) as tape:
                    f(given)
            finally:
                unheard.pop()
            self.problems += [
                f"stop {name!r} is in another thread, where it is not seen: run f in one, or start that one with "
                "contextvars.copy_context().run"
                for name in sorted(elsewhere, key=str)
            ]
        self.recording = getattr(tape, "recording", tape)  # the tape of sab.forward has one
        self.value_0 = self.value(given)
        self.problems += [
            f"f changes params[{name!r}]" for name in point if not np.array_equal(given[name], point[name])
        ]
        if not np.isfinite(self.value_0):
            raise ValueError(f"f(params) must be finite, found {self.value_0}")
        for _ in range(2):
            again = self.value({name: value.copy() for name, value in point.items()})
            self.scatter = max(self.scatter, abs(again - self.value_0))
            if not self.scatter:
                break
        allowed = REPEATED[self.single] if nondet_tol is None else nondet_tol
        if self.scatter > allowed * abs(self.value_0):
            self.problems.append(
                f"f gives two values for the same params, {self.scatter:.1e} apart: draw its random numbers before, or "
                "pass them through stop()"
            )

    def value(self, params, thaw=()):
        """f in the replay, a number."""
        self.evaluations += 1
        mode = _enter(_Replay(self.recording, thaw))
        with np.errstate(all="ignore"), warnings.catch_warnings(), mode as run:
            warnings.simplefilter("error", ComplexWarning)
            result = self.f(params)
            if isinstance(result, (list, tuple)) or np.size(result) != 1 or np.asarray(result).dtype.kind not in "fciu":
                shape = f" of shape {result.shape}" if hasattr(result, "shape") else ""
                raise ValueError(f"f must return one number, found {type(result).__name__}{shape}")
        run.finish()
        self.last_changed = run.changed
        self.single = self.single or np.asarray(result).dtype in (np.float16, np.float32, np.complex64)
        return np.asarray(result).item()

    @cached_property
    def _noise(self):
        """(noise of f, whether it rounds to float32 on its way: a small step moves nothing, a large one does)."""
        rng = np.random.default_rng(0)

        def along():
            """f along a line that moves every entry by its own size."""
            moves = {n: rng.choice((-0.1, 0.1), v.shape) * np.where(v, v, 1e-3) for n, v in self.point.items()}
            return self.line(moves)[0]

        def shown(h):
            phi = along()
            return noise([phi(k * h) for k in range(-3, 4)])

        phi = along()
        near, far = (abs(phi(step) - self.value_0) for step in (1e-12, 1e-4))
        single = self.single or (near == 0 and 1e-8 * far > 4 * EPS * abs(self.value_0))
        found = max(map(shown, (1e-5, 1e-4, 1e-3) if single else (1e-10,)))  # float32: steps of a few values
        if not single and found > 1e3 * (less := shown(1e-13)):  # no noise, but a chaotic f
            found = less
        return max(found, 4 * self.scatter, 2 * EPS * abs(self.value_0), single * 1e-7 * abs(self.value_0)), single

    @property
    def noise(self):
        return self._noise[0]

    def is_single(self):
        """Whether f computes in float32."""
        return self._noise[1]

    def line(self, moves, thaw=()):
        """phi(step) = f(params + step * moves), and the first step to try; moves: {name: array}."""
        sizes = [float(np.sqrt(np.mean(self.point[name] ** 2))) or 1.0 for name in moves]
        first = 0.1 * max(min(sizes), 1e-3)

        def phi(step):
            point = self.complex_point if isinstance(step, complex) else self.point
            return self.value({**point, **{name: point[name] + step * move for name, move in moves.items()}}, thaw)

        return phi, first

    def choices_that_change(self, moves):
        """Names of choices that differ a small step away, along `moves` and back: kinks."""
        phi, first = self.line(moves)
        changed = []
        for step in (1e-4 * first, -1e-4 * first):
            phi(step)
            changed += self.last_changed
        return list(dict.fromkeys(changed))

    def derivative(self, moves, method, thaw=()):
        """The derivative along `moves`, a Difference."""
        phi, first = self.line(moves, thaw)
        if method == "complex":
            return Difference(complex_step(phi), 0.0)
        return central(phi, first, self.value_0, self.noise)

    def confirm(self, moves, exact):
        """The Difference beside a complex step: a small step or few rungs that agree to 1e-9; else the ladder."""
        phi, first = self.line(moves)
        slope = lambda h: (phi(h) - phi(-h)) / (2 * h)  # noqa: E731
        agrees = lambda value: abs(value - exact) <= 1e-9 * abs(exact)  # noqa: E731
        near, row = 3e-5 * first, []
        if EPS * abs(self.value_0) / near < 1e-9 * abs(exact) and agrees(value := slope(near)):
            return Difference(value, 1e-9 * abs(exact))
        for rung in range(4):
            older, row = row, [slope(0.01 * first / RATIO**rung)]
            for j, value in enumerate(older):
                row.append(row[j] + (row[j] - value) / (RATIO ** (2 * j + 2) - 1))
            if rung and agrees(row[-1]):
                return Difference(row[-1], 1e-9 * abs(exact))
        return self.derivative(moves, "central")

    def spread(self, moves, rng):
        """How much the complex step along `moves` depends on the last bits of the point: nothing is known better."""
        here = self.complex_point
        slopes = []
        for _ in range(3):
            self.complex_point = {
                name: value * (1 + 2 * EPS * rng.choice((-1, 0, 1), value.shape)) for name, value in here.items()
            }
            slopes.append(self.derivative(moves, "complex").value)
        self.complex_point = here
        return 10 * max(abs(slope - self.derivative(moves, "complex").value) for slope in slopes)
