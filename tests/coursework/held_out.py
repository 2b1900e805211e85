"""Wrong files and right ones that were written before the grader was changed to meet them.

`python tests/coursework/held_out.py` prints how many fail, how many are told their cause, and how many are misled.

WRONG[exercise]: (text of the solution, what stands there instead, patterns joined by & that the first line must hold).
None for the patterns: nothing that a person would call a cause; then no cause is the right answer.
"""

import ast
import copy
import itertools
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import numpy as np  # noqa: E402
import student  # noqa: E402

from sab_numpy.coursework import catalogue, isolate  # noqa: E402

SIGMOID = "return 1 / (1 + np.exp(-z))"
GATE_O = "o = sigmoid(z[:, 3 * H:] + b[3 * H:])"
Z = "z = x.dot(W_x) + h_prev.dot(W_h)"
M_ROW, M_V = "new_m[name] = 0.9 * m[name] + 0.1 * grads[name]", "0.999 * v[name] + 0.001 * grads[name] ** 2"
RAW = "v is made of the gradients before they are clipped"
CUT = """        if k_trunc and t % k_trunc == 0:
            dh_next = np.zeros((B, H))
"""
WINDOW = """    for start in range(T - 1, -1, -1):
        d = dh_loss[start]
        for t in range(start, max(-1, start - (k_trunc or T)), -1):
            d = d * (1 - h[t] * h[t])
            dz[t] += d
            dW_h += (h[t - 1] if t else np.zeros((B, H))).T @ d
            d = d @ W_h.T
    return dz, dW_h
    for t in range(T - 1, -1, -1):
"""

