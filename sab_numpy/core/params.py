"""The parameters: their names, shapes and first values."""

import numpy as np

from sab_numpy.core.config import check_count
from sab_numpy.core.scores import SCORES


def shapes(cfg):
    """Shape of every parameter, by name (the score's also at k_top=0, so that settings compare)."""
    D, H, O = cfg.n_in, cfg.n_hidden, cfg.n_out
    lstm = {"W_x": (D, 4 * H), "W_h": (H, 4 * H), "b": (4 * H,)}           # gates stacked i f g o
    output = {"V_h": (H, O), "V_s": (H, O), "b_y": (O,)}
    return lstm | output | SCORES[cfg.score].shapes(H)


def init_params(cfg, rng, dtype=np.float64, chrono=None):
    """First values: uniform in ±1/sqrt(H), biases 0, forget bias 1, W_q of dot the identity.

    rng      a numpy.random.Generator, or a seed
    chrono   the longest dependency in steps, at least 3: forget biases log U(1, chrono - 1), input
             biases minus them: a unit forgets in 2 to `chrono` steps (Tallec and Ollivier 2018)
    Returns a dict name -> array of `dtype`, on the CPU.
    """
    H, rng = cfg.n_hidden, np.random.default_rng(rng)
    params = {name: rng.uniform(-1, 1, shape) / np.sqrt(H) for name, shape in shapes(cfg).items()}
    params["b"] = np.zeros(4 * H)
    params["b"][H:2 * H] = 1                                               # remember, to begin with
    params["b_y"] = np.zeros(cfg.n_out)
    if cfg.score == "dot":
        params["W_q"] = np.eye(H)
    if chrono is not None:                                     # drawn last: all else is as without
        forget = np.log(rng.uniform(1, check_count("chrono", chrono, 3) - 1, H))
        params["b"][:2 * H] = np.concatenate([-forget, forget])            # gates stacked i f g o
    return {name: value.astype(dtype) for name, value in params.items()}


def check_params(params, cfg):
    """ValueError unless `params` has exactly the names and shapes of `cfg`, all of one dtype."""
    check_shapes(params, shapes(cfg))


def check_shapes(params, expected):
    """ValueError unless `params` has exactly these names and shapes, all of one floating dtype."""
    if set(params) != set(expected):
        raise ValueError(f"params: expected the names {sorted(expected)}, found {sorted(params)}")
    for name, shape in expected.items():
        if params[name].shape != shape:
            raise ValueError(f"params[{name!r}]: expected shape {shape}, "
                             f"found {params[name].shape}")
    dtypes = {str(value.dtype): value.dtype.kind for value in params.values()}
    if len(dtypes) > 1 or not set(dtypes.values()) <= set("fc"):
        raise ValueError(f"params: expected one floating dtype, found {', '.join(sorted(dtypes))}")
