"""Exercise 8: the whole walk: sparse attentive backtracking

All of the backward pass. Three streams of credit meet at h[t]: from the loss, from step t+1 (cut at the start of every
block), and from every later step that recalled h[t].

The forward pass, as a loop (softmax over the K selected scores; h[-1] = c[-1] = 0):

    memory = K+1 empty microstates (zeros); n_empty = K+1
    for t in range(T):
        h_prev, c_prev = h[t-1], c[t-1]
        if k_trunc is not None and t > 0 and t % k_trunc == 0:
            h_prev, c_prev = stopped(h_prev), stopped(c_prev)
        i[t], f[t], g[t], o[t], c[t], h_hat[t] = lstm_step(x[t], h_prev, c_prev, W_x, W_h, b)       # exercise 2
        a = the scores of h_hat[t] against the microstates so far                                   # exercise 4
        slots[t], w[t] = the K largest of a, and their softmax                                      # exercise 5
        s[t] = the weighted sum of the microstates in slots[t]                                      # exercise 6
        h[t] = h_hat[t] + s[t]
        y[t] = h[t] @ V_h + s[t] @ V_s + b_y
        if (t + 1) % k_att == 0:
            append h[t] to memory

So slot n >= n_empty of memory is h[(n - n_empty + 1) * k_att - 1], and slots below n_empty are constants.

dy is the gradient of y. tape holds what the forward pass computed: i f g o c h_hat h s (each T, B, H), slots and w
(each T, B, K), memory (N, B, H: all microstates, the empty ones first). params holds W_x W_h b V_h V_s b_y W_q. The
parts that you wrote earlier are imported; the grader puts right ones in their place.
"""

import numpy as np

from .earlier_08 import dot_scores, lstm_step_backward, recall_backward

EXERCISE = 8
EXERCISE_SET = 2


def walk(dy, x, tape, params, k_trunc, k_att):
    """dy (T, B, O), x (T, B, D), tape and params dicts of arrays, k_trunc an int or None, k_att an int

    ->  dz (T, B, 4H), gates stacked i f g o, and grads, a dict with the keys and shapes of params.
    """
    raise NotImplementedError("exercise 8")


# ---- students get what is above this line ----

from .e02_lstm_step import reference as lstm_step  # noqa: E402
from .e05_select_and_renormalise import reference as select_and_renormalise  # noqa: E402

MINUTES, POINTS, TUTORIAL = 60, 15, "05_sab_backward"
PACKAGE = "core/backward.py: backward"
OUTPUTS = ("dz", "grads")
SIZE_OF = dict(T=("dy", 0), B=("dy", 1), O=("dy", 2), D=("x", 2))
GATED = ("dz", "grads[W_x]", "grads[W_h]", "grads[b]")
TIMED = ("dz",)
HINTS = (
    "Carry dh_local, dc_local (from step t+1) and one array dh_memory (T, B, H) that later steps write into. At step "
    "t: dh = dy[t] @ V_h.T + dh_local + dh_memory[t].",
    "s reaches the loss through y and through h: ds = dy[t] @ V_s.T + dh. h_hat reaches it through h and through the "
    "query: dh_hat = dh + what dot_scores sends back. For softmax, slope is w.",
    "Microstates get credit twice: from recall_backward and from dot_scores (call it on the K gathered microstates). "
    "Slot n is step (n - n_empty + 1) * k_att - 1. After the LSTM step, if t % k_trunc == 0, set dh_local and "
    "dc_local to zeros.",
)
SIZES = ("W_x", "W_h", "b", "V_h", "V_s", "b_y", "W_q")


def random_params(rng, D, H, O, scale=1.0):
    shapes = ((D, 4 * H), (H, 4 * H), (4 * H,), (H, O), (H, O), (O,), (H, H))
    return {name: rng.uniform(-scale, scale, shape) for name, shape in zip(SIZES, shapes)}


