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
EXERCISE_SET = 2


def lstm_step_backward(dh_hat, dc, x, h_prev, c_prev, i, f, g, o, c, W_x, W_h):
    """dh_hat, dc, h_prev, c_prev, i, f, g, o, c (B, H); x (B, D); W_x (D, 4H); W_h (H, 4H)

    ->  dz (B, 4H), dc_prev (B, H), dx (B, D), dh_prev (B, H), dW_x (D, 4H), dW_h (H, 4H), db (4H,).
    """
    raise NotImplementedError("exercise 3")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 45, 15, "02_one_lstm_step"
PACKAGE = "core/lstm.py: lstm_step_backward"
OUTPUTS = ("dz", "dc_prev", "dx", "dh_prev", "dW_x", "dW_h", "db")
SIZE_OF = dict(B=("x", 0), D=("x", 1), H=("c", 1))
GATED = ("dz", "dW_x", "dW_h", "db")                           # the last axis is i f g o
HINTS = (
    "Start at h_hat = o * tanh(c): it gives the gradient of o and one term of c's gradient; dc is the other term.",
    "dc_total = dc + dh_hat * o * (1 - tanh(c)**2). For f: dc_total * c_prev * f * (1 - f). For g: the tanh's "
    "1 - g**2.",
    "dz = np.concatenate([dz_i, dz_f, dz_g, dz_o], axis=1); dc_prev = dc_total * f; dx = dz @ W_x.T; dW_x = x.T @ dz; "
    "db = dz.sum(axis=0).",
)
EXAMPLE = dict(dh_hat=[[2.0]], dc=[[1.0]], x=[[1.0]], h_prev=[[2.0]], c_prev=[[4.0]], i=[[0.5]], f=[[0.5]], g=[[0.5]],
               o=[[0.5]], c=[[0.0]], W_x=[[1.0, 1.0, 1.0, 1.0]], W_h=[[1.0, 2.0, 3.0, 4.0]])


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


