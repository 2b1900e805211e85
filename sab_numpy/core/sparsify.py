"""Which microstates are recalled, and with what weights.

    softmax   w_k = exp(a_k) / sum_j exp(a_j)                              over the selected
    relu      w_k = r_k / (sum_j r_j + EPSILON),   r_k = a_k - a_(K+1)     (Ke et al. 2018)

For relu the (K+1)-th score, the threshold, is selected too: its weight is 0, but it has a gradient.
"""

NORMALISERS = ("softmax", "relu")
EPSILON = 1e-6


def largest(xp, a, k):
    """The k largest of each row of a (B, N), largest first, the lowest index where equal: (B, k).

    k rounds of argmax: for few k faster than a sort, stable, and the same on a GPU.
    """
    rest, rows = a.copy(), xp.arange(len(a))
    indices = xp.empty((len(a), k), dtype=rows.dtype)
    for j in range(k):
        indices[:, j] = best = rest.argmax(1)
        rest[rows, best] = -xp.inf
    return indices


def weights(xp, a, normalise):
    """Selected scores a (B, K), the threshold of relu last -> weights (B, K) and their slope.

    The slope, (B, K) for softmax and (B, 1) for relu, is what weights_backward needs.
    """
    ones = xp.ones((a.shape[1], 1), a.dtype)                   # a product sums few columns faster
    if normalise == "softmax":
        e = xp.exp(a - a.real.max(1, keepdims=True))
        w = e / (e @ ones)
        return w, w
    r = a - a[:, -1:]                                          # the last is the threshold
    slope = 1 / (r @ ones + EPSILON)
    return r * slope, slope


def weights_backward(xp, dw, slope, s_ds, normalise):
    """da_k = slope_k (dw_k - s . ds), (B, K), of both; relu's threshold gets minus their sum.

    dw (B, K): dw_k = M_k . ds;  s_ds (B, 1): s . ds, which is sum_k w_k dw_k
    """
    da = slope * (dw - s_ds)
    if normalise == "relu":
        da[:, -1] = -da[:, :-1].sum(1)
    return da