def forward(x, params, K, k_att):
    (T, B, _), H = x.shape, len(params["W_h"])
    states = [np.zeros((B, H))] * 2                            # h_prev, c_prev
    memory = [np.zeros((B, H))] * (K + 1)
    tape = {name: [] for name in ("i", "f", "g", "o", "c", "h_hat", "h", "s", "slots", "w", "y")}
    for t in range(T):
        i, f, g, o, c, h_hat = lstm_step(x[t], *states, params["W_x"], params["W_h"], params["b"])          # (B, H)
        M = np.stack(memory)                                   # (N, B, H)
        a = dot_scores(h_hat, M, params["W_q"], np.zeros((B, len(M))))[0]                      # (B, N)
        slots, w, _ = select_and_renormalise(a, K, "softmax", np.zeros((B, K)))                # (B, K)
        s = (w.T[:, :, None] * M[slots.T, np.arange(B)]).sum(axis=0)                           # (B, H)
        h = h_hat + s                                          # (B, H)
        y = h @ params["V_h"] + s @ params["V_s"] + params["b_y"]                              # (B, O)
        if (t + 1) % k_att == 0:
            memory.append(h)
        states = [h, c]
        for name, value in zip(tape, (i, f, g, o, c, h_hat, h, s, slots, w, y)):
            tape[name].append(value)
    tape = {name: np.stack(values) for name, values in tape.items()}
    return tape.pop("y"), {**tape, "memory": np.stack(memory)}


def cases(rng):
    settings = ((13, 2, 3, 4, 3, 2, 5, 2), (8, 3, 2, 3, 4, 3, None, 1), (11, 2, 3, 5, 2, 1, 4, 3))
    for T, B, D, H, O, K, k_trunc, k_att in settings:
        params, x = random_params(rng, D, H, O), rng.normal(size=(T, B, D))
        y, tape = forward(x, params, K, k_att)
        yield dict(dy=rng.normal(size=y.shape), x=x, tape=tape, params=params, k_trunc=k_trunc, k_att=k_att)


def example():
    """Two steps of one unit, with one recall each: every array has one or two numbers."""
    params = random_params(np.random.default_rng(0), 1, 1, 1)
    params = {name: np.full_like(value, 0.5) for name, value in params.items()}
    x, dy = np.array([[[2.0]], [[0.0]]]), np.array([[[0.0]], [[1.0]]])
    return dict(dy=dy, x=x, tape=forward(x, params, 1, 1)[1], params=params, k_trunc=1, k_att=1)


EXAMPLE = example()


