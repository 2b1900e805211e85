# %% [markdown]
# # Why long memories are hard to learn
#
# *20 minutes. You need: tutorial 00; what a matrix does to a vector.*
# *You will see: [credit](../GLOSSARY.md#credit) that shrinks to nothing, or grows without end,
# measured step by step; what helps and what does not.*
#
# In tutorial 00 the [credit](../GLOSSARY.md#credit) of a step was multiplied by w = 0.5 for
# every step further back. A real network has a matrix instead of w, and a squashing function on
# top. Does it get better?

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab

T, H = 100, 32
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. The simplest recurrent network, by hand
#
# $$h_t = \tanh(h_{t-1} W + x_t)$$
#
# and backwards, with dh the credit of h_t:
#
# $$dh_{t-1} = \big(dh_t \cdot (1 - h_t^2)\big)\,W^T$$
#
# We give the last state a credit of length 1, walk back and write down its length at every step.
# For W we take a *rotation* times a number: a rotation alone changes no length, so the number says
# by how much W stretches.

# %%
print("\n1. The simplest recurrent network, by hand")
rotation, _ = np.linalg.qr(rng.standard_normal((H, H)))             # (H, H)
x = 0.1 * rng.standard_normal((T, H))


def lengths(stretch, squash=True, matrix=rotation):
    """Length of the credit at the last step, one step back, ..., T-1 steps back: (T,)."""
    W, h, states = stretch * matrix, np.zeros(H), []
    for t in range(T):
        h = np.tanh(h @ W + x[t]) if squash else h @ W + x[t]
        states.append(h)
    dh = np.ones(H) / np.sqrt(H)
    found = [np.linalg.norm(dh)]
    for t in reversed(range(1, T)):
        dh = (dh * (1 - states[t] ** 2) if squash else dh) @ W.T
        found.append(np.linalg.norm(dh))
    return np.array(found)


back = np.arange(T)
for stretch in (0.9, 1.0, 1.1):
    print(f"no tanh, stretch {stretch}: credit left after 10, 50, 99 steps ",
          "  ".join(f"{lengths(stretch, squash=False)[n]:.1e}" for n in (10, 50, 99)))
    power = stretch ** back                                                # exactly a power
    assert np.allclose(lengths(stretch, squash=False), power, rtol=1e-9)

# %% [markdown]
# A power. 0.9 is close to 1, and yet after 99 steps less than a thirty-thousandth is left: a
# [vanishing gradient](../GLOSSARY.md#vanishing-gradient). 1.1 is close to 1, and the credit is ten
# thousand times too large: an [exploding gradient](../GLOSSARY.md#exploding-gradient). Only exactly
# 1 would do, and learning changes W all the time.

# %%
assert 0.9 ** 99 < 1 / 30_000 and 1.1 ** 99 > 10_000

# %% [markdown]
# ## 2. With tanh
#
# tanh bounds the *states*, so nothing can explode forwards. Backwards it multiplies by its slope,
# 1 - h², which is never more than 1. So it can only take away.

# %%
print("\n2. With tanh")
for stretch in (0.9, 1.0, 1.1):
    found = lengths(stretch)
    print(f"tanh, stretch {stretch}:    credit left after 10, 50, 99 steps ",
          "  ".join(f"{found[n]:.1e}" for n in (10, 50, 99)))
    assert (found <= lengths(stretch, squash=False) * (1 + 1e-9)).all()    # never more than without
assert lengths(1.0)[99] < 0.2                                              # even a rotation loses

# %% [markdown]
# (A rotation is the kindest W there is: it treats all directions alike. An ordinary random matrix
# stretches some and shrinks the others. And any W that stretches enough explodes in spite of tanh.)
#
# ## 3. What helps, what does not
#
# [Clipping](../GLOSSARY.md#clipping) makes a gradient that is too long shorter. It cures
# explosions; it cannot bring back what has vanished: scaling up a sum does not help when the far
# terms are a millionth of the near ones.
#
# *The [LSTM](../GLOSSARY.md#lstm)* gives the credit a second road, its memory cell, where
# it is multiplied by the forget [gate](../GLOSSARY.md#gate) f alone (tutorial 02). We
# measure with the package how much the last state owes to the input of every step, beside
# the input of the last step.

