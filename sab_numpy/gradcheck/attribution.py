"""Which family of credit is wrong? Edges of SAB, each with a weight on the credit that passes it.

    edge(value, w) = stop(value) + w * (value - stop(value))     the same value; credit times w

With every weight at what cfg says, the derivative of this replay is the truncated gradient. With w = 0 in one family it
is a backward that forgets that family, with 2 one that counts it twice, with -1 one with a wrong sign. A wrong
gradient is compared with each of these: the one that it equals names the bug. The forward here is written apart
from forward.py but for the scores, one line of the equations at a time, and is held against it by a test.
"""

from typing import NamedTuple

import numpy as np

from sab_numpy.core.replay import choose, record, replay, stop
from sab_numpy.core.scores import SCORES, project
from sab_numpy.gradcheck.derivative import complex_step
from sab_numpy.gradcheck.inputs import Gradients, Tree

FAMILIES = {
    "local h": "h from one step to the next",
    "local c": "c from one step to the next",
    "across cuts": "h and c where credit is cut",
    "skip values": "a recalled microstate, as a term of the sum",
    "skip scores": "a recalled microstate, through its score",
    "query": "the provisional state, through the scores",
    "threshold": "relu's (K+1)-th score",
    "summary to output": "the recalled sum, through V_s",
}
GROUPS = (("local h", "local c"), ("skip values", "skip scores"), ("skip scores", "query"))
MISTAKES = {
    0.0: "is missing",
    1.0: "is let through",
    2.0: "is counted twice",
    -1.0: "has the wrong sign",
    0.5: "is halved",
}
CLOSE, CLOSE_SINGLE = 1e-8, 1e-4  # relative: for gradients in float64, and in float32
SINGLES = 400  # so many single skips are tried


class Attribution(NamedTuple):
    """`right`, a sentence, and per family the share of the gradient that passes through it."""

    right: bool
    sentence: str
    shares: dict

    def __str__(self):
        return "\n".join(
            [f"{name:<18}{share:8.1%}  {FAMILIES[name]}" for name, share in self.shares.items()] + [self.sentence]
        )


def right_weights(cfg):
    """The weight of every family in the truncated gradient of cfg."""
    mental = float(cfg.mental_updates)
    return {**dict.fromkeys(FAMILIES, 1.0), "across cuts": 0.0, "skip values": mental, "skip scores": mental}


def edge(name, value, weight):
    """`value`, through which credit passes `weight` times; weight may be an array that broadcasts."""
    kept = stop(name, value)
    return kept + weight * (value - kept)


def forward_by_edges(params, x, cfg, weights, cut_shift=0, skips=None):
    """y (T, B, O) of SAB with weighted edges; skips (T, slots) weighs single skips, cut_shift moves the cuts."""
    p, T, B = params, len(x), len(x[0])
    h = c = np.zeros((B, cfg.n_hidden), p["b"].dtype)
    memory, y = [h] * cfg.n_empty, []
    for t in range(T):
        cut = cfg.k_trunc and t > 0 and (t + cut_shift) % cfg.k_trunc == 0
        h = edge(f"h {t}", h, weights["across cuts" if cut else "local h"])
        c = edge(f"c {t}", c, weights["across cuts" if cut else "local c"])
        inputs = p["W_x"][x[t]] if np.ndim(x) == 2 else x[t] @ p["W_x"]  # (B, 4H)
        i, f, g, o = np.split(inputs + h @ p["W_h"] + p["b"], 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)  # provisional
        s = np.zeros_like(h)
        if cfg.k_top != 0:
            s = _recall(p, h, np.stack(memory, 1), cfg, weights, t, skips)
        h = h + s
        y.append(h @ p["V_h"] + edge(f"s {t}", s, weights["summary to output"]) @ p["V_s"] + p["b_y"])
        if (t + 1) % cfg.k_att == 0:
            memory.append(h)
    return np.stack(y)


def _sigmoid(z):
    return 0.5 * (1 + np.tanh(z / 2))


def _recall(p, h_hat, M, cfg, weights, t, skips):
    """s (B, H) from the microstates M (B, N, H)."""
    N = M.shape[1]
    skip = 1.0 if skips is None else skips[t, :N, None]  # (N, 1)
    score = SCORES[cfg.score]
    query = project(np, edge(f"query {t}", h_hat, weights["query"]), p.get(score.query))  # (B, Q)
    keys = project(np, edge(f"keys {t}", M, weights["skip scores"] * skip), p.get(score.key))  # (B, N, Q)
    values = edge(f"values {t}", M, weights["skip values"] * skip)
    a = score.compare(np, query, keys, p.get(score.weight))  # (B, N)
    chosen = choose(f"selected {t}", np.argsort(-a.real, 1, kind="stable")[:, : cfg.n_selected(N)])
    if cfg.dense_forward:  # reads all, credit only through the chosen
        free = np.zeros(a.shape)
        np.put_along_axis(free, chosen, 1.0, 1)
        a, values = edge(f"scores {t}", a, free), edge(f"read {t}", values, free[:, :, None])
    else:
        a = np.take_along_axis(a, chosen, 1)  # (B, K)
        values = np.take_along_axis(values, chosen[:, :, None], 1)  # (B, K, H)
    if cfg.normalise == "softmax":
        e = np.exp(a - a.real.max(1, keepdims=True))
        w = e / e.sum(1, keepdims=True)
    else:
        r = a[:, :-1] - edge(f"threshold {t}", a[:, -1:], weights["threshold"])  # (B, K)
        values = values[:, :-1]
        w = r / (r.sum(1, keepdims=True) + 1e-6)
    return (w[:, :, None] * values).sum(1)


