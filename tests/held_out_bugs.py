"""Hand-written backward passes of many kinds, each right, and wrong in ways that people get them wrong.

model(rng) -> f, params, backward(p, bug=None), options of sab.check, {bug: what a cause must say, None: nothing}
Written before the checker was changed to meet them.
"""

import numpy as np

from sab_numpy import choose, stop


def softmax(z):
    e = np.exp(z - z.real.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(z):
    return 0.5 * (1 + np.tanh(z / 2))


def classifier(rng):
    B, D, C = 6, 4, 4
    x, y = rng.standard_normal((B, D)), rng.integers(0, C, B)
    params = {
        "W1": rng.standard_normal((D, D)),
        "b1": rng.standard_normal(D),
        "W2": rng.standard_normal((D, C)),
        "b2": rng.standard_normal(C),
    }

    def f(p):
        return -np.log(softmax(np.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])[np.arange(B), y]).mean()

    def backward(p, bug=None):
        h = np.tanh(x @ p["W1"] + p["b1"])
        d = softmax(h @ p["W2"] + p["b2"])
        if bug != "labels never subtracted":
            d[np.arange(B), y] -= 1
        d = d if bug == "no mean" else d / B
        dz = (d @ (p["W2"] if bug == "W2 for its transpose" else p["W2"].T)) * (1 - h**2)
        g = {"W1": x.T @ dz, "b1": dz.sum(0), "W2": h.T @ d, "b2": d.sum(0)}
        if bug == "b1 mean":
            g["b1"] = dz.mean(0)
        if bug == "W1 transposed":
            g["W1"] = g["W1"].T
        if bug == "swapped":
            g["W1"], g["W2"] = g["W2"], g["W1"]
        if bug == "b2 never":
            g["b2"] = np.zeros(C)
        if bug == "W1 sign":
            g["W1"] = -g["W1"]
        if bug == "W2 twice":
            g["W2"] = 2 * g["W2"]
        if bug == "decay":
            g["W2"] = g["W2"] + 0.01 * p["W2"]
        if bug == "one entry":
            g["W1"][2, 1] *= 1.5
        return g

    bugs = {
        "no mean": "division by B is missing",
        "b1 mean": "divided by B once too often",
        "W1 transposed": "transposed",
        "swapped": "values of W",
        "b2 never": "never added",
        "W1 sign": "sign is flipped",
        "W2 twice": "twice",
        "decay": "0.01 times the parameter",
        "one entry": "one entry",
        "labels never subtracted": None,
        "W2 for its transpose": None,
    }
    return f, params, backward, {"sizes": {"B": B}}, bugs


def layer_norm(rng):
    B, N, eps = 5, 6, 1e-5
    x, c = rng.standard_normal((B, N)), rng.standard_normal((B, N))
    params = {"x": x, "gamma": rng.standard_normal(N), "beta": rng.standard_normal(N)}

    def parts(p):
        m = p["x"].mean(1, keepdims=True)
        s = np.sqrt(((p["x"] - m) ** 2).mean(1, keepdims=True) + eps)
        return (p["x"] - m) / s, s

    def f(p):
        return (np.tanh(parts(p)[0] * p["gamma"] + p["beta"]) * c).sum()

    def backward(p, bug=None):
        z, s = parts(p)
        d = c * (1 - np.tanh(z * p["gamma"] + p["beta"]) ** 2)
        dz = d * p["gamma"]
        mean = 0 if bug == "mean held" else dz.mean(1, keepdims=True)
        var = 0 if bug == "variance held" else z * (dz * z).mean(1, keepdims=True)
        s = s + (0.001 if bug == "another epsilon" else 0)
        g = {"x": (dz - mean - var) / s, "gamma": (d * z).sum(0), "beta": d.sum(0)}
        if bug == "gamma for beta":
            g["gamma"], g["beta"] = g["beta"], g["gamma"]
        if bug == "divided by N":
            g["x"] = g["x"] / N
        if bug == "last row only":
            g["x"][:-1] = 0
        return g

    bugs = {
        "mean held": None,
        "variance held": None,
        "another epsilon": None,
        "gamma for beta": "values of (beta|gamma)",
        "divided by N": "divided by N",
        "last row only": "only at 0 to 3 of axis 0.*zero",
    }
    return f, params, backward, {"sizes": {"B": B, "N": N}}, bugs


