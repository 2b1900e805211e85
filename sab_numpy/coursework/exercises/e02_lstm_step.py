"""Exercise 2: one LSTM step, forward

The four gates are stacked in one array z, in the order i f g o (input, forget, candidate, output), each H wide:
gate i is z[:, 0:H], gate f is z[:, H:2*H], and so on. W_x, W_h and b are stacked the same way.

The step, as loops:

    for b in range(B):
        for j in range(4 * H):
            z[b, j] = bias[j]                                           # bias is b, the parameter
            for d in range(D):
                z[b, j] += x[b, d] * W_x[d, j]
            for k in range(H):
                z[b, j] += h_prev[b, k] * W_h[k, j]
        for j in range(H):
            i[b, j] = sigmoid(z[b, j])
            f[b, j] = sigmoid(z[b, H + j])
            g[b, j] = tanh(z[b, 2 * H + j])
            o[b, j] = sigmoid(z[b, 3 * H + j])
            c[b, j] = f[b, j] * c_prev[b, j] + i[b, j] * g[b, j]
            h_hat[b, j] = o[b, j] * tanh(c[b, j])

h_hat is the provisional state: SAB adds what it recalls to it (exercise 6).
"""

import numpy as np

EXERCISE = 2
EXERCISE_SET = 2


def lstm_step(x, h_prev, c_prev, W_x, W_h, b):
    """x (B, D), h_prev (B, H),
     c_prev (B, H), W_x (D, 4H), W_h (H, 4H), b (4H,)  ->  i, f, g, o, c, h_hat, all (B, H)."""
    raise NotImplementedError("exercise 2")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 20, 10, "02_one_lstm_step"
PACKAGE = "core/lstm.py: lstm_step"
OUTPUTS = ("i", "f", "g", "o", "c", "h_hat")
SIZE_OF = dict(B=("x", 0), D=("x", 1), H=("c_prev", 1))
HINTS = (
    "The two inner loops over d and k are matrix products: x @ W_x and h_prev @ W_h.",
    "z = x @ W_x + h_prev @ W_h + b, then z_i, z_f, z_g, z_o = np.split(z, 4, axis=1). Only g is a tanh.",
    "sigmoid(z) = 0.5 * (1 + tanh(z / 2)); c = f * c_prev + i * g; h_hat = o * np.tanh(c).",
)
EXAMPLE = dict(x=[[1.0]], h_prev=[[2.0]], c_prev=[[2.0]], W_x=[[1.0, 0.0, 0.5, -1.0]], W_h=[[0.5, 0.0, 0.0, 1.0]],
               b=[0.0, 0.0, -0.5, 0.0])


def cases(rng):
    for B, D, H in ((3, 4, 5), (2, 7, 3)):
        yield dict(x=rng.normal(size=(B, D)), h_prev=rng.normal(size=(B, H)), c_prev=rng.normal(size=(B, H)),
                   W_x=rng.normal(size=(D, 4 * H)) / 2, W_h=rng.normal(size=(H, 4 * H)) / 2, b=rng.normal(size=4 * H))


def reference(x, h_prev, c_prev, W_x, W_h, b):
    z = x @ W_x + h_prev @ W_h + b                             # (B, 4H)
    z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)                # (B, H) each
    i = 0.5 * (1 + np.tanh(z_i / 2))                           # (B, H)
    f = 0.5 * (1 + np.tanh(z_f / 2))                           # (B, H)
    g = np.tanh(z_g)                                           # (B, H)
    o = 0.5 * (1 + np.tanh(z_o / 2))                           # (B, H)
    c = f * c_prev + i * g                                     # (B, H)
    h_hat = o * np.tanh(c)                                     # (B, H)
    return i, f, g, o, c, h_hat


