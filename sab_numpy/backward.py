"""Backward: forward.py, read from the end. Three streams of credit meet at every state h_t:

    dh_loss     from y_t
    dh_local    from step t+1, through the LSTM; nothing comes across a cut
    dh_memory   from every later step that recalled h_t as a microstate

The gradient is that of the forward in which every stopped value and every selection is a constant.
"""

import numpy as np

from sab_numpy import credit, scores
from sab_numpy.backend import namespace
from sab_numpy.forward import CHUNK, flat_rows, run_steps, stacked
from sab_numpy.lstm import join_gates, lstm_step_backward, split_gates
from sab_numpy.sparsify import weights_backward
from sab_numpy.tape import Cache


def backward(dy, tape, inputs=False, watch=None):
    """Gradients of the loss by every parameter: a dict with the names and shapes of params.

    dy       (T, B, n_out), the loss by y, of the dtype of params
    inputs   also returns "dx" (T, B, n_in) (of the one-hot code where x is symbols), "dh0" and "dc0" (B, H)
    watch    a function called for every walked step, last step first (see walk.py)
    Raises ValueError for a wrong shape and for a tape that was given back.
    """
    cfg, params = tape.cfg, tape.params
    xp = namespace(dy, *params.values())
    if tape.buffers is None:
        raise ValueError("tape: its buffers were given to a later forward; run forward again")
    T, B, H = *tape.x.shape[:2], cfg.n_hidden
    if dy.shape != (T, B, cfg.n_out):
        raise ValueError(f"dy: expected shape {(T, B, cfg.n_out)}, found {dy.shape}")
    dtype = params["b"].dtype
    dy = dy.astype(dtype, copy=False)
    grads = {name: xp.zeros_like(value) for name, value in params.items()}
    dW = xp.zeros((4, H + cfg.n_in + 1, H), dtype)                            # of W_h, W_x and b, one above the other
    walk = credit.walked(tape, dy)                                            # (T,)
    zeros = tape.buffers.zeros if walk.all() else lambda name, shape: xp.zeros(shape, dtype)    # untouched: no cost
    dM = dkeys = zeros("dM", tape.memory.shape)                               # (B, N, H)
    if tape.keys is not tape.memory:
        dkeys = zeros("dkeys", tape.keys.shape)                               # (B, N, Q)
    dx = xp.zeros((T, B, cfg.n_in), dtype) if inputs else None
    dh_local, dc = xp.zeros((B, H), dtype), xp.zeros((B, H), dtype)
    S, Q = min(CHUNK, T), scores.key_width(cfg)
    dz, dq, room = (tape.buffers.empty(name, shape) for name, shape in {
        "dz": (4, S, B, H), "dq": (S, B, Q), "room": (4, B, H)}.items())
    W_h_T = split_gates(params["W_h"]).swapaxes(1, 2).copy()                  # (4, H, H)
    W_x_T = split_gates(params["W_x"]).swapaxes(1, 2)                         # (4, H, D)

    for start in reversed(range(0, T, CHUNK)):
        end = min(start + CHUNK, T)
        if not walk[start:end].any():
            continue
        part = tape.cache.steps(start, end) if tape.cache else recompute(tape, start, end)
        dh_loss = dy[start:end] @ params["V_h"].T                             # (S, B, H)
        ds_loss = dy[start:end] @ params["V_s"].T if cfg.k_top != 0 else None
        for t in reversed(range(start, end)):
            j = t - start
            if not walk[t]:
                dz[:, j] = 0
                dq[j] = 0
                continue

            # state: h = h_hat + s, read by y, by step t+1 and by whoever recalls it
            dh = dh_loss[j] + dh_local                                        # (B, H)
            slot, dh_memory = tape.slot_of(t), None
            if slot is not None and cfg.mental_updates:
                dh_memory = memory_credit(xp, dM, dkeys, slot, tape)
                dh += dh_memory
            # recall: s = sum_k w_k M_k
            edges = None
            if cfg.k_top != 0:
                edges = recall_backward(xp, dh + ds_loss[j], dh, tape, part, t, j, dM, dkeys, dq[j], grads)
            if watch is not None:
                watch(t, dh_loss[j], dh_local, dh_memory, edges)
            # lstm: h_hat = o*tanh(c), c = f*c_{t-1} + i*g
            lstm_step_backward(xp, dh, dc, part.gates[:, j], part.c[j], part.tanh_c[j], dz[:, j], room)
            # cut: the states before a block are constants
            if cfg.k_trunc and t and t % cfg.k_trunc == 0:
                dh_local[...] = dc[...] = 0
            else:
                xp.matmul(dz[:, j], W_h_T, out=room)
                xp.add(room[0], room[1], out=dh_local)
                dh_local += room[2]
                dh_local += room[3]

        # the products of all steps of the chunk
        S = end - start
        flat = dz[:, :S].reshape(4, S * B, H)
        rows = dy[start:end].reshape(S * B, -1)
        dW += part.hx1[:-1].reshape(S * B, -1).T @ flat
        grads["V_h"] += part.h[1:].reshape(S * B, H).T @ rows
        grads["b_y"] += rows.sum(0)
        if inputs:
            dx[start:end] = (flat @ W_x_T).sum(0).reshape(S, B, -1)
        if cfg.k_top != 0:
            grads["V_s"] += part.s.reshape(S * B, H).T @ rows
            _add(grads, scores.query_gradients(xp, dq[:S].reshape(S * B, -1), part.h_hat.reshape(S * B, H), cfg))

    if cfg.k_top != 0:
        _add(grads, scores.key_gradients(xp, dkeys.reshape(-1, dkeys.shape[2]), tape.memory.reshape(-1, H), cfg))
    dW = join_gates(dW)
    grads["W_h"], grads["W_x"], grads["b"] = dW[:H], dW[H:-1], dW[-1]
    return grads | ({"dx": dx, "dh0": dh_local, "dc0": dc} if inputs else {})


