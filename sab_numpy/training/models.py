"""The models that can be trained: what the loop, the checkpoints and the evaluation ask of one."""

from collections.abc import Callable
from typing import NamedTuple

from sab_numpy.core.backward import backward
from sab_numpy.core.forward import forward
from sab_numpy.core.params import check_params, init_params
from sab_numpy.transformer import backward as back
from sab_numpy.transformer import forward as forth
from sab_numpy.transformer import params as sizes


class Model(NamedTuple):
    """Four functions; a tape has `slots` (None: it recalls nothing) and `cache.h`, the states (T, B, H)."""

    init_params: Callable  # cfg, rng, dtype=, ... -> params
    check_params: Callable  # params, cfg
    forward: Callable  # params, x, cfg, state=, reuse= -> y, tape
    backward: Callable  # dy, tape -> grads


def anew(params, x, cfg, state=None, reuse=None):
    """A Transformer has no state to go on from, and makes its arrays anew."""
    return forth.forward(params, x, cfg)


LSTM = Model(init_params, check_params, forward, backward)
TRANSFORMER = Model(sizes.init_params, sizes.check_params, anew, back.backward)


def model(cfg):
    """The Model of a configuration."""
    return TRANSFORMER if isinstance(cfg, sizes.Config) else LSTM
