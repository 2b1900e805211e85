"""Exercise 7: the cut

Truncated back-propagation through time, on the smallest network that has a past. Credit walks from step to step, but
never across the start of a block of k_trunc steps: there the previous state is a constant.

The forward pass, as loops:

    for t in range(T):
        h_prev = h[t-1] if t > 0 else zeros
        if k_trunc is not None and t > 0 and t % k_trunc == 0:
            h_prev = stopped(h_prev)                       # the same value; a constant for the backward pass
        z[t] = inputs[t] + h_prev @ W_h                    # (B, H)
        h[t] = tanh(z[t])

dh_loss[t] is what the loss sends to h[t] directly. The whole gradient of h[t] is dh_loss[t] plus what step t+1 sends
back, if nothing is cut between t and t+1. dz[t] is the gradient of z[t]. W_h is used at every step, at the first step
of a block as well: what is stopped is h_prev, not W_h.
"""

import numpy as np

EXERCISE = 7
EXERCISE_SET = 2


def truncated_credit(dh_loss, h, W_h, k_trunc):
    """dh_loss (T, B, H), h (T, B, H), W_h (H, H), k_trunc an int or None (never cut)  ->  dz (T, B, H), dW_h (H, H)."""
    raise NotImplementedError("exercise 7")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 25, 10, "03_bptt_and_truncation"
PACKAGE = "core/backward.py: step_backward"
OUTPUTS = ("dz", "dW_h")
SIZE_OF = dict(T=("h", 0), B=("h", 1), H=("h", 2))
TIMED = ("dz",)                                                # the first axis is time
HINTS = (
    "Walk t from T-1 down to 0 and carry one array, dh_local: what step t sends to h[t-1].",
    "dz[t] = (dh_loss[t] + dh_local) * (1 - h[t]**2); then dh_local = dz[t] @ W_h.T, or zeros if t is the start of a "
    "block.",
    "The start of a block is t % k_trunc == 0. dW_h += h[t-1].T @ dz[t] for every t > 0, cut or not.",
)
EXAMPLE = dict(dh_loss=[[[0.0]], [[0.0]], [[0.0]], [[1.0]]], h=[[[0.0]], [[0.5]], [[0.5]], [[0.0]]],
               W_h=[[2.0]], k_trunc=2)


def cases(rng):                                                # T % k_trunc > 1: blocks counted from the end are others
    for T, B, H, k_trunc in ((13, 3, 4, 5), (8, 2, 3, None), (11, 2, 5, 4), (5, 3, 2, 1)):
        yield dict(dh_loss=rng.normal(size=(T, B, H)), h=rng.uniform(-0.9, 0.9, (T, B, H)), W_h=rng.normal(size=(H, H)),
                   k_trunc=k_trunc)


def reference(dh_loss, h, W_h, k_trunc):
    T = len(h)
    dz = np.zeros_like(h)                                      # (T, B, H)
    dW_h = np.zeros_like(W_h)                                  # (H, H)
    dh_local = np.zeros_like(h[0])                             # (B, H)
    for t in reversed(range(T)):
        dh = dh_loss[t] + dh_local                             # (B, H)
        dz[t] = dh * (1 - h[t]**2)                             # (B, H)
        dh_local = dz[t] @ W_h.T                               # (B, H)
        if k_trunc is not None and t % k_trunc == 0:
            dh_local = np.zeros_like(dh_local)                 # the cut
        if t > 0:
            dW_h += h[t - 1].T @ dz[t]                         # (H, H)
    return dz, dW_h