def recall_backward(xp, ds, dh_hat, tape, part, t, j, dM, dkeys, dq, grads):
    """Credit of step t's recall, ds (B, H): to the selected microstates and their keys, and to the query.

    Reverses  s = sum_k w_k M_k,   w = renormalised scores,   scores of (query(h_hat), keys).
    Adds to dh_hat, dM, dkeys and grads; writes dq. Returns, for `watch`, (slots, weights, credit of
    each microstate (B, K', H), and of its key (B, K', Q) where the key is not the microstate itself).
    """
    cfg, params, n = tape.cfg, tape.prepared, tape.n_slots(t)
    slots = None if cfg.k_top is None else tape.slots[t][:, :cfg.n_selected(n)]
    rows = None if slots is None else flat_rows(tape.memory, slots)           # (B, K')
    M_sel = _read(tape.memory, rows, n)                                       # (B, K', H)
    w = part.w[j][:, :M_sel.shape[1]]                                         # (B, K')
    slope = part.slope[j][:, :M_sel.shape[1]]
    dw = (M_sel @ ds[:, :, None])[:, :, 0]                                    # ds . M_k, (B, K')
    s_ds = (part.s[j][:, None] @ ds[:, :, None])[:, :, 0]                     # ds . s, (B, 1)
    da = weights_backward(xp, dw, slope, s_ds, cfg.normalise)
    if cfg.score == "dot":                                                    # a microstate is its own key:
        dq[...] = (da[:, None] @ M_sel)[:, 0]                                 # dM_k = w_k ds + da_k q, one product
        dM_sel = _pair(xp, w, da, 2) @ _pair(xp, ds, part.q[j], 1)            # (B, K', 2) @ (B, 2, H)
    else:
        keys_sel = _read(tape.keys, rows, n)                                  # (B, K', Q)
        dq[...], dkeys_sel, others = scores.score_backward(xp, da, part.q[j], keys_sel, params, cfg)
        _add(grads, others)
        _spread(dkeys, rows, n, dkeys_sel)
        dM_sel = w[:, :, None] * ds[:, None]                                  # (B, K', H)
    dh_hat += scores.query_backward(xp, dq, part.h_hat[j], params, cfg)
    if cfg.mental_updates:
        _spread(dM, rows, n, dM_sel)
    return slots, w, dM_sel, None if dkeys is dM else dkeys_sel


def memory_credit(xp, dM, dkeys, slot, tape):
    """dh_memory (B, H): what later steps gave to a microstate, as a value and as a key."""
    if dkeys is dM:
        return dM[:, slot]
    return dM[:, slot] + scores.key_backward(xp, dkeys[:, slot], tape.memory[:, slot], tape.prepared, tape.cfg)


def recompute(tape, start, end):
    """The Cache of steps start..end-1 again, from the state before them (checkpoint="blocks")."""
    cfg, xp = tape.cfg, namespace(tape.memory)
    (h, c), S, B, H = tape.starts[start], end - start, *tape.memory.shape[::2]
    empty = lambda *shape: xp.empty(shape, h.dtype)                            # noqa: E731
    Q, K = scores.key_width(cfg), 0 if cfg.k_top == 0 else cfg.n_selected(tape.n_slots(end - 1))
    hx1 = empty(S + 1, B, H + cfg.n_in + 1)
    recalled = (None,) * 4
    if cfg.k_top != 0:
        w = empty(S, B, K)
        recalled = empty(S, B, H), empty(S, B, Q), w, w if cfg.normalise == "softmax" else empty(S, B, 1)
    part = Cache(empty(4, S, B, H), hx1, empty(S + 1, B, H), empty(S, B, H),
                 hx1[1:, :, :H] if cfg.k_top == 0 else empty(S, B, H), *recalled)
    part.h[0], part.c[0] = h, c
    run_steps(tape, part, start, end, again=True)
    return part


def _read(a, rows, n):
    """The selected slots of a (B, N, .): a copy, or a view where all n are read."""
    return a[:, :n] if rows is None else a.reshape(-1, a.shape[2]).take(rows, axis=0)


def _spread(a, rows, n, values):
    """a[selected slots] += values. Slots are distinct within a row, so plain indexing adds every one."""
    if rows is None:
        a[:, :n] += values
    else:
        a.reshape(-1, a.shape[2])[rows] += values


def _pair(xp, a, b, axis):
    """The same as xp.stack([a, b], axis), at a third of its overhead."""
    out = xp.empty((*a.shape[:axis], 2, *a.shape[axis:]), a.dtype)
    out[(slice(None),) * axis + (0,)], out[(slice(None),) * axis + (1,)] = a, b
    return out


def _add(grads, others):
    for name, value in others.items():
        grads[name] += value