def attribute(params, x, cfg, cotangent, grads, seed=0):
    """Say which family of credit a gradient of sum(y * cotangent) gets wrong; returns an Attribution.

    Tried: every family, and pairs of them, missing, twice, halved, with the wrong sign; cuts let through, or one step
    early or late; then all skips into one step, out of one microstate, and single skips. Raises ValueError where
    grads has other names or shapes than params or numbers that are not finite, for a cotangent of another shape or
    of zeros, and for a budget of microstates.
    """
    if cfg.budget:
        raise ValueError(
            f"attribute knows a memory that keeps every microstate: expected no budget, found {cfg.budget}"
        )
    tree = Tree(params)
    params, grads = tree.point, Gradients(grads, tree).values
    if wrong := [name for name, value in grads.items() if not np.isfinite(value).all()]:
        raise ValueError(f"grads: expected finite numbers, found others in {', '.join(wrong)}")
    cotangent, shape = np.asarray(cotangent, float), (*np.shape(x)[:2], cfg.n_out)
    if cotangent.shape != shape or not cotangent.any():
        found = f"{cotangent.shape}{'' if cotangent.any() else ', all zero'}"
        raise ValueError(f"cotangent: expected shape {shape}, not all zero, found {found}")
    close = CLOSE if all(np.asarray(value).dtype == float for value in grads.values()) else CLOSE_SINGLE
    rng = np.random.default_rng(seed)
    lines = [{name: rng.standard_normal(value.shape) for name, value in params.items()} for _ in range(3)]
    right = right_weights(cfg)
    with record() as tape:
        forward_by_edges(params, x, cfg, right)

    def along(v, weights=right, **options):
        def phi(step):
            with replay(tape):
                moved = {name: value + step * v[name] for name, value in params.items()}
                return (forward_by_edges(moved, x, cfg, weights, **options) * cotangent).sum()

        return complex_step(phi)

    def equals(weights=right, **options):
        return all(abs(along(v, weights, **options) - claimed) <= close * scale for v, claimed in zip(lines, analytic))

    analytic = [sum(float((v[name] * grads[name]).sum()) for name in params) for v in lines]
    numeric = [along(v) for v in lines]
    scale = max(abs(n) for n in numeric)
    shares = {
        name: max(abs(along(v, {**right, name: 1 - right[name]}) - n) for v, n in zip(lines, numeric)) / scale
        for name in FAMILIES
    }
    if equals():
        return Attribution(True, "every family of credit is right", shares)
    for sentence, weights, options in _hypotheses(cfg, right, len(x), shares):
        if equals(weights, **options):
            return Attribution(False, sentence, shares)
    return Attribution(False, _elsewhere(params, grads, along, close), shares)


def _hypotheses(cfg, right, T, shares):
    """(sentence, weights, options), the likeliest first; only families that carry credit are tried."""
    carrying = [name for name in FAMILIES if shares[name] > 1e-7]
    for group in [(name,) for name in carrying] + [group for group in GROUPS if set(group) <= set(carrying)]:
        for weight, words in MISTAKES.items():
            if all(weight != right[name] for name in group):
                yield f"{' and '.join(group)}: credit {words}", {**right, **dict.fromkeys(group, weight)}, {}
    if cfg.k_trunc and cfg.k_trunc > 1:
        for shift, words in ((1, "early"), (-1, "late")):
            yield f"the cuts come one step {words}", right, {"cut_shift": shift}
    if cfg.k_top == 0:
        return
    slots = cfg.n_empty + T // cfg.k_att
    into, out = np.ogrid[:T, :slots]
    for t in range(T):
        yield f"skips into step {t}: credit is missing", right, {"skips": 1.0 * (into != t) * (out >= 0)}
    for n in range(cfg.n_empty, slots):
        written = cfg.written_at(n - cfg.n_empty)
        sentence = f"skips from the microstate of step {written}: credit is missing"
        yield sentence, right, {"skips": 1.0 * (out != n) * (into >= 0)}
        for t in range(written + 1, T) if T * slots <= SINGLES else ():
            sentence = f"the skip from the microstate of step {written} to step {t}: credit is missing"
            yield sentence, right, {"skips": 1.0 - (into == t) * (out == n)}


def _elsewhere(params, grads, along, close):
    """No family explains it: which parameters are wrong, and whether all that depend on credit are."""
    wrong = []
    for name in params:
        v = {other: np.zeros(value.shape) for other, value in params.items()}
        v[name] = np.random.default_rng(1).standard_normal(params[name].shape)
        claimed, numeric = float((v[name] * grads[name]).sum()), along(v)
        wrong += [name] if abs(claimed - numeric) > close * max(abs(numeric), abs(claimed)) else []
    if "b" not in wrong:
        return f"the credit that reaches the states is right; what {', '.join(wrong)} collects from it is wrong"
    return f"no single family explains it; wrong: {', '.join(wrong)}"
