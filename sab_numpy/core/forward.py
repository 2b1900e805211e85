"""Forward: an LSTM that is reminded, at every step, of a few of its own past states.

    cut      h_{t-1}, c_{t-1} are constants for the backward where t > 0 is a multiple of k_trunc
    lstm     c = f*c_{t-1} + i*g,   h_hat = o*tanh(c)
    recall   s = sum_k w_k M_k      over the selected microstates
    state    h = h_hat + s
    output   y = h V_h + s V_s + b_y
    write    every k_att steps h becomes a microstate
"""

import numpy as np

from sab_numpy.core import scores
from sab_numpy.core.backend import namespace
from sab_numpy.core.lstm import HALF, gate_column, lstm_step, split_gates
from sab_numpy.core.params import check_params
from sab_numpy.core.sparsify import largest, weights
from sab_numpy.core.tape import Buffers, Cache, State, Tape, choose, joined, stop

CHUNK = 16       # steps whose products with V and whose weight gradients are made at once (never depends on k_trunc)


def forward(params, x, cfg, frozen=None, state=None, checkpoint=None, reuse=None):
    """Run a batch of sequences; returns (y, tape).

    params      dict of arrays (init_params); they decide dtype and backend
    x           (T, B, n_in) floats, or (T, B) integer symbols 0..n_in-1
    frozen      the tape of an earlier forward: repeat its stops and choices (see tape.py)
                (to be differentiated by numbers: backward is for the forward that recorded)
    state       State(h, c, memory) to go on from, as tape.final_state; None: zeros and empty slots
                (cuts and writing count from its first step here, as t = 0)
    checkpoint  "blocks": keep little, recompute in backward
    reuse       an old tape whose buffers may be overwritten
    y           (T, B, n_out)
    Raises ValueError for wrong shapes, non-finite x, symbols out of range, a frozen tape of another shape.
    """
    xp = namespace(*params.values())
    check_params(params, cfg)
    check_input(xp, x, cfg, params["b"].dtype)
    if checkpoint not in (None, "blocks"):
        raise ValueError(f"checkpoint must be None or 'blocks', found {checkpoint!r}")
    if frozen is not None and (frozen.cfg != cfg or frozen.x.shape[:2] != x.shape[:2]):
        raise ValueError(f"frozen: expected a tape of {cfg} and x of shape {x.shape[:2]}, "
                         f"found {frozen.cfg} and {frozen.x.shape[:2]}")
    if frozen is not None and (frozen.buffers is None or reuse is frozen):
        raise ValueError("frozen: expected a tape with its buffers, found one that gives them to another forward")
    T, B = x.shape[:2]
    with joined(frozen and frozen.recording) as mode:
        tape, part = _start(xp, params, x, cfg, state, checkpoint, reuse)
        if frozen is not None and frozen.n_given != tape.n_given:
            raise ValueError(f"frozen: expected a state with the {frozen.n_given} microstates of that tape, "
                             f"found {tape.n_given}")
        tape.recording = frozen.recording if frozen else mode
        y = xp.empty((T, B, cfg.n_out), part.h.dtype)
        for start in range(0, T, CHUNK):
            end = min(start + CHUNK, T)
            here = part.steps(0, end - start) if checkpoint else part.steps(start, end)
            if checkpoint:
                tape.starts[start] = here.h[0].copy(), here.c[0].copy()
            run_steps(tape, here, start, end)
            y[start:end] = here.h[1:] @ params["V_h"] + params["b_y"]
            if here.s is not None:
                y[start:end] += here.s @ params["V_s"]
            if checkpoint:
                part.h[0], part.c[0] = here.h[-1], here.c[-1]
        tape.end = here.h[-1], here.c[-1]
        tape.changed = getattr(mode, "changed", ())
    return y, tape


def run_steps(tape, part, start, end, again=False):
    """Steps start..end-1 into `part`. again: a recomputation, with the memory and the selections that are kept."""
    cfg, xp, H = tape.cfg, namespace(part.h), tape.cfg.n_hidden
    half, W = tape.half, tape.W                                               # (4, 1, 1), (4, H+D+1, H)
    shift = 1 - half
    x = tape.x[start:end]
    part.hx1[:-1, :, H:-1] = x if x.ndim == 3 else x[..., None] == xp.arange(cfg.n_in)      # symbols as one-hot
    part.hx1[:-1, :, -1] = 1
    for t in range(start, end):
        j = t - start
        hx1, c, z = part.hx1[j], part.c[j], part.gates[:, j]                  # h_{t-1} x_t 1, c_{t-1}
        if cfg.k_trunc and t and t % cfg.k_trunc == 0:                        # cut
            h, c = stop(("h", t), part.h[j]), stop(("c", t), c)
            hx1 = xp.concatenate([h, hx1[:, H:]], axis=1)
        xp.matmul(hx1, W, out=z)                                              # (4, B, H)
        lstm_step(xp, z, half, shift, c, part.c[j + 1], part.tanh_c[j], part.h_hat[j])
        if cfg.k_top != 0:
            recall(xp, tape, part, t, j, again)
            xp.add(part.h_hat[j], part.s[j], out=part.h[j + 1])
            slot = tape.slot_of(t)
            if slot is not None and not again:
                write(xp, tape, slot, part.h[j + 1])


