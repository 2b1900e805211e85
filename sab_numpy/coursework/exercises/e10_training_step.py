"""Exercise 10: a training step

Everything together: loss and gradients, clipping (both imported; the grader puts right ones in their place), and Adam.
Called again and again, your step teaches a small SAB to copy two symbols across a gap. The grader does that, with its
own sequences. (Adam in words: tutorial 01a, section 4. The loop around such a step: tutorial 07, section 3.)

The step, as loops:

    loss, grads = loss_and_gradients(params, x, targets)
    norm, grads = clip_gradients(grads, max_norm)
    step = step + 1                                        # the first update is step 1
    for name in params:
        for every entry:
            m = 0.9 * m + 0.1 * gradient
            v = 0.999 * v + 0.001 * gradient**2
            m_hat = m / (1 - 0.9**step)                    # m and v start at zero: this takes the bias away
            v_hat = v / (1 - 0.999**step)
            parameter = parameter - learning_rate * m_hat / (sqrt(v_hat) + 1e-8)

m and v are dicts with the keys of params. Return new dicts and new arrays: what came in must not change.
"""

import numpy as np

from .earlier_10 import clip_gradients, loss_and_gradients

EXERCISE = 10
EXERCISE_SET = 2


def training_step(params, m, v, step, x, targets, learning_rate, max_norm):
    """params, m, v dicts of arrays; step updates so far, an int; x (T, B, D) floats; targets (T, B) ints

    ->  loss (a float, before the update), m, v, params (after it), step (an int, one more).
    """
    raise NotImplementedError("exercise 10")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 30, 10, "07_learning_to_copy"
PACKAGE = "core/optim.py: adam_step"
OUTPUTS = ("loss", "m", "v", "params", "step")
UPDATES, LEARNED, HIDDEN = 200, 0.25, 16                       # nats; who copies nothing stays at 2/6 * ln 3 = 0.37
HINTS = (
    "Work on one name at a time and build three new dicts; step goes up before it is used.",
    "m[name] = 0.9 * m[name] + 0.1 * grads[name] (a new array); m_hat and v_hat are for the update only: not "
    "kept.",
    "The square root is of v_hat alone, 1e-8 is added after it, and the parameters move against the gradient.",
)


def copy_batch(rng, B=16, n_symbols=3, length=2, gap=2):
    """Symbols, a gap of blanks, a marker, blanks; the targets are blanks, then the symbols."""
    symbols = rng.integers(1, n_symbols + 1, (length, B))
    rest = np.zeros((gap + length, B), int)
    rest[gap - 1] = n_symbols + 1
    x = np.eye(n_symbols + 2)[np.concatenate([symbols, rest])]                                 # (T, B, D)
    return x, np.concatenate([np.zeros((length + gap, B), int), symbols])                      # (T, B)


def start(rng, H, x):
    from .e08_the_whole_walk import random_params
    params = random_params(rng, x.shape[-1], H, x.shape[-1], scale=1 / np.sqrt(H))
    params["b"][H:2 * H], params["W_q"] = 1, np.eye(H)         # as the package starts
    return params, {name: np.zeros_like(value) for name, value in params.items()}


def cases(rng):
    for H, steps, max_norm in ((5, 0, 0.1), (4, 6, 10.0)):
        x, targets = copy_batch(rng, B=3)
        params, zeros = start(rng, H, x)
        m = {name: 0.01 * rng.normal(size=value.shape) if steps else value for name, value in zeros.items()}
        v = {name: 1e-4 * rng.uniform(0.5, 1, value.shape) if steps else value for name, value in zeros.items()}
        yield dict(params=params, m=m, v=v, step=steps, x=x, targets=targets, learning_rate=0.01, max_norm=max_norm)
    x, targets = (np.stack(many) for many in zip(*(copy_batch(rng) for _ in range(UPDATES))))
    params, zeros = start(rng, HIDDEN, x)
    yield dict(params=params, m=zeros, v=zeros, step=0, x=x, targets=targets, learning_rate=0.02, max_norm=1.0,
               calls=UPDATES)


def example():
    """All parameters are zeros: the two outputs are equally likely, and the gradient of b_y alone is not zero."""
    x = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    zeros = {name: np.zeros_like(value) for name, value in start(np.random.default_rng(0), 1, x)[0].items()}
    return dict(params=zeros, m=zeros, v=zeros, step=0, x=x, targets=[[1], [1]], learning_rate=0.1, max_norm=9.0)


def learned_shapes():
    x, _ = copy_batch(np.random.default_rng(0))
    return {name: value.shape for name, value in start(np.random.default_rng(0), HIDDEN, x)[0].items()}


def test_loss(params):
    return loss_and_gradients(params, *copy_batch(np.random.default_rng(12345), B=64))[0]


def reference(params, m, v, step, x, targets, learning_rate, max_norm):
    loss, grads = loss_and_gradients(params, x, targets)
    _, grads = clip_gradients(grads, max_norm)
    step = step + 1
    m = {name: 0.9 * m[name] + 0.1 * grads[name] for name in params}
    v = {name: 0.999 * v[name] + 0.001 * grads[name]**2 for name in params}
    m_hat = {name: m[name] / (1 - 0.9**step) for name in params}
    v_hat = {name: v[name] / (1 - 0.999**step) for name in params}
    params = {name: params[name] - learning_rate * m_hat[name] / (np.sqrt(v_hat[name]) + 1e-8) for name in params}
    return loss, m, v, params, step


