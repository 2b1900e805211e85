# %% [markdown]
# # Truncated backpropagation through time, for a vanilla RNN
#
# *15 minutes. You need: backpropagation through time.*
# *You will see: how a cut of credit is proved, and three bugs found.*
#
#     h_t = tanh(x_t W + h_{t-1} U + b),    credit is cut before every k-th step
#
# "Check your gradient with finite differences" is good advice, until the gradient is truncated:
# then the right one fails.

# %%
import numpy as np

import sab_numpy as sab

rng = np.random.default_rng(2)
T, B, D, H, k = 10, 2, 3, 4, 4
x, weight = rng.standard_normal((T, B, D)), rng.standard_normal((T, B, H))
params = {"W": rng.standard_normal((D, H)), "U": rng.standard_normal((H, H)),
          "b": rng.standard_normal(H)}


def loss(p, stop=sab.stop):
    h, total = np.zeros((B, H)), 0.0
    for t in range(T):
        if t and t % k == 0:
            h = stop(f"h before step {t}", h)                           # the cut
        h = np.tanh(x[t] @ p["W"] + h @ p["U"] + p["b"])                # (B, H)
        total = total + (weight[t] * h).sum()
    return total


def grads(p, cut=lambda t: t % k == 0):
    h = [np.zeros((B, H))]
    for t in range(T):
        h.append(np.tanh(x[t] @ p["W"] + h[t] @ p["U"] + p["b"]))
    g, dh = {name: np.zeros_like(value) for name, value in p.items()}, np.zeros((B, H))
    for t in reversed(range(T)):
        dz = (dh + weight[t]) * (1 - h[t + 1] ** 2)                     # (B, H)
        g["W"] += x[t].T @ dz
        g["U"] += h[t].T @ dz
        g["b"] += dz.sum(0)
        dh = np.zeros((B, H)) if cut(t) else dz @ p["U"].T              # the cut
    return g


# %% [markdown]
# Differences of the loss: the right truncated gradient looks wrong.

# %%
plain = sab.check(lambda p: loss(p, stop=lambda name, value: value), params, grads)
print(plain)
assert not plain.ok and plain.worst > 0.01

# %% [markdown]
# Differences of the replay, in which what was stopped stays what it was: it is right, to the last
# digits.

# %%
frozen = sab.check(loss, params, grads)
print(frozen)
assert frozen.ok and frozen.worst < 1e-12

# %% [markdown]
# Three bugs that a training curve would never show.

# %%
bugs = {
    "no cut at all": lambda p: grads(p, cut=lambda t: False),
    "no cut before step 8": lambda p: grads(p, cut=lambda t: t == 4),
    "the cut one step late": lambda p: grads(p, cut=lambda t: t % k == 1),
}
for name, wrong in bugs.items():
    report = sab.check(loss, params, wrong)
    print(f"{name:<24}{report.verdict}  W: {report.rows[0].note}")
    assert report.verdict == "FAIL"
assert "every stop" in sab.check(loss, params, bugs["no cut at all"]).rows[0].note
assert "'h before step 8'" in sab.check(loss, params, bugs["no cut before step 8"]).rows[0].note

# %%
f = loss                                   # `sab gradcheck --module` looks for params, f and grads
