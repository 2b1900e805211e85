"""Autograd of the same model, written independently in PyTorch, gives our gradients. Skipped without PyTorch."""

import numpy as np
import pytest

import sab_numpy as sab

torch = pytest.importorskip("torch")

from sab_numpy.bench import torch_sab  # noqa: E402

SETTINGS = {
    "no recall": dict(k_trunc=None, k_top=0),
    "truncated": dict(k_trunc=4, k_top=0),
    "sparse": dict(k_trunc=5, k_top=3, k_att=2),
    "one slot": dict(k_trunc=3, k_top=1, k_att=1),
    "never cut": dict(k_trunc=None, k_top=2, k_att=3),
    "relu": dict(k_trunc=5, k_top=3, k_att=2, normalise="relu"),
    "few slots": dict(k_trunc=3, k_top=4, k_att=2, empty_slots=1),
    "constant memory": dict(k_trunc=5, k_top=3, k_att=2, mental_updates=False),
    "relu, constant memory": dict(k_trunc=5, k_top=2, k_att=1, normalise="relu", mental_updates=False),
}


def case(**options):
    """Parameters away from their initial values (W_q is no identity), inputs and a random cotangent."""
    rng = np.random.default_rng(7)
    cfg = sab.Config(n_in=4, n_hidden=6, n_out=3, **options)
    params = {name: 0.6 * rng.standard_normal(value.shape) for name, value in sab.init_params(cfg, rng).items()}
    return cfg, params, rng.standard_normal((23, 5, 4)), rng.standard_normal((23, 5, 3))


def largest_difference(ours, theirs):
    """max|a - b| of each tensor over the largest entry of all tensors' own scale (at least 1e-3 of the largest)."""
    largest = max(np.abs(value).max() for value in ours.values())
    return max(
        np.abs(ours[name] - theirs[name]).max() / max(np.abs(ours[name]).max(), 1e-3 * largest) for name in theirs
    )


def torch_gradients(cfg, params, x, dy, own_reads):
    leaves = torch_sab.to_torch(params)
    y = torch_sab.forward(leaves, torch.tensor(x), cfg, own_reads=own_reads)
    y.backward(torch.tensor(dy))
    return y.detach().numpy(), {name: leaf.grad.numpy() for name, leaf in leaves.items() if leaf.grad is not None}


@pytest.mark.parametrize("own_reads", [False, True], ids=["autograd", "own reads"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_autograd_gives_our_outputs_and_gradients(setting, own_reads):
    cfg, params, x, dy = case(**SETTINGS[setting])
    y, tape = sab.forward(params, x, cfg)
    grads = sab.backward(dy, tape)
    y_torch, grads_torch = torch_gradients(cfg, params, x, dy, own_reads)
    assert np.abs(y - y_torch).max() < 1e-12 * max(1, np.abs(y).max())
    assert {"W_x", "W_h", "b", "V_h", "b_y"} <= set(grads_torch)
    assert largest_difference(grads, grads_torch) < 1e-10


@pytest.mark.parametrize("other", [dict(k_trunc=4), dict(k_top=2), dict(k_att=3), dict(mental_updates=False)])
def test_the_comparison_sees_another_setting(other):
    sparse = SETTINGS["sparse"]
    cfg, params, x, dy = case(**sparse)
    _, grads_torch = torch_gradients(cfg, params, x, dy, False)
    wrong = sab.backward(dy, sab.forward(params, x, sab.Config(4, 6, 3, **{**sparse, **other}))[1])
    assert largest_difference(wrong, grads_torch) > 1e-3


def test_torch_nn_lstm_is_our_lstm_under_full_bptt():
    cfg, params, x, dy = case()
    y, tape = sab.forward(params, x, cfg)
    grads = sab.backward(dy, tape)
    peer = torch_sab.PlainLSTM(params)
    y_torch = peer.forward(torch.tensor(x))
    y_torch.backward(torch.tensor(dy))
    assert np.abs(y - y_torch.detach().numpy()).max() < 1e-12 * max(1, np.abs(y).max())
    assert largest_difference(grads, peer.gradients()) < 1e-10


def test_the_loss_is_our_loss():
    cfg, params, x, dy = case()
    targets = np.random.default_rng(1).integers(0, 3, dy.shape[:2])
    ours, gradient = sab.softmax_cross_entropy(dy, targets)
    y = torch.tensor(dy, requires_grad=True)
    theirs = torch_sab.loss(y, torch.tensor(targets))
    theirs.backward()
    assert ours == pytest.approx(theirs.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, y.grad.numpy(), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(
    "options",
    [dict(k_top=None), dict(k_top=2, score="mlp"), dict(k_top=2, dense_forward=True), dict(k_top=2, budget=3)],
)
def test_what_the_peer_does_not_know_is_refused(options):
    cfg, params, x, _ = case(**options)
    with pytest.raises(ValueError, match="sparse reads of all microstates with score='dot'"):
        torch_sab.forward(torch_sab.to_torch(params), torch.tensor(x), cfg)
