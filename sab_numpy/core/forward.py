"""Forward: an LSTM that is reminded, at every step, of a few of its own past states.

    cut      h_{t-1}, c_{t-1} are constants for the backward where t > 0 is a multiple of k_trunc
    lstm     c = f*c_{t-1} + i*g,   h_hat = o*tanh(c)
    recall   s = sum_k w_k M_k      over the selected microstates
    state    h = h_hat + s
    output   y = h V_h + s V_s + b_y
    write    every k_att steps h becomes a microstate
"""

import numpy as np

from sab_numpy.core.backend import namespace
from sab_numpy.core.inputs import check_frozen, check_input, first_state, project_inputs, rows
from sab_numpy.core.lstm import lstm_step, stack_gates
from sab_numpy.core.memory import Memory, gather
from sab_numpy.core.params import check_params
from sab_numpy.core.replay import choose, recording_context, stop
from sab_numpy.core.scores import SCORES, project
from sab_numpy.core.sparsify import largest, weights
from sab_numpy.core.tape import Buffers, Chunk, Tape

CHUNK = 16       # steps whose products with W_x and V are made at once (never depends on k_trunc)


def forward(params, x, cfg, frozen=None, state=None, checkpoint=None, reuse=None):
    """Run a batch of sequences; returns (y, tape).

    params      dict of arrays (init_params); they decide dtype and backend
    x           (T, B, n_in) floats, or (T, B) integer symbols 0..n_in-1
    frozen      the tape of an earlier forward: repeat its stops and choices (see replay.py)
                (to be differentiated by numbers: backward is for the forward that recorded)
    state       State(h, c, memory) to go on from, as tape.final_state; None: zeros and empty slots
                (cuts and writing count from its first step here, as t = 0)
    checkpoint  "blocks": keep little, recompute in backward; until then leave x as it is
    reuse       an old tape whose buffers may be overwritten
    y           (T, B, n_out)
    Raises ValueError for wrong shapes, non-finite x, symbols out of range, a frozen tape of another shape.
    """
    xp = namespace(*params.values())
    check_params(params, cfg)
    check_input(xp, x, cfg, params["b"].dtype)
    if checkpoint not in (None, "blocks"):
        raise ValueError(f"checkpoint must be None or 'blocks', found {checkpoint!r}")
    if frozen is not None:
        check_frozen(frozen, cfg, x, reuse)
    T, B = x.shape[:2]
    with recording_context(frozen and frozen.recording) as mode:
        tape, h, c = new_tape(xp, params, x, cfg, state, reuse)
        if frozen is not None and frozen.memory.initial_slots != tape.memory.initial_slots:
            raise ValueError(f"frozen: expected a state with the {frozen.memory.initial_slots} "
                             f"microstates of that tape, found {tape.memory.initial_slots}")
        tape.recording = frozen.recording if frozen else mode
        arrays = new_chunk(tape, min(T, CHUNK) if checkpoint else T, tape.buffers)
        tape.cache = None if checkpoint else arrays
        y = xp.empty((T, B, cfg.n_out), params["b"].dtype)
        for start in range(0, T, CHUNK):
            chunk = tape_part(tape, start, arrays)
            chunk.h[0], chunk.c[0] = h, c
            if checkpoint:
                tape.starts[start] = h.copy(), c.copy()
            run_chunk(tape, chunk, tape.buffers)
            y[start:start + CHUNK] = chunk.h[1:] @ tape.params["V_h"] + tape.params["b_y"]
            if chunk.s is not None:
                y[start:start + CHUNK] += chunk.s @ tape.params["V_s"]
            h, c = chunk.h[-1], chunk.c[-1]
        tape.end, tape.changed = (h, c), getattr(mode, "changed", ())
    return y, tape


def run_chunk(tape, chunk, buffers):
    """The steps of `chunk`, from its first h and c on; buffers: where scratch arrays come from."""
    cfg, memory, W, (S, B, D) = tape.cfg, tape.memory, tape.stacked, chunk.x.shape
    xp, H = namespace(chunk.h), cfg.n_hidden
    chunk.x[...] = rows(xp, tape.x[chunk.start:chunk.start + S], D)
    z_x = project_inputs(xp, tape.x[chunk.start:chunk.start + S], W["W_x"], W["b"])        # (4, S, B, H)
    z = buffers.empty("z", (4, B, H))
    for t in range(chunk.start, chunk.start + S):
        step = chunk.step(t, memory.n_selected(t))
        h_prev, c_prev = step.h_prev, step.c_prev

        # cut
        if cfg.k_trunc and t and t % cfg.k_trunc == 0:
            h_prev, c_prev = stop(("h", t), h_prev), stop(("c", t), c_prev)

        # lstm
        xp.matmul(h_prev, W["W_h"], out=z)                                 # (4, B, H)
        z += z_x[:, t - chunk.start]
        lstm_step(xp, z, c_prev, step)

        # recall, state, write
        if cfg.k_top != 0:
            recall(xp, tape, t, step)
            xp.add(step.h_hat, step.s, out=step.h)
            slot = memory.slot_of(t)
            if slot is not None:
                memory.write(xp, slot, step.h, tape.params)


