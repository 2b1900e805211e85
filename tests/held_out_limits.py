"""Right gradients of awkward functions, and wrong ones near the limits of what numbers can tell.

Each case is (label, f, params, gradients, options). Written before the checker was changed to meet them.
"""

import numpy as np
from held_out_bugs import MODELS, softmax

from sab_numpy import choose

SEEDS = 14


def _tanh_net(rng, size=5):
    W, c = rng.standard_normal((size, size)), rng.standard_normal((size, size))
    return W, c, c * (1 - np.tanh(W) ** 2)


def small_norm(rng, wrong=False):
    """A penalty of 1e-5 to 1e-9 times a norm or a sum of absolute values, which complex numbers do not pass."""
    W, c, g = _tanh_net(rng)
    e, kind = 10.0 ** -rng.uniform(5, 9), rng.integers(3)
    penalty = (np.linalg.norm, lambda W: np.abs(W).sum(), lambda W: np.sqrt((np.abs(W) ** 2).sum()))[kind]
    slope = np.sign(W) if kind == 1 else W / np.linalg.norm(W)
    return lambda p: (c * np.tanh(p["W"])).sum() + e * penalty(p["W"]), {"W": W}, {"W": g + e * slope * (not wrong)}, {}


def chaotic(rng):
    """The logistic map: 20 to 40 steps multiply an error by 1e6 to 1e12."""
    x, steps = rng.uniform(0.2, 0.8, 4), int(rng.integers(20, 40))

    def f(p):
        z = p["x"]
        for _ in range(steps):
            z = 3.9 * z * (1 - z)
        return z.sum()

    z, d = x, np.ones(4)
    for _ in range(steps):
        d, z = d * 3.9 * (1 - 2 * z), 3.9 * z * (1 - z)
    return f, {"x": x}, {"x": d}, {}


def ill_conditioned(rng):
    """The sum of an inverse of a matrix with condition 1e6 to 1e10."""
    n, c = 4, rng.standard_normal((4, 4))
    U, V = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    A = U @ np.diag(np.logspace(0, -rng.uniform(6, 10), n)) @ V
    inverse = np.linalg.inv(A)
    return lambda p: (c * np.linalg.inv(p["A"])).sum(), {"A": A}, {"A": -inverse.T @ c @ inverse.T}, {}


def single(rng, wrong=0.0):
    """A function that computes in float32 from beginning to end, and its backward in float32."""
    W = rng.standard_normal((6, 6)).astype(np.float32)
    x, c = (rng.standard_normal((8, 6)).astype(np.float32) for _ in range(2))

    def f(p):
        return (c * np.tanh(x @ p["W"].astype(np.float32))).sum()

    g = x.T @ (c * (1 - np.tanh(x @ W) ** 2))
    return f, {"W": W}, {"W": (g * np.float32(1 + wrong)).astype(np.float32)}, {}


def reordered(rng, wrong=0.0):
    """A sum whose order differs from call to call, in f and in the backward: the last bits are noise."""
    W, c, _ = _tanh_net(rng, 12)
    order = np.random.default_rng(1)

    def total(terms):
        return order.permutation(terms.ravel(), axis=0)[:, None].cumsum(0)[-1, 0] if terms.size else 0.0

    def f(p):
        return total(c * np.tanh(p["W"])) ** 2

    def grads(p):
        s = total(c * np.tanh(p["W"]))
        return {"W": 2 * s * c * (1 - np.tanh(p["W"]) ** 2) * (1 + wrong)}

    return f, {"W": W}, grads, {}


def decades(rng, wrong=False):
    """Gradients of one tensor over 14 decades."""
    c = 10.0 ** np.linspace(-10, 4, 16) * rng.choice((-1, 1), 16)
    w = rng.standard_normal(16)
    g = c * np.cos(w)
    if wrong:
        g[rng.integers(0, 8)] *= -1
    return lambda p: (c * np.sin(p["w"])).sum(), {"w": w}, {"w": g}, {}


def relu_at_zero(rng, slope=None):
    """relu where three inputs are exactly 0; any slope from 0 to 1 is right."""
    z, c = rng.standard_normal((4, 5)), rng.standard_normal((4, 5))
    z[0, 1] = z[2, 2] = z[3, 4] = 0
    slope = rng.choice([0.0, 0.5, 1.0, rng.uniform()]) if slope is None else slope
    return lambda p: (c * np.maximum(p["z"], 0)).sum(), {"z": z}, {"z": c * np.where(z == 0, slope, z > 0)}, {}


def tied_maximum(rng, wrong=False):
    """The largest of each row, two or three of which are tied: shares of one."""
    z, c = rng.standard_normal((5, 6)), rng.uniform(0.5, 2, 5) * rng.choice((-1, 1), 5)
    z[1, [0, 3]] = z[1].max() + 1
    z[3, [1, 2, 5]] = z[3].max() + 0.5
    top = z == z.max(1, keepdims=True)
    share = 1.0 * top if wrong else top / top.sum(1, keepdims=True)
    if not wrong and rng.integers(2):
        share = np.eye(6)[z.argmax(1)]
    f = lambda p: (c * np.take_along_axis(p["z"], p["z"].real.argmax(1)[:, None], 1)[:, 0]).sum()  # noqa: E731
    return f, {"z": z}, {"z": c[:, None] * share}, {}


