"""A door to PyTorch: a function of tensors, with detach, checked like any other."""

import numpy as np
import pytest

from sab_numpy.core.replay import stop
from sab_numpy.gradcheck.adapters import check_torch
from sab_numpy.gradcheck.check import check

torch = pytest.importorskip("torch")


def rnn(p, cut):
    """The sum of tanh(x W + h U) over six steps; `cut` holds h constant before step 3."""
    h = torch.zeros(2, 4, dtype=p["W"].dtype)
    for t in range(6):
        h = torch.tanh(p["x"][t] @ p["W"] + (cut(h) if t == 3 else h) @ p["U"])
    return (h * torch.arange(8.0, dtype=h.dtype).reshape(2, 4)).sum()


def f(p):
    keep = lambda h: torch.as_tensor(stop("h", h.numpy()))  # noqa: E731
    return rnn({name: torch.as_tensor(value) for name, value in p.items()}, keep).numpy()


def grads(p, cut=torch.Tensor.detach):
    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in p.items()}
    rnn(leaves, cut).backward()
    return {name: leaf.grad.numpy() for name, leaf in leaves.items()}


def test_a_pytorch_gradient_with_detach_is_checked_exactly():
    rng = np.random.default_rng(0)
    p = {"x": rng.standard_normal((6, 2, 3)), "W": rng.standard_normal((3, 4)), "U": rng.standard_normal((4, 4))}
    assert check(f, p, grads).ok
    report = check(f, p, lambda q: grads(q, cut=lambda h: h))
    assert not report.ok and "credit passes stop 'h'" in report.rows[-1].note


class Square(torch.autograd.Function):
    """x squared, with a backward of its own."""

    factor = 2.0

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, dy):
        return dy * Square.factor * ctx.saved_tensors[0]


def test_check_torch_takes_a_module_and_a_custom_function(monkeypatch):
    torch.manual_seed(0)
    x = torch.randn(5, 3)
    assert check_torch(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU(), torch.nn.LayerNorm(4)), x).ok
    assert check_torch(lambda x: Square.apply(x).sum(1), [x]).ok
    monkeypatch.setattr(Square, "factor", 1.0)
    report = check_torch(lambda x: Square.apply(x).sum(1), [x])
    assert report.verdict == "FAIL" and "half" in report.rows[0].note
    with pytest.raises(ValueError, match=r"inputs\[0\] must be real"):
        check_torch(torch.abs, [x + 1j])
