"""A function at a point: recorded once, then replayed along lines through that point."""

import warnings

import numpy as np

from sab_numpy.core.replay import Replay, _enter, record, replay
from sab_numpy.gradcheck.derivative import COMPLEX_H, EPS, Difference, central, complex_step

ComplexWarning = getattr(np, "exceptions", np).ComplexWarning  # np.exceptions came with NumPy 1.25
SUSPECTS = "suspects: abs, norm, a float buffer (or float32), float() or .real on the way"


class _Thaw(Replay):
    """A replay in which some stopped values are let through again."""

    def __init__(self, recording, names):
        super().__init__(recording)
        self.names = names

    def meet(self, name, value):
        kept = super().meet(name, value)
        return value if self.full(name) in self.names else kept


class FrozenFunction:
    """f at `point`; `problems` says why it cannot be differentiated."""

    def __init__(self, f, point, tape=None):
        self.f, self.point, self.evaluations, self.problems, self.coarse = f, point, 0, [], False
        self.complex_point = {name: value.astype(np.complex128) for name, value in point.items()}
        given = {name: value.copy() for name, value in point.items()}
        if tape is None:
            with record() as tape:
                f(given)
        self.recording = getattr(tape, "recording", tape)  # the tape of sab.forward has one
        self.value_0 = self.value(given)
        self.problems += [
            f"f changes params[{name!r}]" for name in point if not np.array_equal(given[name], point[name])
        ]
        if not np.isfinite(self.value_0):
            raise ValueError(f"f(params) must be finite, found {self.value_0}")
        if self.value({name: value.copy() for name, value in point.items()}) != self.value_0:
            self.problems.append(
                "f gives two values for the same params: draw its random numbers before, or pass them through stop()"
            )

    def value(self, params, thaw=()):
        """f in the replay, a number."""
        self.evaluations += 1
        mode = _enter(_Thaw(self.recording, thaw)) if thaw else replay(self.recording)
        with np.errstate(all="ignore"), warnings.catch_warnings(), mode as run:
            warnings.simplefilter("error", ComplexWarning)
            result = self.f(params)
            if isinstance(result, (list, tuple)) or np.size(result) != 1 or np.asarray(result).dtype.kind not in "fciu":
                shape = f" of shape {result.shape}" if hasattr(result, "shape") else ""
                raise ValueError(f"f must return one number, found {type(result).__name__}{shape}")
        self.last_changed = run.changed
        self.coarse = self.coarse or np.asarray(result).dtype in (np.float16, np.float32, np.complex64)
        return np.asarray(result).item()

    def is_coarse(self, rng):
        """Whether f rounds to float32 on its way: it stays the same over a small step, though a large one moves it."""
        moves = {
            name: np.sqrt(np.mean(value**2)) * rng.choice((-1.0, 1.0), value.shape)
            for name, value in self.point.items()
        }
        phi, _ = self.line(moves)
        near, far = (abs(phi(step) - self.value_0) for step in (1e-12, 1e-4))
        return self.coarse or (near == 0 and 1e-8 * far > 4 * EPS * abs(self.value_0))

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
            value = complex_step(phi)
            return Difference(value, 0.0, COMPLEX_H, value, value, False)
        return central(phi, first, self.value_0)

    def choose_method(self, method, lines):
        """ "complex" or "central", and a note that says why complex numbers cannot be used.

        lines: {label: moves}. The two are compared along each, so that no tensor hides behind a larger one.
        """
        if method == "central":
            return method, ""
        why = next(filter(None, (self._disagreement(label, moves) for label, moves in lines.items())), "")
        if why and method == "complex":
            raise ValueError(f"{why}; use method='central'")
        return ("central", f"central differences: {why}") if why else ("complex", "")

    def _disagreement(self, label, moves):
        """Why the complex step cannot be used along `moves`, or "". (A plain difference decides where it agrees.)"""
        try:
            exact = self.derivative(moves, "complex").value
        except Exception as error:  # whatever f does with complex numbers
            return f"f does not take complex numbers ({type(error).__name__}: {str(error)[:60]}); {SUSPECTS}"
        phi, first = self.line(moves)
        h = 1e-4 * first
        rough = (phi(h) - phi(-h)) / (2 * h)
        if abs(exact - rough) <= 1e-6 * max(abs(exact), abs(rough)):
            return ""
        numeric = self.derivative(moves, "central")
        allowed = 1e-6 * max(abs(exact), abs(numeric.value)) + 10 * numeric.uncertainty + EPS * abs(self.value_0)
        if abs(exact - numeric.value) <= allowed:
            return ""
        return f"along {label} complex step {exact:.6g} and central difference {numeric.value:.6g} disagree; " + (
            "there is a kink at this point" if numeric.kink else SUSPECTS
        )
