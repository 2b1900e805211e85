# %% [markdown]
# # Credit by hand
#
# *20 minutes. You need: multiplication, addition, and a calculator if you like.*
# *You will see: who gets the [credit](../GLOSSARY.md#credit) for an answer, along a chain,
# along one shortcut, and when the chain is [cut](../GLOSSARY.md#cut); then the package
# says the same numbers.*
#
# You set off by car. There is a pop. You drive on. An hour later the car pulls to one side, and you
# stop: a flat tyre. What did you do wrong? You do not go through the hour minute by minute,
# backwards. You are *reminded of the pop*, and blame that. This is the whole idea of Sparse
# Attentive Backtracking. The rest is arithmetic, and here it is.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab

# %% [markdown]
# ## 1. A chain of four steps
#
# One unit, four steps, five numbers: a weight w, and what happens at each step, x. The unit keeps a
# part w of what it had and adds what happens:
#
# $$h_t = w\,h_{t-1} + x_t$$
#
# The answer is what the unit holds at the end, L = h_3.

# %%
print("\n1. A chain of four steps")
w = 0.5
x = [2.0, 3.0, -4.0, 5.0]                       # set off, pop, drive on, flat tyre

h0 = x[0]
h1 = w * h0 + x[1]
h2 = w * h1 + x[2]
h3 = w * h2 + x[3]
print("the unit holds", h0, h1, h2, h3)
assert (h0, h1, h2, h3) == (2, 4, -2, 4)

# %% [markdown]
# **Whose doing is the answer?** Go backwards. If h_3 were 1 larger, L would be 1 larger: its credit
# is 1. h_2 enters h_3 times w, so its credit is w times that of h_3. And so on:

# %%
dh3 = 1.0                                       # dh3: "how much L grows if h3 grows by one"
dh2 = w * dh3
dh1 = w * dh2
dh0 = w * dh1
chain = [dh0, dh1, dh2, dh3]
print("credit along the chain:", chain)
assert chain == [0.125, 0.25, 0.5, 1.0]

# %% [markdown]
# Is it true? Make x_0 one larger and see how much the answer grows. (x_t is added to h_t, so it
# has the credit of h_t.)

# %%
def drive(x, w=w, reminded=0):
    """What the unit holds after each step; the last one also adds `reminded` times what it held
    after step 1."""
    h = []
    for t in range(4):
        h.append((w * h[t - 1] if t else 0) + x[t] + (reminded * h[1] if t == 3 else 0))
    return h


later = drive([3.0, 3.0, -4.0, 5.0])[3]
print("answer", h3, "becomes", later)
assert later - h3 == chain[0]
print("left of the credit twenty steps back:", w ** 20)
assert w ** 20 < 1e-6

# %% [markdown]
# The pop gets 0.25 of the credit, the start 0.125. Every step further back halves it again:
# after 20 steps less than a millionth is left. That is the trouble with long chains
# (tutorial 01 measures it).
#
# ## 2. One shortcut
#
# Now let the last step be reminded of the pop: what the unit held after step 1 is added once more.
# This is a [recall](../GLOSSARY.md#recall), and the edge that it adds to the picture is a
# [skip](../GLOSSARY.md#skip).
#
# $$h_3 = w\,h_2 + x_3 + h_1$$
#
# Backwards, h_1 is now asked twice: by its neighbour h_2, and by h_3 directly. **Credits
# that meet are added.**

# %%
print("\n2. One shortcut")
h3 = drive(x, reminded=1)[3]
dh3 = 1.0
dh2 = w * dh3
dh1 = w * dh2 + 1 * dh3                         # along the chain, and along the skip
dh0 = w * dh1
skip = [dh0, dh1, dh2, dh3]
print("answer", h3, " credit with one skip:", skip)
assert h3 == 8 and skip == [0.625, 1.25, 0.5, 1.0]
assert drive([3.0, 3.0, -4.0, 5.0], reminded=1)[3] - h3 == skip[0]
assert max(skip) == skip[1] and skip[0] / chain[0] == 5

# %% [markdown]
# The pop now has the largest credit of all. Even the step before it is credited five times as much:
# the skip lands at h_1, and from there the credit goes on along the chain.
#
# ## 3. A cut
#
# Walking a long chain backwards costs time, and every step must be kept until then. So let
# us [cut](../GLOSSARY.md#cut) the chain in the middle: nothing walks back from h_2 to h_1.
# The two halves are [blocks](../GLOSSARY.md#block). The forward is the same as before;
# only the credit is cut.

# %%
print("\n3. A cut")
cut_alone = [0.0, 0.0, w * 1.0, 1.0]            # truncated BPTT: the first half hears nothing
dh1 = 0 + 1 * dh3                               # cut, and the skip
sparse = [w * dh1, dh1, w * dh3, dh3]           # SAB
print("cut alone:   ", cut_alone)
print("cut and skip:", sparse)
assert cut_alone == [0, 0, 0.5, 1] and sparse == [0.5, 1, 0.5, 1]
assert sum(cut_alone[:2]) == 0 and sparse[1] / skip[1] == 0.8

# %% [markdown]
# With the cut alone, the unit can never learn that the pop mattered. With the cut *and* the skip
# the pop gets 0.8 of its credit with the whole chain, and no long walk was needed. That is SAB:
# **short walks, and a few skips.**
#
# Mind one thing: wiggle x_0 and the answer still moves by 0.625, not by 0.5. Credit that
# was cut is not the true slope any more, it is a choice of what to hear. Tutorial 03 says
# what it is the slope *of*.
#
# ## 4. What the weight learns
#
# w is used three times. Each use gets the credit of its result times what it was multiplied with.
# (A cut keeps the credit from going further back; the use of w at the cut itself still counts.)

