"""Exercise 6: recall, backward

A step recalls K microstates, weighted: the sum s is added to its state. Credit goes back to the microstates (that is
the skip through time) and to the scores (that is how the network learns what to recall).

The axes of M are slot, row of the batch, unit, as in exercise 4: M[n, b] is a vector of H numbers.

The forward pass, as loops:

    for b in range(B):
        s[b] = 0
        for k in range(K):
            s[b] += w[b, k] * M[slots[b, k], b]            # a vector of H numbers; the slots of a row are distinct

ds is the gradient of s and comes in. The weights came from the scores by exercise 5, and both ways give the same line:

    da[b, k] = slope[b, k] * (ds[b] . (M[slots[b, k], b] - s[b]))          # . is the inner product

where slope is w for softmax and 1 / (sum(r) + 1e-6) for relu; it comes in, too. da is the gradient of the K selected
scores, in the order of slots; dM that of all microstates through the sum s only (0 for those not recalled).
"""

import numpy as np

EXERCISE = 6
EXERCISE_SET = 2


def recall_backward(ds, M, slots, w, slope):
    """ds (B, H), M (N, B, H), slots (B, K) ints, w (B, K), slope (B, K)  ->  da (B, K), dM (N, B, H)."""
    raise NotImplementedError("exercise 6")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 25, 10, "05_sab_backward"
PACKAGE = "core/backward.py: recall_backward"
OUTPUTS = ("da", "dM")
SIZE_OF = dict(N=("M", 0), B=("M", 1), H=("M", 2), K=("w", 1))
HINTS = (
    "First gather: M[slots[b, k], b] for all k at once is M[slots.T, np.arange(B)], of shape (K, B, H). Then make "
    "s again.",
    "Scatter the way you gathered: dM[slots.T, np.arange(B)] += ... in zeros of M's shape.",
    "What arrives at recalled microstate k is w[:, k] * ds; da is the one line of the text, with s subtracted.",
)
EXAMPLE = dict(ds=[[1.0, 2.0]], M=[[[2.0, 0.0]], [[9.0, 9.0]], [[0.0, 2.0]]], slots=[[2, 0]], w=[[0.5, 0.5]],
               slope=[[0.5, 0.5]])


def cases(rng):
    for B, H, N, K, softmax in ((3, 5, 6, 2, True), (4, 3, 7, 4, False)):
        slots = np.argsort(rng.normal(size=(B, N)), axis=1)[:, :K]
        w = rng.uniform(0.1, 1, (B, K))
        w /= w.sum(axis=1, keepdims=True)
        slope = w.copy() if softmax else np.repeat(rng.uniform(0.3, 3, (B, 1)), K, axis=1)
        yield dict(ds=rng.normal(size=(B, H)), M=rng.normal(size=(N, B, H)), slots=slots, w=w, slope=slope)


def reference(ds, M, slots, w, slope):
    here = slots.T, np.arange(len(ds))                         # (K, B), (B,)
    recalled = M[here]                                         # (K, B, H)
    s = (w.T[:, :, None] * recalled).sum(axis=0)               # (B, H)
    da = slope * ((recalled - s) * ds).sum(axis=2).T           # (B, K)
    dM = np.zeros_like(M)                                      # (N, B, H)
    dM[here] += w.T[:, :, None] * ds                           # (K, B, H)
    return da, dM


