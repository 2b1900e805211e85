"""Exercise 2: one LSTM step, forward

The four gates are stacked in one array z, in the order i f g o (input, forget, candidate, output), each H wide:
gate i is z[:, 0:H], gate f is z[:, H:2*H], and so on. W_x, W_h and b are stacked the same way.

The step, as loops:

    for b in range(B):
        for j in range(4 * H):
            z[b, j] = bias[j]                                           # bias is b, the parameter
            for d in range(D):
                z[b, j] += x[b, d] * W_x[d, j]
            for k in range(H):
                z[b, j] += h_prev[b, k] * W_h[k, j]
        for j in range(H):
            i[b, j] = sigmoid(z[b, j])
            f[b, j] = sigmoid(z[b, H + j])
            g[b, j] = tanh(z[b, 2 * H + j])
            o[b, j] = sigmoid(z[b, 3 * H + j])
            c[b, j] = f[b, j] * c_prev[b, j] + i[b, j] * g[b, j]
            h_hat[b, j] = o[b, j] * tanh(c[b, j])

h_hat is the provisional state: SAB adds what it recalls to it (exercise 6).
"""

import numpy as np

EXERCISE = 2
EXERCISE_SET = 1


def lstm_step(x, h_prev, c_prev, W_x, W_h, b):
    """x (B, D), h_prev (B, H), c_prev (B, H), W_x (D, 4H), W_h (H, 4H), b (4H,)  ->  i, f, g, o, c, h_hat, all (B, H)."""
    raise NotImplementedError("exercise 2")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 20, 10, "02"
OUTPUTS = ("i", "f", "g", "o", "c", "h_hat")
HINTS = (
    "The two inner loops over d and k are matrix products: x @ W_x and h_prev @ W_h.",
    "z = x @ W_x + h_prev @ W_h + b, then z_i, z_f, z_g, z_o = np.split(z, 4, axis=1). Only g is a tanh.",
    "sigmoid(z) = 0.5 * (1 + tanh(z / 2)); c = f * c_prev + i * g; h_hat = o * np.tanh(c).",
)


def cases(rng):
    for B, D, H in ((3, 4, 5), (2, 7, 3)):
        yield dict(x=rng.normal(size=(B, D)), h_prev=rng.normal(size=(B, H)), c_prev=rng.normal(size=(B, H)),
                   W_x=rng.normal(size=(D, 4 * H)) / 2, W_h=rng.normal(size=(H, 4 * H)) / 2, b=rng.normal(size=4 * H))


def reference(x, h_prev, c_prev, W_x, W_h, b):
    z = x @ W_x + h_prev @ W_h + b                             # (B, 4H)
    z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)                # (B, H) each
    i = 0.5 * (1 + np.tanh(z_i / 2))                           # (B, H)
    f = 0.5 * (1 + np.tanh(z_f / 2))                           # (B, H)
    g = np.tanh(z_g)                                           # (B, H)
    o = 0.5 * (1 + np.tanh(z_o / 2))                           # (B, H)
    c = f * c_prev + i * g                                     # (B, H)
    h_hat = o * np.tanh(c)                                     # (B, H)
    return i, f, g, o, c, h_hat
