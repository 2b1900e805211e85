"""The forward of one sequence as the equations say it, one slot at a time: slow, plain, and without the package."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def score(p, cfg, h_hat, m):
    if cfg.score == "dot":
        return (h_hat @ p["W_q"]) @ m / np.sqrt(len(m))
    if cfg.score == "mlp":
        return p["w_a"] @ np.tanh(m @ p["W_m"] + h_hat @ p["W_q"])
    return p["w_q"] @ np.tanh(h_hat) + p["w_m"] @ np.tanh(m)


def select(cfg, a):
    """The slots that a read goes through, largest score first (lowest slot where equal); relu's threshold is last."""
    if cfg.k_top is None:
        return list(range(len(a)))
    return sorted(range(len(a)), key=lambda n: (-a[n], n))[: cfg.k_top + (cfg.normalise == "relu")]


def step(p, cfg, x, h, c, M, slots=None, constants=None):
    """One step of one sequence: x (D,), h, c (H,), M a list of microstates -> h, c, s, slots, scores.

    slots       the selection, if it is not to be made again
    constants   with dense_forward, the scores of the slots that are not selected
    """
    i, f, g, o = np.split(x @ p["W_x"] + h @ p["W_h"] + p["b"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h_hat = sigmoid(o) * np.tanh(c)
    if cfg.k_top == 0:
        return h_hat, c, 0 * h_hat, [], []
    a = [score(p, cfg, h_hat, m) for m in M]
    slots = select(cfg, a) if slots is None else slots
    read = range(len(M)) if cfg.dense_forward else slots
    a_read = [a[n] if n in slots or constants is None else constants[n] for n in read]
    if cfg.normalise == "softmax":
        e = np.exp(np.array(a_read) - max(np.real(a_read)))
        w = e / e.sum()
    else:
        r = np.array(a_read) - a_read[-1]
        w = r / (r.sum() + 1e-6)
    s = sum(w_n * M[n] for w_n, n in zip(w, read))
    return h_hat + s, c, s, slots, a


def empty_memory(cfg):
    """The microstates that a memory starts with."""
    n = cfg.empty_slots or (1 if cfg.k_top is None else cfg.k_top + 1)
    return [np.zeros(cfg.n_hidden) for _ in range(n)]


def run(p, cfg, x, h, c, M):
    """One sequence x (T, D) -> y (T, O), and of every step (h, c, s, slots, scores); M is added to."""
    y, steps = [], []
    for t, x_t in enumerate(x):
        h, c, s, slots, a = step(p, cfg, x_t, h, c, M)
        y.append(h @ p["V_h"] + s @ p["V_s"] + p["b_y"])
        steps.append((h, c, s, slots, a))
        if cfg.k_top != 0 and (t + 1) % cfg.k_att == 0:
            M.append(h)
    return np.array(y), steps
