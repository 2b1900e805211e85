"""A plain LSTM and its backward, one sequence at a time, written for these tests alone and without the package.

Textbook form: four matrices cut out of the stacked ones, one step and one sequence at a time, no batches.
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(params, x, h, c):
    """x (T, D), h, c (H,) -> y (T, O) and what the backward needs of every step."""
    W_x, W_h, b = (np.split(params[name], 4, axis=-1) for name in ("W_x", "W_h", "b"))
    y, kept = [], []
    for x_t in x:
        i, f, o = (sigmoid(x_t @ W_x[k] + h @ W_h[k] + b[k]) for k in (0, 1, 3))
        g = np.tanh(x_t @ W_x[2] + h @ W_h[2] + b[2])
        kept.append((x_t, h, c, i, f, g, o))
        c = f * c + i * g
        h = o * np.tanh(c)
        y.append(h @ params["V_h"] + params["b_y"])
    return np.array(y), kept, h, c


def lstm_backward(params, dy, kept):
    """Gradients of sum(dy * y), full backpropagation through time; also dx (T, D), dh0 and dc0 (H,)."""
    grads = {name: np.zeros_like(params[name]) for name in ("W_x", "W_h", "b", "V_h", "b_y")}
    H = len(params["W_h"])
    dh, dc, dx = np.zeros(H), np.zeros(H), []
    for dy_t, (x_t, h, c, i, f, g, o) in zip(dy[::-1], kept[::-1]):
        c_new = f * c + i * g
        grads["V_h"] += np.outer(o * np.tanh(c_new), dy_t)
        grads["b_y"] += dy_t
        dh = dh + params["V_h"] @ dy_t
        dc = dc + dh * o / np.cosh(c_new) ** 2
        dz = np.concatenate(
            [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * np.tanh(c_new) * o * (1 - o)]
        )
        grads["W_x"] += np.outer(x_t, dz)
        grads["W_h"] += np.outer(h, dz)
        grads["b"] += dz
        dx.append(params["W_x"] @ dz)
        dh, dc = params["W_h"] @ dz, dc * f
    return grads | {"dx": np.array(dx[::-1]), "dh0": dh, "dc0": dc}


def truncated(params, x, dy, k_trunc, h, c):
    """One sequence in blocks of k_trunc steps (None: one block), each begun from constants: (y, gradients).

    dh0 and dc0 are those of the first block: the others begin from constants.
    """
    k, ys, blocks = k_trunc or len(x), [], []
    for start in range(0, len(x), k):
        y, kept, h, c = lstm(params, x[start : start + k], h, c)
        ys.append(y)
        blocks.append(lstm_backward(params, dy[start : start + k], kept))
    total = {name: sum(block[name] for block in blocks) for name in ("W_x", "W_h", "b", "V_h", "b_y")}
    return np.concatenate(ys), total | {
        "dx": np.concatenate([block["dx"] for block in blocks]),
        "dh0": blocks[0]["dh0"],
        "dc0": blocks[0]["dc0"],
    }
