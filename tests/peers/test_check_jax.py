"""A door to JAX: a function with stop_gradient, checked like any other."""

import numpy as np
import pytest

from sab_numpy.core.replay import stop
from sab_numpy.gradcheck.check import check

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)


def rnn(p, cut):
    """The weighted sum of tanh(x W + h U) after six steps; `cut` holds h constant before step 3."""
    h = jax.numpy.zeros((2, 4))
    for t in range(6):
        h = jax.numpy.tanh(p["x"][t] @ p["W"] + (cut(h) if t == 3 else h) @ p["U"])
    return (h * jax.numpy.arange(8.0).reshape(2, 4)).sum()


def f(p):
    return np.asarray(rnn(p, lambda h: stop("h", np.asarray(h))))


def grads(p, cut=jax.lax.stop_gradient):
    return {name: np.asarray(value) for name, value in jax.grad(rnn)(p, cut).items()}


def test_a_jax_gradient_with_stop_gradient_is_checked_exactly():
    rng = np.random.default_rng(0)
    p = {"x": rng.standard_normal((6, 2, 3)), "W": rng.standard_normal((3, 4)), "U": rng.standard_normal((4, 4))}
    assert check(f, p, grads).ok
    report = check(f, p, lambda q: grads(q, cut=lambda h: h))
    assert not report.ok and "credit passes stop 'h'" in report.rows[-1].note
