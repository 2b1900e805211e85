"""Sparse Attentive Backtracking (Ke et al., NeurIPS 2018) in NumPy, every gradient by hand and checked numerically.

Sizes    T time, B batch, D inputs, H hidden, O outputs, N microstates, K = k_top, Q size of a key
Arrays   time-major (T, B, .); row vectors, x @ W; dX is the gradient of X and has its shape
Letters  h_hat provisional state, h state, c cell, M microstates, a scores, w weights, s summary, y output
Reading  scores, sparsify, config, params, lstm, replay, memory, tape, inputs, forward, credit, backward,
         losses, optim
"""

import sab_numpy.support.signals  # noqa: F401  before NumPy
from sab_numpy.core.backend import to_backend
from sab_numpy.core.backward import backward
from sab_numpy.core.config import Config
from sab_numpy.core.forward import forward
from sab_numpy.core.losses import mean_squared_error, softmax_cross_entropy
from sab_numpy.core.params import init_params
from sab_numpy.core.replay import choose, record, replay, stop
from sab_numpy.core.tape import State
from sab_numpy.explore.walk import Event, walk
from sab_numpy.gradcheck.adapters import check_jax, check_torch
from sab_numpy.gradcheck.check import assert_gradients_close, check
from sab_numpy.gradcheck.model import check_gradients
from sab_numpy.support import __version__
from sab_numpy.training.pretrained import load_pretrained

__all__ = [
    "Config",
    "Event",
    "State",
    "__version__",
    "assert_gradients_close",
    "backward",
    "check",
    "check_gradients",
    "check_jax",
    "check_torch",
    "choose",
    "forward",
    "init_params",
    "load_pretrained",
    "mean_squared_error",
    "record",
    "replay",
    "softmax_cross_entropy",
    "stop",
    "to_backend",
    "walk",
]