def abs_at_zero(rng, slope=None):
    w = rng.standard_normal(8)
    w[[2, 5]] = 0
    slope = rng.choice([0.0, 1.0, -1.0, rng.uniform(-1, 1)]) if slope is None else slope
    return lambda p: np.abs(p["w"]).sum(), {"w": w}, {"w": np.where(w == 0, slope, np.sign(w))}, {}


def kinks_near(rng):
    """Many relus, some of them 1e-3 to 1e-9 away from their kinks."""
    x, v = rng.standard_normal((30, 6)), rng.standard_normal(40)
    W = rng.standard_normal((6, 40))
    b = -np.array([x[k % 30] @ W[:, k] for k in range(40)]) + 10.0 ** -rng.uniform(3, 9, 40)
    h = x @ W + b
    d = v * (h > 0)
    return lambda p: (np.maximum(x @ p["W"] + p["b"], 0) @ v).sum(), {"W": W, "b": b}, {"W": x.T @ d, "b": d.sum(0)}, {}


def constant_part(rng, wrong=0.0):
    """A small loss on a large constant, through abs: central differences lose digits."""
    W, c, g = _tanh_net(rng)
    size = 10.0 ** rng.uniform(3, 8)
    return lambda p: size + (c * np.tanh(p["W"])).sum() + 0 * np.abs(p["W"]).sum(), {"W": W}, {"W": g * (1 + wrong)}, {}


def lost_imaginary(rng):
    W, c, g = _tanh_net(rng)

    def f(p):
        buffer = np.zeros(W.shape)
        buffer[:] = np.tanh(p["W"])
        return (buffer * c).sum()

    return f, {"W": W}, {"W": g}, {}


def saturated(rng):
    """Cross entropy far out: gradients of 1e-9 to 1e-300 and zeros."""
    z = 30.0 * rng.standard_normal((4, 5))
    y = rng.integers(0, 5, 4)

    def f(p):
        m = p["z"].real.max(1, keepdims=True)
        return (np.log(np.exp(p["z"] - m).sum(1)) + m[:, 0] - p["z"][np.arange(4), y]).mean()

    return f, {"z": z}, {"z": (softmax(z) - np.eye(5)[y]) / 4}, {}


def step_function(rng):
    """Dead units and a rounding: parts without any gradient."""
    w, u = rng.standard_normal(6), rng.standard_normal(6)
    f = lambda p: (np.sign(p["u"].real) * p["w"] ** 2).sum()  # noqa: E731
    return f, {"w": w, "u": u}, {"w": 2 * w * np.sign(u), "u": np.zeros(6)}, {}


def top_two_tied(rng):
    s = rng.standard_normal((3, 5))
    s[0, 1] = s[0, 3] = np.sort(s[0])[-2]

    def f(p):
        k = choose("top", np.argsort(-p["s"].real, 1, kind="stable")[:, :2])
        return (np.take_along_axis(p["s"], k, 1) ** 2).sum()

    mask = np.zeros((3, 5))
    np.put_along_axis(mask, np.argsort(-s, 1, kind="stable")[:, :2], 1, 1)
    return f, {"s": s}, {"s": 2 * s * mask}, {}


def constant(rng):
    """The sum of a softmax: nothing but rounding."""
    a = rng.standard_normal(5)
    w = softmax(a)
    return lambda p: softmax(p["a"]).sum(), {"a": a}, {"a": w * (1 - w.sum())}, {}


def scales(rng):
    """Tensors whose gradients are 1e-12 of one another, parameters of 1e-6 and 1e6."""
    w, t, u = rng.standard_normal(4), 1e-6 * rng.standard_normal(4), 1e6 * rng.standard_normal(4)
    f = lambda p: np.sin(p["w"]).sum() + 1e-12 * np.sin(1e6 * p["t"]).sum() + np.sin(1e-6 * p["u"]).sum()  # noqa: E731
    return f, {"w": w, "t": t, "u": u}, {"w": np.cos(w), "t": 1e-6 * np.cos(1e6 * t), "u": 1e-6 * np.cos(1e-6 * u)}, {}


AWKWARD = (
    small_norm,
    chaotic,
    ill_conditioned,
    single,
    reordered,
    decades,
    relu_at_zero,
    tied_maximum,
    abs_at_zero,
    kinks_near,
    constant_part,
    lost_imaginary,
    saturated,
    step_function,
    top_two_tied,
    constant,
    scales,
)


