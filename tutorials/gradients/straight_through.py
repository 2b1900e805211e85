# %% [markdown]
# # A straight-through estimator
#
# *10 minutes. You need: the chain rule.*
# *You will see: a "biased" estimator that is the exact gradient of another function.*
#
# A hidden layer is rounded to -1 or +1. Rounding is flat, its derivative is zero, and nothing would
# learn. The straight-through estimator goes back as if rounding had not been there: dz = db.
#
# What function is that the gradient of? Write the rounded value as z plus a gap, and
# hold the gap constant:
#
#     b = z + stop(sign(z) - z)
#
# The same value, and the derivative by z is 1. So the "biased estimator" is an exact
# derivative of the replay.

# %%
import numpy as np

import sab_numpy as sab

rng = np.random.default_rng(1)
B, D, H = 5, 3, 4
x, y = rng.standard_normal((B, D)), rng.standard_normal(B)
params = {"W": rng.standard_normal((D, H)), "v": rng.standard_normal(H)}


def loss(p):
    z = np.tanh(x @ p["W"])                                             # (B, H)
    b = z + sab.stop("gap", np.sign(z.real) - z)                        # (B, H), -1 or +1
    return 0.5 * ((b @ p["v"] - y) ** 2).sum()


def grads(p, slope=1.0):
    z = np.tanh(x @ p["W"])
    b = np.sign(z)
    error = b @ p["v"] - y                                              # (B,)
    db = error[:, None] * p["v"]                                        # (B, H)
    dz = db * slope                                                     # straight through
    return {"W": x.T @ (dz * (1 - z ** 2)), "v": b.T @ error}


report = sab.check(loss, params, grads)
print(report)
assert report.ok

# %% [markdown]
# The true derivative of the rounded layer is zero for W: right for the loss, useless for learning,
# and refused here, because it is not the gradient that was promised. The note says whose gradient
# it is: that of the function in which the gap is let through.

# %%
report = sab.check(loss, params, lambda p: grads(p, slope=0.0))
print(report)
assert [row.name for row in report.rows if row.verdict == "FAIL"] == ["W"]
assert "credit passes stop 'gap'" in report.rows[0].note

# %% [markdown]
# Some stop the credit where |z| is large ("hard tanh"). Then the gap is stopped only where |z| is
# at most 1/2: that is another function, and each gradient passes for its own function only.

# %%
def clipped_loss(p):
    z = np.tanh(x @ p["W"])
    passing = sab.choose("passing", np.abs(z.real) <= 0.5)             # a discrete choice, kept too
    rounded = np.sign(z.real)
    b = np.where(passing, z + sab.stop("gap", rounded - z), sab.stop("rounded", rounded))
    return 0.5 * ((b @ p["v"] - y) ** 2).sum()


clipped = grads(params, slope=np.abs(np.tanh(x @ params["W"])) <= 0.5)
print("estimator          straight through   clipped")
for name, f in (("straight through", loss), ("clipped", clipped_loss)):
    verdicts = [sab.check(f, params, g).verdict for g in (grads(params), clipped)]
    print(f"{name:<18} {verdicts[0]:<18} {verdicts[1]}")
    assert verdicts == (["PASS", "FAIL"] if f is loss else ["FAIL", "PASS"])

# %%
f = loss                                   # `sab gradcheck --module` looks for params, f and grads
