"""The sizes of a Transformer; the names, shapes and first values of its parameters."""

from dataclasses import dataclass, fields

import numpy as np

from sab_numpy.core.config import check_count
from sab_numpy.core.params import check_shapes


@dataclass(frozen=True)
class Config:
    """Sizes: n_in, n_hidden, n_out (D, H, O), n_steps (T at most), n_layers (L), n_heads (N).

    A head is H / N wide, the feed-forward part 4 H. Raises ValueError for sizes that cannot be.
    """

    n_in: int
    n_hidden: int
    n_out: int
    n_steps: int
    n_layers: int = 2
    n_heads: int = 4

    def __post_init__(self):
        for size in fields(self):
            object.__setattr__(self, size.name, check_count(size.name, getattr(self, size.name), 1))
        if self.n_hidden % self.n_heads:
            raise ValueError("n_hidden must be a multiple of n_heads, "
                             f"found {self.n_hidden} and {self.n_heads}")


def layer_shapes(H):
    """Shape of every parameter of a layer, by name.

    No bias where a norm or a norm's shift does the same: q, k, v, what is attended to, x.
    """
    attend = {"gain_1": (H,), "shift_1": (H,), "W_qkv": (H, 3 * H), "W_o": (H, H)}
    think = {"gain_2": (H,), "shift_2": (H,), "W_1": (H, 4 * H), "b_1": (4 * H,),
             "W_2": (4 * H, H), "b_2": (H,)}
    return attend | think


def shapes(cfg):
    """Shape of every parameter, by name; those of all layers are one array, the layer in front."""
    D, H, O, L = cfg.n_in, cfg.n_hidden, cfg.n_out, cfg.n_layers
    layers = {name: (L, *shape) for name, shape in layer_shapes(H).items()}
    embed = {"W_x": (D, H), "P": (cfg.n_steps, H)}                         # P: a row per position
    return embed | layers | {"gain": (H,), "shift": (H,), "V": (H, O), "b_y": (O,)}


def layer(params, l):
    """The parameters of layer l, by name."""
    return {name: params[name][l] for name in layer_shapes(1)}


def init_params(cfg, rng, dtype=np.float64):
    """First values: uniform in ±1/sqrt(rows) for products, gains 1, shifts and biases 0.

    rng   a numpy.random.Generator, or a seed
    Returns a dict name -> array of `dtype`, on the CPU.
    """
    rng, params = np.random.default_rng(rng), {}
    for name, shape in shapes(cfg).items():
        if name[0] in "WVP":
            rows = cfg.n_hidden if name == "P" else shape[-2]
            params[name] = rng.uniform(-1, 1, shape) / np.sqrt(rows)
        else:
            params[name] = np.full(shape, float(name.startswith("gain")))
    return {name: value.astype(dtype) for name, value in params.items()}


def check_params(params, cfg):
    """ValueError unless `params` has exactly the names and shapes of `cfg`, all of one dtype."""
    check_shapes(params, shapes(cfg))
