import numpy as np

EXERCISE = 4
EXERCISE_SET = 2


def dot_scores(h_hat, M, W_q, da):
    N, B, H = M.shape
    q = h_hat @ W_q
    a = np.zeros((B, N))
    dM = np.zeros((N, B, H))
    dq = np.zeros((B, H))
    for b in range(B):
        for n in range(N):
            a[b, n] = np.dot(q[b], M[n, b]) / np.sqrt(H)
            dM[n, b] = da[b, n] * q[b] / np.sqrt(H)
            dq[b] += da[b, n] * M[n, b] / np.sqrt(H)
    dh_hat = dq @ W_q.T
    dW_q = h_hat.T @ dq
    return a, dM, dh_hat, dW_q
