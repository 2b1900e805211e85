"""torch.nn.TransformerEncoder (norm_first) with our parameters has our outputs and gradients. Skipped without PyTorch.

OMP_NUM_THREADS=1 taskset -c 0 python tests/peers/test_torch_transformer.py        times both train steps in turns
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sab_numpy.bench.measurement import Timer, ratio, take_turns  # noqa: E402
from sab_numpy.core.losses import softmax_cross_entropy  # noqa: E402
from sab_numpy.tasks import copying  # noqa: E402
from sab_numpy.transformer.backward import backward  # noqa: E402
from sab_numpy.transformer.forward import forward  # noqa: E402
from sab_numpy.transformer.params import Config, init_params  # noqa: E402

LAYER = {  # theirs: ours; their products are W x, ours x W
    "norm1.weight": "gain_1",
    "norm1.bias": "shift_1",
    "self_attn.in_proj_weight": "W_qkv",
    "self_attn.out_proj.weight": "W_o",
    "norm2.weight": "gain_2",
    "norm2.bias": "shift_2",
    "linear1.weight": "W_1",
    "linear1.bias": "b_1",
    "linear2.weight": "W_2",
    "linear2.bias": "b_2",
}


class Peer(torch.nn.Module):
    """Our Transformer, its layers those of PyTorch. The biases that ours has not are zero."""

    def __init__(self, params, cfg):
        super().__init__()
        dtype = torch.tensor(params["P"]).dtype
        layer = torch.nn.TransformerEncoderLayer(
            cfg.n_hidden, cfg.n_heads, 4 * cfg.n_hidden, dropout=0.0, norm_first=True, dtype=dtype
        )
        last = torch.nn.LayerNorm(cfg.n_hidden, dtype=dtype)
        self.encoder = torch.nn.TransformerEncoder(layer, cfg.n_layers, last, enable_nested_tensor=False)
        self.ends = torch.nn.ParameterDict({name: torch.tensor(params[name]) for name in ("W_x", "P", "V", "b_y")})
        with torch.no_grad():
            for l, module in enumerate(self.encoder.layers):
                module.self_attn.in_proj_bias.zero_()
                module.self_attn.out_proj.bias.zero_()
                for theirs, ours in LAYER.items():
                    module.get_parameter(theirs).copy_(torch.tensor(params[ours][l].T))
            last.weight.copy_(torch.tensor(params["gain"]))
            last.bias.copy_(torch.tensor(params["shift"]))

    def forward(self, x):
        mask = torch.nn.Transformer.generate_square_subsequent_mask(len(x), dtype=x.dtype)
        h = x @ self.ends["W_x"] + self.ends["P"][: len(x), None]
        return self.encoder(h, mask=mask, is_causal=True) @ self.ends["V"] + self.ends["b_y"]

    def gradients(self):
        """By our names, in our shapes."""
        last = self.encoder.norm
        found = {name: value.grad.numpy() for name, value in self.ends.items()}
        found |= {"gain": last.weight.grad.numpy(), "shift": last.bias.grad.numpy()}
        for theirs, ours in LAYER.items():
            found[ours] = np.stack([module.get_parameter(theirs).grad.numpy().T for module in self.encoder.layers])
        return found


@pytest.mark.parametrize("layers, heads", [(1, 1), (2, 4), (3, 2)])
def test_autograd_gives_our_outputs_and_gradients(layers, heads):
    cfg, rng = Config(3, 8, 5, 11, layers, heads), np.random.default_rng(0)
    params = {name: value + 0.3 * rng.standard_normal(value.shape) for name, value in init_params(cfg, rng).items()}
    x, dy = rng.standard_normal((9, 4, 3)), rng.standard_normal((9, 4, 5))
    y, tape = forward(params, x, cfg)
    peer = Peer(params, cfg)
    theirs = peer(torch.tensor(x))
    theirs.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
    found = peer.gradients()
    for name, gradient in backward(dy, tape).items():
        np.testing.assert_allclose(gradient, found[name], rtol=1e-9, atol=1e-11, err_msg=name)


def steps(T, B, H):
    """The two train steps (forward, loss, backward) on one batch of the copying task, float32, 2 layers of 4 heads."""
    cfg, rng = Config(copying.N_IN, H, copying.N_OUT, copying.steps(T)), np.random.default_rng(0)
    params = init_params(cfg, rng, np.float32)
    x, targets = copying.sequences(T, B, rng)
    peer = Peer(params, cfg)
    hot, asked = torch.tensor(np.eye(copying.N_IN, dtype=np.float32)[x]), torch.tensor(targets).flatten()

    def ours(now):
        y, tape = forward(params, x, cfg)
        _, dy = softmax_cross_entropy(y, targets)
        middle = now()
        backward(dy, tape)
        return middle

    def theirs(now):
        peer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(peer(hot).flatten(0, 1), asked)
        middle = now()
        loss.backward()
        return middle

    return {"ours": ours, "torch": theirs}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for T, B, H in ((100, 16, 64), (100, 64, 128)):
        times = take_turns(steps(T, B, H), Timer("numpy"), rounds=15, seconds=60)
        middle = {name: 1e3 * np.median([whole for whole, _ in found]) for name, found in times.items()}
        least = {name: 1e3 * min(whole for whole, _ in found) for name, found in times.items()}
        print(
            f"copy T={T}, B={B}, H={H}, 2 layers, 4 heads, float32: a train step of ours {middle['ours']:.1f} ms "
            f"(least {least['ours']:.1f}), of torch.nn.TransformerEncoder {middle['torch']:.1f} ms "
            f"({least['torch']:.1f}); ours / torch {ratio(times['ours'], times['torch']):.2f}, median of rounds"
        )
