import numpy as np

EXERCISE = 5
EXERCISE_SET = 2


def select_and_renormalise(a, K, normalise, dw):
    B, N = a.shape
    slots = np.zeros((B, K), int)
    w = np.zeros((B, K))
    da = np.zeros((B, N))
    for b in range(B):
        order = sorted(range(N), key=lambda n: (-a[b, n], n))
        slots[b] = order[:K]
        top = a[b, order[:K]]
        if normalise == "softmax":
            e = np.exp(top - top.max())
            w[b] = e / e.sum()
            J = np.diag(w[b]) - np.outer(w[b], w[b])
            da[b, slots[b]] = J @ dw[b]
        else:
            r = top - a[b, order[K]]
            total = r.sum() + 1e-6
            w[b] = r / total
            dr = dw[b] / total - np.dot(dw[b], r) / total ** 2
            da[b, slots[b]] = dr
            da[b, order[K]] = -dr.sum()
    return slots, w, da
