"""All of Sparse Attentive Backtracking in one file: forward, backward by hand, Adam, and a task.

Needs NumPy alone. A test holds the gradients against the package's, to 1e-12 (dot score, softmax,
one empty slot). Sizes: T time, B batch, D symbols in, H hidden, O symbols out, N microstates so
far, K recalled. dX: gradient of X.

    python tutorials/sab_in_one_file.py
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")                     # one thread is faster here

import numpy as np


def init(D, H, O, rng):
    """First values: uniform in +-1/sqrt(H), biases 0 but the forget gate's 1, W_q the identity."""
    shapes = {"W_x": (D, 4 * H), "W_h": (H, 4 * H), "b": (4 * H,),
              "V_h": (H, O), "V_s": (H, O), "b_y": (O,)}
    p = {name: rng.uniform(-1, 1, shape) / np.sqrt(H) for name, shape in shapes.items()}
    p["W_q"] = np.eye(H)
    p["b"][:], p["b_y"][:] = 0, 0
    p["b"][H:2 * H] = 1                                                # gates stacked i f g o
    return p


def sigmoid(z):
    return 0.5 * (1 + np.tanh(z / 2))


def forward(p, x, k_top, k_att):
    """x (T, B) symbols -> y (T, B, O) and what backward needs of every step. k_top=0: an LSTM."""
    (T, B), H = x.shape, len(p["W_h"])
    rows = np.arange(B)[:, None]                                       # (B, 1)
    h, c = np.zeros((B, H)), np.zeros((B, H))
    memory = [np.zeros((B, H))]                                        # slot 0: "recall nothing"
    y, tape = [], []
    for t in range(T):
        # lstm
        z = p["W_x"][x[t]] + h @ p["W_h"] + p["b"]                     # (B, 4H)
        i, f, o = sigmoid(z[:, :H]), sigmoid(z[:, H:2 * H]), sigmoid(z[:, 3 * H:])
        g = np.tanh(z[:, 2 * H:3 * H])
        h_prev, c_prev = h, c
        c = f * c_prev + i * g
        h_hat = o * np.tanh(c)                                         # (B, H) provisional state
        # score, select the K largest, renormalise, recall
        M = np.stack(memory, axis=1)                                   # (B, N, H)
        q = h_hat @ p["W_q"] / np.sqrt(H)                              # (B, H)
        a = np.einsum("bh,bnh->bn", q, M)                              # (B, N)
        slots = np.argsort(-a, axis=1, kind="stable")[:, :k_top]       # (B, K)
        w = np.exp(a[rows, slots] - a.max(axis=1, keepdims=True))      # (B, K)
        w /= w.sum(axis=1, keepdims=True)
        M_sel = M[rows, slots]                                         # (B, K, H)
        s = np.einsum("bk,bkh->bh", w, M_sel)                          # (B, H)
        # state, output, write
        h = h_hat + s
        y.append(h @ p["V_h"] + s @ p["V_s"] + p["b_y"])
        tape.append((i, f, g, o, h_prev, c_prev, c, h_hat, q, slots, w, M_sel, s, h))
        if (t + 1) % k_att == 0:
            memory.append(h)
    return np.stack(y), tape