MISTAKES = (
    ("loss is that after the update; expected the one before", "return loss, m,",
     "loss, _ = loss_and_gradients(params, x, targets)\n    return loss, m,"),
    ("loss is the sum over the targets; expected the mean, as loss_and_gradients gives it", "return loss, m,",
     "return loss * targets.size, m,"),
    ("the gradients are not clipped to max_norm: clip_gradients returns new arrays, which are never used (or not told)",
     "_, grads = clip", "_, _ = clip"),
    ("m: the gradient's part is missing its factor 0.1", "0.1 * grads[name]", "grads[name]"),
    ("m: 0.99 where 0.9 belongs", "0.9 * m[name] + 0.1 *", "0.99 * m[name] + 0.01 *"),
    ("m: the gradient's part has the wrong sign", "+ 0.1 * grads[name]", "- 0.1 * grads[name]"),
    ("m: the old m is missing, m = 0.9 * m + 0.1 * gradient", "0.9 * m[name] + ", ""),
    ("m and v are swapped: 0.999 belongs to v", "0.9 * m[name] + 0.1 *", "0.999 * m[name] + 0.001 *"),
    ("m: the bias-corrected m_hat is kept; it is for the update only", "return loss, m,", "return loss, m_hat,"),
    ("v: the square is missing, v = 0.999 * v + 0.001 * gradient**2", "grads[name]**2", "grads[name]"),
    ("v: the square of m where that of the gradient belongs", "grads[name]**2", "m[name]**2"),
    ("v is made of the gradients before they are clipped; expected the clipped ones", "grads[name]**2",
     "loss_and_gradients(params, x, targets)[1][name]**2"),
    ("v: the old v is missing, v = 0.999 * v + 0.001 * gradient**2", "0.999 * v[name] + ", ""),
    ("v: the gradient's part is missing its factor 0.001", "0.001 * grads", "grads"),
    ("v: 0.99 where 0.999 belongs", "0.999 * v[name] + 0.001", "0.99 * v[name] + 0.01"),
    ("params: Adam's bias correction of m is missing, m_hat = m / (1 - 0.9**step)", "m[name] / (1 - 0.9**step)",
     "m[name]"),
    ("params: Adam's bias correction of v is missing, v_hat = v / (1 - 0.999**step)", "v[name] / (1 - 0.999**step)",
     "v[name]"),
    ("params: Adam's bias correction is missing, of m and of v", "m_hat[name] / (np.sqrt(v_hat[name])",
     "m[name] / (np.sqrt(v[name])"),
    ("params: the bias correction uses the old step; the first update is step 1",
     "0.9**step) for name in params}\n    v_hat = {name: v[name] / (1 - 0.999**step)",
     "0.9**(step - 1)) for name in params}\n    v_hat = {name: v[name] / (1 - 0.999**(step - 1))"),
    ("params: the bias correction uses step + 1: step went up twice",
     "0.9**step) for name in params}\n    v_hat = {name: v[name] / (1 - 0.999**step)",
     "0.9**(step + 1)) for name in params}\n    v_hat = {name: v[name] / (1 - 0.999**(step + 1))"),
    ("params: m_hat is corrected with v's 0.999; it is m / (1 - 0.9**step)", "(1 - 0.9**step)", "(1 - 0.999**step)"),
    ("params: v_hat is corrected with m's 0.9; it is v / (1 - 0.999**step)", "(1 - 0.999**step)", "(1 - 0.9**step)"),
    ("params: the bias correction multiplies; m_hat is m divided by (1 - 0.9**step)", "m[name] / (1 - 0.9**step)",
     "m[name] * (1 - 0.9**step)"),
    ("params: 0.9 * step where 0.9**step belongs, in the bias correction", "0.9**step) for name in params}\n    v_hat",
     "0.9 * step) for name in params}\n    v_hat"),
    ("params: learning_rate is divided by step; expected it as it is", "learning_rate * m_hat",
     "learning_rate / step * m_hat"),
    ("params: 1e-6 where 1e-8 belongs", "1e-8", "1e-6"),
    ("params: 1e-7 where 1e-8 belongs", "1e-8", "1e-7"),
    ("params move along the gradient; expected against it (minus)", "params[name] - learning_rate",
     "params[name] + learning_rate"),
    ("params: the square root of v_hat is missing", "np.sqrt(v_hat[name])", "v_hat[name]"),
    ("params: 1e-8 stands inside the square root; expected outside", "(np.sqrt(v_hat[name]) + 1e-8)",
     "np.sqrt(v_hat[name] + 1e-8)"),
    ("params: 1e-8 is missing", " + 1e-8)", ")"),
    ("params: plain gradient descent; m_hat and v_hat are not used",
     "learning_rate * m_hat[name] / (np.sqrt(v_hat[name]) + 1e-8)", "learning_rate * grads[name]"),
    ("params are not changed", "    params = {name: params[name] -", "    _ = {name: params[name] -"),
    ("params: learning_rate is missing", "learning_rate * m_hat", "m_hat"),
    ("step does not go up: return step + 1", "return loss, m, v, params, step", "return loss, m, v, params, step - 1"),
)