def batch_norm_channels(rng):
    B, C, L = 4, 5, 6
    x, c = rng.standard_normal((B, C, L)), rng.standard_normal((B, C, L))
    params = {"x": x, "gamma": rng.standard_normal((C, 1)), "beta": rng.standard_normal((C, 1))}

    def parts(p):
        m = p["x"].mean((0, 2), keepdims=True)
        s = np.sqrt(((p["x"] - m) ** 2).mean((0, 2), keepdims=True) + 1e-5)
        return (p["x"] - m) / s, s

    def f(p):
        return (np.tanh(parts(p)[0] * p["gamma"] + p["beta"]) * c).sum()

    def backward(p, bug=None):
        z, s = parts(p)
        d = c * (1 - np.tanh(z * p["gamma"] + p["beta"]) ** 2)
        dz = d * p["gamma"]
        kept = (0, 1, 2) if bug == "mean over all" else (0, 2)
        mean = dz.mean(kept, keepdims=True)
        var = z * (dz * z).mean((0, 2), keepdims=True)
        g = {"x": (dz - mean - var) / s, "gamma": (d * z).sum((0, 2))[:, None], "beta": d.sum((0, 2))[:, None]}
        if bug == "statistics held":
            g["x"] = dz / s
        if bug == "beta mean over batch":
            g["beta"] = g["beta"] / B
        if bug == "gamma mean over both":
            g["gamma"] = g["gamma"] / (B * L)
        if bug == "channel 2 sign":
            g["x"][:, 2] *= -1
        if bug == "shifted in L":
            g["x"] = np.roll(g["x"], 1, 2)
        return g

    bugs = {
        "statistics held": None,
        "mean over all": None,
        "beta mean over batch": "divided by B",
        "gamma mean over both": "divided by B L",
        "channel 2 sign": "only at 2 of axis 1.*sign",
        "shifted in L": "off by one along axis 2",
    }
    return f, params, backward, {"sizes": {"B": B, "L": L}}, bugs


def gru(rng):
    B, T, D, H = 2, 5, 3, 3
    c = rng.standard_normal((B, T, H))
    params = {
        "x": rng.standard_normal((B, T, D)),
        "W": rng.standard_normal((D, 3 * H)),
        "U": rng.standard_normal((H, 3 * H)),
        "b": rng.standard_normal(3 * H),
    }

    def step(p, x, h):
        a, u = x @ p["W"] + p["b"], h @ p["U"]
        r, z = sigmoid(a[:, :H] + u[:, :H]), sigmoid(a[:, H : 2 * H] + u[:, H : 2 * H])
        n = np.tanh(a[:, 2 * H :] + r * u[:, 2 * H :])
        return r, z, n, (1 - z) * n + z * h

    def f(p):
        h, total = np.zeros((B, H)), 0.0
        for t in range(T):
            h = step(p, p["x"][:, t], h)[3]
            total = total + (h * c[:, t]).sum()
        return total

    def backward(p, bug=None):
        hs, kept = [np.zeros((B, H))], []
        for t in range(T):
            kept.append(step(p, p["x"][:, t], hs[-1]))
            hs.append(kept[-1][3])
        g, dh = {k: np.zeros_like(v) for k, v in p.items()}, np.zeros((B, H))
        for t in reversed(range(T)):
            dh = dh + c[:, t]
            (r, z, n, _), h = kept[t], hs[t]
            dn = dh * (1 - z) * (1 - n**2)
            dz = dh * (h - n) * z * (1 - z)
            dr = dn * (h @ p["U"])[:, 2 * H :] * r * (1 - r)
            a, u = np.concatenate([dr, dz, dn], 1), np.concatenate([dr, dz, dn * r], 1)
            if bug == "candidate without reset":
                u = a
            if bug == "update sign":
                a[:, H : 2 * H] *= -1
                u[:, H : 2 * H] *= -1
            if bug == "gates swapped":
                a, u = (np.concatenate([v[:, H : 2 * H], v[:, :H], v[:, 2 * H :]], 1) for v in (a, u))
            g["W"] += p["x"][:, t].T @ a
            g["U"] += h.T @ u
            g["b"] += a.sum(0)
            g["x"][:, t] = a @ p["W"].T
            dh = dh * z + u @ p["U"].T
            if bug == "no carry":
                dh = dh * 0
        if bug == "first steps of x":
            g["x"][:, :2] = 0
        if bug == "n of U":
            g["U"][:, 2 * H :] = 0
        if bug == "times T":
            g["b"] = g["b"] * T
        return g

    bugs = {
        "candidate without reset": None,
        "update sign": None,
        "gates swapped": None,
        "no carry": None,
        "first steps of x": "only at 0 to 1 of axis 1.*zero",
        "n of U": "never added",
        "times T": "division by T is missing",
    }
    return f, params, backward, {"sizes": {"B": B, "T": T}, "gates": {"W": "rzn", "U": "rzn", "b": "rzn"}}, bugs


