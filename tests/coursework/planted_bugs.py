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
    Planted("copy-pasted gate bias", 3, "concatenate([db_i, db_f, db_g, db_o])", "concatenate([db_i, db_i, db_g, db_o])",
            ("db", "gate f", "gate i")),
    Planted("missing sigmoid derivative", 3, "do * o * (1 - o)", "do", ("gate o", "sigmoid")),
    Planted("carried dc never updated", 8, "        dc_next = dc_prev\n", "", ("dc", "carried|never updated")),
    Planted("bias of the wrong gate", 2, "b[2 * H:3 * H])", "b[3 * H:])", ("bias", "gate g", "gate o")),
    Planted("dc += dc", 3, "dc = dc + dc_next", "dc += dc", ("dc", r"twice|itself|\+= dc")),
    Planted("= for +=", 8, 'grads["W_h"] += dW_h', 'grads["W_h"] = dW_h', ("W_h", r"\+=")),
    Planted("threshold's gradient forgotten", 5, "            da[b, order[K]] = -dr.sum()\n", "", ("threshold",)),
    Planted("cut off by one", 7, "t % k_trunc == 0", "(t + 1) % k_trunc == 0", ("cut|block", "one step|off by one|early|late")),
    Planted("a norm for each array", 9, "        if norm > max_norm:\n            clipped[name] = clipped[name] * max_norm / norm",
            "        own = np.sqrt(np.sum(grads[name] ** 2))\n        if own > max_norm:\n"
            "            clipped[name] = clipped[name] * max_norm / own", ("each|every|per", "norm")),
    Planted("wrong sign", 1, "dz = (p - targets)", "dz = (targets - p)", ("dz", "sign")),
)
