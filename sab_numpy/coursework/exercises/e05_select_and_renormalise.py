"""Exercise 5: select the K largest scores and renormalise them, forward and backward

Of all N scores (N > K) the K largest are kept, and become weights in one of two ways.

The forward pass, as loops:

    for b in range(B):
        order = the slots 0..N-1, largest score first; of equal scores the lowest slot first
        slots[b] = order[:K]
        top = [a[b, n] for n in slots[b]]
        if normalise == "softmax":
            w[b, k] = exp(top[k]) / sum(exp(top[j]) for j in range(K))
        if normalise == "relu":
            threshold = a[b, order[K]]                     # the (K+1)-th score: it gets a gradient too
            r[k] = top[k] - threshold
            w[b, k] = r[k] / (sum(r) + 1e-6)

You write slots, w and the backward: dw is the gradient of w and comes in; da is the gradient of all N scores. The
selection is a constant: scores that play no part have gradient 0.
"""

import numpy as np

EXERCISE = 5
EXERCISE_SET = 1


def select_and_renormalise(a, K, normalise, dw):
    """a (B, N), K an int, normalise "softmax" or "relu", dw (B, K)  ->  slots (B, K) ints, w (B, K), da (B, N)."""
    raise NotImplementedError("exercise 5")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 35, 10, "04"
OUTPUTS = ("slots", "w", "da")
HINTS = (
    "np.argsort(-a, axis=1, kind='stable') keeps the lowest slot first among equals; np.take_along_axis reads the scores "
    "and np.put_along_axis writes their gradients back into zeros of shape (B, N).",
    "softmax: dtop = w * (dw - sum(dw * w)). relu: dr = (dw - sum(dw * w)) / (sum(r) + 1e-6); sums are over the K weights "
    "of a row.",
    "relu: every r contains -threshold, so the gradient of the threshold is -sum(dr). It goes to slot order[K].",
)


def cases(rng):
    for B, N, K, normalise in ((3, 6, 2, "softmax"), (4, 7, 3, "relu"), (2, 9, 5, "relu"), (2, 8, 3, "softmax")):
        a = rng.normal(size=(B, N))
        if K == 3 and normalise == "softmax":
            a[:] = rng.permutation(N) // 2                     # pairs of equal scores; rank K is in the middle of one
        yield dict(a=a, K=K, normalise=normalise, dw=rng.normal(size=(B, K)))


def reference(a, K, normalise, dw):
    order = np.argsort(-a, axis=1, kind="stable")              # (B, N)
    slots = order[:, :K]                                       # (B, K)
    top = np.take_along_axis(a, slots, axis=1)                 # (B, K)
    da = np.zeros_like(a)                                      # (B, N)
    if normalise == "softmax":
        e = np.exp(top - top[:, :1])                           # (B, K)
        w = e / e.sum(axis=1, keepdims=True)                   # (B, K)
        dtop = w * (dw - (dw * w).sum(axis=1, keepdims=True))  # (B, K)
    else:
        last = order[:, K:K + 1]                               # (B, 1)
        r = top - np.take_along_axis(a, last, axis=1)          # (B, K)
        total = r.sum(axis=1, keepdims=True) + 1e-6            # (B, 1)
        w = r / total                                          # (B, K)
        dtop = (dw - (dw * w).sum(axis=1, keepdims=True)) / total                              # (B, K)
        np.put_along_axis(da, last, -dtop.sum(axis=1, keepdims=True), axis=1)
    np.put_along_axis(da, slots, dtop, axis=1)
    return slots, w, da