WRONG = {
    1: (
        ("return p, dp, dz", "return dp, p, dz", r"\bp and dp & swap|order"),
        ("return p, dp, dz", "return p, dz, dp", r"dp and dz & swap|order"),
        ("return p, dp, dz", "return dz, dp, p", r"p and dz & swap|order"),
        ("return p, dp, dz", "return dz, p, dp", r"order|swap"),
        ("p = 1 / (1 + np.exp(-z))", "p = np.clip(0.2 * z + 0.5, 0, 1)", "hard sigmoid"),
        ("p = 1 / (1 + np.exp(-z))", "p = np.clip(z / 6 + 0.5, 0, 1)", "hard sigmoid"),
        ("p = 1 / (1 + np.exp(-z))", "p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)", "softmax"),
        ("p = 1 / (1 + np.exp(-z))", "p = 1 / (1 + np.exp(z))", "sign|-z"),
        ("p = 1 / (1 + np.exp(-z))", "p = 0.5 * (1 + np.tanh(z))", r"z / 2|tanh"),
        ("p = 1 / (1 + np.exp(-z))", "p = np.round(1 / (1 + np.exp(-z)), 3)", "round"),
        ("p = 1 / (1 + np.exp(-z))", "p = np.clip(1 / (1 + np.exp(-z)), 0.3, 0.7)", "clip"),
        ("p = 1 / (1 + np.exp(-z))", "p = (z > 0) * 0.98 + 0.01", None),
        ("dz = (p - targets) / (B * O)", "dz = dp * (1 - p ** 2)", "dz & tanh"),
        ("dz = (p - targets)", "dz = p * (1 - p) * (p - targets)", r"dz & p \* \(1 - p\)"),
        ("dp = (-targets / p + (1 - targets) / (1 - p))", "dp = 2 * (p - targets)", "dp & square"),
        ("dz = (p - targets) / (B * O)", "dz = (p - targets) / (B * O) + 0.01 * z", r"dz & 0\.01 \* z"),
        ("dz = (p - targets) / (B * O)", "dz = (p - targets) / (B * O) ** 2", r"dz & B \* O & twice"),
        ("dz = (p - targets)", "dz = (p - (2 * targets - 1))", r"dz & 1 and -1|2 \* targets"),
        ("dp = (-targets / p +", "dp = (-targets * p +", "dp"),
        ("(1 - targets) / (1 - p))", "(1 - targets) / p)", "dp"),
        ("dz = (p - targets)", "dz = (np.round(p) - targets)", "dz & round"),
        ("dz = (p - targets)", "dz = np.abs(p - targets)", "dz & abs|sign"),
    ),
    2: (
        (Z, Z + " + b", "bias & twice"),
        (SIGMOID, "return np.clip(0.2 * z + 0.5, 0, 1)", "hard sigmoid"),
        (SIGMOID, "return np.clip(z / 6 + 0.5, 0, 1)", "hard sigmoid"),
        (SIGMOID, "return 0.5 * (1 + np.tanh(z))", r"z / 2"),
        (SIGMOID, "return np.maximum(z, 0)", "relu"),
        ("return i, f, g, o, c, h", "return i, f, o, g, c, h", "g and o & swap|order"),
        ("return i, f, g, o, c, h", "return i, f, g, o, h, c", "c and h_hat & swap|order"),
        ("return i, f, g, o, c, h", "return h, c, i, f, g, o", "order"),
        ("return i, f, g, o, c, h", "return f, i, g, o, c, h", "i and f|f i & swap|order"),
        ("+ b[3 * H:])", "+ b[3 * H:] + c_prev)", "gate o & c_prev|peephole"),
        ("+ b[H:2 * H])", "+ b[H:2 * H] + 1)", "gate f & 1"),
        ("g = np.tanh(z[:, 2 * H:3 * H] + b[2 * H:3 * H])", "g = np.maximum(z[:, 2 * H:3 * H] + b[2 * H:3 * H], 0)",
         "gate g & relu"),
        ("c = f * c_prev + i * g", "c = (1 - f) * c_prev + i * g", r"\bc\b & 1 - f"),
        ("h = o * np.tanh(c)", "h = np.tanh(o * c)", "h_hat & tanh"),
        ("h = o * np.tanh(c)", "h = o * np.tanh(c) + h_prev", "h_hat & h_prev"),
        ("h = o * np.tanh(c)", "h = o * g", "h_hat"),
        (Z, Z.replace("h_prev.dot", "2 * h_prev.dot"), "h_prev @ W_h & twice"),
        (Z, "z = (x.dot(W_x) + h_prev.dot(W_h)) / np.sqrt(H)", "sqrt"),
        (Z, Z + "\n    z = np.concatenate([z[:, k::4] for k in range(4)], axis=1)", "interleav|every fourth|::4"),
        (GATE_O, "o = sigmoid(x.dot(W_x)[:, 3 * H:] + b[3 * H:])", "gate o & h_prev"),
        (GATE_O, "o = sigmoid(z[:, 3 * H:] + b[:H])", "gate o & bias|b & gate i"),
        ("+ b[H:2 * H])", "- b[H:2 * H])", "gate f & bias|b & sign|subtract"),
        ("c = f * c_prev + i * g", "c = f * (c_prev + i * g)", r"\bc\b"),
        ("c = f * c_prev + i * g", "c = np.tanh(f * c_prev + i * g)", r"\bc\b & tanh"),
    ),
    3: (
        ("return dz, dc_prev, dx, dh_prev,", "return dz, dh_prev, dx, dc_prev,", "dc_prev and dh_prev & swap|order"),
        ("dW_x, dW_h, db\n", "dW_h, dW_x, db\n", "dW_x and dW_h & swap|order"),
        ("return dz, dc_prev, dx,", "return dz, dx, dc_prev,", "dc_prev and dx & swap|order"),
        ("dW_x = np.dot(x.T, dz)", "dW_x = np.dot(x.T, dz) + 0.01 * W_x", "dW_x & decay"),
        ("dW_h = np.dot(h_prev.T, dz)", "dW_h = np.dot(h_prev.T, dz) + 1e-4 * W_h", "dW_h & decay"),
        ("    dW_x = np", "    dz = np.clip(dz, -0.1, 0.1)\n    dW_x = np", "dz & clip"),
        ("dc = dh_hat * o * (1 - np.tanh(c) ** 2)", "dc = dh_hat * o * (1 - np.tanh(c_prev) ** 2)", r"dc & c_prev"),
        ("dc = dh_hat * o * (1 - np.tanh(c) ** 2)", "dc = dh_hat", r"dc & o"),
        ("dh_prev = np.dot(dz, W_h.T)", "dh_prev = np.dot(dz, W_h.T) + dh_hat", "dh_prev & dh_hat"),
        ("dc_prev = dc * f\n", "dc_prev = dc * f * (1 - f)\n", r"dc_prev & f \* \(1 - f\)|1 - f"),
        ("di * i * (1 - i)", "di * (1 / (1 + np.exp(-i))) * (1 - 1 / (1 + np.exp(-i)))", "gate i & already"),
        ("do * o * (1 - o)", "do * 0.2", "gate o & hard sigmoid"),
        ("    dW_x = np", "    dz = dz / len(x)\n    dW_x = np", "dz & mean|1/B"),
        ("di * i * (1 - i)", "di * f * (1 - f)", "gate i & gate f|f"),
        ("db = np.concatenate([db_i, db_f, db_g, db_o])", "db = dz.sum(0, keepdims=True)", "db & shape"),
        ("dx = np.dot(dz, W_x.T)", "dx = np.dot(dz[:, :H], W_x[:, :H].T)", "dx & gate"),
        ("dW_h = np.dot(h_prev.T, dz)", "dW_h = np.dot(c_prev.T, dz)", "dW_h & c_prev"),
        ("do = dh_hat * np.tanh(c)", "do = dh_hat * np.tanh(c_prev)", "gate o & c_prev"),
        ("dg = dc * i", "dg = dc * i * np.tanh(c)", "gate g"),
        ("df = dc * c_prev", "df = -dc * c_prev", "gate f & sign"),
        ("dg * (1 - g ** 2)", "dg * (1 + g ** 2)", "gate g"),
        ("db = np.concatenate([db_i, db_f, db_g, db_o])", "db = np.concatenate([db_i, db_f, db_o, db_g])",
         "db & swap|order & g and o|o and g"),
        ("do * o * (1 - o)", "(do * o * (1 - o)) ** 3", "dz, gate o"),
        ("    di = dc * g", "    dh_hat = dh_hat.copy()\n    dc[0] = 0\n    di = dc * g", None),
    ),
    4: (
        ("np.dot(q[b], M[n, b]) / np.sqrt(H)", "np.dot(q[b], M[n, b]) / np.sqrt(N)", r"\ba\b & sqrt\(N\)"),
        ("dM[n, b] = da[b, n] * q[b] / np.sqrt(H)", "dM[n, b] = da[b, n] * q[b] / np.sqrt(N)", r"dM & sqrt\(N\)"),
        ("da[b, n] * M[n, b] / np.sqrt(H)", "da[b, n] * M[n, b] / np.sqrt(N)", r"dq|dh_hat & sqrt\(N\)"),
        ("np.dot(q[b], M[n, b]) / np.sqrt(H)", "np.dot(q[b], M[n, b]) / np.sqrt(B)", r"\ba\b & sqrt\(B\)"),
        ("np.dot(q[b], M[n, b]) / np.sqrt(H)", "np.dot(q[b], M[n, b]) / N", r"\ba\b & N"),
        ("dh_hat = dq @ W_q.T", "a = np.exp(a) / np.exp(a).sum(1, keepdims=True)\n    dh_hat = dq @ W_q.T",
         r"\ba\b & softmax"),
        ("np.dot(q[b], M[n, b]) / np.sqrt(H)", "np.dot(q[b], M[n, b]) / np.linalg.norm(q[b]) / np.linalg.norm(M[n, b])",
         "cosine|norm"),
        ("np.dot(q[b], M[n, b]) / np.sqrt(H)", "-np.sum((q[b] - M[n, b]) ** 2) / np.sqrt(H)", r"\ba\b"),
        ("return a, dM, dh_hat, dW_q", "return a, dM, dW_q, dh_hat", "dh_hat and dW_q & swap|order"),
        ("dW_q = h_hat.T @ dq", "dW_q = h_hat.T @ dq + 0.01 * W_q", "dW_q & decay"),
        ("dW_q = h_hat.T @ dq", "dW_q = dq.T @ h_hat", "dW_q & transpose"),
        ("dW_q = h_hat.T @ dq", "dW_q = M[0].T @ dq", "dW_q"),
        ("q = h_hat @ W_q\n", "q = h_hat @ W_q + h_hat\n", r"\ba\b"),
        ("q = h_hat @ W_q\n", "q = np.tanh(h_hat @ W_q)\n", "tanh"),
        ("dM[n, b] = da[b, n] * q[b] / np.sqrt(H)", "dM[n, b] = da[b, n] * M[n, b] / np.sqrt(H)", "dM & M"),
        ("da[b, n] * M[n, b] / np.sqrt(H)", "da[b, n] * q[b] / np.sqrt(H)", "dq|dh_hat & q"),
        ("dM[n, b] = da[b, n] * q[b] / np.sqrt(H)", "dM[n] += da[b, n] * q[b] / np.sqrt(H)", "dM & row|batch"),
        ("dM[n, b] = da[b, n]", "dM[n, b] = -da[b, n]", "dM & sign"),
        ("dh_hat = dq @ W_q.T", "dh_hat = dq @ W_q.T + dq", "dh_hat"),
        ("        for n in range(N):\n", "        for n in range(N - 1):\n", r"\ba\b|last"),
    ),
    5: (
        ("order = sorted(range(N), key=lambda n: (-a[b, n], n))", "order = sorted(range(N), key=lambda n: -a[b, n])[1:]"
         " + [0]", "slots & largest|first"),
        ("return slots, w, da", "return slots, da, w", "w and da & swap|order"),
        ("return slots, w, da", "return w, slots, da", "slots and w & swap|order"),
        ("return slots, w, da", "return slots.astype(float), w, da", "slots & integer|float"),
        ("e = np.exp(top - top.max())", "e = np.exp(top.max() - top)", "softmax & sign"),
        ("e = np.exp(top - top.max())", "e = np.exp((top - top.max()) / np.sqrt(K))", r"softmax|w & sqrt\(K\)|temper"),
        ("w[b] = e / e.sum()", "w[b] = e / np.sqrt(np.sum(e ** 2))", "w & square|norm"),
        ("total = r.sum() + 1e-6", "total = r.sum() + 1e-8", "1e-6"),
        ("total = r.sum() + 1e-6", "total = r.sum() + 1e-3", "1e-6"),
        ("w[b] = r / total", "w[b] = r / total ** 2", "w, relu|w has|w is"),
        ("-dr.sum()", "-dr.mean()", "threshold & mean|sum"),
        ("-dr.sum()", "-dr[-1]", "threshold"),
        ("r = top - a[b, order[K]]", "r = np.maximum(top, 0)", "relu & threshold"),
        ("da[b, slots[b]] = J @ dw[b]", "da[b, sorted(slots[b])] = J @ dw[b]", "da & order|slot"),
        ("da[b, slots[b]] = J @ dw[b]", "da[b] = np.dot(dw[b], J).sum()", "da"),
        ("J = np.diag(w[b]) - np.outer(w[b], w[b])", "J = np.eye(K) - np.outer(w[b], w[b])", "da, softmax|da"),
        ("J = np.diag(w[b]) - np.outer(w[b], w[b])", "J = np.diag(w[b]) - w[b]", "da"),
        ("J = np.diag(w[b]) - np.outer(w[b], w[b])", "J = np.diag(w[b] * (1 - w[b]))",
         "da, softmax & other|diagonal|sum"),
        ("dr = dw[b] / total - np.dot(dw[b], r) / total ** 2", "dr = dw[b] / total - np.dot(dw[b], r) / total",
         "da, relu|da"),
        ("dr = dw[b] / total -", "dr = dw[b] / total +", "da, relu & sign"),
        ("slots[b] = order[:K]", "slots[b] = np.argsort(-a[b])[np.random.permutation(K)]", "same input"),
        ("sorted(range(N), key=lambda n: (-a[b, n], n))", "sorted(range(N), key=lambda n: (-abs(a[b, n]), n))",
         "slots & abs|magnitude"),
    ),
    6: (
        ("return da, dM", "return dM, da", "da and dM & swap|order"),
        ("slope[b, k] * np.dot(ds[b], M[n, b] - s)", "slope[b, k] * np.dot(ds[b], M[n, b] - s) / np.sqrt(len(s))",
         r"da & sqrt\(H\)"),
        ("slope[b, k] * np.dot(ds[b], M[n, b] - s)", "slope[b, k] * np.dot(ds[b], M[n, b] - s) / np.sqrt(len(M))",
         r"da & sqrt\(N\)"),
        ("dM[n, b] += w[b, k] * ds[b]", "dM[n, b] += w[b, k] * ds[b] / K", "dM & K"),
        ("dM[n, b] += w[b, k]", "dM[n, b] -= w[b, k]", "dM & sign"),
        ("dM[n, b] += w[b, k] * ds[b]", "dM[n, b] += w[b, k] * (ds[b] - s)", "dM"),
        ("dM[n, b] += w[b, k] * ds[b]", "dM[n, b] += w[b, k] * M[n, b]", "dM & ds"),
        ("dM[n, b] += w[b, k] * ds[b]", "dM[n, b] += w[b, k] ** 2 * ds[b]", "dM & w"),
        ("dM[n, b] += w[b, k] * ds[b]", "dM[n, b] += w[b, k] * (1 - w[b, k]) * ds[b]", "dM"),
        ("        s = 0\n", "        s = ds[b]\n", "da"),
        ("    for b in range(B):\n        s = 0\n", "    s = 0\n    for b in range(B):\n", "da"),
        ("np.dot(ds[b], M[n, b] - s)", "np.dot(ds[b] - s, M[n, b])", r"da"),
        ("np.dot(ds[b], M[n, b] - s)", "np.dot(ds[b], s - M[n, b])", r"da & sign"),
        ("slope[b, k] * np.dot(ds[b], M[n, b] - s)", "w[b, k] * (1 - w[b, k]) * np.dot(ds[b], M[n, b])", "da"),
        ("n = slots[b, k]\n", "n = slots[0, k]\n", "row|batch"),
        ("slots[b, k], b]\n", "k, b]\n", r"\bs\b|da & slot"),
        ("da[b, k] = slope", "da[b, K - 1 - k] = slope", "da & order|reverse"),
        ("        for k in range(K):\n            n =", "        for k in range(K - 1):\n            n =", "last"),
    ),
    7: (
        ("    for t in range(T - 1, -1, -1):\n", WINDOW, "window"),
        ("        dz[t] = dh * (1 - h[t] * h[t])\n", "        dz[t] = dh * (1 - h[t] * h[t])\n"
         "        dz[t] *= not k_trunc or t % k_trunc > 0\n", "dz & block|cut"),
        (CUT, "        if k_trunc and t == T - k_trunc:\n            dh_next = np.zeros((B, H))\n", "cut|block"),
        (CUT, "        if k_trunc and t <= T - k_trunc:\n            dh_next = np.zeros((B, H))\n", "cut|block|last"),
        ("t % k_trunc == 0", "t % (k_trunc + 1) == 0", r"k_trunc \+ 1|one step|block"),
        ("t % k_trunc == 0", "t % k_trunc == 1", "cut|block & one step|off by one"),
        ("dh_next = dz[t] @ W_h.T", "dh_next = 0.9 * dz[t] @ W_h.T", "dh_local|dz"),
        ("    return dz", "    dW_h /= T\n    return dz", "dW_h & mean|1/T"),
        ("    return dz", "    dW_h /= B\n    return dz", "dW_h & mean|1/B"),
        ("    return dz", "    dW_h += 0.01 * W_h\n    return dz", "dW_h & decay"),
        ("    return dz, dW_h", "    return dW_h, dz", "dz and dW_h & swap|order"),
        ("    return dz, dW_h", "    return dz[::-1], dW_h", "dz & revers|order"),
        ("dz[t] = dh * (1 - h[t] * h[t])", "dz[t] = np.clip(dh * (1 - h[t] * h[t]), -1, 1)", "dz & clip"),
        ("dz[t] = dh * (1 - h[t] * h[t])", "dz[t] = dh * (1 - h[t - 1] * h[t - 1])", r"dz & h\[t-1\]|h\[t - 1\]"),
        ("dW_h += h_prev.T @ dz[t]", "dW_h += dz[t].T @ h_prev", "dW_h & transpose"),
        ("dh = dh_loss[t] + dh_next", "dh = 2 * dh_loss[t] + dh_next", "dh_loss|dz & twice"),
        ("dh = dh_loss[t] + dh_next", "dh = dh_loss[t] - dh_next", "dh_local|dz"),
        ("        dh = dh_loss[t]", "        dh = dh_loss[0]", "dz"),
        ("dh_next = dz[t] @ W_h.T", "dh_next = dz[t] @ W_h.T * (1 - h[t] ** 2)", "dh_local|dz"),
        ("t % k_trunc == 0:\n            dh_next = np.zeros((B, H))", "t % k_trunc == 0:\n            dh_next *= 0.5",
         "cut|block|crosses"),
        ("    for t in range(T - 1, -1, -1)", "    for t in range(T)", "forward|backward|order|reverse"),
        ("        h_prev = h[t - 1] if t > 0", "        h_prev = h[t - 1] * (not k_trunc or t % k_trunc > 0) if t > 0",
         "dW_h & block|cut"),
    ),
    8: (
        ("    return dz, grads", "    return grads, dz", "dz and grads & swap|order"),
        ("n_empty = K + 1", "n_empty = K + 2", r"slot|n_empty"),
        ("n_empty = K + 1", "n_empty = 1", r"slot|n_empty"),
        ("                if n >= n_empty:\n", "                if True:\n", "empty"),
        ("    return dz", "    for name in grads:\n        grads[name] += 0.01 * params[name]\n    return dz", "decay"),
        ("    for t in range(T", "    dy = dy / (T * B)\n    for t in range(T", "mean|T|B"),
        ('grads["V_s"] += tape["s"][t].T', 'grads["V_s"] += tape["h"][t].T', r"V_s & \bh\b"),
        ('grads["W_q"] += dW_q', 'grads["W_q"] += dW_q.T', "W_q & transpose"),
        ("dh_next = dh_prev\n", "dh_next = dh_next + dh_prev\n", r"dh_local|dh & \+=|twice"),
        ("dc_next = dc_prev\n", "dc_next = dc_next + dc_prev\n", r"dc_local|dc & \+=|twice"),
        ('ds = dh + dy[t] @ params["V_s"].T', 'ds = dh - dy[t] @ params["V_s"].T', "ds|V_s"),
        ('grads["b_y"] += dy[t].sum(axis=0)', 'grads["b_y"] += dy[t].mean(axis=0)', "b_y & mean|1/B"),
        ("k_trunc is not None and t % k_trunc == 0:", "t % (k_trunc or T) == T - 1 or (k_trunc and t % k_trunc == 1):",
         "cut"),
        ("recall_backward(ds, memory, slots, w, w)", "recall_backward(dh, memory, slots, w, w)", "ds"),
        ("recall_backward(ds, memory, slots, w, w)", "recall_backward(ds, memory, slots, w, w * (1 - w))", "slope"),
        ("recall_backward(ds, memory, slots, w, w)", "recall_backward(ds, memory, slots, w, 1 + 0 * w)", "slope|da"),
        ("dM[n, b] + dselected[k, b]", "0.5 * (dM[n, b] + dselected[k, b])", None),
        ("        c_prev = tape",
         "        h_prev = h_prev * (k_trunc is None or t % k_trunc > 0)\n        c_prev = tape",
         "h_prev|W_h & stopped|zero|cut"),
        ("dh = dh + dh_memory[t]", "dh = dh + dh_memory[t - 1]", "dh_memory"),
        ("        dh = dh + dh_next\n", "        dh = dh + dc_next\n", "dh"),
        ("            dh_hat, dc_next, x[t]", "            dh, dc_next, x[t]", "query"),
        ('grads["V_h"] += tape["h"][t].T @ dy[t]', 'grads["V_h"] += tape["h"][t].T @ dy[t] / B', "V_h & mean|1/B"),
    ),
    9: (
        ("return norm, clipped", "return clipped, norm", "norm and clipped & swap|order"),
        ("np.sum(grads[name] ** 2)\n    norm = np.sqrt(total)", "np.sum(np.abs(grads[name]))\n    norm = total",
         "norm & abs"),
        ("total += np.sum(grads[name] ** 2)\n    norm = np.sqrt(total)",
         "total = max(total, np.abs(grads[name]).max())\n    norm = total", "norm & largest|max"),
        ("clipped[name] * max_norm / norm", "clipped[name] * (max_norm / norm) ** 2", "twice|square"),
        ("clipped[name] * max_norm / norm", "clipped[name] * max_norm / (norm + 1e-6)", "1e-6"),
        ("norm = np.sqrt(total)", "norm = np.sqrt(total / len(grads))", "mean|number"),
        ("clipped[name] * max_norm / norm", "clipped[name] / norm", "max_norm"),
        ("clipped[name] * max_norm / norm", "clipped[name] * max_norm / total", "norm & root|square|total"),
        ("clipped[name] * max_norm / norm", "clipped[name] - max_norm / norm", "clipped|subtracted"),
        ("return norm, clipped", "return np.array([norm]), clipped", "norm & shape"),
        ("if norm > max_norm:", "if norm > max_norm and name == 'W':", r"clipped\[V\]|only|one array alone"),
        ("        clipped[name] = grads[name].copy()\n", "        clipped[name] = np.abs(grads[name])\n", "abs|sign"),
        ("return norm, clipped", "return norm, {'W': clipped['W']}", r"clipped\[V\]"),
        ("if norm > max_norm:", "if norm > 1:", "max_norm"),
        ("total += np.sum", "total = np.sum", "= for \\+=|last|only"),
        ("if norm > max_norm:", "if np.abs(grads[name]).max() > max_norm:", "clipped"),
    ),
    10: (
        ("return loss, new_m, new_v,", "return loss, new_v, new_m,", "m and v & swap|order"),
        ("return loss, new_m, new_v, new_params,", "return loss, new_params, new_m, new_v,", "order"),
        ("return loss, new_m, new_v, new_params, step", "return new_params, new_m, new_v, loss, step", "order|swap"),
        ("    step = step + 1", "    grads = {n: grads[n] + 0.01 * params[n] for n in grads}\n    step = step + 1",
         "decay"),
        ("new_params[name] = params[name] -", "new_params[name] = params[name] - learning_rate * 0.01 * params[name] -",
         "decay"),
        ("    norm, grads =", "    raw = grads\n    norm, grads =", RAW),
        ("0.9 * m[name] + 0.1 * grads[name]", "0.99 * m[name] + 0.01 * grads[name]", r"\bm\b & 0\.9"),
        ("+ 1e-8", "+ 1e-6", "1e-8"),
        ("0.001 * grads[name] ** 2", "0.001 * new_m[name] ** 2", r"\bv\b"),
        ("    return loss, new_m", "    loss = loss * targets.size\n    return loss, new_m", "loss & mean|sum"),
        ("clip_gradients(grads, max_norm)", "clip_gradients(grads, 1.0)", "max_norm"),
        ("learning_rate * m_hat / (np.sqrt(v_hat) + 1e-8)", "learning_rate * new_m[name] / (np.sqrt(v_hat) + 1e-8)",
         "bias correction & m"),
        (M_ROW, "new_m[name] = 0.9 * m[name] + grads[name]", r"\bm\b & 0\.1"),
        (M_ROW, "new_m[name] = 0.9 * m[name] - 0.1 * grads[name]", r"\bm\b"),
        ("m_hat = new_m[name] / (1 - 0.9 ** step)", "m_hat = new_m[name] / (1 - 0.999 ** step)", "correct|m_hat"),
        ("m_hat = new_m[name] / (1 - 0.9 ** step)", "m_hat = new_m[name] * (1 - 0.9 ** step)", "m_hat"),
        ("learning_rate * m_hat", "learning_rate / step * m_hat", "learning_rate|params & step"),
        (M_V, M_V.replace("** 2", ""), r"\bv\b & square"),
        ("    step = step + 1\n", "", "step"),
        ("0.9 ** step", "0.9 * step", "bias|correct|m_hat"),
        ("    loss, grads = loss", "    x = x[::-1]\n    loss, grads = loss", "loss"),
        ("new_v, new_params, step", "new_v, params, step", "params & not chang"),
    ),
}


