# %% [markdown]
# # Check *your* gradient
#
# *30 minutes. You need: tutorial 03, and a gradient that you wrote yourself some day.*
# *You will see: a right gradient pass, four planted bugs caught, and a test that is blind.*
#
# You wrote a backward pass. It runs, the shapes fit, the loss goes down. Is it right? A wrong
# gradient trains too, only worse, and nothing tells you. So test it.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab

rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. Not our network: yours
#
# A small recurrent network that looks back, written by "you" in a dozen lines. Its
# [credit](../GLOSSARY.md#credit) is [cut](../GLOSSARY.md#cut) every three steps, and at the end
# it picks the past state that fits best. Two marks are added, and they change nothing in an
# ordinary run: `sab.stop(name, value)` on what the gradient treats as a constant,
# `sab.choose(name, index)` on every decision.

# %%
print("\n1. Not our network: yours")
T, B, D, H, k = 8, 4, 3, 5, 3
x, weight = rng.standard_normal((T, B, D)), rng.standard_normal((B, H))
params = {"W": rng.standard_normal((D, H)), "U": 0.7 * rng.standard_normal((H, H)),
          "b": 0.1 * rng.standard_normal(H)}


def loss(p):
    h, past = np.zeros((B, H)), []
    for t in range(T):
        if t and t % k == 0:
            h = sab.stop(f"h before step {t}", h)
        h = np.tanh(x[t] @ p["W"] + h @ p["U"] + p["b"])                # (B, H)
        past.append(h)
    past = np.stack(past)                                               # (T, B, H)
    best = sab.choose("best", past[:-1].sum(2).argmax(0))               # (B,)
    return (weight * (h + past[best, np.arange(B)])).sum()


# %% [markdown]
# And the backward, by hand. Its optional arguments are bugs, for later.

# %%
def grads(p, across=False, forget_skip=False, sign=1.0, slope=2):
    h = [np.zeros((B, H))]
    for t in range(T):
        h.append(np.tanh(x[t] @ p["W"] + h[t] @ p["U"] + p["b"]))
    best = np.stack(h[1:-1]).sum(2).argmax(0)                           # (B,)
    g, dh = {name: np.zeros_like(value) for name, value in p.items()}, weight
    for t in reversed(range(T)):
        if not forget_skip:
            dh = dh + weight * (best == t)[:, None]                     # the skip lands here
        dz = dh * (1 - h[t + 1] ** slope)                               # (B, H)
        g["W"] += x[t].T @ dz
        g["U"] += h[t].T @ dz
        g["b"] += sign * dz.sum(0)
        dh = np.zeros((B, H)) if t % k == 0 and not across else dz @ p["U"].T
    return g


report = sab.check(loss, params, grads)
print(report)
assert report.ok and report.worst < 1e-10

# %% [markdown]
# `sab.check` runs `loss` once and records what is stopped and chosen. Then it moves the weights
# along random directions in a [frozen replay](../GLOSSARY.md#frozen-replay) and compares. It
# needs no access to your code beyond `loss`. Cost: a few runs of `loss` for each tensor,
# however large the tensor is.
#
# ## 2. Plant a bug, find it
#
# Four mistakes that people really make:

# %%
print("\n2. Plant a bug, find it")
bugs = {"credit crosses the cut": {"across": True}, "the skip is forgotten": {"forget_skip": True},
        "the bias has the wrong sign": {"sign": -1.0}, "tanh' is 1 - h^3": {"slope": 3}}
found = {}
for name, planted in bugs.items():
    report = found[name] = sab.check(loss, params, lambda p, planted=planted: grads(p, **planted))
    failing = [row for row in report.rows if row.verdict == "FAIL"]
    print(f"{name}: {report.verdict}, wrong are {', '.join(row.name for row in failing)}")
    for note in dict.fromkeys([row.note for row in failing if row.note] + report.notes):
        print("    ", note)
assert not any(report.ok for report in found.values())                  # every one is caught
of_the_bias = found["the bias has the wrong sign"]
assert [row.name for row in of_the_bias.rows if row.verdict == "FAIL"] == ["b"]

# %% [markdown]
# *Which* tensors fail is the first clue. One alone: look at the line that collects it. All of them:
# look at what flows between the steps. And the notes guess.
#
# ## 3. Our network, entry by entry
#
# For the package's own model there is `sab.check_gradients`. It moves *every single entry* by a
# tiny imaginary number (the [complex step](../GLOSSARY.md#complex-step), exact to the last digits),
# and takes *your* backward if you give it one. Let us swap two [gates](../GLOSSARY.md#gate):

# %%
print("\n3. Our network, entry by entry")
cfg = sab.Config.sab(n_in=3, n_hidden=4, n_out=2, k_trunc=3, k_top=2, k_att=2)
sab_params = sab.init_params(cfg, rng)
inputs = rng.standard_normal((7, 3, 3))                                 # (T, B, D)


def swapped(dy, tape):
    """The backward, but the gradients of the forget and output gates' biases are swapped."""
    g = sab.backward(dy, tape)
    i, f, c, o = np.split(g["b"], 4)
    return g | {"b": np.concatenate([i, o, c, f])}


right = sab.check_gradients(sab_params, inputs, cfg, np.random.default_rng(1))
wrong = sab.check_gradients(sab_params, inputs, cfg, np.random.default_rng(1), backward=swapped)
print(wrong)
failing = [row.name for row in wrong.rows if row.verdict == "FAIL"]
assert right.ok and right.worst < 1e-11
assert failing == ["b.f", "b.o"]

# %% [markdown]
# ## 4. A blind test
#
# Many tests take the sum of a layer's output as the loss. For attention weights that is a trap:
# they sum to 1 whatever the [scores](../GLOSSARY.md#score) are. So the true gradient of that sum is
# zero, and a backward that returns nothing but zeros looks right. (`sab.check` says UNRESOLVED:
# there is nothing here to tell right from wrong.) Weigh the outputs with random numbers instead;
# `check_gradients` does.

# %%
print("\n4. A blind test")
scores = {"a": rng.standard_normal((3, 5))}


def softmax(a):
    e = np.exp(a - a.real.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


nothing = {"a": np.zeros((3, 5))}
weights = rng.standard_normal((3, 5))
blind = sab.check(lambda p: softmax(p["a"]).sum(), scores, nothing)
seeing = sab.check(lambda p: (weights * softmax(p["a"])).sum(), scores, nothing)
print("a backward that returns zeros, against a plain sum:   ", blind.verdict)
print("the same, against a randomly weighted sum:            ", seeing.verdict)
assert blind.verdict == "UNRESOLVED" and seeing.verdict == "FAIL"

# %%
fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
names = ["no bug", *bugs, "gates f and o swapped (SAB)"]
errors = [sab.check(loss, params, grads).worst, *(report.worst for report in found.values()),
          wrong.worst]
ax.barh(names[::-1], errors[::-1], color=["#D55E00"] * 5 + ["#009E73"], left=1e-17)
ax.axvline(1e-10, color="black", linestyle=":", label="tolerance of sab.check")
ax.set(xscale="log", xlim=(1e-17, 10), xlabel="largest relative error",
       title="Right and wrong are far apart")
fig.legend(loc="outside lower right")
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/08_check_your_gradient.png", dpi=100)
print("\nThe picture: tutorials/out/08_check_your_gradient.png")
assert errors[0] < 1e-10 < 1e-3 < min(errors[1:])

# %% [markdown]
# **Try it.** Plant a bug that you once had in `grads`. The report of section 1 says what it finds,
# and the assert below it stops the script. More examples: `tutorials/gradients/`.
