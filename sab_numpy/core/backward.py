"""Backward: forward.py, read from the end. Three streams of credit meet at every state h_t:

    dh_loss     from y_t
    dh_local    from step t+1, through the LSTM; nothing comes across a cut
    dh_memory   from every later step that recalled h_t as a microstate

The gradient is that of the forward in which every stopped value and every selection is a constant.
"""

from typing import Any, NamedTuple

from sab_numpy.core import credit, scores
from sab_numpy.core.backend import namespace
from sab_numpy.core.forward import CHUNK, gather, new_cache, run_steps
from sab_numpy.core.lstm import join_gates, lstm_step_backward, split_gates
from sab_numpy.core.sparsify import weights_backward
from sab_numpy.core.tape import aside


class Flow(NamedTuple):
    """What the walk carries from step to step, and what it adds up."""

    dh_local: Any      # (B, H)         credit of the step after, through its gates
    dc: Any            # (B, H)
    dM: Any            # (N, B, H)      credit that microstates have received so far, a slot's rows side by side
    dkeys: Any         # (N, B, Q)      and their keys ("dot": dM itself)
    dz: Any            # (4, S, B, H)   pre-activations of the steps of a chunk
    dq: Any            # (S, B, Q)      queries of the steps of a chunk
    room: Any          # (4, B, H)      for one step
    dW: Any            # (4, H+D+1, H)  of W_h, W_x and b, one above the other
    grads: dict


def backward(dy, tape, inputs=False, watch=None):
    """Gradients of the loss by every parameter: a dict with the names and shapes of params.

    dy       (T, B, n_out), the loss by y
    inputs   also returns "dx" (T, B, n_in) (of the one-hot code where x is symbols), "dh0" and "dc0" (B, H)
    watch    a function called for every walked step, last step first (see walk.py)
    Raises ValueError for a wrong shape and for a tape that was given back.
    """
    cfg, params, (T, B) = tape.cfg, tape.params, tape.x.shape[:2]
    xp, dtype = namespace(dy, *params.values(), what="dy: "), params["b"].dtype
    if tape.buffers is None:
        raise ValueError("tape: its buffers were given to a later forward; run forward again")
    if dy.shape != (T, B, cfg.n_out):
        raise ValueError(f"dy: expected shape {(T, B, cfg.n_out)}, found {dy.shape}")
    if dy.dtype.kind == "c" and dtype.kind != "c":
        raise ValueError(f"dy: expected real numbers for real params, found {dy.dtype}")
    dy = dy.astype(dtype, copy=False)
    walk = credit.walked(tape, dy)                                            # (T,)
    flow = _start(xp, tape, walk.all())
    dx = xp.zeros((T, B, cfg.n_in), dtype) if inputs else None
    W_h_T, W_x_T = (split_gates(params[name]).swapaxes(1, 2).copy() for name in ("W_h", "W_x"))     # (4, H, .)

    for start in credit.chunks(walk, CHUNK):
        end = min(start + CHUNK, T)
        part = tape.cache.steps(start, end) if tape.cache else recompute(tape, start, end)
        walk_back(xp, tape, part, dy, walk, start, end, W_h_T, flow, watch)
        collect(xp, tape, part, dy[start:end], flow)
        if inputs:
            dx[start:end] = (flow.dz[:, :end - start] @ W_x_T[:, None]).sum(0)

    grads, H = flow.grads, cfg.n_hidden
    if cfg.k_top != 0:
        _add(grads, scores.key_gradients(xp, flow.dkeys, tape.memory.swapaxes(0, 1), cfg))
    dW = join_gates(flow.dW)
    grads["W_h"], grads["W_x"], grads["b"] = dW[:H], dW[H:-1], dW[-1]
    return grads | ({"dx": dx, "dh0": flow.dh_local, "dc0": flow.dc} if inputs else {})


def walk_back(xp, tape, part, dy, walk, start, end, W_h_T, flow, watch):
    """The steps start..end-1, last first, as far as credit reaches them: fills flow.dz and flow.dq."""
    cfg, dh_local, dc, dz, room = tape.cfg, flow.dh_local, flow.dc, flow.dz, flow.room
    dh_loss = dy[start:end] @ tape.params["V_h"].T                            # (S, B, H)
    ds_loss = dy[start:end] @ tape.params["V_s"].T if cfg.k_top != 0 else None
    for t in reversed(range(start, end)):
        j = t - start
        if not walk[t]:
            dz[:, j] = flow.dq[j] = 0
            continue

        # state: h = h_hat + s, read by y, by step t+1 and by whoever recalls it
        dh = dh_loss[j] + dh_local                                            # (B, H)
        slot, dh_memory = tape.slot_of(t), None
        if slot is not None and cfg.mental_updates:
            dh_memory = memory_credit(xp, tape, flow, slot)
            dh += dh_memory

        # recall: s = sum_k w_k M_k; what is left in dh is dh_hat
        edges = None
        if cfg.k_top != 0:
            edges = recall_backward(xp, dh + ds_loss[j], dh, tape, part, t, j, flow)
        if watch is not None:
            watch(t, dh_loss[j], dh_local, dh_memory, edges)

        # lstm: h_hat = o*tanh(c), c = f*c_{t-1} + i*g
        lstm_step_backward(xp, dh, dc, part.gates[:, j], part.c[j], part.tanh_c[j], dz[:, j], room)

        # cut: the states before a block are constants
        if cfg.k_trunc and t and t % cfg.k_trunc == 0:
            dh_local[...] = dc[...] = 0
            continue

        # gates: z = [h_{t-1} x 1] W
        xp.matmul(dz[:, j], W_h_T, out=room)                                  # (4, B, H), a summand of each gate
        xp.add(room[0], room[1], out=dh_local)
        dh_local += room[2]
        dh_local += room[3]


