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
EXERCISE_SET = 2


def select_and_renormalise(a, K, normalise, dw):
    """a (B, N), K an int, normalise "softmax" or "relu", dw (B, K)  ->  slots (B, K) ints, w (B, K), da (B, N)."""
    raise NotImplementedError("exercise 5")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 35, 10, "04_attention_over_the_past"
PACKAGE = "core/sparsify.py: largest, weights, weights_backward"
OUTPUTS = ("slots", "w", "da")
SIZE_OF = dict(B=("a", 0), N=("a", 1), K=("dw", 1))
HINTS = (
    "np.argsort(-a, axis=1, kind='stable') keeps the lowest slot first among equals; np.take_along_axis reads the "
    "scores and np.put_along_axis writes their gradients back into zeros of shape (B, N).",
    "softmax: dtop = w * (dw - sum(dw * w)). relu: dr = (dw - sum(dw * w)) / (sum(r) + 1e-6); sums are over the K "
    "weights of a row.",
    "relu: every r contains -threshold, so the gradient of the threshold is -sum(dr). It goes to slot order[K].",
)
EXAMPLE = dict(a=[[1.0, 4.0, 2.0, 0.0]], K=2, normalise="relu", dw=[[1.0, 0.0]])


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


def _mistakes():
    order, w = 'order = np.argsort(-a, axis=1, kind="stable")', "w = e / e.sum(axis=1, keepdims=True)"
    yield ("slots: the smallest scores are selected; expected the largest", order,
           'order = np.argsort(a, axis=1, kind="stable")')
    yield ("slots: of equal scores the highest slot comes first; expected the lowest (a stable sort of -a)", order,
           'order = np.argsort(a, axis=1, kind="stable")[:, ::-1]')
    yield ("slots: the largest score is skipped; order[:K] begins with it", "slots = order[:, :K]",
           "slots = order[:, 1:K + 1]")
    yield ("slots: the largest magnitudes abs(a) are selected; expected the largest scores", order,
           'order = np.argsort(-abs(a), axis=1, kind="stable")')
    yield ("slots are in ascending order of score; expected the largest score first", "slots = order[:, :K]",
           "slots = order[:, :K][:, ::-1]")
    yield ("slots are sorted by slot number; expected the largest score first", "slots = order[:, :K]",
           "slots = np.sort(order[:, :K], axis=1)")
    yield ("w, softmax: the sum goes over all N scores; expected the K selected ones", w,
           "w = e / np.exp(a - top[:, :1]).sum(axis=1, keepdims=True)")
    yield "w, softmax: not divided by the sum", w, "w = e"
    yield "w, softmax: exp(-a), the sign of the scores is wrong", "e = np.exp(top - top[:, :1])", "e = np.exp(-top)"
    for temperature in ("sqrt(K)", "K"):
        yield (f"w, softmax: the scores are divided by {temperature}; expected them as they are",
               "e = np.exp(top - top[:, :1])", f"e = np.exp(top / {temperature.replace('sqrt', 'np.sqrt')})")
    yield ("w, softmax: divided by the root of the sum of squares; expected the sum", w,
           "w = e / np.sqrt((e**2).sum(axis=1, keepdims=True))")
    yield ("w, relu: the threshold is the K-th largest score; expected the (K+1)-th, order[K]",
           "last = order[:, K:K + 1]",
           "last = order[:, K - 1:K]")
    yield ("w, relu: the threshold is the smallest of all scores; expected the (K+1)-th largest",
           "last = order[:, K:K + 1]", "last = order[:, -1:]")
    threshold = "r = top - np.take_along_axis(a, last, axis=1)"
    yield "w, relu: the sign of the threshold is wrong: it is subtracted, r = top - threshold", threshold, (
        threshold.replace("-", "+"))
    yield "w, relu: r has the wrong sign, r = top - threshold", threshold, (
        "r = np.take_along_axis(a, last, axis=1) - top")
    yield "w, relu: the sign of the 1e-6 in the denominator is wrong, sum(r) + 1e-6", " + 1e-6", " - 1e-6"
    yield "w, relu: the threshold is not subtracted", "r = top - np.take_along_axis(a, last, axis=1)", "r = top"
    yield "w, relu: the threshold is not subtracted, max(a, 0) is taken", (
        "r = top - np.take_along_axis(a, last, axis=1)"), "r = np.maximum(top, 0)"
    yield "w, relu: divided by the square of the sum", "w = r / total", "w = r / total**2"
    for epsilon in ("1e-3", "1e-4", "1e-5", "1e-7", "1e-8", "1e-9", "1e-10", "1e-12"):
        yield f"w, relu: {epsilon} in the denominator; expected 1e-6", "1e-6", epsilon
    yield "w, relu: the 1e-6 in the denominator is missing", " + 1e-6", ""
    yield "w, relu: not divided by the sum", "w = r / total", "w = r"
    inner = "(dw * w).sum(axis=1, keepdims=True)"
    yield ("da, softmax: the term with the sum is missing: every weight depends on the other scores, too (no diagonal)",
           f"w * (dw - {inner})", "w * dw")
    yield ("da, softmax: w * (1 - w) is the diagonal alone: every weight depends on the other scores, too (the sum)",
           f"w * (dw - {inner})", "w * (1 - w) * dw")
    yield ("da, softmax: the diagonal lacks w, dtop = w * (dw - sum(dw * w))", f"w * (dw - {inner})",
           f"dw - w * {inner}")
    yield ("da, softmax: the sum is subtracted without w, dtop = w * (dw - sum(dw * w))", f"w * (dw - {inner})",
           f"w * dw - {inner}")
    yield ("da, softmax: the sum has the wrong sign, dtop = w * (dw - sum(dw * w))", f"w * (dw - {inner})",
           f"w * (dw + {inner})")
    yield ("da, softmax: the sign of dw is wrong, dtop = w * (dw - sum(dw * w))", f"w * (dw - {inner})",
           f"w * (-dw - {inner})")
    yield "da, softmax: the factor w is missing, dtop = w * (dw - sum(dw * w))", f"w * (dw - {inner})", f"dw - {inner}"
    yield ("da, softmax: the sum lacks w, dtop = w * (dw - sum(dw * w))", f"w * (dw - {inner})",
           "w * (dw - dw.sum(axis=1, keepdims=True))")
    relu = f"(dw - {inner}) / total"
    yield ("da, relu: the derivative of the sum in the denominator is missing: dr = (dw - sum(dw * w)) / total", relu,
           "dw / total")
    yield "da, relu: not divided by the total, sum(r) + 1e-6", relu, f"(dw - {inner})"
    yield "da, relu: the sum has the wrong sign, dr = (dw - sum(dw * w)) / total", relu, f"(dw + {inner}) / total"
    yield "da, relu: the sign of dw is wrong, dr = (dw - sum(dw * w)) / total", relu, f"(-dw - {inner}) / total"
    yield ("da, relu: dr has the wrong sign in the slots that were selected",
           "np.put_along_axis(da, slots, dtop, axis=1)",
           'np.put_along_axis(da, slots, dtop if normalise == "softmax" else -dtop, axis=1)')
    yield ("da, relu: the sum lacks a division by the total, dr = (dw - sum(dw * w)) / total", relu,
           f"dw / total - {inner}")
    yield "da, relu: softmax's derivative where relu's belongs", relu, f"w * (dw - {inner})"
    put = "np.put_along_axis(da, last, -dtop.sum(axis=1, keepdims=True), axis=1)"
    yield ("da, relu: the gradient of the threshold is missing: slot order[K] should get -sum(dr)", put, "pass")
    yield ("da, relu: the gradient of the threshold has the wrong sign: it is -sum(dr)", put, put.replace("-dtop",
           "dtop"))
    yield ("da, relu: the gradient of the threshold goes to the wrong slot; expected order[K]", put,
           put.replace("last", "order[:, K - 1:K]"))
    yield ("da, relu: the gradient of the threshold goes to the smallest score; expected slot order[K]", put,
           put.replace("last", "order[:, -1:]"))
    for what, how in (("the mean", "mean(axis=1, keepdims=True)"), ("the last one alone", "[:, -1:]"),
                      ("the first one alone", "[:, :1]")):
        yield (f"da, relu: the gradient of the threshold is minus {what} of dr; expected -sum(dr)", put,
               put.replace(".sum(axis=1, keepdims=True)", how if how[0] == "[" else f".{how}"))
    for where in ("", ' if normalise == "softmax" else slots', ' if normalise == "relu" else slots'):
        yield ("da: gradients are written to the slots in ascending order; the order is that of slots",
               "np.put_along_axis(da, slots, dtop, axis=1)",
               f"np.put_along_axis(da, np.sort(slots, axis=1){where}, dtop, axis=1)")
    yield ("da: gradients are in rank order; they belong to the slots that they came from",
           "np.put_along_axis(da, slots, dtop, axis=1)", "da[:, :K] = dtop")


MISTAKES = tuple(_mistakes())
