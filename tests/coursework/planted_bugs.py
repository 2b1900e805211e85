"""Mistakes that students make, planted in the solutions; the first line of feedback must name them.

FIRST was written before there was any diagnosis, so the score on it is the honest one; the rest came after it.
"""

from typing import NamedTuple


class Planted(NamedTuple):
    name: str
    exercise: int
    old: str               # in the solution, exactly once
    new: str
    words: tuple           # patterns that the first line of feedback must all contain


FIRST = (
    Planted("copy-pasted gate bias", 3, "concatenate([db_i, db_f, db_g, db_o])",
            "concatenate([db_i, db_i, db_g, db_o])", ("db", "gate f", "gate i")),
    Planted("missing sigmoid derivative", 3, "do * o * (1 - o)", "do", ("gate o", "sigmoid")),
    Planted("carried dc never updated", 8, "        dc_next = dc_prev\n", "", ("dc", "carried|never updated")),
    Planted("bias of the wrong gate", 2, "b[2 * H:3 * H])", "b[3 * H:])", ("bias", "gate g", "gate o")),
    Planted("dc += dc", 3, "dc = dc + dc_next", "dc += dc", ("dc", r"twice|itself|\+= dc")),
    Planted("= for +=", 8, 'grads["W_h"] += dW_h', 'grads["W_h"] = dW_h', ("W_h", r"\+=")),
    Planted("threshold's gradient forgotten", 5, "            da[b, order[K]] = -dr.sum()\n", "", ("threshold",)),
    Planted("cut off by one", 7, "t % k_trunc == 0", "(t + 1) % k_trunc == 0",
            ("cut|block", "one step|off by one|early|late")),
    Planted("a norm for each array", 9,
            "        if norm > max_norm:\n            clipped[name] = clipped[name] * max_norm / norm",
            "        own = np.sqrt(np.sum(grads[name] ** 2))\n        if own > max_norm:\n"
            "            clipped[name] = clipped[name] * max_norm / own", ("each|every|per", "norm")),
    Planted("wrong sign", 1, "dz = (p - targets)", "dz = (targets - p)", ("dz", "sign")),
)

REST = (
    Planted("sigmoid's derivative missing", 1, "dz = (p - targets) / (B * O)", "dz = dp", ("dz", "sigmoid")),
    Planted("gates in the order i f o g", 2, """    g = np.tanh(z[:, 2 * H:3 * H] + b[2 * H:3 * H])
    o = sigmoid(z[:, 3 * H:] + b[3 * H:])""", """    o = sigmoid(z[:, 2 * H:3 * H] + b[2 * H:3 * H])
    g = np.tanh(z[:, 3 * H:] + b[3 * H:])""", ("gate", "order|swap", "i f o g|g and o|o and g")),
    Planted("tanh of the cell forgotten", 2, "h = o * np.tanh(c)", "h = o * c", ("h_hat", "tanh")),
    Planted("carried dc dropped", 3, "    dc = dc + dc_next\n", "", ("dc", "carried|step t.1", "missing|lost|dropped")),
    Planted("sigmoid's derivative for the tanh gate", 3, "dg * (1 - g ** 2)", "dg * g * (1 - g)", ("gate g", "tanh")),
    Planted("c for c_prev", 3, "df = dc * c_prev", "df = dc * c", ("gate f", "c_prev")),
    Planted("gates i and f swapped in dz", 3, """    dz[:, :H] = di * i * (1 - i)
    dz[:, H:2 * H] = df * f * (1 - f)""", """    dz[:, H:2 * H] = di * i * (1 - i)
    dz[:, :H] = df * f * (1 - f)""", ("gate", "i and f|f and i", "swap|order|exchange")),
    Planted("scale forgotten", 4, "dM[n, b] = da[b, n] * q[b] / np.sqrt(H)", "dM[n, b] = da[b, n] * q[b]",
            ("dM", r"sqrt\(H\)")),
    Planted("W_q not transposed", 4, "dh_hat = dq @ W_q.T", "dh_hat = dq @ W_q", ("dh_hat", "transpose")),
    Planted("dW_q transposed", 4, "dW_q = h_hat.T @ dq", "dW_q = dq.T @ h_hat", ("dW_q", "transpose")),
    Planted("softmax without its sum", 5, "J = np.diag(w[b]) - np.outer(w[b], w[b])", "J = np.diag(w[b])",
            ("da", "softmax", "sum|other|diagonal")),
    Planted("derivative of relu's total forgotten", 5, " - np.dot(dw[b], r) / total ** 2", "",
            ("da", "relu", "sum|total")),
    Planted("s not subtracted", 6, "M[n, b] - s)", "M[n, b])", ("da", r"\bs\b", "subtract|minus|missing")),
    Planted("first step of a block gives W_h nothing", 7, "dW_h += h_prev.T @ dz[t]",
            "dW_h += 0 if k_trunc and t % k_trunc == 0 else h_prev.T @ dz[t]", ("dW_h", "block|cut")),
    Planted("no credit to microstates through scores", 8, "dM[n, b] + dselected[k, b]", "dM[n, b]",
            ("microstate", "score")),
    Planted("credit of later recalls never added", 8, "        dh = dh + dh_memory[t]\n", "",
            ("recall|dh_memory", "never|missing|not")),
    Planted("dc not cut", 8, "            dc_next = np.zeros((B, H))\n", "", ("dc", "cut")),
    Planted("changes the caller's arrays", 9, "clipped[name] = grads[name].copy()\n        if norm > max_norm:\n"
            "            clipped[name] = clipped[name] * max_norm / norm",
            "clipped[name] = grads[name]\n        if norm > max_norm:\n            clipped[name] *= max_norm / norm",
            ("input", "place")),
    Planted("Adam without bias correction", 10, "m_hat = new_m[name] / (1 - 0.9 ** step)", "m_hat = new_m[name]",
            ("m_hat|bias|correct", "missing|without|not")),
    Planted("gradients not clipped", 10, "norm, grads = clip_gradients(grads, max_norm)",
            "clip_gradients(grads, max_norm)", ("clip", "not|never|missing")),
)
ALL = FIRST + REST