SIZES = "    B, O = z.shape\n"
RIGHT = {
    1: (
        ("import numpy as np\n", "import math\nimport numpy as np\n"),
        ("import numpy as np\n", "from typing import Tuple\n\nimport numpy as np\n"),
        ("import numpy as np\n", "from __future__ import annotations\nimport numpy as np\nfrom numpy import exp\n"),
        ("return p, dp, dz", "return [p, dp, dz]"),
        ("return p, dp, dz",
         "import collections\n    R = collections.namedtuple('R', 'p dp dz')\n    return R(p, dp, dz)"),
        ("p = 1 / (1 + np.exp(-z))", "p = 0.5 * (1 + np.tanh(z / 2))"),
        ("p = 1 / (1 + np.exp(-z))", "p = np.where(z > 0, 1 / (1 + np.exp(-z)), np.exp(z) / (1 + np.exp(z)))"),
        ("dz = (p - targets) / (B * O)", "dz = dp * p * (1 - p)"),
        ("dz = (p - targets) / (B * O)", "dz = np.asarray([[dp[b, k] * p[b, k] * (1 - p[b, k]) for k in range(O)]"
         " for b in range(B)])"),
        (SIZES, SIZES + "    print('shapes', z.shape)\n"),
    ),
    2: (
        ("return 1 / (1 + np.exp(-z))", "return 0.5 + 0.5 * np.tanh(0.5 * z)"),
        (Z, "z = np.concatenate([x, h_prev], 1) @ np.concatenate([W_x, W_h], 0)"),
        (Z, "z = np.einsum('bd,dj->bj', x, W_x) + np.einsum('bk,kj->bj', h_prev, W_h)"),
        (Z, "z = np.array([[sum(x[n, d] * W_x[d, j] for d in range(x.shape[1])) + sum(h_prev[n, k] * W_h[k, j] for k in"
         " range(H)) for j in range(4 * H)] for n in range(len(x))])"),
        ("def sigmoid(z):\n    return 1 / (1 + np.exp(-z))", "sigmoid = np.vectorize(lambda z: 1 / (1 + np.exp(-z)))"),
        ("import numpy as np\n", "import functools\nimport itertools\nimport numpy as np\n"),
    ),
    3: (
        ("dW_x = np.dot(x.T, dz)", "dW_x = np.einsum('bd,bj->dj', x, dz)"),
        ("dW_x = np.dot(x.T, dz)", "dW_x = sum(np.outer(x[n], dz[n]) for n in range(len(x)))"),
        ("dc_prev = dc * f\n", "dc_prev = f * dc + 0 * c\n"),
        ("dx = np.dot(dz, W_x.T)", "dx = (W_x @ dz.T).T"),
        ("    db = np.concatenate([db_i, db_f, db_g, db_o])", "    db = np.hstack((db_i, db_f, db_g, db_o))"),
        ("import numpy as np\n", "from dataclasses import dataclass\nimport numpy as np\n\n\n@dataclass\nclass Pair:\n"
         "    a: float\n    b: float\n\n\n"),
    ),
    4: (
        ("dM[n, b] = da[b, n] * q[b] / np.sqrt(H)", "dM[n, b] += da[b, n] / H ** 0.5 * q[b]"),
        ("    dh_hat = dq @ W_q.T", "    dq = np.einsum('bn,nbh->bh', da, M) / np.sqrt(H)\n    dh_hat = dq @ W_q.T"),
        ("    dh_hat = dq @ W_q.T", "    a = np.einsum('bh,nbh->bn', q, M) / np.sqrt(H)\n    dh_hat = dq @ W_q.T"),
        ("dW_q = h_hat.T @ dq", "dW_q = np.tensordot(h_hat, dq, axes=(0, 0))"),
        ("import numpy as np\n", "from math import sqrt\nimport numpy as np\n"),
        ("np.dot(q[b], M[n, b]) / np.sqrt(H)", "float(np.dot(q[b], M[n, b])) * (1 / np.sqrt(H))"),
    ),
    5: (
        ("slots = np.zeros((B, K), int)", "slots = np.zeros((B, K), np.int32)"),
        ("slots = np.zeros((B, K), int)", "slots = np.zeros((B, K), np.uint8)"),
        ("order = sorted(range(N), key=lambda n: (-a[b, n], n))", "order = np.argsort(-a[b], kind='stable')"),
        ("order = sorted(range(N), key=lambda n: (-a[b, n], n))", "order = np.lexsort((np.arange(N), -a[b]))"),
        ("e = np.exp(top - top.max())", "e = np.exp(top)"),
        ("da[b, slots[b]] = J @ dw[b]", "da[b, slots[b]] += w[b] * (dw[b] - w[b] @ dw[b])"),
    ),
    6: (
        ("dM[n, b] += w[b, k] * ds[b]", "dM[n, b] = w[b, k] * ds[b]"),
        ("        s = 0\n", "        s = np.zeros(M.shape[2])\n"),
        ("np.dot(ds[b], M[n, b] - s)", "(np.dot(ds[b], M[n, b]) - np.dot(ds[b], s))"),
        ("dM = np.zeros(M.shape)", "dM = np.zeros_like(M)"),
        ("return da, dM",
         "here = (slots.T, np.arange(B))\n    dM = np.zeros_like(M)\n    dM[here] = w.T[:, :, None] * ds\n"
         "    return da, dM"),
    ),
    7: (
        ("if k_trunc and t % k_trunc == 0", "if k_trunc is not None and not t % k_trunc"),
        (CUT, "        start = k_trunc is not None and t % k_trunc == 0\n        dh_next = dh_next * (not start)\n"),
        ("1 - h[t] * h[t]", "(1 - h[t]) * (1 + h[t])"),
        ("        h_prev = h[t - 1] if t > 0 else np.zeros((B, H))\n        dW_h += h_prev.T @ dz[t]\n",
         "        dW_h = dW_h + (np.tensordot(h[t - 1], dz[t], (0, 0)) if t else 0)\n"),
        ("    return dz, dW_h", "    dW_h = np.einsum('tbh,tbk->hk', h[:-1], dz[1:])\n    return dz, dW_h"),
    ),
    8: (
        ("grads = {name: np.zeros_like(params[name]) for name in params}",
         "from collections import defaultdict\n    grads = defaultdict(float)"),
        ("if k_trunc is not None and t % k_trunc == 0", "if k_trunc and t % k_trunc == 0"),
        ('grads["b_y"] += dy[t].sum(axis=0)', 'grads["b_y"] = dy.sum(axis=(0, 1))'),
        ("    return dz, grads", '    grads["V_h"] = np.einsum("tbh,tbo->ho", tape["h"], dy)\n    return dz, grads'),
    ),
    9: (
        ("norm = np.sqrt(total)", "norm = float(np.sqrt(total))"),
        ("norm = np.sqrt(total)", "import math\n    norm = math.sqrt(total)"),
        ("norm = np.sqrt(total)", "norm = np.linalg.norm(np.concatenate([g.ravel() for g in grads.values()]))"),
        ("if norm > max_norm", "if norm >= max_norm"),
        ("clipped = {}", "from collections import OrderedDict\n    clipped = OrderedDict()"),
    ),
    10: (
        ("step = step + 1", "step += 1"),
        ("    return loss", "    step = np.int64(step)\n    return loss"),
        ("new_params, new_m, new_v = {}, {}, {}", "new_params, new_m, new_v = dict(params), dict(m), dict(v)"),
        ("learning_rate * m_hat / (np.sqrt(v_hat) + 1e-8)", "m_hat * learning_rate / (v_hat ** 0.5 + 1e-8)"),
    ),
}