# %%
print("\n3. What helps, what does not")


def lstm_lengths(forget_bias):
    """Credit of the input of the last step, one step back, ..., as multiples of the last step's:
    (T,); and the tape."""
    cfg = sab.Config.full_bptt(n_in=H, n_hidden=H, n_out=1)
    params = sab.init_params(cfg, np.random.default_rng(1))
    params["b"][H:2 * H] = forget_bias
    y, tape = sab.forward(params, x[:, None], cfg)
    dy = np.zeros(y.shape)
    dy[-1] = 1
    dx = sab.backward(dy, tape, inputs=True)["dx"]                  # (T, 1, H)
    found = np.linalg.norm(dx[::-1, 0], axis=1)
    return found / found[0], tape


lstm = {bias: lstm_lengths(bias)[0] for bias in (0, 1, 5)}
for bias, found in lstm.items():
    print(f"LSTM, forget bias {bias}:",
          "credit of the input 10, 50, 99 steps back (the last one's is 1) ",
          "  ".join(f"{found[n]:.1e}" for n in (10, 50, 99)))
slopes = (1 - np.tanh(lstm_lengths(5)[1].cache.c) ** 2).mean((1, 2))     # (T,), of the memory cells
print(f"forget bias 5: mean slope of tanh(c) {slopes[0]:.2f} at the first step,",
      f"{slopes[-1]:.2f} at the last")
assert lstm[0][99] < lstm[1][99] < 1e-6 and lstm[5][99] > 1 and slopes[-1] < 0.1 < 0.9 < slopes[0]

# %% [markdown]
# With the usual forget bias of 1 the LSTM too has lost everything after 99 steps. With 5 the first
# input even counts more than the last, and those between less than both. For a memory that forgets
# nothing fills up: in the end its tanh is flat, and what comes late hardly changes it. So the
# network has to *learn* which of its gates to open, by credit that must first get there.
#
# ## 4. And if the chain were not the only road?
#
# A [skip](../GLOSSARY.md#skip) is one single edge, whether the past that it leads to is five steps
# away or five thousand. Its credit is not a power of anything. That is the idea of this package.
# Compare, for the same distance:

# %%
print("\n4. And if the chain were not the only road?")
chain, skip = 0.9 ** 99, 1.0 * 0.9 ** 4
print(f"99 steps along the chain: {chain:.0e};  one skip, and 4 steps along the chain: {skip:.2f}")
assert skip > 1e4 * chain

# %%
fig, ax = plt.subplots(figsize=(9, 5), layout="constrained")
for stretch, style in ((1.1, "-."), (1.0, "-"), (0.9, "--")):
    ax.semilogy(back, lengths(stretch, squash=False), style, color="#999999",
                label=f"no tanh, stretch {stretch}")
    ax.semilogy(back, lengths(stretch), style, color="#D55E00", label=f"tanh, stretch {stretch}")
for (bias, found), style in zip(lstm.items(), (":", "--", "-"), strict=True):
    ax.semilogy(back, found, style, color="#0072B2", label=f"LSTM, forget bias {bias}", linewidth=2)
ax.set(xlabel="steps back", ylabel="credit, that of the last step = 1", ylim=(1e-10, 1e5),
       title="How much credit arrives")
ax.legend(ncols=3, fontsize=8, loc="upper left")
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/01_why_it_is_hard.png", dpi=100)
print("\nThe picture: tutorials/out/01_why_it_is_hard.png")

# %% [markdown]
# **Try it.** At the end, print `lengths(1.1)[99]` and `lengths(1.5)[99]`: tanh holds the states
# between -1 and 1; why not their credit? Then, a few times over,
# `lengths(1.5, matrix=rng.standard_normal((H, H)) / np.sqrt(H))[99]`: how much depends on luck?
