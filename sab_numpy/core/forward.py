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
from sab_numpy.core.inputs import check_frozen, check_input, first_state, project_inputs
from sab_numpy.core.lstm import lstm_step, stack_gates
from sab_numpy.core.memory import Memory, gather
from sab_numpy.core.params import check_params
from sab_numpy.core.replay import choose, recording_context, stop
from sab_numpy.core.scores import SCORES, project
from sab_numpy.core.sparsify import largest, weights
from sab_numpy.core.tape import RECALLED, Buffers, Chunk, Tape

CHUNK = 16       # steps whose products with W_x and V are made at once (never depends on k_trunc)


def forward(params, x, cfg, frozen=None, state=None, checkpoint=None, reuse=None):
    """Run a batch of sequences; returns (y, tape).

    params      dict of arrays (init_params); they decide dtype and backend
    x           (T, B, n_in) floats, or (T, B) integer symbols 0..n_in-1
    frozen      the tape of an earlier forward: repeat its stops and choices (see replay.py)
                (to be differentiated by numbers: backward refuses its tape)
    state       State(h, c, memory) to go on from, as tape.final_state; None: zeros and empty slots
                (cuts and writing count from its first step here, as t = 0)
    checkpoint  "blocks": keep little of the steps, recompute them in backward
    reuse       an old tape whose buffers may be overwritten
    y           (T, B, n_out)
    Raises ValueError for wrong shapes, non-finite x, symbols out of range, another frozen tape.
    """
    xp = namespace(*params.values())
    check_params(params, cfg)
    check_input(xp, x, cfg, params["b"].dtype)
    if checkpoint not in (None, "blocks"):
        raise ValueError(f"checkpoint must be None or 'blocks', found {checkpoint!r}")
    T, B = x.shape[:2]
    first = first_state(xp, state, cfg, B, params["b"].dtype)
    if frozen is not None:
        check_frozen(frozen, cfg, x, first, reuse)
    with recording_context(frozen and frozen.recording) as mode:
        tape, h, c = new_tape(xp, params, x, cfg, first.memory, reuse), first.h, first.c
        tape.recording = mode
        arrays = new_cache(tape, checkpoint)
        y = xp.empty((T, B, cfg.n_out), params["b"].dtype)
        for start in range(0, T, CHUNK):
            chunk = tape_part(tape, start, arrays)
            chunk.h_prev[0], chunk.c_prev[0] = h, c
            if checkpoint:
                tape.starts[start] = h.copy(), c.copy()
            run_chunk(tape, start, chunk, recall)
            y[start:start + CHUNK] = chunk.h @ tape.params["V_h"] + tape.params["b_y"]
            if cfg.k_top != 0:
                y[start:start + CHUNK] += chunk.s @ tape.params["V_s"]
            h, c = chunk.h[-1], chunk.c[-1]
        tape.end, tape.changed = (h.copy(), c.copy()), getattr(mode, "changed", ())
    return y, tape


def run_chunk(tape, start, chunk, recall):
    """The steps of `chunk`, of which `start` is the first, from its first h_prev and c_prev on."""
    xp, W, S = namespace(chunk.h), tape.stacked, len(chunk.h)
    z_x = project_inputs(xp, tape.x[start:start + S], W["W_x"], W["b"])    # (4, S, B, H)
    for j in range(S):
        step = chunk.step(j, tape.memory.n_selected(start + j))
        step_forward(xp, tape, start + j, step, z_x[:, j], recall)


def step_forward(xp, tape, t, step, z_x, recall):
    """One step, from its h_prev, c_prev and z_x = x W_x + b (4, B, H): fills the rest of it."""
    cfg, h_prev, c_prev = tape.cfg, step.h_prev, step.c_prev

    # cut
    if cfg.k_trunc and t and t % cfg.k_trunc == 0:
        h_prev, c_prev = stop(("h", t), h_prev), stop(("c", t), c_prev)

    # lstm
    z = xp.matmul(h_prev, tape.stacked["W_h"], out=step.gates)             # (4, B, H)
    z += z_x
    lstm_step(xp, z, c_prev, step)

    # recall, state, write
    if cfg.k_top != 0:
        recall(xp, tape, t, step)
        xp.add(step.h_hat, step.s, out=step.h)
        slot = tape.memory.slot_of(t)
        if slot is not None:
            tape.memory.write(xp, slot, step.h, step.h_prev, tape.params)


def recall(xp, tape, t, step):
    """Score, select, renormalise, sum: fills query, slots, w, slope and s of step t."""
    cfg, params, memory, score = tape.cfg, tape.params, tape.memory, SCORES[tape.cfg.score]
    n, kept = memory.n_slots(t), memory.readable(t)
    M, keys = memory.at(xp, kept, n)                                       # (B, n, H), (B, n, Q)
    step.query[...] = project(xp, step.h_hat, params.get(score.query))     # (B, Q)
    a = score.compare(xp, step.query, keys, params.get(score.weight))      # (B, n)
    M_sel, a_sel = M, a                                                    # all are read, or
    if cfg.k_top is not None:
        best = choose(("recall", t), largest(xp, a.real, step.w.shape[1]))         # (B, K')
        slots = best if kept is None else xp.take_along_axis(kept, best, axis=1)
        step.slots[...], M_sel = slots, gather(xp, memory.M, slots)        # (B, K', H)
        if cfg.dense_forward:
            step.w[...], step.s[...] = dense_read(xp, a, M, M_sel, slots, t)
            return
        a_sel = gather(xp, a[:, :, None], best)[:, :, 0]                   # (B, K')
    w, slope = weights(xp, a_sel, cfg.normalise)
    step.w[...], step.s[...] = w, (w[:, None] @ M_sel)[:, 0]
    if slope is not w:
        step.slope[...] = slope


