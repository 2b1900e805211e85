"""What comes into the model is looked at here: x, the state to go on from, a frozen tape, dy."""

import numpy as np

from sab_numpy.core.backend import namespace
from sab_numpy.core.tape import State


def check_array(name, value, xp, shape, dtype):
    """ValueError unless `value` is an array of this backend and shape, real where `dtype` is."""
    if namespace(value, what=f"{name}: ") is not xp:
        raise ValueError(f"{name}: expected an array of {xp.__name__} like params, found "
                         f"{namespace(value).__name__}; move it with sab.to_backend")
    if value.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, found {value.shape}")
    if value.dtype.kind == "c" and dtype.kind != "c":
        raise ValueError(f"{name}: expected real numbers for real params, found {value.dtype}")


def check_finite(name, value, dtype):
    """ValueError unless every number of `value` is finite as a `dtype`; a GPU is not asked."""
    with np.errstate(over="ignore"):
        if namespace(value) is np and not np.isfinite(value.astype(dtype, copy=False)).all():
            raise ValueError(f"{name}: expected finite numbers, found NaN or infinity")


def check_input(xp, x, cfg, dtype):
    """ValueError unless x is finite numbers (T, B, n_in) or symbols (T, B), on params' backend."""
    namespace(x, what="x: ")
    symbols = x.dtype.kind in "iu" and x.ndim == 2
    if not symbols and (x.ndim != 3 or x.shape[2] != cfg.n_in or x.dtype.kind not in "fciu"):
        raise ValueError(f"x: expected floats (T, B, {cfg.n_in}) or integer symbols (T, B), "
                         f"found shape {x.shape} of {x.dtype}")
    check_array("x", x, xp, x.shape, dtype)
    if min(x.shape) < 1:
        raise ValueError(f"x: expected at least one step and one sequence, found shape {x.shape}")
    if not symbols:
        check_finite("x", x, dtype)
    elif xp is np and (x.min() < 0 or x.max() >= cfg.n_in):
        raise ValueError(f"x: expected symbols 0..{cfg.n_in - 1}, found {x.min()}..{x.max()}")


def one_hot(xp, x, n_in, dtype):
    """x as numbers (S, B, n_in): symbols become one-hot."""
    return (x if x.ndim == 3 else x[..., None] == xp.arange(n_in)).astype(dtype, copy=False)


def project_inputs(xp, x, W_x, b):
    """x W_x + b of every gate, (4, S, B, H): for symbols a row of W_x each, as one-hot x gives.

    x (S, B, n_in) or symbols (S, B); W_x (4, n_in, H), b (4, 1, H)
    """
    if x.ndim == 2:
        return (W_x + b).take(x, axis=1)
    ones = xp.ones((*x.shape[:2], 1), x.dtype)                 # [x 1] [W_x b]: one product, and
    x_1, W = xp.concatenate([x, ones], axis=2), xp.concatenate([W_x, b], axis=1)
    return (x_1.reshape(-1, W.shape[1]) @ W).reshape(4, *x.shape[:2], -1)      # no second pass


def first_state(xp, state, cfg, B, dtype):
    """The State to go on from: `state`, or zeros and empty slots (at k_top=0 there are none)."""
    H = cfg.n_hidden
    if state is not None and (not isinstance(state, tuple) or len(state) not in (2, 3)):
        raise ValueError("state: expected a State(h, c, memory) or None, "
                         f"found {type(state).__name__}")
    h, c, memory = State(*state) if state is not None else State(*xp.zeros((2, B, H), dtype))
    if memory is None or cfg.k_top == 0:
        memory = xp.zeros((cfg.n_empty if cfg.k_top != 0 else 0, B, H), dtype)
    shapes = (B, H), (B, H), (*getattr(memory, "shape", ())[:1], B, H)
    for name, value, shape in zip(State._fields, (h, c, memory), shapes):
        check_array(f"state.{name}", value, xp, shape, dtype)
        check_finite(f"state.{name}", value, dtype)
    if cfg.k_top != 0 and not len(memory):
        raise ValueError("state.memory: expected at least one slot, found none")
    return State(h, c, memory)


def check_frozen(frozen, cfg, x, first, reuse):
    """ValueError unless `frozen` is a tape of this configuration and sizes that has its arrays."""
    if frozen.cfg != cfg or frozen.x.shape[:2] != x.shape[:2]:
        raise ValueError(f"frozen: expected a tape of {cfg} and x of shape {x.shape[:2]}, "
                         f"found {frozen.cfg} and {frozen.x.shape[:2]}")
    if frozen.buffers is None or reuse is frozen:
        raise ValueError("frozen: expected a tape with its buffers, "
                         "found one that gives them to another forward")
    if frozen.memory.initial_slots != len(first.memory):
        raise ValueError(f"frozen: expected a state with the {frozen.memory.initial_slots} "
                         f"microstates of that tape, found {len(first.memory)}")