def recall(xp, tape, part, t, j, again):
    """Score the microstates, select, renormalise, sum: fills q, slots, w, slope and s of step t."""
    cfg, params, n = tape.cfg, tape.prepared, tape.n_slots(t)
    M, keys, k = tape.memory, tape.keys, cfg.n_selected(n)
    part.q[j] = q = scores.query(xp, part.h_hat[j], params, cfg)              # (B, Q)
    if cfg.k_top is None:                                                     # every slot is read
        M_sel = M[:, :n]
        w, slope = weights(xp, scores.score(xp, q, keys[:, :n], params, cfg), cfg.normalise, sorted=False)
    elif again and not cfg.dense_forward:                                     # the slots are known: score these alone
        slots = tape.slots[t][:, :k]
        M_sel = gather(M, slots)
        w, slope = weights(xp, scores.score(xp, q, gather(keys, slots), params, cfg), cfg.normalise)
    else:
        a = scores.score(xp, q, keys[:, :n], params, cfg)                     # (B, n)
        slots = tape.slots[t][:, :k] if again else choose(("recall", t), largest(xp, a.real, k))       # (B, K')
        tape.slots[t][:, :k] = slots
        M_sel = gather(M, slots)                                              # (B, K', H)
        if cfg.dense_forward:
            w, s = dense_read(xp, a, M[:, :n], M_sel, slots, t)
            slope = w
        else:
            w, slope = weights(xp, gather(a[:, :, None], slots)[:, :, 0], cfg.normalise)      # (B, K')
    part.w[j][:, :w.shape[1]] = w
    if slope is not w:
        part.slope[j] = slope
    part.s[j] = s if cfg.dense_forward else (w[:, None] @ M_sel)[:, 0]        # (B, H)


def dense_read(xp, a, M, M_sel, slots, t):
    """Softmax over every slot, in which what is not selected is a constant. Returns w (B, K'), s (B, H)."""
    rows = xp.arange(len(a))[:, None]
    selected = xp.zeros(a.shape, bool)
    selected[rows, slots] = True
    a = xp.where(selected, a, stop(("scores", t), a))                         # (B, n)
    w, _ = weights(xp, a, "softmax", sorted=False)
    M_stopped = stop(("memory", t), M, copy=False)
    w_sel = w[rows, slots]
    s = w[:, None] @ M_stopped + w_sel[:, None] @ (M_sel - M_stopped[rows, slots])      # the difference is 0
    return w_sel, s[:, 0]


def write(xp, tape, slot, h):
    """h (B, H) becomes microstate `slot`."""
    tape.memory[:, slot] = h if tape.cfg.mental_updates else stop(("slot", slot), h)
    if tape.keys is not tape.memory:
        tape.keys[:, slot] = scores.key(xp, tape.memory[:, slot], tape.prepared, tape.cfg)


def gather(M, slots, n=None):
    """M (B, N, H) at slots (B, K) -> (B, K, H); where slots is None, every slot is read: the first n."""
    if slots is None:
        return M[:, :n]
    B, N, H = M.shape
    rows = slots + namespace(M).arange(0, B * N, N)[:, None]                  # where they stand in (B*N, H)
    return M.reshape(B * N, H).take(rows, axis=0)


def stacked(xp, params):
    """(H+D+1, 4H): z = h W_h + x W_x + b as one product, [h x 1] times this."""
    return xp.concatenate([params["W_h"], params["W_x"], params["b"][None]])


