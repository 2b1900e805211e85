"""Exercise 1: sigmoid and cross-entropy, backward

The last two steps of a network that answers yes or no: a sigmoid makes a probability of each number z, and the
cross-entropy says how wrong the probabilities are. Credit starts here. (Tutorial 01a, section 2, has the same for one
answer of many: a softmax in the sigmoid's place.)

The forward pass, as loops:

    loss = 0
    for b in range(B):
        for o in range(O):
            p[b, o] = 1 / (1 + exp(-z[b, o]))
            loss += -(targets[b, o] * log(p[b, o]) + (1 - targets[b, o]) * log(1 - p[b, o]))
    loss = loss / (B * O)                          # the mean over all entries

You write p and its backward. dp is the gradient of the loss with respect to p, dz that with respect to z.

From calculus you need three derivatives, of log(p), of exp(z) and of 1/z, and the chain rule.
"""

import numpy as np

EXERCISE = 1
EXERCISE_SET = 2


def sigmoid_cross_entropy(z, targets):
    """z (B, O), targets (B, O) of 0.0 and 1.0  ->  p (B, O), dp (B, O), dz (B, O)."""
    raise NotImplementedError("exercise 1")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 5, 5, "01a_the_model"
PACKAGE = "core/losses.py: softmax_cross_entropy (for one answer of many)"
OUTPUTS = ("p", "dp", "dz")
SIZE_OF = dict(B=("z", 0), O=("z", 1))
HINTS = (
    "The derivative of log(p) is 1/p, that of log(1 - p) is -1/(1 - p). A mean over B*O entries divides by B*O.",
    "dp = (p - targets) / (p * (1 - p)) / (B * O). The derivative of the sigmoid is p * (1 - p).",
    "dz = dp * p * (1 - p): two factors cancel, and (p - targets) / (B * O) is left.",
)
EXAMPLE = dict(z=np.array([[0.0, 2.0]]), targets=np.array([[1.0, 0.0]]))


def cases(rng):
    for B, O in ((2, 3), (5, 4)):
        yield dict(z=rng.normal(size=(B, O)) * 1.5, targets=rng.integers(0, 2, (B, O)).astype(float))


def reference(z, targets):
    p = 0.5 * (1 + np.tanh(z / 2))                             # (B, O)
    dp = (p - targets) / (p * (1 - p)) / z.size                # (B, O)
    dz = dp * p * (1 - p)                                      # (B, O)
    return p, dp, dz


MISTAKES = (
    ("p: a tanh where a sigmoid belongs", "0.5 * (1 + np.tanh(z / 2))", "np.tanh(z)"),
    ("p: a hard sigmoid (a clipped straight line) where the sigmoid belongs", "0.5 * (1 + np.tanh(z / 2))",
     "np.clip(0.2 * z + 0.5, 0, 1)"),
    ("p: a hard sigmoid (a clipped straight line) where the sigmoid belongs", "0.5 * (1 + np.tanh(z / 2))",
     "np.clip(z / 6 + 0.5, 0, 1)"),
    ("p: a softmax over the outputs; expected a sigmoid of each number alone", "0.5 * (1 + np.tanh(z / 2))",
     "np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)"),
    ("p: sigmoid of -z, the sign of the exponent is wrong", "np.tanh(z / 2)", "np.tanh(-z / 2)"),
    ("p: z where z / 2 belongs, sigmoid(z) = 0.5 * (1 + tanh(z / 2))", "z / 2", "z"),
    ("p: a step; expected the sigmoid", "0.5 * (1 + np.tanh(z / 2))", "1.0 * (z > 0)"),
    ("dp has the wrong sign: it is (p - targets), not (targets - p)", "dp = (p - targets)", "dp = (targets - p)"),
    ("dp: the mean over all entries is missing: divide by B * O", " / z.size", ""),
    ("dp is divided by B; the mean is over B * O entries", "z.size", "len(z)"),
    ("dp is divided by O; the mean is over B * O entries", "z.size", "z.shape[1]"),
    ("dp: the derivative of the logarithms is missing: divide by p * (1 - p)", " / (p * (1 - p))", ""),
    ("dp: the derivative of the mean squared error where that of the cross-entropy belongs",
     "dp = (p - targets) / (p * (1 - p))", "dp = 2 * (p - targets)"),
    ("dp: the mean is taken twice: divide by B * O once", "z.size", "z.size**2"),
    ("dp: the term of targets = 0 is missing: + (1 - targets) / (1 - p)", "(p - targets) / (p * (1 - p))",
     "-targets / p"),
    ("dp: the term (1 - targets) / (1 - p) has the wrong sign", "(p - targets) / (p * (1 - p))",
     "(-targets / p - (1 - targets) / (1 - p))"),
    ("dz has the wrong sign: it is (p - targets), not (targets - p)", "dz = dp", "dz = -dp"),
    ("dz: the mean over all entries is missing: divide by B * O", "dz = dp", "dz = z.size * dp"),
    ("dz is divided by B; the mean is over B * O entries", "dz = dp", "dz = z.shape[1] * dp"),
    ("dz: the mean is taken twice: divide by B * O once", "dz = dp", "dz = dp / z.size"),
    ("dz: the tanh's derivative 1 - p**2 where the sigmoid's p * (1 - p) belongs", "dp * p * (1 - p)",
     "dp * (1 - p**2)"),
    ("dz: targets of 1 and -1; here they are 1 and 0", "dz = dp * p * (1 - p)",
     "dz = (p - (2 * targets - 1)) / z.size"),
    ("dz: p is rounded to 0 or 1 first; expected p itself", "dz = dp * p * (1 - p)",
     "dz = (np.round(p) - targets) / z.size"),
    ("dz: the sigmoid's derivative p * (1 - p) is missing", "dp * p * (1 - p)", "dp"),
    ("dz: the sigmoid's derivative p * (1 - p) is there twice", "dp * p * (1 - p)", "dp * (p * (1 - p))**2"),
    ("dz: the sigmoid's derivative is p * (1 - p), half of it is missing", "dp * p * (1 - p)", "dp * p"),
    ("dz: the sigmoid's derivative is p * (1 - p), half of it is missing", "dp * p * (1 - p)", "dp * (1 - p)"),
)