def _mistakes():
    for gate in "ifo":
        right = f" * {gate} * (1 - {gate})"
        yield f"gate {gate}: the sigmoid's derivative {gate} * (1 - {gate}) is missing", right, ""
        for half in (gate, f"(1 - {gate})"):
            yield f"gate {gate}: half of the sigmoid's derivative {gate} * (1 - {gate}) is missing", right, f" * {half}"
        yield (f"gate {gate}: the tanh's derivative 1 - {gate}**2 where the sigmoid's {gate} * (1 - {gate}) belongs",
               right, f" * (1 - {gate}**2)")
    yield "gate g: the tanh's derivative 1 - g**2 is missing", " * (1 - g**2)", ""
    yield "gate g: the sigmoid's derivative g * (1 - g) where the tanh's 1 - g**2 belongs", "(1 - g**2)", "g * (1 - g)"
    yield "gate g: the derivative of tanh is 1 - g**2, found 1 - g", "(1 - g**2)", "(1 - g)"
    yield "gate g: 1 - tanh(g)**2: g is a tanh already, the derivative is 1 - g**2", "(1 - g**2)", "(1 - np.tanh(g)**2)"
    total = "dc_total = dc + dh_hat * o * (1 - tanh_c**2)"
    yield ("dc: the carried dc of step t+1 is missing, only dh_hat's term is there (lost, overwritten or never added)",
           total, "dc_total = dh_hat * o * (1 - tanh_c**2)")
    yield ("dc += dc: dh_hat's term is added to itself, so it counts twice, and the carried dc of step t+1 is lost",
           total, "dc_total = 2 * (dh_hat * o * (1 - tanh_c**2))")
    yield ("dc += dc: the carried dc counts twice, and the term from dh_hat is lost", total, "dc_total = 2 * dc")
    yield "dc: the carried dc of step t+1 counts twice", total, f"{total} + dc"
    yield ("dc: all of it counts twice (dc += dc after the sum?)", total,
           "dc_total = 2 * (dc + dh_hat * o * (1 - tanh_c**2))")
    yield "dc: the term from dh_hat, dh_hat * o * (1 - tanh(c)**2), is missing", total, "dc_total = dc"
    yield "dc: the term from dh_hat counts twice", total, f"{total} + dh_hat * o * (1 - tanh_c**2)"
    yield "dc: the term from dh_hat has the wrong sign", total, "dc_total = dc - dh_hat * o * (1 - tanh_c**2)"
    yield "dc: the carried dc has the wrong sign", total, "dc_total = -dc + dh_hat * o * (1 - tanh_c**2)"
    yield ("dc: gate o is missing in the term from dh_hat, dh_hat * o * (1 - tanh(c)**2)", "dh_hat * o * (1 - tanh_c",
           "dh_hat * (1 - tanh_c")
    yield ("dc: the tanh's derivative 1 - tanh(c)**2 is missing in the term from dh_hat",
           "dh_hat * o * (1 - tanh_c**2)", "dh_hat * o")
    yield "dc: 1 - c**2 where 1 - tanh(c)**2 belongs, in the term from dh_hat", "(1 - tanh_c**2)", "(1 - c**2)"
    yield "dc: 1 - tanh(c) where 1 - tanh(c)**2 belongs: the square is missing", "(1 - tanh_c**2)", "(1 - tanh_c)"
    yield "dc: tanh(c) where its derivative 1 - tanh(c)**2 belongs", "(1 - tanh_c**2)", "tanh_c"
    yield ("dc: tanh(c_prev) where tanh(c) belongs: h_hat is made of this step's cell", "(1 - tanh_c**2)",
           "(1 - np.tanh(c_prev)**2)")
    yield ("dc: dh_hat is added as it is; on its way to c it passes o and the tanh: dh_hat * o * (1 - tanh(c)**2)",
           total, "dc_total = dc + dh_hat")
    for gate in "ifo":
        right = f" * {gate} * (1 - {gate})"
        yield (f"gate {gate}: {gate} is a sigmoid already (taken again), its derivative is {gate} * (1 - {gate})",
               right, f" * 0.25 * (1 - np.tanh({gate} / 2)**2)")
        yield f"gate {gate}: the derivative of a hard sigmoid where {gate} * (1 - {gate}) belongs", right, " * 0.2"
        yield f"gate {gate}: the derivative of a hard sigmoid where {gate} * (1 - {gate}) belongs", right, " / 6"
        for other in "ifo".replace(gate, ""):
            yield (f"gate {gate}: the derivative of gate {other} where {gate} * (1 - {gate}) belongs", right,
                   f" * {other} * (1 - {other})")
    lines = {"i": "dz_i = dc_total * g * i", "f": "dz_f = dc_total * c_prev * f", "g": "dz_g = dc_total * i *",
             "o": "dz_o = dh_hat * tanh_c * o"}
    wrong_factors = (
        ("i", "dc_total * i", "the factor g is missing"), ("i", "dc_total * c_prev * i", "c_prev where g belongs"),
        ("f", "dc_total * f", "the factor c_prev is missing"), ("f", "dc_total * g * f", "g where c_prev belongs"),
        ("f", "dc_total * c * f", "c where c_prev belongs: f multiplied the cell before the step"),
        ("g", "dc_total *", "the factor i is missing"), ("g", "dc_total * f *", "f where i belongs"),
        ("o", "dh_hat * o", "the factor tanh(c) is missing"), ("o", "dh_hat * c * o", "c where tanh(c) belongs"),
        ("o", "dh_hat * np.tanh(c_prev) * o", "tanh(c_prev) where tanh(c) belongs"),
        ("o", "dc_total * tanh_c * o", "dc where dh_hat belongs: o is used by h_hat, not by c"))
    for gate, wrong, text in wrong_factors:
        yield f"gate {gate}: {text}", lines[gate], f"dz_{gate} = {wrong}"
    for gate in "ifg":
        old = f"dz_{gate} = dc_total"
        yield f"gate {gate}: only the carried dc is used, the term from dh_hat is missing", old, f"dz_{gate} = dc"
        yield (f"gate {gate}: only the term from dh_hat is used, the carried dc is missing", old,
               f"dz_{gate} = (dc_total - dc)")
        yield f"gate {gate}: dh_hat where the gradient of c belongs", old, f"dz_{gate} = dh_hat"
    yield "dc_prev: gate f is missing, dc_prev = dc_total * f", "dc_total * f   ", "dc_total   "
    yield ("dc_prev: the sigmoid's derivative f * (1 - f) where f belongs: c_prev is multiplied by f",
           "dc_total * f   ", "dc_total * f * (1 - f)   ")
    for gate in "ifgo":
        part = f"np.split(W_x, 4, axis=1)[{'ifgo'.index(gate)}].T"
        yield f"dx: gate {gate} alone; expected all four, dz @ W_x.T", "dz @ W_x.T", f"dz_{gate} @ {part}"
        yield (f"dh_prev: gate {gate} alone; expected all four, dz @ W_h.T", "dz @ W_h.T",
               f"dz_{gate} @ {part.replace('W_x', 'W_h')}")
    yield "dW_h: c_prev where h_prev belongs", "h_prev.T @ dz", "c_prev.T @ dz"
    for one, two in ("if", "ig", "io", "fg", "fo", "go"):
        parts = ", ".join(f"dz_{ {one: two, two: one}.get(name, name)}" for name in "ifgo")
        yield (f"db: gates {one} and {two} are swapped; the order is i f g o", "db = dz.sum(axis=0)",
               f"db = np.concatenate([{parts}], axis=1).sum(axis=0)")
    yield "dc_prev: gate i where gate f belongs", "dc_total * f   ", "dc_total * i   "
    yield "dc_prev: only the carried dc goes on, the term from dh_hat is missing", "dc_prev = dc_total", "dc_prev = dc"
    yield ("dc_prev: only the term from dh_hat goes on, the carried dc is missing (never updated?)",
           "dc_prev = dc_total", "dc_prev = (dc_total - dc)")
    yield "dc_prev: the carried dc comes back as it was, it is never updated", "dc_prev = dc_total * f", "dc_prev = dc"
    for name, old in (("dW_x", "x.T @ dz"), ("dW_h", "h_prev.T @ dz"), ("db", "dz.sum(axis=0)")):
        yield (f"{name} is a mean over the batch; expected the sum (the mean, 1/B, is in the loss)", old,
               f"{old} / len(dz)")
    yield "dW_h: h_hat of this step where h_prev belongs", "h_prev.T @ dz", "(o * tanh_c).T @ dz"
    for gate in "ifgo":
        for other in "ifgo".replace(gate, ""):
            parts = ", ".join(f"dz_{other if name == gate else name}" for name in "ifgo")
            yield (f"db: gate {gate} holds a copy of gate {other} (copy-pasted gate bias)", "db = dz.sum(axis=0)",
                   f"db = np.concatenate([{parts}], axis=1).sum(axis=0)")


MISTAKES = tuple(_mistakes())