def gates_at_the_end(rng):
    """One step of an LSTM: what is done with the gradient of the stacked gates, after a right backward."""
    B, D, H = 4, 3, 3
    x, c = rng.standard_normal((B, D)), rng.standard_normal((B, H))
    params = {"W": rng.standard_normal((D, 4 * H)), "b": rng.standard_normal(4 * H)}

    def f(p):
        i, fo, g, o = np.split(x @ p["W"] + p["b"], 4, 1)
        return (sigmoid(o) * np.tanh(sigmoid(fo) + sigmoid(i) * np.tanh(g)) * c).sum()

    def backward(p, bug=None):
        i, fo, g, o = np.split(x @ p["W"] + p["b"], 4, 1)
        i, fo, g, o = sigmoid(i), sigmoid(fo), np.tanh(g), sigmoid(o)
        cell = fo + i * g
        dc = c * o * (1 - np.tanh(cell) ** 2)
        parts = [dc * g * i * (1 - i), dc * fo * (1 - fo), dc * i * (1 - g**2), c * np.tanh(cell) * o * (1 - o)]
        if bug == "order i f o g":
            parts = [parts[0], parts[1], parts[3], parts[2]]
        if bug == "i where f":
            parts[1] = parts[0]
        if bug == "forget sign":
            parts[1] = -parts[1]
        if bug == "output halved":
            parts[3] = parts[3] / 2
        d = np.concatenate(parts, 1)
        return {"W": x.T @ d, "b": d.sum(0)}

    bugs = {
        "order i f o g": "values of gate [go]",
        "i where f": "values of gate i",
        "forget sign": "sign",
        "output halved": "half",
    }
    return f, params, backward, {"gates": {"W": "ifgo", "b": "ifgo"}}, bugs


def convolution(rng):
    B, C, L, K = 3, 4, 8, 3
    c = rng.standard_normal((B, C, L - K + 1))
    params = {"x": rng.standard_normal((B, C, L)), "w": rng.standard_normal((C, C, K)), "b": rng.standard_normal(C)}

    def f(p):
        out = sum(np.einsum("bcl,oc->bol", p["x"][:, :, k : k + L - K + 1], p["w"][:, :, k]) for k in range(K))
        return (np.tanh(out + p["b"][:, None]) * c).sum()

    def backward(p, bug=None):
        out = sum(np.einsum("bcl,oc->bol", p["x"][:, :, k : k + L - K + 1], p["w"][:, :, k]) for k in range(K))
        d = c * (1 - np.tanh(out + p["b"][:, None]) ** 2)
        g = {"x": np.zeros_like(p["x"]), "w": np.zeros_like(p["w"]), "b": d.sum((0, 2))}
        for k in range(K):
            g["w"][:, :, k] = np.einsum("bcl,bol->oc", p["x"][:, :, k : k + L - K + 1], d)
            part = np.einsum("bol,oc->bcl", d, p["w"][:, :, k])
            if bug == "= for +=":
                g["x"][:, :, k : k + L - K + 1] = part
            else:
                g["x"][:, :, k : k + L - K + 1] += part
        changes = {
            "kernel flipped": ("w", lambda a: a[:, :, ::-1]),
            "channels swapped": ("w", lambda a: a.transpose(1, 0, 2)),
            "bias of one sample": ("b", lambda a: d[-1].sum(1)),
            "w mean": ("w", lambda a: a / B),
            "x off by one": ("x", lambda a: np.roll(a, -1, 2)),
            "first sample lost": ("x", lambda a: a * (np.arange(B) > 0)[:, None, None]),
        }
        if bug in changes:
            name, change = changes[bug]
            g[name] = change(g[name])
        return g

    bugs = {
        "kernel flipped": "backwards along axis 2",
        "channels swapped": "axes 0 and 1|transposed",
        "= for +=": None,
        "bias of one sample": None,
        "w mean": "divided by B",
        "x off by one": "off by one along axis 2",
        "first sample lost": "only at 0 of axis 0.*zero",
    }
    return f, params, backward, {"sizes": {"B": B}}, bugs