def right():
    """(exercise, text, what was done) of the solutions and of right files that are written in another way."""
    for number in catalogue.NUMBERS:
        text = student.solution(number)
        yield number, text, "the solution"
        for old, new in RIGHT[number]:
            assert text.count(old) == 1, (number, old, text.count(old))
            yield number, text.replace(old, new), f"{old.strip()[:45]!r} -> {new.strip()[:60]!r}"


def mutated():
    """(exercise, text, what was done) of slips at every place of the solutions: another operator, name or number."""
    for number in catalogue.NUMBERS:
        tree = ast.parse(student.solution(number))
        body = next(node for node in tree.body if getattr(node, "name", "") == catalogue.function_name(number))
        names = sorted({node.id for node in ast.walk(body) if isinstance(node, ast.Name)} - {"np", "range", "len"})
        for place, node in enumerate(ast.walk(body)):
            changes = []
            if isinstance(node, ast.BinOp):
                changes = [("op", kind()) for kind in (ast.Add, ast.Sub, ast.Mult) if not isinstance(node.op, kind)]
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
                changes = [("id", names[(names.index(node.id) + step) % len(names)]) for step in (1, 2)]
            if isinstance(node, ast.Constant) and type(node.value) in (int, float):
                changes = [("value", node.value + 1), ("value", node.value * 2)]
            if isinstance(node, ast.AugAssign):
                changes = [("op", ast.Sub())]
            for key, value in changes:
                copied = copy.deepcopy(tree)
                same_body = next(n for n in copied.body if getattr(n, "name", "") == body.name)
                setattr(list(ast.walk(same_body))[place], key, value)
                text = ast.unparse(ast.fix_missing_locations(copied))
                yield number, text, f"{ast.unparse(node)[:50]} ({key}: {getattr(value, 'id', value)})"


