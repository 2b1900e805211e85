"""Exercise 4: scores, forward and backward

The provisional state h_hat asks, every microstate M[n] answers: a[b, n] says how much row b wants microstate n.

The forward pass, as loops:

    for b in range(B):
        for j in range(H):
            q[b, j] = sum(h_hat[b, k] * W_q[k, j] for k in range(H))            # the query
        for n in range(N):
            a[b, n] = sum(q[b, j] * M[n, b, j] for j in range(H)) / sqrt(H)

You write the scores a and their backward: da is the gradient of a, and it comes in as an argument.
"""

import numpy as np

EXERCISE = 4
EXERCISE_SET = 1


def dot_scores(h_hat, M, W_q, da):
    """h_hat (B, H), M (N, B, H), W_q (H, H), da (B, N)  ->  a (B, N), dM (N, B, H), dh_hat (B, H), dW_q (H, H)."""
    raise NotImplementedError("exercise 4")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 25, 10, "04"
OUTPUTS = ("a", "dM", "dh_hat", "dW_q")
HINTS = (
    "Two products in a row: h_hat with W_q, then q with M. Go back through them one at a time; first find dq.",
    "dq[b] = sum over n of da[b, n] * M[n, b] / sqrt(H). dM[n, b] = da[b, n] * q[b] / sqrt(H).",
    "dq = np.einsum('bn,nbh->bh', da, M) / np.sqrt(H); dh_hat = dq @ W_q.T; dW_q = h_hat.T @ dq.",
)


def cases(rng):
    for B, H, N in ((3, 5, 4), (2, 3, 7)):
        yield dict(h_hat=rng.normal(size=(B, H)), M=rng.normal(size=(N, B, H)), W_q=rng.normal(size=(H, H)),
                   da=rng.normal(size=(B, N)))


def reference(h_hat, M, W_q, da):
    scale = 1 / np.sqrt(h_hat.shape[1])
    q = h_hat @ W_q                                            # (B, H)
    a = (M * q).sum(axis=2).T * scale                          # (B, N)
    dM = da.T[:, :, None] * q * scale                          # (N, B, H)
    dq = (da.T[:, :, None] * M).sum(axis=0) * scale            # (B, H)
    dh_hat = dq @ W_q.T                                        # (B, H)
    dW_q = h_hat.T @ dq                                        # (H, H)
    return a, dM, dh_hat, dW_q