def embedding(rng):
    V, D, N = 7, 3, 12
    ids = np.concatenate([[2, 2, 5, 5, 5], rng.choice([0, 1, 3, 4], 4, False), [2, 5, 5]])
    c = rng.standard_normal((N, D))
    params = {"E": rng.standard_normal((V, D)), "P": rng.standard_normal((N, D))}

    def f(p):
        return (np.tanh(p["E"][ids] + p["P"]) * c).sum()

    def backward(p, bug=None):
        d = c * (1 - np.tanh(p["E"][ids] + p["P"]) ** 2)
        g = {"E": np.zeros((V, D)), "P": d}
        np.add.at(g["E"], ids, d)
        if bug == "repeated not added":
            g["E"] = np.zeros((V, D))
            g["E"][ids] += d
        if bug == "mean of repeated":
            g["E"] /= np.maximum(np.bincount(ids, minlength=V), 1)[:, None]
        if bug == "row 0 as padding":
            g["E"][0] = 0
        if bug == "ids off by one":
            g["E"] = np.roll(g["E"], 1, 0)
        return g

    bugs = {
        "repeated not added": "only at 2, 5 of axis 0",
        "mean of repeated": "only at 2, 5 of axis 0",
        "row 0 as padding": "only at 0 of axis 0.*zero",
        "ids off by one": "off by one along axis 0",
    }
    return f, params, backward, {}, bugs


def td(rng):
    B, D, H, gamma = 6, 3, 4, 0.9
    s, s2, r = rng.standard_normal((B, D)), rng.standard_normal((B, D)), rng.standard_normal(B)
    params = {"W": rng.standard_normal((D, H)), "v": rng.standard_normal(H)}

    def f(p):
        target = stop("target", r + gamma * np.tanh(s2 @ p["W"]) @ p["v"])
        return 0.5 * ((np.tanh(s @ p["W"]) @ p["v"] - target) ** 2).mean()

    def backward(p, bug=None):
        u, u2 = np.tanh(s @ p["W"]), np.tanh(s2 @ p["W"])
        d = (u @ p["v"] - r - gamma * u2 @ p["v"]) / B
        leak = {"leak": 1.0, "leak 1.7": 1.7, "leak sign": -1.0}.get(bug, 0.0) * gamma
        du, du2 = d[:, None] * p["v"] * (1 - u**2), d[:, None] * p["v"] * (1 - u2**2)
        scale = 2.0 if bug == "no half" else B if bug == "sum" else 1.0
        return {"W": scale * (s.T @ du - leak * s2.T @ du2), "v": scale * (u.T @ d - leak * u2.T @ d)}

    bugs = {
        "leak": "credit passes stop 'target'",
        "leak 1.7": "stop 'target'.*1.7",
        "leak sign": "stop 'target'.*-1",
        "no half": "twice",
        "sum": "division by B is missing",
    }
    return f, params, backward, {"sizes": {"B": B}}, bugs


def straight_through(rng):
    B, D, H = 5, 3, 4
    x, y = rng.standard_normal((B, D)), rng.standard_normal(B)
    params = {"W": rng.standard_normal((D, H)), "v": rng.standard_normal(H)}

    def f(p):
        z = np.tanh(x @ p["W"])
        return 0.5 * (((z + stop("gap", np.sign(z.real) - z)) @ p["v"] - y) ** 2).sum()

    def backward(p, bug=None):
        z = np.tanh(x @ p["W"])
        b = np.sign(z)
        e = b @ p["v"] - y
        dz = e[:, None] * p["v"] * (bug != "flat")
        dz = dz * (np.abs(z) < 0.5) if bug == "clipped" else dz
        return {"W": x.T @ (dz * (1 - z**2)), "v": (z if bug == "soft b" else b).T @ e}

    return f, params, backward, {}, {"flat": "stop 'gap'|never added", "clipped": None, "soft b": None}