def recall(xp, tape, t, step):
    """Score the microstates, select, renormalise, sum: fills query, slots, w, slope and s of step t."""
    cfg, params, memory, score = tape.cfg, tape.params, tape.memory, SCORES[tape.cfg.score]
    n = memory.n_slots(t)
    M, keys = memory.M[:, :n], memory.keys[:, :n]
    step.query[...] = project(xp, step.h_hat, params.get(score.query))             # (B, Q)
    a = score.compare(xp, step.query, keys, params.get(score.weight))              # (B, n)
    if cfg.k_top is None:                                                          # every slot is read
        w, slope = weights(xp, a, cfg.normalise, top=a.real.max(1, keepdims=True))
    else:
        step.slots[...] = slots = choose(("recall", t), largest(xp, a.real, step.slots.shape[1]))
        M = gather(xp, memory.M, slots)                                            # (B, K', H)
        if cfg.dense_forward:
            step.w[...], step.s[...] = dense_read(xp, a, memory.M[:, :n], M, slots, t)
            return
        w, slope = weights(xp, gather(xp, a[:, :, None], slots)[:, :, 0], cfg.normalise)
    step.w[...], step.s[...] = w, (w[:, None] @ M)[:, 0]
    if slope is not w:
        step.slope[...] = slope


def dense_read(xp, a, M, M_sel, slots, t):
    """Softmax over every slot, in which what is not selected is a constant. Returns w (B, K'), s (B, H)."""
    batch = xp.arange(len(a))[:, None]
    selected = xp.zeros(a.shape, bool)
    selected[batch, slots] = True
    a = xp.where(selected, a, stop(("scores", t), a))                              # (B, n)
    w, _ = weights(xp, a, "softmax", top=a.real.max(1, keepdims=True))
    M_stopped = stop(("memory", t), M, copy=False)
    w_sel, change = w[batch, slots], M_sel - M_stopped[batch, slots]               # the change is 0
    return w_sel, (w[:, None] @ M_stopped + w_sel[:, None] @ change)[:, 0]


def tape_part(tape, start, arrays):
    """The Chunk from step `start` on: of the arrays of all steps, or else `arrays`, which all chunks share."""
    end = min(start + CHUNK, len(tape.x))
    if tape.cache is not None:
        return tape.cache.part(start, end)
    slots = None if tape.slots is None else tape.slots[start:end]
    return arrays._replace(start=0).part(0, end - start)._replace(start=start, slots=slots)


def new_chunk(tape, S, buffers):
    """A Chunk with room for S steps."""
    cfg, H, B, empty = tape.cfg, tape.cfg.n_hidden, tape.x.shape[1], buffers.empty
    h, steps = empty("h", (S + 1, B, H)), (S, B, H)
    lstm = (empty("x", (S, B, cfg.n_in)), h, empty("c", (S + 1, B, H)), empty("gates", (4, *steps)),
            empty("tanh_c", steps))
    if cfg.k_top == 0:                                                             # no recall: h is h_hat
        return Chunk(0, *lstm, h[1:], None, None, None, None, None)
    width = tape.memory.n_selected(len(tape.x) - 1)
    w = buffers.filled("w", (S, B, width), 0)                                      # where a step has fewer slots
    slope = w if cfg.normalise == "softmax" else empty("slope", (S, B, 1))
    slots = None if tape.slots is None else tape.slots[:S]
    return Chunk(0, *lstm, empty("h_hat", steps), empty("query", (S, B, SCORES[cfg.score].width(H))),
                 slots, w, slope, empty("s", steps))


def new_tape(xp, params, x, cfg, state, reuse):
    """(tape with room for the memory, h, c to begin with)."""
    (T, B), H, dtype = x.shape[:2], cfg.n_hidden, params["b"].dtype
    h, c, given = first_state(xp, state, cfg, B, dtype)
    old, scratch = reuse.give_back() if reuse is not None else ((), [])
    buffers = Buffers(xp, dtype, old)
    params = {name: buffers.filled(f"params.{name}", value.shape, value) for name, value in params.items()}
    N, score = len(given) + (T // cfg.k_att if cfg.k_top != 0 else 0), SCORES[cfg.score]
    M = keys = buffers.empty("M", (B, N, H))
    M[:, :len(given)] = given.swapaxes(0, 1)
    if score.key:
        keys = buffers.empty("keys", (B, N, score.width(H)))
        keys[:, :len(given)] = project(xp, M[:, :len(given)], params[score.key])
    memory = Memory(M, keys, len(given), cfg)
    slots = None
    if cfg.k_top:
        slots = buffers.filled("slots", (T, B, memory.n_selected(T - 1)), -1, np.intp)
    stacked = {name: stack_gates(xp, params[name].reshape(-1, 4 * H), halve=True) for name in ("W_x", "W_h", "b")}
    return Tape(params, cfg, x, memory, slots, None, stacked, buffers, scratch), h, c