def backward(p, x, dy, tape, k_trunc, k_att):
    """dy (T, B, O) -> the gradient of every parameter. Credit stops at every k_trunc-th step and
    takes the skips."""
    (T, B), H = x.shape, len(p["W_h"])
    rows = np.arange(B)[:, None]
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dM = np.zeros((B, 1 + T // k_att, H))                              # what recalls gave each slot
    dh_local, dc = np.zeros((B, H)), np.zeros((B, H))
    for t in reversed(range(T)):
        i, f, g, o, h_prev, c_prev, c, h_hat, q, slots, w, M_sel, s, h = tape[t]
        # write: h became a microstate.  output: y = h V_h + s V_s + b_y
        dh = dy[t] @ p["V_h"].T + dh_local                             # (B, H)
        if (t + 1) % k_att == 0:
            dh = dh + dM[:, 1 + t // k_att]
        grads["V_h"] += h.T @ dy[t]
        grads["V_s"] += s.T @ dy[t]
        grads["b_y"] += dy[t].sum(axis=0)
        # state: h = h_hat + s.  recall: s = sum_k w_k M_k
        ds = dh + dy[t] @ p["V_s"].T                                   # (B, H)
        dw = np.einsum("bh,bkh->bk", ds, M_sel)                        # (B, K)
        da = w * (dw - (w * dw).sum(axis=1, keepdims=True))            # softmax
        # score: a_k = q . M_k,  q = h_hat W_q / sqrt(H).  A recalled state is value and key
        dM[rows, slots] += w[:, :, None] * ds[:, None] + da[:, :, None] * q[:, None]
        dq = np.einsum("bk,bkh->bh", da, M_sel) / np.sqrt(H)           # (B, H)
        grads["W_q"] += h_hat.T @ dq
        dh_hat = dh + dq @ p["W_q"].T
        # lstm: h_hat = o tanh(c),  c = f c_prev + i g
        tanh_c = np.tanh(c)
        dc = dc + dh_hat * o * (1 - tanh_c ** 2)
        dz = np.concatenate([dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dc * i * (1 - g ** 2),
                             dh_hat * tanh_c * o * (1 - o)], axis=1)   # (B, 4H)
        np.add.at(grads["W_x"], x[t], dz)
        grads["W_h"] += h_prev.T @ dz
        grads["b"] += dz.sum(axis=0)
        dh_local, dc = dz @ p["W_h"].T, dc * f
        if k_trunc and t % k_trunc == 0:                               # cut: credit goes no further
            dh_local, dc = np.zeros((B, H)), np.zeros((B, H))
    return grads


def cross_entropy(y, targets):
    """Mean of -log softmax(y)[target] over all steps, and its gradient by y."""
    e = np.exp(y - y.max(axis=2, keepdims=True))
    dy = e / e.sum(axis=2, keepdims=True)                              # (T, B, O)
    at_target = np.eye(y.shape[2])[targets]
    loss = -np.log((dy * at_target).sum(axis=2)).mean()
    return loss, (dy - at_target) / targets.size


def adam(p, grads, state, lr, clip=1.0):
    """One update, in place, with the gradient's length held at `clip`."""
    norm = np.sqrt(sum((g ** 2).sum() for g in grads.values()))
    state["step"] = n = state.get("step", 0) + 1
    for name, g in grads.items():
        m, v = state.get(name, (0, 0))
        g = g * min(1, clip / norm)
        m, v = state[name] = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g ** 2
        p[name] -= lr * m / (1 - 0.9 ** n) / (np.sqrt(v / (1 - 0.999 ** n)) + 1e-8)


def copying(wait, B, rng, symbols=5):
    """Read some symbols 1..8, wait, see the marker 9, say them again. x, targets (T, B)."""
    said = rng.integers(1, 9, (symbols, B))
    x = np.concatenate([said, np.zeros((wait - 1, B), int), np.full((1, B), 9),
                        np.zeros((symbols, B), int)])
    return x, np.concatenate([np.zeros((wait + symbols, B), int), said])


def train(k_top, updates, k_trunc=5, k_att=5, H=64, seed=0):
    """Train on waits of 3 to 15 steps; returns the accuracy at 15."""
    rng, state = np.random.default_rng(seed), {}
    p = init(10, H, 10, rng)
    for update in range(1, updates + 1):
        x, targets = copying(rng.integers(3, 16), 32, rng)
        y, tape = forward(p, x, k_top, k_att)
        loss, dy = cross_entropy(y, targets)
        adam(p, backward(p, x, dy, tape, k_trunc, k_att), state, lr=5e-3)
        if update % 100 == 0 or update == updates:
            x, targets = copying(15, 200, np.random.default_rng(1))
            accuracy = (forward(p, x, k_top, k_att)[0][-5:].argmax(axis=2) == targets[-5:]).mean()
            print(f"k_top={k_top}  update {update:4d}  loss {loss:.4f} ",
                  f"right {100 * accuracy:5.1f} %", flush=True)
    return accuracy


if __name__ == "__main__":
    few = os.environ.get("SAB_QUICK") == "1"
    print("SAB, then the same LSTM without recalls (truncated BPTT). Chance: 12.5 %")
    with_recall, without = (train(k_top, updates=20 if few else 1500) for k_top in (5, 0))
    assert few or with_recall > without + 0.3