def ppo(rng):
    B, D, A = 12, 3, 4
    s, a, old = rng.standard_normal((B, D)), rng.integers(0, A, B), rng.uniform(-2, -1, B)
    params = {"W": 0.5 * rng.standard_normal((D, A)), "w": rng.standard_normal(D)}
    ret = rng.standard_normal(B)

    def f(p):
        pi = softmax(s @ p["W"])
        ratio = np.exp(np.log(pi[np.arange(B), a]) - old)
        value = s @ p["w"]
        adv = stop("advantage", ret - value)
        clipped = np.where(ratio.real < 0.8, 0.8, np.where(ratio.real > 1.2, 1.2, ratio))
        first = choose("unclipped", (ratio * adv).real <= (clipped * adv).real)
        policy = -np.where(first, ratio * adv, clipped * adv).mean()
        return policy + 0.5 * ((value - ret) ** 2).mean() + 0.01 * (pi * np.log(pi)).sum(1).mean()

    def backward(p, bug=None):
        pi = softmax(s @ p["W"])
        ratio = np.exp(np.log(pi[np.arange(B), a]) - old)
        value = s @ p["w"]
        adv = ret - value
        inside = (ratio > 0.8) & (ratio < 1.2)
        use = (ratio * adv <= np.clip(ratio, 0.8, 1.2) * adv) | inside | (bug == "clip ignored")
        dratio = -adv * use / B
        dpi = np.zeros((B, A))
        dpi[np.arange(B), a] = dratio * ratio / pi[np.arange(B), a]
        dpi += (0.01 if bug != "entropy sign" else -0.01) * (np.log(pi) + 1) / B
        dz = pi * (dpi - (dpi * pi).sum(1, keepdims=True))
        dv = (value - ret) / B + (np.where(use, ratio, np.clip(ratio, 0.8, 1.2)) / B if bug == "advantage" else 0)
        return {"W": s.T @ dz * (B if bug == "no mean" else 1), "w": s.T @ dv * (-1 if bug == "value sign" else 1)}

    bugs = {
        "clip ignored": None,
        "entropy sign": None,
        "advantage": "credit passes stop 'advantage'",
        "no mean": "division by B is missing",
        "value sign": "sign",
    }
    return f, params, backward, {"sizes": {"B": B}}, bugs


def vq(rng):
    B, D, K = 6, 3, 4
    x, y = rng.standard_normal((B, D)), rng.standard_normal((B, D))
    params = {"W": rng.standard_normal((D, D)), "codes": rng.standard_normal((K, D)), "V": rng.standard_normal((D, D))}

    def f(p):
        z = x @ p["W"]
        k = choose("codes", ((z[:, None] - p["codes"]).real ** 2).sum(2).argmin(1))
        e = p["codes"][k]
        q = z + stop("straight through", e - z)
        book = ((stop("z", z) - e) ** 2).sum() + 0.25 * ((z - stop("e", e)) ** 2).sum()
        return ((q @ p["V"] - y) ** 2).sum() + book

    def backward(p, bug=None):
        z = x @ p["W"]
        k = ((z[:, None] - p["codes"]) ** 2).sum(2).argmin(1)
        e = p["codes"][k]
        d = 2 * (e @ p["V"] - y)
        dz = d @ p["V"].T + 0.5 * (z - e) * (bug != "no commitment")
        de = 2 * (e - z)
        if bug == "z let through":
            dz = dz + 2 * (z - e)
        if bug == "e let through":
            de = de + 0.5 * (e - z)
        if bug == "both let through":
            dz, de = dz + 2 * (z - e), de + 0.5 * (e - z)
        codes = np.zeros((K, D))
        np.add.at(codes, k, de)
        if bug == "codes not added":
            codes = np.zeros((K, D))
            codes[k] = de
        return {"W": x.T @ dz, "codes": codes * (0 if bug == "no codes" else 1), "V": e.T @ d}

    bugs = {
        "no commitment": None,
        "z let through": "stop 'z'",
        "e let through": "stop 'e'",
        "both let through": "stop 'z'",
        "codes not added": "only at .* of axis 0",
        "no codes": "never added",
    }
    return f, params, backward, {"sizes": {"B": B}}, bugs


