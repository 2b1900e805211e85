"""The numbers that explain every gradient check: error over step size, with the fitted order of each difference."""

from typing import NamedTuple

import numpy as np

from sab_numpy.gradcheck.derivative import EPS
from sab_numpy.gradcheck.frozen import FrozenFunction
from sab_numpy.gradcheck.inputs import Gradients, Tree


class StepSizes(NamedTuple):
    """Relative errors of the forward, central and complex derivative over step sizes h (all of one shape)."""

    h: np.ndarray
    forward: np.ndarray
    central: np.ndarray
    complex: np.ndarray  # NaN where f does not take complex numbers

    def order(self, kind):
        """The power of h that the error falls with, fitted where it does (1 forward, 2 central and complex)."""
        error = getattr(self, kind)
        if np.isnan(error).all():
            return np.nan
        least = int(np.nanargmin(error))  # at larger steps the formula is at fault, not rounding
        falling = (np.arange(len(error)) < least) & (error < 1e-2) & (error > 30 * error[least])
        steps, errors = np.log(self.h[falling]), np.log(error[falling])
        return float(np.median(np.diff(errors) / np.diff(steps))) if falling.sum() > 2 else np.nan


def step_sizes(f, params, grads, tape=None, seed=0):
    """Errors against `grads` along one random direction through all of params, for h from 1 down to 1e-16."""
    tree, rng = Tree(params), np.random.default_rng(seed)
    f, point = tree.scalar(f, rng), tree.point
    grads, frozen = Gradients(grads, tree).values, FrozenFunction(f, point, tape)
    v = {name: rng.choice((-1.0, 1.0), value.shape) for name, value in point.items()}
    analytic = sum(float((v[name] * grads[name]).sum()) for name in point)
    if analytic == 0:
        raise ValueError("the gradient along the chosen direction is zero: no relative error can be drawn")
    phi, _ = frozen.line(v)
    h = 10.0 ** -np.arange(0, 16.1, 0.25)
    plus, minus = (np.array([phi(sign * float(step)) for step in h]) for sign in (1, -1))
    try:
        imaginary = np.array([np.imag(phi(1j * float(step))) for step in h]) / h
    except Exception:  # whatever f does with complex numbers
        imaginary = np.full(h.shape, np.nan)
    slopes = (plus - frozen.value_0) / h, (plus - minus) / (2 * h), imaginary
    return StepSizes(h, *(np.abs(slope / analytic - 1) + EPS / 4 for slope in slopes))