def wrong():
    """(exercise, text of the file, what was done, patterns) of every wrong file."""
    for number, rows in WRONG.items():
        right = student.solution(number)
        for old, new, words in rows:
            assert right.count(old) == 1, (number, old, right.count(old))
            text = right.replace(old, new)
            if words is RAW:                                   # two places
                text, words = text.replace("0.001 * grads", "0.001 * raw"), r"\bv\b"
            yield number, text, f"{old.strip()[:45]!r} -> {new.strip()[:60]!r}", words


def said(words, line):
    """ "named", "none" (no cause is claimed) or "misleading"."""
    if words and all(re.search(word.strip(), line, re.I) for word in words.split("&")):
        return "named"
    return "none" if re.search(r"has wrong values(?!.*as if)|Error: ", line) else "misleading"


def main():
    counts, details = Counter(), []
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        for number, text, what, words in wrong():
            result = student.grade_text(Path(folder), number, text)
            line = result.feedback[0] if result.feedback else ""
            kind = said(words, line) if result.points < result.possible else "not found"
            counts[kind] += 1
            if kind != "named":
                details.append(f"{number:2} {kind:10} {what}\n      {line}")
    print(f"{sum(counts.values())} wrong files: {dict(counts)}", *details, sep="\n")
    counts, partly = Counter(), []
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        for number, text, what in itertools.islice(mutated(), 3, None, 17):
            result = student.grade_text(Path(folder), number, text)
            line = result.feedback[0] if result.feedback else ""
            kind = "nothing wrong" if result.status == "right" else "does not run" if "Error: " in line else (
                "a slip is shown" if "as if" in line else "no cause" if said(None, line) == "none" else "a cause")
            counts[kind] += 1
            if kind == "a cause" and any(more.startswith("also: ") for more in result.feedback):
                partly.append(f"{number:2} {what}\n      {line}")
    print(f"{sum(counts.values())} slips: {dict(counts)}; {len(partly)} of the causes do not explain all that is wrong",
          *partly, sep="\n")
    with tempfile.TemporaryDirectory() as folder:              # in processes: what may be imported counts
        lost = [(number, what, result.feedback[0]) for number, text, what in right()
                if (result := student.grade_text(Path(folder), number, text, run=isolate.run)).status != "right"]
    print(f"{sum(1 for _ in right())} right files, {len(lost)} lose points", *lost, sep="\n")


if __name__ == "__main__":
    main()
