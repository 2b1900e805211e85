# %% [markdown]
# # A temporal-difference target
#
# *10 minutes. You need: the chain rule.*
# *You will see: a right gradient that every ordinary checker calls wrong.*
#
# A value function V(s) = v . tanh(s W) is taught to predict the reward plus its own
# opinion of the next state:
#
#     loss = mean (V(s) - target)^2 / 2,      target = r + gamma V(s')
#
# The target is held constant. So the gradient that everybody uses is *not* the derivative of this
# loss, and a gradient checker that differentiates the loss calls it wrong. Mark the target with
# `stop`, and it is checked exactly.

# %%
import numpy as np

import sab_numpy as sab

rng = np.random.default_rng(0)
B, D, H, gamma = 6, 3, 4, 0.9
s, s_next, r = rng.standard_normal((B, D)), rng.standard_normal((B, D)), rng.standard_normal(B)
params = {"W": rng.standard_normal((D, H)), "v": rng.standard_normal(H)}


def loss(p, stop=sab.stop):
    value = np.tanh(s @ p["W"]) @ p["v"]                                # (B,)
    target = r + gamma * np.tanh(s_next @ p["W"]) @ p["v"]              # (B,)
    return 0.5 * ((value - stop("target", target)) ** 2).mean()


# %% [markdown]
# The gradient by hand: only V(s) moves.

# %%
def grads(p):
    u = np.tanh(s @ p["W"])                                             # (B, H)
    target = r + gamma * np.tanh(s_next @ p["W"]) @ p["v"]
    dvalue = (u @ p["v"] - target) / B                                  # (B,)
    du = dvalue[:, None] * p["v"]                                       # (B, H)
    return {"W": s.T @ (du * (1 - u ** 2)), "v": u.T @ dvalue}


report = sab.check(loss, params, grads)
print(report)
assert report.ok

# %% [markdown]
# Without `stop` the same right gradient is refused: it is not the derivative of the loss.

# %%
refused = sab.check(lambda p: loss(p, stop=lambda name, value: value), params, grads)
print(refused)
assert not refused.ok

# %% [markdown]
# And the mistake that is made most often here, credit that flows into the target, is named.

# %%
def leaky(p):
    g, u_next = grads(p), np.tanh(s_next @ p["W"])
    dtarget = -(np.tanh(s @ p["W"]) @ p["v"] - r - gamma * u_next @ p["v"]) / B
    g["W"] += gamma * s_next.T @ (dtarget[:, None] * p["v"] * (1 - u_next ** 2))
    g["v"] += gamma * u_next.T @ dtarget
    return g


report = sab.check(loss, params, leaky)
print(report)
assert all("credit passes stop 'target'" in row.note for row in report.rows)

# %%
f = loss                                   # `sab gradcheck --module` looks for params, f and grads