def reference(dy, x, tape, params, k_trunc, k_att):
    (T, B, _), H, K = dy.shape, tape["h"].shape[2], tape["slots"].shape[2]
    h, c, memory, n_empty = tape["h"], tape["c"], tape["memory"], K + 1
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    dz = np.zeros((T, B, 4 * H))                               # (T, B, 4H)
    dh_memory = np.zeros((T, B, H))                            # (T, B, H)
    dh_local = dc_local = zeros = np.zeros((B, H))             # (B, H)
    for t in reversed(range(T)):
        dh = dy[t] @ params["V_h"].T + dh_local + dh_memory[t]                                 # (B, H)
        ds = dy[t] @ params["V_s"].T + dh                      # (B, H)
        here = tape["slots"][t].T, np.arange(B)                # (K, B), (B,)
        da, dM = recall_backward(ds, memory, tape["slots"][t], tape["w"][t], tape["w"][t])
        _, dM_key, dh_query, dW_q = dot_scores(tape["h_hat"][t], memory[here], params["W_q"], da)
        dM[here] += dM_key                                     # (K, B, H)
        for n in range(n_empty, n_empty + t // k_att):
            dh_memory[(n - n_empty + 1) * k_att - 1] += dM[n]  # (B, H)
        h_prev, c_prev = (h[t - 1], c[t - 1]) if t > 0 else (zeros, zeros)
        gates = [tape[name][t] for name in "ifgo"]
        dz[t], dc_local, _, dh_local, dW_x, dW_h, db = lstm_step_backward(
            dh + dh_query, dc_local, x[t], h_prev, c_prev, *gates, c[t], params["W_x"], params["W_h"])
        if k_trunc is not None and t % k_trunc == 0:
            dh_local = dc_local = zeros                        # the cut
        grads["W_q"] += dW_q                                   # (H, H)
        grads["W_x"] += dW_x                                   # (D, 4H)
        grads["W_h"] += dW_h                                   # (H, 4H)
        grads["b"] += db                                       # (4H,)
        grads["V_h"] += h[t].T @ dy[t]                         # (H, O)
        grads["V_s"] += tape["s"][t].T @ dy[t]                 # (H, O)
        grads["b_y"] += dy[t].sum(axis=0)                      # (O,)
    return dz, grads


def _mistakes():
    dh, ds = 'dh = dy[t] @ params["V_h"].T + dh_local + dh_memory[t]', 'ds = dy[t] @ params["V_s"].T + dh'
    yield "dh: dh_local of step t+1 is never added", dh, dh.replace(" + dh_local", "")
    yield ("dh: dh_memory, the credit of later steps that recalled h[t], is never added: it is missing", dh,
           dh.replace(" + dh_memory[t]", ""))
    yield "dh: the credit of the loss, dy[t] @ V_h.T, is missing", dh, "dh = dh_local + dh_memory[t]"
    yield "ds: the way of s through h is missing, ds = dy[t] @ V_s.T + dh", ds, 'ds = dy[t] @ params["V_s"].T'
    yield "ds: the way of s through y is missing, ds = dy[t] @ V_s.T + dh", ds, "ds = dh"
    step = "dz[t], dc_local, _, dh_local,"
    yield ("dc_local: the carried dc is never updated: dc_prev of the LSTM step has to become dc_local", step,
           "dz[t], _, _, dh_local,")
    yield ("dh_local: the carried dh is never updated: dh_prev of the LSTM step has to become dh_local", step,
           "dz[t], dc_local, _, _,")
    yield ("dh_local and dc_local: the carried dh and dc are never updated", step, "dz[t], _, _, _,")
    yield ("the LSTM step is given dc = 0: the carried dc of step t+1 is missing", "dh + dh_query, dc_local,",
           "dh + dh_query, zeros,")
    yield "dh_hat: the credit through the query (from dot_scores) is missing", "dh + dh_query,", "dh,"
    cut = "        if k_trunc is not None and t % k_trunc == 0:\n            dh_local = dc_local = zeros"
    yield ("the cut is missing: dh_local and dc_local cross the start of a block",
           "dh_local = dc_local = zeros                        # the", "pass  # the")
    yield ("the cut stops dh_local, but dc_local is not cut",
           "dh_local = dc_local = zeros                        # the", "dh_local = zeros  # the")
    yield ("the cut stops dc_local, but dh_local is not cut",
           "dh_local = dc_local = zeros                        # the", "dc_local = zeros  # the")
    yield ("the cut is one step late in your walk (off by one): it is where t % k_trunc == 0", "t % k_trunc",
           "(t + 1) % k_trunc")
    yield ("the cut is one step early in your walk (off by one): it is where t % k_trunc == 0", "t % k_trunc",
           "(t - 1) % k_trunc")
    for last in ("T", "T - 1"):
        yield ("the blocks are counted from the end; the cut is where t % k_trunc == 0", "t % k_trunc",
               f"({last} - t) % k_trunc")
    yield ("the cut stops credit through recalls as well: dh_memory is not cut",
           cut, cut + "\n            dh_memory[:t] = 0\n            #")
    yield ("microstates: the credit through their scores (dM of dot_scores) is missing",
           "        dM[here] += dM_key                                     # (K, B, H)\n", "")
    yield ("microstates: the credit through the sum s (dM of recall_backward) is missing", "dM[here] += dM_key",
           "dM[:] = 0; dM[here] += dM_key")
    step_of_slot = "(n - n_empty + 1) * k_att - 1"
    memory = "dh_memory[(n - n_empty + 1) * k_att - 1] += dM[n]"
    yield "dh_memory: = for +=: only the last recall of a microstate counts", memory, memory.replace("+=", "=")
    yield ("slot n is taken for step (n - n_empty) * k_att; it is step (n - n_empty + 1) * k_att - 1", memory,
           memory.replace(step_of_slot, "(n - n_empty) * k_att"))
    yield ("slot n is taken for step n - n_empty: k_att is forgotten", memory,
           memory.replace(step_of_slot, "n - n_empty"))
    loop = "for n in range(n_empty, n_empty + t // k_att):\n            dh_memory[(n - n_empty + 1) * k_att - 1] +="
    yield "n_empty is taken as K + 2: the first slot that is a step is K + 1", loop, (
        loop.replace("n_empty + 1", "(K + 2) + 1").replace("(n_empty,", "(K + 2,"))
    yield ("empty slots (below n_empty) get credit: a negative index writes to the end of dh_memory",
           "range(n_empty, n_empty + t // k_att)", "range(n_empty + t // k_att)")
    yield "dh_memory[t-1] where dh_memory[t] belongs", dh, dh.replace("dh_memory[t]", "dh_memory[t - 1]")
    yield "dh: dc_local where dh_local belongs", dh, dh.replace("dh_local", "dc_local")
    yield "ds: the way of s through y has the wrong sign, ds = dy[t] @ V_s.T + dh", ds, (
        'ds = dh - dy[t] @ params["V_s"].T')
    yield "recall_backward is given dh where ds belongs", "recall_backward(ds,", "recall_backward(dh,"
    slope = 'tape["slots"][t], tape["w"][t], tape["w"][t])'
    for wrong, found in (("1 + 0 *", "1"), ("1 -", "1 - w")):
        yield f"da: recall_backward is given slope {found}; for softmax, slope is w", slope, (
            slope.replace(', tape["w"][t])', f', {wrong} tape["w"][t])'))
    yield "da: recall_backward is given slope w * (1 - w); for softmax, slope is w", slope, (
        slope.replace(', tape["w"][t])', ', tape["w"][t] * (1 - tape["w"][t]))'))
    call = ("dz[t], dc_local, _, dh_local, dW_x, dW_h, db = lstm_step_backward(\n"
            '            dh + dh_query, dc_local, x[t], h_prev, c_prev, *gates, c[t], params["W_x"], params["W_h"])')
    for name, place in (("dh_local", "_, dh_local"), ("dc_local", "dz[t], dc_local")):
        yield f"{name}: += for =: credit of later steps is carried twice", call, (
            call.replace(place, place.replace(name, "fresh")) + f"\n        {name} = {name} + fresh")
    yield ("h_prev is set to zeros at a cut; it is stopped: the same values, a constant for the backward pass",
           "(h[t - 1], c[t - 1]) if", "(h[t - 1] * (not k_trunc or t % k_trunc > 0), c[t - 1]) if")
    yield ("h_prev and c_prev are set to zeros at a cut; they are stopped: the same values, constants for the backward "
           "pass", "if t > 0 else", "if t > 0 and (k_trunc is None or t % k_trunc) else")
    yield ("dy is divided by T * B: a mean is in the loss, dy comes as it is", "    for t in reversed(range(T)):",
           "    dy = dy / (T * B)\n    for t in reversed(range(T)):")
    yield "no credit goes to microstates (dh_memory is never written)", memory, "pass"
    for name in ("W_q", "W_x", "W_h", "b"):
        short = "db" if name == "b" else f"d{name}"
        yield (f"grads[{name}]: = for +=: only one step counts", f'grads["{name}"] += {short}',
               f'grads["{name}"] = {short}')
        yield (f"grads[{name}] is a mean over the steps; expected the sum", f'grads["{name}"] += {short}',
               f'grads["{name}"] += {short} / T')
        yield f"grads[{name}] is never written", f'grads["{name}"] += {short}', "pass"
    for name, value in (("V_h", "h[t].T @ dy[t]"), ("V_s", 'tape["s"][t].T @ dy[t]'), ("b_y", "dy[t].sum(axis=0)")):
        yield f"grads[{name}]: = for +=: only one step counts", f'grads["{name}"] += ', f'grads["{name}"] = '
        yield f"grads[{name}] is never written", f'grads["{name}"] += {value}', "pass"
    yield "grads[V_s]: h where s belongs", 'grads["V_s"] += tape["s"][t]', 'grads["V_s"] += h[t]'
    yield "grads[V_h]: s where h belongs", 'grads["V_h"] += h[t]', 'grads["V_h"] += tape["s"][t]'
    yield 'grads[V_h]: h_hat where h belongs', 'grads["V_h"] += h[t]', 'grads["V_h"] += tape["h_hat"][t]'
    yield ("h_prev of step 0 is h[-1], which is the last state in Python; before step 0 it is zeros",
           "(h[t - 1], c[t - 1]) if t > 0 else (zeros, zeros)", "(h[t - 1], c[t - 1])")
    yield "h_prev: h[t] where h[t-1] belongs", "(h[t - 1], c[t - 1]) if", "(h[t], c[t - 1]) if"
    yield ("h_prev: h_hat[t-1] where h[t-1] belongs: the recalled sum is part of the state", "(h[t - 1], c[t - 1]) if",
           '(tape["h_hat"][t - 1], c[t - 1]) if')
    yield ("dot_scores is given h where h_hat belongs: the query is made before the recall",
           'dot_scores(tape["h_hat"][t]', "dot_scores(h[t]")


MISTAKES = tuple(_mistakes())
