"""Exercise 3: one LSTM step, backward

The forward pass of exercise 2, line by line (row vectors, gates stacked i f g o):

    z = x @ W_x + h_prev @ W_h + b                 # (B, 4H)
    for b in range(B):
        for j in range(H):
            i, f, o = sigmoid(...);  g = tanh(...)           # the four gates of unit j
            c[b, j] = f[b, j] * c_prev[b, j] + i[b, j] * g[b, j]
            h_hat[b, j] = o[b, j] * tanh(c[b, j])

Two streams of credit come in: dh_hat, the gradient of h_hat, and dc, the gradient of c that step t+1 sends back.
c reaches the loss both ways, so c's whole gradient has two terms. Walk the lines above from the last to the first.

dz is the gradient of z, gates stacked i f g o as in z. The gradient of a weight is the sum over the batch.
"""

import numpy as np

EXERCISE = 3
EXERCISE_SET = 1


def lstm_step_backward(dh_hat, dc, x, h_prev, c_prev, i, f, g, o, c, W_x, W_h):
    """dh_hat, dc, h_prev, c_prev, i, f, g, o, c (B, H); x (B, D); W_x (D, 4H); W_h (H, 4H)

    ->  dz (B, 4H), dc_prev (B, H), dx (B, D), dh_prev (B, H), dW_x (D, 4H), dW_h (H, 4H), db (4H,).
    """
    raise NotImplementedError("exercise 3")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 45, 15, "02"
OUTPUTS = ("dz", "dc_prev", "dx", "dh_prev", "dW_x", "dW_h", "db")
GATED = ("dz", "dW_x", "dW_h", "db")                           # the last axis is i f g o
HINTS = (
    "Start at h_hat = o * tanh(c): it gives the gradient of o and one term of c's gradient; dc is the other term.",
    "dc_total = dc + dh_hat * o * (1 - tanh(c)**2). For f: dc_total * c_prev * f * (1 - f). For g: the tanh's 1 - g**2.",
    "dz = np.concatenate([dz_i, dz_f, dz_g, dz_o], axis=1); dc_prev = dc_total * f; dx = dz @ W_x.T; dW_x = x.T @ dz; "
    "db = dz.sum(axis=0).",
)


def cases(rng):
    for B, D, H in ((3, 4, 5), (2, 7, 3)):
        i, f, o = rng.uniform(0.1, 0.9, (3, B, H))
        yield dict(dh_hat=rng.normal(size=(B, H)), dc=rng.normal(size=(B, H)), x=rng.normal(size=(B, D)),
                   h_prev=rng.normal(size=(B, H)), c_prev=rng.normal(size=(B, H)), i=i, f=f,
                   g=rng.uniform(-0.9, 0.9, (B, H)), o=o, c=rng.normal(size=(B, H)),
                   W_x=rng.normal(size=(D, 4 * H)), W_h=rng.normal(size=(H, 4 * H)))


def reference(dh_hat, dc, x, h_prev, c_prev, i, f, g, o, c, W_x, W_h):
    tanh_c = np.tanh(c)                                        # (B, H)
    dc_total = dc + dh_hat * o * (1 - tanh_c**2)               # (B, H)
    dz_i = dc_total * g * i * (1 - i)                          # (B, H)
    dz_f = dc_total * c_prev * f * (1 - f)                     # (B, H)
    dz_g = dc_total * i * (1 - g**2)                           # (B, H)
    dz_o = dh_hat * tanh_c * o * (1 - o)                       # (B, H)
    dz = np.concatenate([dz_i, dz_f, dz_g, dz_o], axis=1)      # (B, 4H)
    dc_prev = dc_total * f                                     # (B, H)
    dx = dz @ W_x.T                                            # (B, D)
    dh_prev = dz @ W_h.T                                       # (B, H)
    dW_x = x.T @ dz                                            # (D, 4H)
    dW_h = h_prev.T @ dz                                       # (H, 4H)
    db = dz.sum(axis=0)                                        # (4H,)
    return dz, dc_prev, dx, dh_prev, dW_x, dW_h, db