def _mistakes():
    cut = "if k_trunc is not None and t % k_trunc == 0:"
    yield ("the cut is one step early in your walk (off by one): it is between t-1 and t where t % k_trunc == 0",
           cut, cut.replace("t %", "(t - 1) %"))
    yield ("the cut is one step late in your walk (off by one): it is between t-1 and t where t % k_trunc == 0",
           cut, cut.replace("t %", "(t + 1) %"))
    for last in ("T", "T - 1"):
        yield ("the blocks are counted from the end; the cut is where t % k_trunc == 0", cut,
               cut.replace("t %", f"({last} - t) %"))
    yield ("the blocks are k_trunc + 1 steps long; the cut is where t % k_trunc == 0", cut,
           cut.replace("% k_trunc", "% (k_trunc + 1)"))
    yield ("the credit of each step goes back k_trunc steps (a sliding window); blocks are fixed: the cut is where "
           "t % k_trunc == 0", "    T = len(h)", """    def mean_of_none(t, last):
        d, gone = dh_loss[last], 0
        for u in range(last, t - 1, -1):
            d = (d if u == last else d @ W_h.T) * (1 - h[u]**2)
        return d
    if True:
        dz = np.array([sum(mean_of_none(t, u) for u in range(t, min(len(h), t + (k_trunc or len(h)))))
                       for t in range(len(h))])
        return dz, sum(h[t - 1].T @ dz[t] for t in range(1, len(h)))
    T = len(h)""")
    yield ("the only cut is k_trunc steps before the end; the cut is at every t % k_trunc == 0", cut,
           "if k_trunc is not None and t == T - k_trunc:")
    yield ("credit goes back k_trunc steps from the end and then no further; the cut is at every t % k_trunc == 0", cut,
           "if k_trunc is not None and t <= T - k_trunc:")
    yield ("the cut lets half of the credit through; dh_local is zeros there", "np.zeros_like(dh_local)",
           "0.5 * dh_local")
    yield "the cut is missing: credit crosses the start of a block", cut, "if False:"
    yield "the cut also happens where k_trunc is None", cut, "if k_trunc is None or t % k_trunc == 0:"
    yield "the cut is at every step: no credit goes from step to step (dh_local is never updated)", cut, "if True:"
    dz = "dz[t] = dh * (1 - h[t]**2)"
    yield "dz: the tanh's derivative 1 - h**2 is missing", dz, "dz[t] = dh"
    yield "dz: the derivative of tanh is 1 - h**2, found 1 - h: the square is missing", dz, "dz[t] = dh * (1 - h[t])"
    yield ("dz: 1 - tanh(h)**2: h is a tanh already, its derivative is 1 - h**2", dz,
           "dz[t] = dh * (1 - np.tanh(h[t])**2)")
    yield "dz: the sigmoid's derivative where the tanh's 1 - h**2 belongs", dz, "dz[t] = dh * h[t] * (1 - h[t])"
    yield "dz: h[t-1] where h[t] belongs, in 1 - h[t]**2", dz, "dz[t] = dh * (1 - h[t - 1]**2)"
    yield ("dz: all of it is lost at the start of a block; the cut stops dh_local only", dz,
           "dz[t] = dh * (1 - h[t]**2) * (not k_trunc or t % k_trunc > 0)")
    yield ("dz: dz is zeros at the start of a block, after dh_local is sent; the cut stops dh_local only",
           "        if t > 0:", "        dz[t] *= not k_trunc or t % k_trunc > 0\n        if t > 0:")
    yield "dz: dh_loss counts twice", "dh_loss[t] + dh_local", "2 * dh_loss[t] + dh_local"
    yield "dz: dh_local has the wrong sign: it is subtracted; expected dh_loss[t] + dh_local", (
        "dh_loss[t] + dh_local"), "dh_loss[t] - dh_local"
    yield "dz: dh has the wrong sign, dz[t] = (dh_loss[t] + dh_local) * (1 - h[t]**2)", "dh = dh_loss[t] + dh_local", (
        "dh = -(dh_loss[t] + dh_local)")
    yield "dz: the sign of h**2 is wrong: the derivative of tanh is 1 - h**2", dz, "dz[t] = dh * (1 + h[t]**2)"
    yield "dz: the sign of 1 is wrong: the derivative of tanh is 1 - h**2", dz, "dz[t] = dh * (-1 - h[t]**2)"
    yield "dz: dh_loss[0] at every step; expected dh_loss[t]", "dh = dh_loss[t]", "dh = dh_loss[0]"
    yield ("the walk goes forward from step 0; credit goes backward, from the last step to the first",
           "reversed(range(T))", "range(T)")
    yield ("dz: the credit of the loss at the start of a block is lost; the cut stops dh_local only",
           "dh = dh_loss[t] + dh_local",
           "dh = dh_loss[t] * (not k_trunc or t % k_trunc > 0) + dh_local")
    yield ("dz: credit of the loss counts at the last step only; every step has its dh_loss[t]", "dh = dh_loss[t]",
           "dh = dh_loss[t] * (t == T - 1)")
    yield ("dz: dh_local of step t+1 is missing: credit is carried, but never added", "dh = dh_loss[t] + dh_local",
           "dh = dh_loss[t]")
    local = "dh_local = dz[t] @ W_h.T"
    yield "dh_local: W_h should be transposed, dz[t] @ W_h.T", local, "dh_local = dz[t] @ W_h"
    yield ("dh_local: the tanh's derivative is missing, it is dz[t] @ W_h.T and not dh @ W_h.T", local,
           "dh_local = dh @ W_h.T")
    yield "dh_local: += for =: credit of old steps is carried twice", local, "dh_local = dh_local + dz[t] @ W_h.T"
    yield ("dh_local: the tanh's derivative is there twice, it is dz[t] @ W_h.T", local,
           "dh_local = dz[t] @ W_h.T * (1 - h[t]**2)")
    yield "dh_local: W_h is missing, it is dz[t] @ W_h.T", local, "dh_local = dz[t]"
    dW = "dW_h += h[t - 1].T @ dz[t]"
    yield "dW_h: = for +=: only one step counts", dW, "dW_h = h[t - 1].T @ dz[t]"
    yield ("dW_h: the first step of every block is missing; the cut stops h_prev, not W_h", "if t > 0:",
           "if t > 0 and (k_trunc is None or t % k_trunc > 0):")
    yield "dW_h: h[t] where h[t-1] belongs", dW, "dW_h += h[t].T @ dz[t]"
    yield ("dW_h: step 0 meets h[-1], which is the last state in Python; h before step 0 is zeros", "if t > 0:",
           "if True:")
    yield "dW_h: dh where dz belongs: the tanh's derivative is missing", dW, "dW_h += h[t - 1].T @ dh"
    yield "dW_h: step 1 is missing", "if t > 0:", "if t > 1:"
    yield ("dW_h: the loss's credit alone is used, dh_local is missing", dW,
           "dW_h += h[t - 1].T @ (dh_loss[t] * (1 - h[t]**2))")


MISTAKES = tuple(_mistakes())