def _mistakes():
    split = "z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)"
    for order in ("ifog", "igfo", "iogf", "figo", "gfio", "ofgi", "iofg", "oifg", "fiog"):
        yield (f"the gates are taken in the order {' '.join(order)}; expected i f g o (a gate is swapped with another)",
               split, ", ".join(f"z_{gate}" for gate in order) + " = np.split(z, 4, axis=1)")
    for gate in "ifgo":
        for other in "ifgo".replace(gate, ""):
            yield (f"gate {gate} is given the bias of gate {other} (b copy-pasted, or the wrong slice of b)", split,
                   f"{split}; b_i, b_f, b_g, b_o = np.split(b, 4); z_{gate} = z_{gate} - b_{gate} + b_{other}")
            yield (f"gate {gate} is made of the numbers of gate {other}: the wrong slice of z", split,
                   f"{split}; z_{gate} = z_{other}")
        yield (f"gate {gate}: the bias b is added twice", split,
               f"{split}; z_{gate} = z_{gate} + dict(zip('ifgo', np.split(b, 4)))['{gate}']")
        yield (f"gate {gate}: the bias b is subtracted; expected + b", split,
               f"{split}; z_{gate} = z_{gate} - 2 * dict(zip('ifgo', np.split(b, 4)))['{gate}']")
        yield (f"gate {gate} has c_prev in its sum (a peephole); expected x @ W_x + h_prev @ W_h + b alone", split,
               f"{split}; z_{gate} = z_{gate} + c_prev")
        for term, weight in (("h_prev @ W_h", "W_h"), ("x @ W_x", "W_x")):
            yield (f"gate {gate}: the term {term} is missing", split,
                   f"{split}; z_{gate} = z_{gate} - {term.replace(weight, f'np.split({weight}, 4, axis=1)')}"
                   f"[{'ifgo'.index(gate)}]")
        yield (f"gate {gate}: the bias b is missing", split,
               f"{split}; z_{gate} = z_{gate} - dict(zip('ifgo', np.split(b, 4)))['{gate}']")
    for gate in "ifo":
        yield (f"gate {gate}: a tanh where a sigmoid belongs", f"0.5 * (1 + np.tanh(z_{gate} / 2))",
               f"np.tanh(z_{gate})")
        yield (f"gate {gate}: the sigmoid is missing", f"0.5 * (1 + np.tanh(z_{gate} / 2))", f"z_{gate}")
        yield (f"gate {gate}: sigmoid of -z, the sign of the exponent is wrong", f"np.tanh(z_{gate} / 2)",
               f"np.tanh(-z_{gate} / 2)")
        sigmoid = f"0.5 * (1 + np.tanh(z_{gate} / 2))"
        yield f"gate {gate}: a hard sigmoid where the sigmoid belongs", sigmoid, f"np.clip(0.2 * z_{gate} + 0.5, 0, 1)"
        yield f"gate {gate}: a hard sigmoid where the sigmoid belongs", sigmoid, f"np.clip(z_{gate} / 6 + 0.5, 0, 1)"
        yield f"gate {gate}: a relu where a sigmoid belongs", sigmoid, f"np.maximum(z_{gate}, 0)"
        yield (f"gate {gate}: z where z / 2 belongs, sigmoid(z) = 0.5 * (1 + tanh(z / 2))", f"np.tanh(z_{gate} / 2)",
               f"np.tanh(z_{gate})")
    for name, body in (
            ("a hard sigmoid (a clipped straight line) where the sigmoid belongs", "np.clip(0.2 * z + 0.5, 0, 1)"),
            ("a hard sigmoid (a clipped straight line) where the sigmoid belongs", "np.clip(z / 6 + 0.5, 0, 1)"),
            ("a relu where the sigmoid belongs", "np.maximum(z, 0)"),
            ("a tanh where the sigmoid belongs", "np.tanh(z)"),
            ("z where z / 2 belongs, sigmoid(z) = 0.5 * (1 + tanh(z / 2))", "0.5 * (1 + np.tanh(z))"),
            ("sigmoid of -z, the sign of the exponent is wrong", "0.5 * (1 - np.tanh(z / 2))")):
        end = "    c = f * c_prev + i * g    "
        yield (f"the gates i, f and o: {name}", end, f"    i, f, o = (({body}) for z in (z_i, z_f, z_o))\n{end}")
    yield "gate f: 1 is added to its sum (a forget bias of 1 is a start value of b, not a part of the step)", split, (
        f"{split}; z_f = z_f + 1")
    yield "gate g: a relu where a tanh belongs", "np.tanh(z_g)", "np.maximum(z_g, 0)"
    yield "the gates: the bias b is added twice", " + b  ", " + 2 * b  "
    yield "the gates: the term h_prev @ W_h is there twice", " + h_prev @ W_h", " + 2 * h_prev @ W_h"
    yield "the gates: the term x @ W_x is there twice", "x @ W_x + ", "2 * x @ W_x + "
    for bias in ("z[:, k::4]", "(z - b)[:, k::4] + np.split(b, 4)[k]"):
        yield ("the gates are cut out interleaved, every fourth column; each gate is a block of H columns", split,
               f"z_i, z_f, z_g, z_o = ({bias} for k in range(4))")
    yield ("the gates: the products are divided by sqrt(H), and nothing here is scaled",
           "z = x @ W_x + h_prev @ W_h + b",
           "z = (x @ W_x + h_prev @ W_h) / np.sqrt(h_prev.shape[1]) + b")
    yield "gate g: a sigmoid where a tanh belongs", "np.tanh(z_g)", "0.5 * (1 + np.tanh(z_g / 2))"
    yield "gate g: the tanh is missing", "np.tanh(z_g)", "z_g"
    yield "the gates: the bias b is missing", " + b  ", "  "
    yield "the gates: the term h_prev @ W_h is missing", " + h_prev @ W_h", ""
    yield "the gates: the term x @ W_x is missing", "x @ W_x + ", ""
    yield "c: gate i is missing, c = f * c_prev + i * g", "i * g", "g"
    yield "c: gate f is missing, c = f * c_prev + i * g", "f * c_prev", "c_prev"
    yield "c: gate g is missing, c = f * c_prev + i * g", "i * g", "i"
    yield "c: c_prev is missing, c = f * c_prev + i * g", "f * c_prev + i * g", "i * g"
    yield "c: the new content i * g is missing, c = f * c_prev + i * g", "f * c_prev + i * g", "f * c_prev"
    yield "c: gates i and f are swapped, c = f * c_prev + i * g", "f * c_prev + i * g", "i * c_prev + f * g"
    yield "c: 1 - f where gate i belongs, c = f * c_prev + i * g", "i * g", "(1 - f) * g"
    yield "c: 1 - f where gate f belongs, c = f * c_prev + i * g", "f * c_prev", "(1 - f) * c_prev"
    yield "c: a tanh too much, c = f * c_prev + i * g", "f * c_prev + i * g", "np.tanh(f * c_prev + i * g)"
    yield ("c: gate f belongs to c_prev alone, c = f * c_prev + i * g", "f * c_prev + i * g", "f * (c_prev + i * g)")
    yield "h_hat: the tanh is of c alone, o * tanh(c) and not tanh(o * c)", "o * np.tanh(c)", "np.tanh(o * c)"
    yield "h_hat: gate g where tanh(c) belongs", "np.tanh(c)", "g"
    yield "h_hat: the tanh of c is missing, h_hat = o * tanh(c)", "np.tanh(c)", "c"
    yield "h_hat: gate o is missing, h_hat = o * tanh(c)", "o * np.tanh(c)", "np.tanh(c)"
    yield "h_hat: tanh(c_prev) where tanh(c) belongs", "np.tanh(c)", "np.tanh(c_prev)"
    yield "h_hat: a sigmoid where tanh(c) belongs", "np.tanh(c)", "(0.5 * (1 + np.tanh(c / 2)))"


MISTAKES = tuple(_mistakes())
