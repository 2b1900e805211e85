# %% [markdown]
# # Attention over the past
#
# *30 minutes. You need: tutorial 00, and what a dot product is.*
# *You will see: why one state is too small; how past states are scored, selected and mixed; where
# this has corners; and two ways in which it can quietly learn nothing.*

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.core import scores, sparsify

rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. The bottleneck
#
# A recurrent network reads a sequence and holds *one* state, here 16 numbers. Whatever it needs
# later must fit in there. We show it sequences of random symbols (no training), and ask: can the
# first symbol still be read off? The reader is the best linear one (least squares), tested on
# sequences that it was not fitted to.

# %%
print("\n1. The bottleneck")
T, B, H = 20, 2000, 16
plain = sab.Config.full_bptt(n_in=8, n_hidden=H, n_out=1)
params = sab.init_params(plain, rng)
params["W_x"] *= 4                                            # so that a symbol leaves a clear mark
x = rng.integers(0, 8, (T, B))
_, tape = sab.forward(params, x, plain)


def readable(state):
    """Share of sequences whose first symbol a linear reader finds in state (B, H)."""
    state = np.column_stack([state, np.ones(B)])              # (B, H+1)
    reader = np.linalg.lstsq(state[:B // 2], np.eye(8)[x[0, :B // 2]], rcond=None)[0]     # (H+1, 8)
    return ((state[B // 2:] @ reader).argmax(1) == x[0, B // 2:]).mean()


first, last = readable(tape.cache.h[0]), readable(tape.cache.h[-1])
print(f"the first symbol, read off the state after it: {100 * first:.0f} %; "
      f"off the last state, {T - 1} steps later: "
      f"{100 * last:.0f} % (chance 12.5 %)")
assert first > 0.95 and last < 0.3

# %% [markdown]
# The last state has forgotten. The *first* state has not; it was merely overwritten. So keep past
# states, and look them up. A kept state is a [microstate](../GLOSSARY.md#microstate); it lies in a
# numbered [slot](../GLOSSARY.md#slot).
#
# ## 2. Score, select, weigh, sum
#
# Four lines. Someone asks (the [query](../GLOSSARY.md#query), made from the present state), every
# microstate gets a [score](../GLOSSARY.md#score) for how well it fits, the K largest are selected,
# their scores become weights, and the answer is the weighted sum of the selected microstates: a
# [recall](../GLOSSARY.md#recall).

# %%
print("\n2. Score, select, weigh, sum")
N, K = 6, 2
M = rng.standard_normal((1, N, H))                        # (B, N, H): six microstates
cfg = sab.Config.sab(8, H, 1, k_trunc=5, k_top=K, k_att=1)
params = sab.init_params(cfg, rng)
h_hat = M[:, 4] + 0.3 * rng.standard_normal((1, H))       # the present looks much like microstate 4

q = scores.project(np, h_hat, params["W_q"])              # (B, H)
a = scores.dot(np, q, M, None)                            # (B, N); a microstate is its own key
slots = sparsify.largest(np, a, K)                        # (B, K)
w, _ = sparsify.weights(np, np.take_along_axis(a, slots, 1), "softmax")  # (B, K)
s = (w[:, :, None] * M[0, slots]).sum(1)                  # (B, H)
print("scores  ", np.round(a[0], 2))
print("selected", slots[0], "with weights", np.round(w[0], 3))
assert slots[0, 0] == 4 and np.isclose(w.sum(), 1)

# %% [markdown]
# Weights come in two kinds. [Softmax](../GLOSSARY.md#softmax) takes exp(score) and divides by the
# sum. The paper's way, here called `relu`, takes how far a score lies above the best score that was
# *not* selected (the threshold), and divides by the sum.
#
# ## 3. Corners
#
# Selection is a decision, and decisions have edges. We move one score, slowly, past the
# others, and watch its weight.

# %%
print("\n3. Corners")
others = np.array([1.0, 0.4, 0.0])
moving = np.linspace(-0.5, 1.5, 401)


def weight_of_the_moving_one(score, normalise, others=others, K=K):
    a = np.append(others, score)[None]                           # (1, 4)
    slots = sparsify.largest(np, a, K + (normalise == "relu"))   # relu's threshold is selected too
    w, _ = sparsify.weights(np, np.take_along_axis(a, slots, 1), normalise)
    return w[0, slots[0] == 3].sum()


curves = {kind: np.array([weight_of_the_moving_one(score, kind) for score in moving])
          for kind in ("softmax", "relu")}
largest_step = {kind: float(abs(np.diff(curve)).max()) for kind, curve in curves.items()}
print("largest change from one point to the next:",
      {kind: round(step, 3) for kind, step in largest_step.items()})
assert largest_step["softmax"] > 0.3                             # a jump, when it is selected
assert largest_step["relu"] < 0.02                               # no jump, but a corner

# %% [markdown]
# Softmax over the K selected *jumps*: at 0.4 the newcomer gets a third of everything at once.
# Relu starts at zero and has a corner there, a [kink](../GLOSSARY.md#kink). At a kink or a jump
# there is no slope. The package's gradient is the slope of the piece on which one stands: the
# selection counts as a constant.
#
# ## 4. Silent failure one: K = 1 with softmax
#
# Softmax of a single score is 1, whatever the score. Then no score matters, and the query can never
# learn what to look for. With relu it can, because the threshold takes part.

# %%
print("\n4. Silent failure one: K = 1 with softmax")
symbols = rng.integers(0, 8, (12, 4))
learns = {}
for normalise in ("softmax", "relu"):
    cfg = sab.Config.sab(8, H, 3, k_trunc=4, k_top=1, k_att=2, normalise=normalise)
    params = sab.init_params(cfg, np.random.default_rng(1))
    y, tape = sab.forward(params, symbols, cfg)
    grads = sab.backward(rng.standard_normal(y.shape), tape)
    learns[normalise] = float(abs(grads["W_q"]).max())
print("largest entry of the gradient of W_q at K = 1:", learns)
assert learns["softmax"] < 1e-12 < 1e-6 < learns["relu"]

# %% [markdown]
# ## 5. Silent failure two: the query that cancels
#
# The authors' published program scores with  w · tanh([present; past]),  which is one number from
# the present plus one number from the past: the package's `additive`. The present adds the *same*
# number to every score. Subtract the threshold, or take a softmax, and it is gone. Every present
# asks for the same past:

# %%
print("\n5. Silent failure two: the query that cancels")
presents = rng.standard_normal((50, H))                        # fifty different moments, one memory
spread, selected = {}, {}
for kind in ("dot", "additive"):
    cfg = sab.Config.sab(8, H, 1, k_trunc=5, k_top=K, k_att=1, score=kind)
    params, score = sab.init_params(cfg, np.random.default_rng(2)), scores.SCORES[cfg.score]
    keys = scores.project(np, np.repeat(M, 50, 0), params.get(score.key))        # (50, N, Q)
    queries = scores.project(np, presents, params.get(score.query))              # (50, Q)
    a = score.compare(np, queries, keys, params.get(score.weight))               # (50, N)
    selected[kind] = slots = sparsify.largest(np, a, K)
    w, _ = sparsify.weights(np, np.take_along_axis(a, slots, 1), "softmax")
    spread[kind] = len(np.unique(slots, axis=0)), np.ptp(w, axis=0).max(), np.ptp(a, axis=0).max()
    print(f"{kind:9} different selections: {spread[kind][0]:2d}; "
          f"largest difference between two moments' weights: "
          f"{spread[kind][1]:.0e}")
assert spread["additive"][0] == 1 and spread["additive"][1] < 1e-12  # the same, always
assert spread["additive"][2] > 0.1                                   # although the scores do differ
assert spread["dot"][0] > 1

# %% [markdown]
# It is still SAB, it still trains, and it looks fine from outside. That is why the package's
# standard is the dot product, in which present and past are multiplied, not added.

# %%
fig, (corner, choice) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for (kind, curve), style in zip(curves.items(), ("-", "--"), strict=True):
    corner.plot(moving, curve, style, label=kind, linewidth=2,
                color="#0072B2" if kind == "softmax" else "#D55E00")
for score in others:
    corner.axvline(score, color="grey", linestyle=":", linewidth=1)
corner.set(xlabel="score that moves (dotted: the other three)", ylabel="its weight",
           title="Select 2 of 4: a jump, and a kink")
corner.legend()
for kind, marker, colour in (("dot", "o", "#009E73"), ("additive", "x", "#D55E00")):
    choice.plot(np.repeat(np.arange(25), K), selected[kind][:25].ravel(), marker,
                label=kind, color=colour)
choice.set(xlabel="moment", ylabel="slots it selects", yticks=range(N),
           title="The query that cancels: one choice for all")
fig.legend(*choice.get_legend_handles_labels(), loc="outside lower right", ncols=2)
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/04_attention.png", dpi=100)
print("\nThe picture: tutorials/out/04_attention.png")

# %% [markdown]
# **Try it.** Which of two equal scores does
# `sparsify.largest(np, np.array([[1.0, 1.0, 0.0]]), 1)` take? At the end, print
# `weight_of_the_moving_one(score, "relu", [1.0, 1.0, 0.0])` for the scores 0.99, 1 and 1.01: why
# does relu jump? Then, with the old others and `K=3`: where is relu's kink now?