def recall_again(xp, tape, t, step):
    """recall where the tape has kept the slots and weights: fills query and s, the same bits."""
    step.query[...] = project(xp, step.h_hat, tape.params.get(SCORES[tape.cfg.score].query))
    step.s[...] = (step.w[:, None] @ gather(xp, tape.memory.M, step.slots))[:, 0]


def dense_read(xp, a, M, M_sel, slots, t):
    """Softmax over every slot; what is not selected is a constant. Returns w (B, K'), s (B, H)."""
    batch = xp.arange(len(a))[:, None]
    selected = xp.zeros(a.shape, bool)
    selected[batch, slots] = True
    w, _ = weights(xp, xp.where(selected, a, stop(("scores", t), a)), "softmax")       # (B, n)
    M_stopped = stop(("memory", t), M, copy=False)
    w_sel, change = w[batch, slots], M_sel - M_stopped[batch, slots]       # 0; its gradient is not
    return w_sel, (w[:, None] @ M_stopped + w_sel[:, None] @ change)[:, 0]


def tape_part(tape, start, arrays=None):
    """The chunk from step `start` on: what the tape keeps of its steps, the rest of `arrays`."""
    end = min(start + CHUNK, len(tape.x))
    kept = tape.cache.part(start, end)
    if arrays is None:
        return kept
    return Chunk(*(b if a is None else a for a, b in zip(kept, arrays.part(0, end - start))))


def new_cache(tape, checkpoint):
    """Room for what the tape keeps of all steps; returns that for a chunk of the rest, if any."""
    T = len(tape.x)
    if checkpoint is None:
        tape.cache = new_steps(tape, T, tape.buffers)
        return None
    sparse = tape.cfg.k_top not in (0, None)
    recalls = new_recalls(tape, T, tape.buffers) if sparse else [None] * 3
    tape.cache = Chunk(*[None] * RECALLED, *recalls)
    return new_steps(tape, min(T, CHUNK), tape.scratch[-1])


def new_steps(tape, S, buffers):
    """A chunk with room for S steps."""
    cfg, B, H, empty = tape.cfg, tape.x.shape[1], tape.cfg.n_hidden, buffers.empty
    h, c = empty("h", (S + 1, B, H)), empty("c", (S + 1, B, H))
    lstm = h[:-1], c[:-1], empty("gates", (S, 4, B, H)), c[1:], empty("tanh_c", (S, B, H))
    if cfg.k_top == 0:                                                     # h is h_hat
        return Chunk(*lstm, h[1:], h[1:], *[None] * 5)
    query = empty("query", (S, B, SCORES[cfg.score].width(H)))
    return Chunk(*lstm, empty("h_hat", (S, B, H)), h[1:], query, empty("s", (S, B, H)),
                 *new_recalls(tape, S, buffers))


def new_recalls(tape, S, buffers):
    """Room for the slots (-1), weights (0 where a step has fewer) and slopes of S steps."""
    cfg, shape = tape.cfg, (S, tape.x.shape[1], tape.memory.n_selected(len(tape.x) - 1))
    w = buffers.filled("w", shape, 0)
    slots = buffers.filled("slots", shape, -1, np.intp) if cfg.k_top else None
    return slots, w, w if cfg.normalise == "softmax" else buffers.empty("slope", (*shape[:2], 1))


def new_budget(buffers, B, N, initial_slots, cfg):
    """(surprise, kept) of a Memory of N slots with a budget: those of the start stay."""
    S = initial_slots + min(cfg.budget, N - initial_slots)
    surprise = buffers.filled("surprise", (B, N), np.inf, buffers.dtype.type(0).real.dtype)
    places = buffers.xp.arange(S)                              # while there is room for every slot
    return surprise, buffers.filled("kept", (N - initial_slots + 1, B, S), places, np.intp)


def new_tape(xp, params, x, cfg, initial, reuse):
    """A tape with room for the memory, which begins with the microstates `initial` (N, B, H)."""
    (T, B), H, dtype = x.shape[:2], cfg.n_hidden, params["b"].dtype
    old, scratch = reuse.give_back() if reuse is not None else ((), [])
    buffers = Buffers(xp, dtype, old)
    x = buffers.filled("x", x.shape, x, dtype if x.ndim == 3 else x.dtype)
    params = {name: buffers.filled(f"params.{name}", value.shape, value)
              for name, value in params.items()}
    n, score = len(initial), SCORES[cfg.score]
    N = n + (T // cfg.k_att if cfg.k_top != 0 else 0)
    M = keys = buffers.empty("M", (B, N, H))
    M[:, :n] = initial.swapaxes(0, 1)
    if score.key:
        keys = buffers.empty("keys", (B, N, score.width(H)))
        keys[:, :n] = project(xp, M[:, :n], params[score.key])
    memory = Memory(M, keys, n, cfg, *(new_budget(buffers, B, N, n, cfg) if cfg.budget else ()))
    stacked = {name: stack_gates(xp, params[name].reshape(-1, 4 * H), halve=True)
               for name in ("W_x", "W_h", "b")}
    scratch = [old for old in scratch if (old.xp, old.dtype) == (xp, dtype)] or [Buffers(xp, dtype)]
    return Tape(params, cfg, x, memory, stacked, buffers, scratch)