def right(seeds=SEEDS):
    """17 awkward families and 13 models, by seed."""
    for seed in range(seeds):
        for make in AWKWARD:
            yield f"{make.__name__} {seed}", *make(np.random.default_rng(seed))
        for model in MODELS if seed % 2 else ():
            f, params, backward, options, _ = model(np.random.default_rng(seed))
            yield f"{model.__name__} {seed}", f, params, backward, options


def tiny_tensor(rng, size, lost, kind=-1.0):
    """A tensor whose gradient is `size` of the other's, wrong by `kind`; lost: central differences must do."""
    w, t = rng.standard_normal(4), rng.standard_normal(4)
    g = {"w": np.cos(w), "t": kind * size * np.cos(t)}
    touch = (lambda v: v + 0 * np.abs(v)) if lost else (lambda v: v)
    return lambda p: np.sin(touch(p["w"])).sum() + size * np.sin(touch(p["t"])).sum(), {"w": w, "t": t}, g, {}


def tiny_row(rng, size, lost):
    """One row of a tensor is `size` of the rest, and has the wrong sign."""
    W, c, _ = _tanh_net(rng, 6)
    c[3] *= size
    g = c * (1 - np.tanh(W) ** 2)
    g[3] *= -1
    touch = (lambda v: v + 0 * np.abs(v)) if lost else (lambda v: v)
    return lambda p: (c * np.tanh(touch(p["W"]))).sum(), {"W": W}, {"W": g}, {}


def forgotten_past(rng, lost_before=30, T=60):
    """An RNN whose loss is at its last step: the credit before `lost_before` is dropped."""
    x, v = rng.standard_normal((T, 2, 3)), rng.standard_normal((2, 4))
    params = {"x": x, "U": 0.25 * rng.standard_normal((4, 4)), "W": rng.standard_normal((3, 4))}

    def f(p):
        h = np.zeros((2, 4))
        for t in range(T):
            h = np.tanh(p["x"][t] @ p["W"] + h @ p["U"])
        return (h * v).sum()

    h = [np.zeros((2, 4))]
    for t in range(T):
        h.append(np.tanh(x[t] @ params["W"] + h[-1] @ params["U"]))
    g, dh = {name: np.zeros_like(value) for name, value in params.items()}, v
    for t in reversed(range(lost_before, T)):
        dz = dh * (1 - h[t + 1] ** 2)
        g["x"][t], dh = dz @ params["W"].T, dz @ params["U"].T
        g["W"] += x[t].T @ dz
        g["U"] += h[t].T @ dz
    return f, params, g, {}


def one_of_many(rng, shape, factor, dtype=np.float64):
    """One median entry of a large tensor, wrong by a factor."""
    W, c = rng.standard_normal(shape), rng.standard_normal(shape)
    g = (c * (1 - np.tanh(W) ** 2)).astype(dtype)
    middle = np.argsort(np.abs(g).ravel())[g.size // 2]
    g.ravel()[middle] *= factor
    return lambda p: (c * np.tanh(p["W"])).sum(), {"W": W}, {"W": g}, {}


def wrong_near_the_limits():
    """(label, f, params, gradients, options): none of these may be called PASS."""
    cases = []
    for seed in range(2):
        rng = lambda seed=seed: np.random.default_rng(100 + seed)  # noqa: E731
        cases += [(f"tensor of {s:.0e}", tiny_tensor(rng(), s, False)) for s in (1e-8, 1e-12, 1e-14, 1e-18)]
        cases += [(f"tensor of {s:.0e}, central", tiny_tensor(rng(), s, True)) for s in (1e-6, 1e-9, 1e-11, 1e-14)]
        cases += [(f"row of {s:.0e}", tiny_row(rng(), s, False)) for s in (1e-6, 1e-10, 1e-13)]
        cases += [(f"row of {s:.0e}, central", tiny_row(rng(), s, True)) for s in (1e-5, 1e-8, 1e-11)]
        cases += [(f"past before {t}", forgotten_past(rng(), t)) for t in (30, 45)]
        cases += [("norm forgotten", small_norm(np.random.default_rng(200 + 7 * seed + k), True)) for k in range(3)]
        cases += [("decades", decades(np.random.default_rng(300 + 3 * seed + k), True)) for k in range(2)]
        cases += [(f"relu slope {s}", relu_at_zero(rng(), s)) for s in (1.09, -0.05, 1.02)]
        cases += [(f"abs slope {s}", abs_at_zero(rng(), s)) for s in (1.05, -1.3)]
        cases += [("every tied maximum", tied_maximum(rng(), True))]
        cases += [(f"float32 off by {e}", single(rng(), e)) for e in (0.01, -2.0)]
        cases += [(f"reordered off by {e}", reordered(rng(), e)) for e in (1e-6, -2.0)]
        cases += [("large constant, off by 1e-3", constant_part(rng(), 1e-3))]
        cases += [("one of 1e4 off by 1 %", one_of_many(rng(), (100, 100), 1.01))]
        cases += [("one of 1e4 in float32 off by half", one_of_many(rng(), (100, 100), 1.5, np.float32))]
    return [(label, *case) for label, case in cases]
