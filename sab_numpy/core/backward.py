"""Backward: forward.py, read from the end. Three streams of credit meet at every state h_t:

    dh_loss     from y_t
    dh_local    from step t+1, through the LSTM; nothing comes across a cut
    dh_memory   from every later step that recalled h_t as a microstate

The gradient is that of the forward in which every stopped value and every selection is a constant.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sab_numpy.core.backend import namespace
from sab_numpy.core.credit import reached_steps
from sab_numpy.core.forward import CHUNK, new_steps, recall, recall_again, run_chunk, tape_part
from sab_numpy.core.inputs import check_array, one_hot
from sab_numpy.core.lstm import lstm_step_backward, stack_gates, unstack_gates
from sab_numpy.core.memory import MemoryCredit, microstate_credit
from sab_numpy.core.replay import Replay, not_recording
from sab_numpy.core.scores import SCORES, project_backward, project_gradient
from sab_numpy.core.sparsify import weights_backward
from sab_numpy.core.tape import Buffers

VANISHED = 1e8   # times the smallest normal number: a chunk's walk ends before it gets to denormals


@dataclass
class Credit:
    """What the walk carries from step to step, and what it adds up."""

    dh_local: Any              # (B, H)         of step t+1, through its gates; 0 across a cut
    dc_local: Any              # (B, H)         likewise
    memory: MemoryCredit       # what microstates have received so far
    grads: dict                # of the parameters; those of W_x, W_h and b gate by gate
    turned: dict               # weights transposed, laid out for the products of the way back
    slopes: Any                # (4, B, H)      scratch
    by_gate: Any               # (4, B, H)      scratch
    scratch: Buffers


class ChunkCredit(NamedTuple):
    """What the steps of a chunk are given, dh_loss and ds_loss, and fill, dz and dquery."""

    dh_loss: Any               # (S, B, H)      dy V_h^T
    ds_loss: Any               # (S, B, H)      dy V_s^T; None without recall
    dz: Any                    # (S, 4, B, H)   pre-activations of the gates, i f o g
    dquery: Any                # (S, B, Q)      None without recall

    def step(self, j):
        """The same of step j, without the first axis."""
        return ChunkCredit(*(None if a is None else a[j] for a in self))


class Visit(NamedTuple):
    """What `watch` is told of a step, in copies: three streams of credit, and what it recalled."""

    t: int
    dh_loss: Any               # (B, H)
    dh_local: Any              # (B, H)
    dh_memory: Any             # (B, H)         None where h_t is no microstate
    slots: Any                 # (B, K')        recalled slots; None where all were read, or none
    w: Any                     # (B, K')        their weights; None without recall
    dM: Any                    # (B, K', H)     credit to each of them
    dkeys: Any                 # (B, K', Q)     credit to its key; None where it is its own key


def backward(dy, tape, inputs=False, watch=None):
    """Gradients of the loss by every parameter: a dict with the names and shapes of params.

    dy       (T, B, n_out), the loss by y
    inputs   also returns "dx" (T, B, n_in), of the one-hot code where x is symbols, and
             "dh0", "dc0" (B, H)
    watch    a function called with a Visit for every walked step, last step first
    Raises ValueError for a wrong shape, for a tape that was given back, and for one of a replay.
    """
    tape.check_owned()
    if isinstance(tape.recording, Replay):
        raise ValueError("tape: it repeats the stops of another forward; "
                         "call backward with the tape of that one")
    xp, dtype = namespace(tape.params["b"]), tape.params["b"].dtype
    check_array("dy", dy, xp, (*tape.x.shape[:2], tape.cfg.n_out), dtype)
    dy = dy.astype(dtype, copy=False)
    reached = reached_steps(tape, dy)                                      # (T,)
    credit = new_credit(xp, tape, reached.all())
    dx = xp.zeros(dy.shape[:2] + (tape.cfg.n_in,), dtype) if inputs else None
    for start in (np.unique(np.flatnonzero(reached) // CHUNK)[::-1] * CHUNK).tolist():
        chunk = recompute(tape, start, credit.scratch) if tape.starts else tape_part(tape, start)
        end = start + len(chunk.h)
        given = new_chunk_credit(tape, dy[start:end], reached[start:end], credit.scratch)
        for t in reversed(range(start, end)):
            if reached[t]:
                step = chunk.step(t - start, tape.memory.n_selected(t))
                step_backward(tape, t, step, given.step(t - start), credit, watch)
        collect(tape, start, chunk, dy[start:end], given, credit.grads)
        for local in (credit.dh_local, credit.dc_local):       # what has all but vanished is none:
            local *= abs(local) >= VANISHED * np.finfo(dtype).tiny     # denormals are very slow
        if inputs:                                                         # z = x W_x + ...
            dx[start:end] = (given.dz @ credit.turned["W_x"]).sum(1)
    grads = credit.grads | credit.memory.key_gradient(xp, tape.params)
    for name in ("W_x", "W_h", "b"):
        grads[name] = unstack_gates(xp, grads[name]).reshape(tape.params[name].shape)
    tape.scratch.append(credit.scratch)
    return grads | ({"dx": dx, "dh0": credit.dh_local, "dc0": credit.dc_local} if inputs else {})


def step_backward(tape, t, step, given, credit, watch):
    """step_forward, last line first: fills given.dz, given.dquery; credit moves to t-1."""
    cfg, xp, recalled = tape.cfg, credit.scratch.xp, (None, None)

    # write: h becomes the microstate in slot
    slot, dh_memory = tape.memory.slot_of(t), None
    if slot is not None and cfg.mental_updates:
        dh_memory = credit.memory.of(xp, slot, tape.params)                # (B, H)

    # state: h = h_hat + s,   output: y = h V_h + s V_s + b_y
    dh = given.dh_loss + credit.dh_local                                   # (B, H)
    if dh_memory is not None:
        dh += dh_memory
    dh_hat = dh

    # recall: s, from h_hat and the microstates
    if cfg.k_top != 0:
        ds = dh + given.ds_loss                                            # (B, H)
        dh_query, *recalled = recall_backward(tape, t, step, ds, given.dquery, credit)
        dh_hat = dh + dh_query

    if watch is not None:
        told = given.dh_loss, credit.dh_local, dh_memory, step.slots, step.w, *recalled
        watch(Visit(t, *(None if a is None else a.copy() for a in told)))

    # lstm: c = f*c_prev + i*g,   h_hat = o*tanh(c)
    credit.dc_local = lstm_step_backward(xp, dh_hat, credit.dc_local, step, given.dz, credit.slopes)

    # cut: h_prev, c_prev are constants, so nothing goes to step t-1
    if cfg.k_trunc and t and t % cfg.k_trunc == 0:
        credit.dh_local, credit.dc_local = xp.zeros_like(dh), xp.zeros_like(dh)
        return

    # lstm: z = x W_x + h_prev W_h + b
    xp.matmul(given.dz, credit.turned["W_h"], out=credit.by_gate)          # (4, B, H)
    credit.dh_local = credit.by_gate.sum(0)                                # (B, H)


def recall_backward(tape, t, step, ds, dquery, credit):
    """recall, last line first: from ds (B, H) to the recalled microstates, their keys, the query.

    Fills dquery (B, Q). Returns dh_query (B, H) and, for `watch`, dM (B, K', H) and dkeys, which is
    (B, K', Q), or None where a microstate is its own key.
    """
    cfg, params, memory, xp = tape.cfg, tape.params, tape.memory, credit.scratch.xp
    score = SCORES[cfg.score]
    M, keys = memory.at(xp, step.slots, memory.n_slots(t))                 # (B, K', H), (B, K', Q)

    # s = sum_k w_k M_k
    dw = (M @ ds[:, :, None])[:, :, 0]                                     # M_k . ds, (B, K')
    s_ds = (step.s[:, None] @ ds[:, :, None])[:, :, 0]                     # s . ds, (B, 1)

    # w, slope = weights(a)
    da = weights_backward(xp, dw, step.slope, s_ds, cfg.normalise)         # (B, K')

    # a = score.compare(query, keys, weight)
    weight = params.get(score.weight)
    dquery[...], dkeys, dweight = score.compare_backward(xp, da, step.query, keys, weight)
    if dweight is not None:
        credit.grads[score.weight] += dweight

    # M, keys = those in slots, the choice a constant: credit as values, and as keys
    dM, dkeys = microstate_credit(xp, step.w, ds, dkeys, own_key=memory.keys is memory.M)
    # (without mental updates the key's weight still learns)
    credit.memory.add(xp, step.slots, dM if cfg.mental_updates else None, dkeys)

    # query = project(h_hat, W_q)
    W_q, W_q_T = params.get(score.query), credit.turned.get("W_q")
    dh_query = project_backward(xp, dquery, step.h_hat, W_q, W_q_T)
    return dh_query, dM, dkeys


def collect(tape, start, chunk, dy, given, grads):
    """The weights' gradients of a chunk, each one product over all its steps and rows."""
    cfg, (S, B, H) = tape.cfg, chunk.h.shape
    xp, R, dy = namespace(dy), S * B, dy.reshape(S * B, -1)
    dz = given.dz.swapaxes(0, 1).reshape(4, R, H)              # z = x W_x + h_prev W_h + b
    x = one_hot(xp, tape.x[start:start + S], cfg.n_in, dy.dtype)
    grads["W_x"] += x.reshape(R, -1).T @ dz
    grads["W_h"] += chunk.h_prev.reshape(R, H).T @ dz
    grads["b"] += xp.ones((1, R), dz.dtype) @ dz
    grads["V_h"] += chunk.h.reshape(R, H).T @ dy               # y = h V_h + s V_s + b_y
    grads["b_y"] += dy.sum(0)
    if cfg.k_top != 0:
        grads["V_s"] += chunk.s.reshape(R, H).T @ dy
        query = SCORES[cfg.score].query                        # query = project(h_hat, W_q)
        if query:
            grads[query] += project_gradient(xp, given.dquery, chunk.h_hat, tape.params[query])


def recompute(tape, start, scratch):
    """The chunk from step `start` on again, from the state before it (checkpoint="blocks")."""
    chunk = tape_part(tape, start, new_steps(tape, min(CHUNK, len(tape.x)), scratch))
    chunk.h_prev[0], chunk.c_prev[0] = tape.starts[start]
    with not_recording():                                      # its stops were met in the forward
        kept = tape.slots is not None and not tape.cfg.dense_forward
        run_chunk(tape, start, chunk, recall_again if kept else recall)
    return chunk


def new_credit(xp, tape, everywhere):
    """A Credit of zeros. everywhere=False: pages of dM that no walked step touches are not made."""
    cfg, params, memory, B = tape.cfg, tape.params, tape.memory, tape.x.shape[1]
    H, dtype = cfg.n_hidden, params["b"].dtype
    try:
        scratch = tape.scratch.pop()                           # no other backward has it meanwhile
    except IndexError:
        scratch = Buffers(xp, dtype)

    def zeros(name, *shape):
        return scratch.filled(name, shape, 0) if everywhere else xp.zeros(shape, dtype)

    dM = dkeys = zeros("dM", memory.M.shape[1], B, H)
    if memory.keys is not memory.M:
        dkeys = zeros("dkeys", memory.M.shape[1], B, memory.keys.shape[2])
    turned = {name: stack_gates(xp, params[name]).swapaxes(1, 2).copy() for name in ("W_h", "W_x")}
    if "W_q" in params:
        turned["W_q"] = params["W_q"].T.copy()
    grads = {name: xp.zeros_like(tape.stacked.get(name, value)) for name, value in params.items()}
    slopes, by_gate = (scratch.empty(name, (4, B, H)) for name in ("slopes", "by_gate"))
    credit = MemoryCredit(dM, dkeys, memory)
    return Credit(*xp.zeros((2, B, H), dtype), credit, grads, turned, slopes, by_gate, scratch)


def new_chunk_credit(tape, dy, reached, scratch):
    """What the loss gives to a chunk, and room for what its steps fill: 0 if not walked."""
    (S, B), cfg, params = dy.shape[:2], tape.cfg, tape.params
    dh_loss, ds_loss, dquery = dy @ params["V_h"].T, None, None
    dz = scratch.empty("dz", (4, S, B, cfg.n_hidden)).swapaxes(0, 1)       # in one piece by gate
    if cfg.k_top != 0:
        ds_loss = dy @ params["V_s"].T
        dquery = scratch.empty("dquery", (S, B, tape.memory.keys.shape[2]))
    for j in np.flatnonzero(~reached):
        dz[j] = 0
        if dquery is not None:
            dquery[j] = 0
    return ChunkCredit(dh_loss, ds_loss, dz, dquery)