def collect(xp, tape, part, dy, flow):
    """The weights' gradients of a chunk, each one product over all its steps and rows."""
    S, B, H, cfg, grads = *part.tanh_c.shape, tape.cfg, flow.grads
    rows = dy.reshape(S * B, -1)
    flow.dW[...] += part.hx1[:-1].reshape(S * B, -1).T @ flow.dz[:, :S].reshape(4, S * B, H)
    grads["V_h"] += part.h[1:].reshape(S * B, H).T @ rows
    grads["b_y"] += rows.sum(0)
    if cfg.k_top != 0:
        grads["V_s"] += part.s.reshape(S * B, H).T @ rows
        _add(grads, scores.query_gradients(xp, flow.dq[:S].reshape(S * B, -1), part.h_hat.reshape(S * B, H), cfg))


def recall_backward(xp, ds, dh_hat, tape, part, t, j, flow):
    """Credit of step t's recall, ds (B, H): to the selected microstates and their keys, and to the query.

    Reverses  s = sum_k w_k M_k,   w = renormalised scores,   scores of (query(h_hat), keys).
    Adds to dh_hat and flow. Returns, for `watch`, (slots, weights, credit of
    each microstate (B, K', H), and of its key (B, K', Q) where the key is not the microstate itself).
    """
    cfg, params, n, dM, dkeys, dq = tape.cfg, tape.prepared, tape.n_slots(t), flow.dM, flow.dkeys, flow.dq[j]
    slots = None if cfg.k_top is None else tape.slots[t][:, :cfg.n_selected(n)]
    M_sel = gather(tape.memory, slots, n)                                     # (B, K', H)
    w = part.w[j][:, :M_sel.shape[1]]                                         # (B, K')
    slope = part.slope[j][:, :M_sel.shape[1]]
    dw = (M_sel @ ds[:, :, None])[:, :, 0]                                    # ds . M_k, (B, K')
    s_ds = (part.s[j][:, None] @ ds[:, :, None])[:, :, 0]                     # ds . s, (B, 1)
    da = weights_backward(xp, dw, slope, s_ds, cfg.normalise)
    if cfg.score == "dot":                                                    # a microstate is its own key:
        dq[...] = (da[:, None] @ M_sel)[:, 0]                                 # dM_k = w_k ds + da_k q, one product
        columns = xp.concatenate([w[:, :, None], da[:, :, None]], axis=2)     # (B, K', 2)
        dM_sel = columns @ xp.concatenate([ds[:, None], part.q[j][:, None]], axis=1)           # (B, K', H)
    else:
        keys_sel = gather(tape.keys, slots, n)                                # (B, K', Q)
        dq[...], dkeys_sel, others = scores.score_backward(xp, da, part.q[j], keys_sel, params, cfg)
        _add(flow.grads, others)
        _spread(xp, dkeys, slots, dkeys_sel)
        dM_sel = w[:, :, None] * ds[:, None]                                  # (B, K', H)
    dh_hat += scores.query_backward(xp, dq, part.h_hat[j], params, cfg)
    if cfg.mental_updates:
        _spread(xp, dM, slots, dM_sel)
    return slots, w, dM_sel, None if dkeys is dM else dkeys_sel


def memory_credit(xp, tape, flow, slot):
    """dh_memory (B, H): what later steps gave to a microstate, as a value and as a key."""
    if flow.dkeys is flow.dM:
        return flow.dM[slot]
    dkey = scores.key_backward(xp, flow.dkeys[slot], tape.memory[:, slot], tape.prepared, tape.cfg)
    return flow.dM[slot] + dkey


def recompute(tape, start, end):
    """The Cache of steps start..end-1 again, from the state before them (checkpoint="blocks")."""
    xp, cfg, S = namespace(tape.memory), tape.cfg, end - start
    part = new_cache(lambda name, shape: xp.empty(shape, tape.memory.dtype), cfg, S, tape.memory.shape[0],
                     tape.n_slots(end - 1))
    part.h[0], part.c[0] = tape.starts[start]
    with aside():                                                             # its stops were met in the forward
        run_steps(tape, part, start, end, again=True)
    return part


def _start(xp, tape, everywhere):
    """A Flow of zeros. Where not every step is walked the pages of dM that nobody touches are never made."""
    cfg, (T, B), H, dtype = tape.cfg, tape.x.shape[:2], tape.cfg.n_hidden, tape.params["b"].dtype
    S, Q, buffers = min(CHUNK, T), scores.key_width(cfg), tape.buffers
    zeros = buffers.zeros if everywhere else lambda name, shape: xp.zeros(shape, dtype)
    N = tape.memory.shape[1]
    dM = dkeys = zeros("dM", (N, B, H))
    if tape.keys is not tape.memory:
        dkeys = zeros("dkeys", (N, B, Q))
    return Flow(xp.zeros((B, H), dtype), xp.zeros((B, H), dtype), dM, dkeys, buffers.empty("dz", (4, S, B, H)),
                buffers.empty("dq", (S, B, Q)), buffers.empty("room", (4, B, H)), xp.zeros(tape.W.shape, dtype),
                {name: xp.zeros_like(value) for name, value in tape.params.items()})


def _spread(xp, a, slots, values):
    """values (B, K', .) are added to the selected slots of a (N, B, .); slots None: to the first K'.

    Slots are distinct within a row, so plain indexing adds every one.
    """
    if slots is None:
        a[:values.shape[1]] += values.swapaxes(0, 1)
    else:
        B = a.shape[1]
        rows = slots * B + xp.arange(B)[:, None]                              # where they stand in (N*B, .)
        a.reshape(-1, a.shape[2])[rows] += values


def _add(grads, others):
    for name, value in others.items():
        grads[name] += value
