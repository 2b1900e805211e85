import numpy as np

EXERCISE = 7
EXERCISE_SET = 2


def truncated_credit(dh_loss, h, W_h, k_trunc):
    T, B, H = h.shape
    dz = np.zeros((T, B, H))
    dW_h = np.zeros((H, H))
    dh_next = np.zeros((B, H))
    for t in range(T - 1, -1, -1):
        dh = dh_loss[t] + dh_next
        dz[t] = dh * (1 - h[t] * h[t])
        h_prev = h[t - 1] if t > 0 else np.zeros((B, H))
        dW_h += h_prev.T @ dz[t]
        dh_next = dz[t] @ W_h.T
        if k_trunc and t % k_trunc == 0:
            dh_next = np.zeros((B, H))
    return dz, dW_h