def attention(rng):
    T, D = 5, 4
    x, c = rng.standard_normal((T, D)), rng.standard_normal((T, D))
    params = {name: rng.standard_normal((D, D)) for name in ("Q", "K", "V")}

    def weights(p):
        a = (x @ p["Q"]) @ (x @ p["K"]).T / np.sqrt(D)
        return softmax(np.where(np.tri(T), a, -1e9))

    def f(p):
        return (weights(p) @ (x @ p["V"]) * c).sum()

    def backward(p, bug=None):
        w = weights(p)
        dw = c @ (x @ p["V"]).T
        da = w * (dw - (dw * w).sum(1, keepdims=True)) / np.sqrt(D)
        if bug == "softmax as sigmoid":
            da = dw * w * (1 - w) / np.sqrt(D)
        if bug == "no temperature":
            da = da * np.sqrt(D)
        if bug == "temperature twice":
            da = da / np.sqrt(D)
        g = {"Q": x.T @ (da @ (x @ p["K"])), "K": x.T @ (da.T @ (x @ p["Q"])), "V": x.T @ (w.T @ c)}
        if bug == "Q and K swapped":
            g["Q"], g["K"] = g["K"], g["Q"]
        if bug == "V without w":
            g["V"] = x.T @ c
        if bug == "K transposed":
            g["K"] = g["K"].T
        return g

    bugs = {
        "softmax as sigmoid": None,
        "no temperature": r"twice|sqrt\(D\)",
        "temperature twice": r"half|sqrt\(D\)",
        "Q and K swapped": "values of [QK]",
        "V without w": None,
        "K transposed": "transposed",
    }
    return f, params, backward, {"sizes": {"T": T, "D": D}}, bugs


def truncated_rnn(rng):
    T, B, D, H, k = 9, 2, 3, 4, 3
    weight = rng.standard_normal((T, B, H))
    params = {"x": rng.standard_normal((T, B, D)), "W": rng.standard_normal((D, H)), "U": rng.standard_normal((H, H))}

    def f(p):
        h, total = np.zeros((B, H)), 0.0
        for t in range(T):
            h = stop(f"h before {t}", h) if t and t % k == 0 else h
            h = np.tanh(p["x"][t] @ p["W"] + h @ p["U"])
            total = total + (weight[t] * h).sum()
        return total

    def backward(p, bug=None):
        cuts = {"one leak": [3], "all leak": [], "early": [2, 5, 8], "one cut more": [3, 5, 6]}.get(bug, [3, 6])
        h = [np.zeros((B, H))]
        for t in range(T):
            h.append(np.tanh(p["x"][t] @ p["W"] + h[t] @ p["U"]))
        g, dh = {name: np.zeros_like(v) for name, v in p.items()}, np.zeros((B, H))
        for t in reversed(range(T)):
            dz = (dh + weight[t]) * (1 - h[t + 1] ** 2)
            g["x"][t] = dz @ p["W"].T
            g["W"] += p["x"][t].T @ dz
            g["U"] += (h[t + 1] if bug == "new state" else h[t]).T @ dz
            dh = np.zeros((B, H)) if t in cuts else dz @ (p["U"] if bug == "U for its transpose" else p["U"].T)
        return g

    bugs = {
        "one leak": "stop 'h before 6'",
        "all leak": "every stop|stops",
        "early": None,
        "one cut more": None,
        "new state": None,
        "U for its transpose": None,
    }
    return f, params, backward, {"sizes": {"T": T, "B": B}}, bugs


MODELS = (
    classifier,
    layer_norm,
    batch_norm_channels,
    gru,
    gates_at_the_end,
    convolution,
    embedding,
    td,
    straight_through,
    ppo,
    vq,
    attention,
    truncated_rnn,
)


def bugs():
    """(label, f, params, wrong gradients, options, what a cause must say or None), one for each bug."""
    for model in MODELS:
        f, params, backward, options, expected = model(np.random.default_rng(5))
        for bug, words in expected.items():
            yield f"{model.__name__}: {bug}", f, params, backward(params, bug), options, words
    f, params, backward, options, _ = classifier(np.random.default_rng(6))
    g = {name: value * (1 + 1e-8 * (k + 1)) for k, (name, value) in enumerate(backward(params).items())}
    yield "classifier: epsilon everywhere, W2 twice", f, params, {**g, "W2": 2 * g["W2"]}, options, "twice"
    yield "classifier: epsilon everywhere", f, params, g, options, "epsilon|scaled by 1.00"
    f, params, backward, options, _ = td(np.random.default_rng(7))
    f_open, g = (lambda p: _open_td(f, p)), backward(params)
    yield "td: f has no stop", f_open, params, g, options, "stop"


def _open_td(f, p):
    """f with nothing held, whatever surrounds it."""
    from contextvars import Context

    return Context().run(f, p)
