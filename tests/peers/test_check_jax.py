"""A door to JAX: a function with stop_gradient, checked like any other."""

import numpy as np
import pytest

from sab_numpy.core.replay import stop
from sab_numpy.gradcheck.adapters import check_jax
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


def test_check_jax_takes_a_tree_and_a_custom_vjp():
    rng = np.random.default_rng(1)
    p = {"a": rng.standard_normal((3, 2)), "more": [rng.standard_normal(2), 0.5]}
    for factor, verdict in ((2.0, "PASS"), (1.0, "FAIL")):
        square = jax.custom_vjp(lambda x: x**2)
        square.defvjp(lambda x: (x**2, x), lambda x, dy, factor=factor: (factor * x * dy,))
        report = check_jax(lambda p, square=square: jax.numpy.sin(square(p["a"]) @ p["more"][0]) * p["more"][1], p)
        assert report.verdict == verdict and ("half" in report.rows[0].note) == (factor == 1)
    with pytest.raises(ValueError, match="params must be real"):
        check_jax(lambda x: abs(x).sum(), np.ones(2) * 1j)
