"""Exercise 4: scores, forward and backward

The provisional state h_hat asks, every microstate M[n] answers: a[b, n] says how much row b wants microstate n.

The axes of M are slot, row of the batch, unit: M[n, b, j]. (In tutorial 04 the batch comes first: M[b, n, j].)

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
EXERCISE_SET = 2


def dot_scores(h_hat, M, W_q, da):
    """h_hat (B, H), M (N, B, H), W_q (H, H), da (B, N)  ->  a (B, N), dM (N, B, H), dh_hat (B, H), dW_q (H, H)."""
    raise NotImplementedError("exercise 4")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 25, 10, "04_attention_over_the_past"
PACKAGE = "core/scores.py: dot, dot_backward"
OUTPUTS = ("a", "dM", "dh_hat", "dW_q")
SIZE_OF = dict(N=("M", 0), B=("M", 1), H=("M", 2))
HINTS = (
    "Two products in a row: h_hat with W_q, then q with M. Go back through them one at a time; first find dq.",
    "dq[b] = sum over n of da[b, n] * M[n, b] / sqrt(H). dM[n, b] = da[b, n] * q[b] / sqrt(H).",
    "dq = np.einsum('bn,nbh->bh', da, M) / np.sqrt(H); dh_hat = dq @ W_q.T; dW_q = h_hat.T @ dq.",
)
EXAMPLE = dict(h_hat=[[1.0, 2.0, 0.0, 0.0]], M=[[[1.0, 0.0, 0.0, 0.0]], [[0.0, 1.0, 0.0, 2.0]]],
               W_q=[[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]],
               da=[[2.0, -2.0]])


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


MISTAKES = (
    ("a: the scale 1 / sqrt(H) is missing", ".T * scale", ".T"),
    ("a is divided by H; expected sqrt(H)", ".T * scale", ".T * scale**2"),
    ("a: a softmax of the scores; expected the scores themselves", "(M * q).sum(axis=2).T * scale",
     "(lambda e: e / e.sum(axis=1, keepdims=True))(np.exp((M * q).sum(axis=2).T * scale))"),
    ("a: divided by the norms of q and M (a cosine); expected sqrt(H)", "(M * q).sum(axis=2).T * scale",
     "((M * q).sum(axis=2) / np.linalg.norm(M, axis=2) / np.linalg.norm(q, axis=1)).T"),
    ("a: a tanh of the query; q = h_hat @ W_q", "(M * q)", "(M * np.tanh(q))"),
    ("a tanh of the query, in a and in dM; q = h_hat @ W_q", "q = h_hat @ W_q", "q = np.tanh(h_hat @ W_q)"),
    ("a: h_hat is added to the query, q = h_hat @ W_q", "(M * q)", "(M * (q + h_hat))"),
    ("a, dM: h_hat is added to the query, q = h_hat @ W_q", "q = h_hat @ W_q", "q = h_hat @ W_q + h_hat"),
    ("a: the squared distance; expected the inner product", "(M * q).sum(axis=2)", "-((q - M)**2).sum(axis=2)"),
    ("a: the last microstate is left out (a loop that ends one early?)", "a = (M * q).sum(axis=2).T * scale",
     "a = (M * q).sum(axis=2).T * scale * (np.arange(len(M)) < len(M) - 1)"),
    ("a: the query is h_hat itself, W_q is missing", "(M * q)", "(M * h_hat)"),
    ("a: W_q is transposed in the query, q = h_hat @ W_q", "(M * q)", "(M * (h_hat @ W_q.T))"),
    ("dM: the scale 1 / sqrt(H) is missing", "q * scale", "q"),
    ("dM is divided by H; expected sqrt(H)", "q * scale", "q * scale**2"),
    ("dM: h_hat where the query q = h_hat @ W_q belongs, W_q is missing", "* q * scale", "* h_hat * scale"),
    ("dM: W_q is transposed in the query, q = h_hat @ W_q", "* q * scale", "* (h_hat @ W_q.T) * scale"),
    ("dM: da is missing", "da.T[:, :, None] * q", "np.ones_like(M) * q"),
    ("dM: M where the query q belongs", "* q * scale", "* M * scale"),
    ("dM: all rows of the batch are added into one; dM[n, b] belongs to row b", "da.T[:, :, None] * q * scale",
     "np.repeat((da.T[:, :, None] * q).sum(axis=1, keepdims=True), len(da), axis=1) * scale"),
    ("dq: the query q where M belongs, in dh_hat and dW_q", "* M).sum(axis=0)", "* q).sum(axis=0)"),
    ("dq: the last microstate is left out (a loop that ends one early?)", "* M).sum(axis=0)", "* M)[:-1].sum(axis=0)"),
    ("dq: the scale 1 / sqrt(H) is missing, in dh_hat and dW_q", ".sum(axis=0) * scale", ".sum(axis=0)"),
    ("dq is divided by H; expected sqrt(H), in dh_hat and dW_q", ".sum(axis=0) * scale", ".sum(axis=0) * scale**2"),
    ("dq: da is missing, in dh_hat and dW_q", "(da.T[:, :, None] * M).sum", "M.sum"),
    ("dq: only the last microstate counts: = for += in the loop over n", "(da.T[:, :, None] * M).sum(axis=0)",
     "(da.T[:, :, None] * M)[-1]"),
    ("dq is a mean over the microstates; expected the sum", "* M).sum", "* M).mean"),
    ("dh_hat: W_q should be transposed, dh_hat = dq @ W_q.T", "dq @ W_q.T", "dq @ W_q"),
    ("dh_hat: W_q is missing, dh_hat = dq @ W_q.T", "dq @ W_q.T", "dq"),
    ("dh_hat: the scale 1 / sqrt(H) is missing", "dq @ W_q.T", "dq @ W_q.T / scale"),
    ("dW_q: the scale 1 / sqrt(H) is missing", "h_hat.T @ dq", "h_hat.T @ dq / scale"),
    ("dW_q: the query q where h_hat belongs", "h_hat.T @ dq", "q.T @ dq"),
    ("dW_q is a mean over the batch; expected the sum", "h_hat.T @ dq", "h_hat.T @ dq / len(dq)"),
    ("dW_q: only the last row of the batch counts: = for +=", "h_hat.T @ dq", "h_hat[-1:].T @ dq[-1:]"),
)