# %%
print("\n4. What the weight learns")
h = drive(x, reminded=1)
dw = sum(sparse[t] * h[t - 1] for t in (1, 2, 3))
print("dL/dw with cut and skip:", dw)
assert dw == 2

# %% [markdown]
# ## 5. The package says the same
#
# The package's unit is an [LSTM](../GLOSSARY.md#lstm), which squashes numbers with tanh. For tiny
# numbers tanh does nothing (tanh(0.000001) is 0.000001), so we let it do our sum in millionths. Its
# [gates](../GLOSSARY.md#gate) are set to "write all, forget all, show all", and the weight of its
# memory cell to w. Every second state is remembered: those of steps 1 and 3. A step recalls the one
# whose product with its own state is largest.
#
# Why does step 2 not recall the pop? It holds -2, the pop 4: a product below zero. From the
# start there is also an [empty slot](../GLOSSARY.md#empty-slot), a state of 0. Its product is 0,
# so it fits better, and it adds nothing. In the code [dy](../GLOSSARY.md#dy) is the credit with
# which the way back begins.

# %%
print("\n5. The package says the same")
MILLIONTH = 1e-6


def package(k_trunc, k_top):
    """Answer, credit of the four inputs, and dL/dw, from sab_numpy."""
    cfg = sab.Config(n_in=1, n_hidden=1, n_out=1, k_trunc=k_trunc, k_top=k_top, k_att=2)
    params = {"W_x": np.array([[0.0, 0, 1, 0]]), "W_h": np.array([[0.0, 0, w, 0]]),  # gates i f g o
              "b": np.array([80.0, -80, 0, 80]), "V_h": np.ones((1, 1)), "V_s": np.zeros((1, 1)),
              "b_y": np.zeros(1), "W_q": np.ones((1, 1))}
    inputs = np.array(x).reshape(4, 1, 1) * MILLIONTH     # (T, B, D): 4 steps, 1 sequence, 1 number
    y, tape = sab.forward(params, inputs, cfg)
    dy = np.zeros((4, 1, 1))
    dy[3] = 1                                             # the answer is the last one
    grads = sab.backward(dy, tape, inputs=True)
    return y[3, 0, 0] / MILLIONTH, grads["dx"][:, 0, 0], grads["W_h"][0, 2] / MILLIONTH


by_hand = {"chain": (None, 0, chain), "chain and skip": (None, 1, skip), "cut": (2, 0, cut_alone),
           "cut and skip (SAB)": (2, 1, sparse)}
print(f"{'':20}{'answer':>7}   credit of x_0 ... x_3")
for name, (k_trunc, k_top, mine) in by_hand.items():
    answer, credit, dw_package = package(k_trunc, k_top)
    print(f"{name:20}{answer:7.3f}  ", np.round(credit, 6))
    assert np.allclose(credit, mine, rtol=1e-9, atol=1e-12)
    assert np.isclose(answer, 8 if k_top else 4, rtol=1e-9)
assert np.isclose(dw_package, dw, rtol=1e-9)              # of the last row, SAB

x[2] = -1.0                       # now step 2 holds +1 and recalls the pop, which drive does not do
alone, by_package = drive(x, reminded=1)[3], package(None, 1)[0]
print("with x_2 = -1: by hand", alone, " the package", by_package.round(3))
assert alone == 9.5 and np.isclose(by_package, 11.5, rtol=1e-9)
x[2] = -4.0

# %% [markdown]
# ## The picture
#
# Numbers in the circles: what the unit holds. Below, large: the credit. Arrows: the way it took.

# %%
fig, rows = plt.subplots(4, 1, figsize=(8, 8), layout="constrained")
for ax, (name, (k_trunc, k_top, credit)) in zip(rows, by_hand.items(), strict=True):
    for t, value in enumerate(drive(x, reminded=k_top)):
        ax.text(t, 0, f"{value:g}", ha="center", va="center", fontsize=13, zorder=3,
                bbox={"boxstyle": "circle,pad=0.4", "facecolor": "white"})
        ax.text(t, -0.85, f"{credit[t]:g}", ha="center", fontsize=15,
                color="#D55E00" if credit[t] else "#999999")
        if t and t != k_trunc and credit[t]:
            ax.annotate("", (t - 0.82, 0), (t - 0.18, 0),
                        arrowprops={"arrowstyle": "->", "color": "#D55E00", "lw": 2})
    if k_top:
        ax.annotate("", (1, 0.3), (3, 0.3), arrowprops={
            "arrowstyle": "->", "color": "#0072B2", "lw": 2, "connectionstyle": "arc3,rad=0.25"})
    if k_trunc:
        ax.axvline(1.5, ymin=0.2, ymax=0.75, color="black", linestyle=":")
    ax.set(xlim=(-0.5, 3.5), ylim=(-1, 1.1), title=name)
    ax.axis("off")
for t, event in enumerate(["set off", "pop", "drive on", "flat tyre"]):
    rows[0].text(t, 0.6, event, ha="center", color="grey")
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/00_credit_by_hand.png", dpi=100)
print("\nThe picture: tutorials/out/00_credit_by_hand.png")

# %% [markdown]
# **Try it.** Let the reminder happen at half strength and work out the four credits (no cut). Test
# that of x_0 as in section 1, with `drive(..., reminded=0.5)`. On paper: with which w does the
# chain alone credit the pop as SAB does?
#
# Next: tutorial 01a, the network that learns this; then 03.