def check_input(xp, x, cfg, dtype):
    """ValueError unless x is (T, B, n_in) finite numbers or (T, B) symbols 0..n_in-1, on the parameters' backend."""
    if namespace(x, what="x: ") is not xp:
        raise ValueError(f"x: expected an array of {xp.__name__} like params, found {namespace(x).__name__}; "
                         "move it with sab.to_backend")
    symbols = x.dtype.kind in "iu" and x.ndim == 2
    if not symbols and (x.ndim != 3 or x.shape[2] != cfg.n_in or x.dtype.kind not in "fciu"):
        raise ValueError(f"x: expected floats (T, B, {cfg.n_in}) or integer symbols (T, B), "
                         f"found shape {x.shape} of {x.dtype}")
    if x.dtype.kind == "c" and dtype.kind != "c":
        raise ValueError(f"x: expected real numbers for real params, found {x.dtype}")
    if min(x.shape) < 1:
        raise ValueError(f"x: expected at least one step and one sequence, found shape {x.shape}")
    if xp is np and symbols and (x.min() < 0 or x.max() >= cfg.n_in):
        raise ValueError(f"x: expected symbols 0..{cfg.n_in - 1}, found {x.min()}..{x.max()}")
    if xp is np and not symbols and not np.isfinite(x).all():
        raise ValueError("x: expected finite numbers, found NaN or infinity")


def new_cache(empty, cfg, S, B, n_slots):
    """A Cache for S steps, the last of which can read n_slots slots; empty(name, shape) gives an array."""
    H = cfg.n_hidden
    gates, c, tanh_c = empty("gates", (4, S, B, H)), empty("c", (S + 1, B, H)), empty("tanh_c", (S, B, H))
    hx1 = empty("hx1", (S + 1, B, H + cfg.n_in + 1))
    if cfg.k_top == 0:                                                        # no recall: h is h_hat
        return Cache(gates, hx1, c, tanh_c, hx1[1:, :, :H], None, None, None, None)
    w = empty("w", (S, B, cfg.n_selected(n_slots)))
    w[...] = 0                                                                # where a step has fewer slots
    return Cache(gates, hx1, c, tanh_c, empty("h_hat", (S, B, H)), empty("s", (S, B, H)),
                 empty("q", (S, B, scores.key_width(cfg))), w,
                 w if cfg.normalise == "softmax" else empty("slope", (S, B, 1)))


def _start(xp, params, x, cfg, state, checkpoint, reuse):
    """A tape with room for everything, and the Cache that the steps write to."""
    T, B, H, dtype = *x.shape[:2], cfg.n_hidden, params["b"].dtype
    h0, c0, given = _first_state(xp, state, cfg, B, dtype)
    buffers = Buffers(xp, dtype, reuse.give_back() if reuse is not None else ())
    prepared, half = scores.prepare(params, cfg), gate_column(xp, HALF, dtype)
    n_given, n_written = len(given), T // cfg.k_att if cfg.k_top != 0 else 0
    memory = keys = buffers.empty("memory", (B, n_given + n_written, H))
    memory[:, :n_given] = given.swapaxes(0, 1)
    if cfg.k_top != 0 and cfg.score != "dot":
        keys = buffers.empty("keys", (*memory.shape[:2], scores.key_width(cfg)))
        keys[:, :n_given] = scores.key(xp, memory[:, :n_given], prepared, cfg)
    n_slots = n_given + (T - 1) // cfg.k_att                                  # that the last step can read
    slots = buffers.empty("slots", (T, B, cfg.n_selected(n_slots)), np.intp) if cfg.k_top else None
    if slots is not None:
        slots[...] = -1
    part = new_cache(buffers.empty, cfg, min(T, CHUNK) if checkpoint else T, B, n_slots)
    part.h[0], part.c[0] = h0, c0
    tape = Tape(params=params, cfg=cfg, x=x, memory=memory, keys=keys, n_given=n_given, slots=slots,
                cache=None if checkpoint else part, buffers=buffers, half=half,
                W=half * split_gates(stacked(xp, params)), prepared=prepared)
    return tape, part


def _first_state(xp, state, cfg, B, dtype):
    """The State to go on from: `state`, or zeros and empty slots (at k_top=0 there are none)."""
    H = cfg.n_hidden
    if not isinstance(state, (tuple, type(None))):
        raise ValueError(f"state: expected a State(h, c, memory) or None, found {type(state).__name__}")
    h, c, memory = State(*state) if state is not None else State(*xp.zeros((2, B, H), dtype))
    if memory is None or cfg.k_top == 0:
        memory = xp.zeros((cfg.n_empty if cfg.k_top != 0 else 0, B, H), dtype)
    for name, value, shape in (("h", h, (B, H)), ("c", c, (B, H)), ("memory", memory, (len(memory), B, H))):
        if namespace(value, what=f"state.{name}: ") is not xp or value.shape != shape:
            raise ValueError(f"state.{name}: expected {xp.__name__} of shape {shape}, found {value.shape}")
    if cfg.k_top != 0 and not len(memory):
        raise ValueError("state.memory: expected at least one slot, found none")
    return State(h, c, memory)
