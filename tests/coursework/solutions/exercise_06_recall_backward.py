import numpy as np

EXERCISE = 6
EXERCISE_SET = 2


def recall_backward(ds, M, slots, w, slope):
    B, K = slots.shape
    da = np.zeros((B, K))
    dM = np.zeros(M.shape)
    for b in range(B):
        s = 0
        for k in range(K):
            s = s + w[b, k] * M[slots[b, k], b]
        for k in range(K):
            n = slots[b, k]
            da[b, k] = slope[b, k] * np.dot(ds[b], M[n, b] - s)
            dM[n, b] += w[b, k] * ds[b]
    return da, dM