MISTAKES = (
    ("da: s is not subtracted, da = slope * (ds . (M - s))", "(recalled - s)", "recalled"),
    ("da: s has the wrong sign, da = slope * (ds . (M - s))", "(recalled - s)", "(recalled + s)"),
    ("da: the plain mean of the recalled microstates is subtracted; s is weighted by w", "(recalled - s)",
     "(recalled - recalled.mean(axis=0))"),
    ("da: the plain sum of the recalled microstates is subtracted; s is weighted by w", "(recalled - s)",
     "(recalled - recalled.sum(axis=0))"),
    ("da: the factor slope is missing", "da = slope * ", "da = "),
    ("da: the factor w where slope belongs", "da = slope * ", "da = w * "),
    ("da: both slope and w are factors; expected slope alone", "da = slope * ", "da = slope * w * "),
    ("da: ds is missing from the inner product", "* ds).sum(axis=2)", ").sum(axis=2)"),
    ("da: s is subtracted from ds; it belongs to M, da = slope * (ds . (M - s))", "((recalled - s) * ds)",
     "(recalled * (ds - s))"),
    ("da: s is not reset to zeros for every row of the batch", "s = (w.T[:, :, None] * recalled).sum(axis=0)",
     "s = (w.T[:, :, None] * recalled).sum(axis=0).cumsum(axis=0)"),
    ("da: slots of row 0 are used for all rows of the batch", "recalled = M[here]",
     "recalled = M[slots.T[:, :1], here[1]]"),
    ("da: slots of row 0 are used for all rows of the batch", "(recalled - s)", "(M[slots[:1].T, here[1]] - s)"),
    ("the slots of row 0 are used for all rows of the batch, in da and dM", "here = slots.T,",
     "here = np.repeat(slots[:1].T, len(ds), axis=1),"),
    ("da is in reversed order; the order is that of slots", ".sum(axis=2).T           #", ".sum(axis=2).T[:, ::-1]  #"),
    ("da: slot k where slots[b, k] belongs", "(recalled - s)", "(M[:slots.shape[1]] - s)"),
    ("s: slot k where slots[b, k] belongs", "(w.T[:, :, None] * recalled)", "(w.T[:, :, None] * M[:slots.shape[1]])"),
    ("the last recalled microstate is left out (a loop that ends one early?)", "slope * ((recalled - s) * ds)",
     "w[:, -1:]; w = np.hstack([w[:, :-1], 0 * da]); slope = np.hstack([slope[:, :-1], 0 * da])\n"
     "    da = slope * ((recalled - s) * ds)"),
    ("da is a mean over the H units; expected the sum", "* ds).sum(axis=2)", "* ds).mean(axis=2)"),
    ("da: slot numbers and batch rows do not match: gather M[slots[b, k], b]", "recalled = M[here]",
     "recalled = M[:slots.shape[1], here[1]]"),
    ("dM: the weight w is missing, dM = w * ds", "+= w.T[:, :, None] * ds", "+= ds"),
    ("dM: w**2 where the weight w belongs", "+= w.T[:, :, None] * ds", "+= (w**2).T[:, :, None] * ds"),
    ("dM: w * (1 - w) where the weight w belongs", "+= w.T[:, :, None] * ds", "+= (w * (1 - w)).T[:, :, None] * ds"),
    ("dM: the microstate itself where ds belongs, dM = w * ds", "+= w.T[:, :, None] * ds",
     "+= w.T[:, :, None] * recalled"),
    ("dM: s is subtracted from ds; dM = w * ds", "+= w.T[:, :, None] * ds", "+= w.T[:, :, None] * (ds - s)"),
    ("dM: slope where the weight w belongs", "+= w.T[:, :, None] * ds", "+= slope.T[:, :, None] * ds"),
    ("dM: da where the weight w belongs", "+= w.T[:, :, None] * ds", "+= da.T[:, :, None] * ds"),
    ("dM: only the last recalled microstate gets credit: = for +=", "dM[here] += w.T[:, :, None] * ds",
     "dM[slots[:, -1], here[1]] += w[:, -1:] * ds"),
    ("dM: only the first recalled microstate gets credit", "dM[here] += w.T[:, :, None] * ds",
     "dM[slots[:, 0], here[1]] += w[:, :1] * ds"),
    ("dM: credit goes to slots 0..K-1; expected the slots that were recalled", "dM[here] +=", "dM[:slots.shape[1]] +="),
    ("dM: one row's recall sends credit to all rows: write to dM[slots[b, k], b]", "dM[here] += w.T[:, :, None] * ds",
     "for b in here[1]:\n        for k in range(slots.shape[1]):\n            dM[slots[b, k]] += w[b, k] * ds[b]"),
    ("dM also holds the credit through the scores; expected the sum s only", "+= w.T[:, :, None] * ds",
     "+= (w + da).T[:, :, None] * ds"),
)
