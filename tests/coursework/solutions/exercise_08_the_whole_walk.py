import numpy as np
from earlier_08 import dot_scores, lstm_step_backward, recall_backward

EXERCISE = 8
EXERCISE_SET = 2


def walk(dy, x, tape, params, k_trunc, k_att):
    T, B, H = tape["h"].shape
    K = tape["slots"].shape[2]
    n_empty = K + 1
    memory = tape["memory"]
    grads = {name: np.zeros_like(params[name]) for name in params}
    dz = np.zeros((T, B, 4 * H))
    dh_memory = np.zeros((T, B, H))
    dh_next = np.zeros((B, H))
    dc_next = np.zeros((B, H))
    rows = np.arange(B)
    for t in range(T - 1, -1, -1):
        h_prev = tape["h"][t - 1] if t else np.zeros((B, H))
        c_prev = tape["c"][t - 1] if t else np.zeros((B, H))
        slots, w = tape["slots"][t], tape["w"][t]
        dh = dy[t] @ params["V_h"].T
        dh = dh + dh_next
        dh = dh + dh_memory[t]
        ds = dh + dy[t] @ params["V_s"].T
        da, dM = recall_backward(ds, memory, slots, w, w)
        selected = memory[slots.T, rows]
        a, dselected, dquery, dW_q = dot_scores(tape["h_hat"][t], selected, params["W_q"], da)
        dh_hat = dh + dquery
        for b in range(B):
            for k in range(K):
                n = slots[b, k]
                if n >= n_empty:
                    step = (n - n_empty + 1) * k_att - 1
                    dh_memory[step, b] += dM[n, b] + dselected[k, b]
        dz[t], dc_prev, dx, dh_prev, dW_x, dW_h, db = lstm_step_backward(
            dh_hat, dc_next, x[t], h_prev, c_prev, tape["i"][t], tape["f"][t], tape["g"][t], tape["o"][t],
            tape["c"][t], params["W_x"], params["W_h"])
        dh_next = dh_prev
        dc_next = dc_prev
        if k_trunc is not None and t % k_trunc == 0:
            dh_next = np.zeros((B, H))
            dc_next = np.zeros((B, H))
        grads["W_x"] += dW_x
        grads["W_h"] += dW_h
        grads["b"] += db
        grads["W_q"] += dW_q
        grads["V_h"] += tape["h"][t].T @ dy[t]
        grads["V_s"] += tape["s"][t].T @ dy[t]
        grads["b_y"] += dy[t].sum(axis=0)
    return dz, grads
