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
(each T, B, K), memory (N, B, H: all microstates, the empty ones first). params holds W_x W_h b V_h V_s b_y W_q. The parts
that you wrote earlier are supplied.
"""

import numpy as np

from .earlier_08 import dot_scores, lstm_step_backward, recall_backward

EXERCISE = 8
EXERCISE_SET = 1


def walk(dy, x, tape, params, k_trunc, k_att):
    """dy (T, B, O), x (T, B, D), tape and params dicts of arrays, k_trunc an int or None, k_att an int

    ->  dz (T, B, 4H), gates stacked i f g o, and grads, a dict with the keys and shapes of params.
    """
    raise NotImplementedError("exercise 8")


# ---- students get what is above this line ----

from .e02_lstm_step import reference as lstm_step  # noqa: E402
from .e05_select_and_renormalise import reference as select_and_renormalise  # noqa: E402

MINUTES, POINTS, TUTORIAL = 60, 15, "05"
OUTPUTS = ("dz", "grads")
GATED = ("dz", "grads[W_x]", "grads[W_h]", "grads[b]")
TIMED = ("dz",)
HINTS = (
    "Carry dh_local, dc_local (from step t+1) and one array dh_memory (T, B, H) that later steps write into. At step t: "
    "dh = dy[t] @ V_h.T + dh_local + dh_memory[t].",
    "s reaches the loss through y and through h: ds = dy[t] @ V_s.T + dh. h_hat reaches it through h and through the query: "
    "dh_hat = dh + what dot_scores sends back. For softmax, slope is w.",
    "Microstates get credit twice: from recall_backward and from dot_scores (call it on the K gathered microstates). Slot n is "
    "step (n - n_empty + 1) * k_att - 1. After the LSTM step, if t % k_trunc == 0, set dh_local and dc_local to zeros.",
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
    for T, B, D, H, O, K, k_trunc, k_att in ((7, 2, 3, 4, 3, 2, 3, 2), (8, 3, 2, 3, 4, 3, None, 1), (11, 2, 3, 5, 2, 1, 4, 3)):
        params, x = random_params(rng, D, H, O), rng.normal(size=(T, B, D))
        y, tape = forward(x, params, K, k_att)
        yield dict(dy=rng.normal(size=y.shape), x=x, tape=tape, params=params, k_trunc=k_trunc, k_att=k_att)


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
