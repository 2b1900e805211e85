# %% [markdown]
# # The whole walk back, and what is lost by cutting it
#
# *30 minutes. You need: tutorial 00, which says what [credit](../GLOSSARY.md#credit) is.*
# *You will see: [BPTT](../GLOSSARY.md#bptt) step by step; how far off the cheap version is, in
# two numbers; why the usual gradient test calls the cheap version wrong; and the one trick
# that shows it right.*
#
# Thirty steps of a real network, an [LSTM](../GLOSSARY.md#lstm) with 24 units: read ten
# symbols, wait, say them again.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.core import optim
from sab_numpy.plots import COLOURS
from sab_numpy.tasks import copying

UPDATES = 20 if os.environ.get("SAB_QUICK") == "1" else 3000
full = sab.Config.full_bptt(n_in=10, n_hidden=24, n_out=10)
rng = np.random.default_rng(0)
params = sab.init_params(full, rng)
state = optim.adam_init(params)
for update in range(UPDATES):                # ten seconds of training: now it has something to lose
    x, targets = copying.sequences(10, 16, rng)
    y, tape = sab.forward(params, x, full)
    loss, dy = sab.softmax_cross_entropy(y, targets)
    params, state, _ = optim.adam_step(params, sab.backward(dy, tape), state, lr=5e-3, clip=1.0)
x, targets = copying.sequences(10, 16, rng)
T = len(x)
right = (sab.forward(params, x, full)[0][-10:].argmax(2) == targets[-10:]).mean()
print(f"{T} steps, after {UPDATES} updates loss {loss:.3f},",
      f"{100 * right:.0f} % of the symbols right (chance: 12.5 %)")
assert T == 30 and (UPDATES < 3000 or right > 0.25)

# %% [markdown]
# ## 1. The walk
#
# `forward` runs the 30 steps and keeps what the way back needs on a *tape*. `backward` walks the
# tape from the last step to the first. At every step it takes the credit that comes from the answer
# there (`dh_loss`) and from the step after it (`dh_local`), and hands the sum on to the step
# before; beside it walks the credit of the memory cell c. We look at the credit of each step's
# *input*, `dx`: whatever comes by h or by c reaches the input, so it counts both. To see one walk
# clearly, only the *last* answer has a say here:

# %%
print("\n1. The walk")


def credit_of_the_last_answer(cfg):
    """The size of the credit that reaches the input of each step, (T,)."""
    y, tape = sab.forward(params, x, cfg)
    _, dy = sab.softmax_cross_entropy(y, targets)
    dy[:-1] = 0                                         # nobody but the last answer
    return np.linalg.norm(sab.backward(dy, tape, inputs=True)["dx"], axis=(1, 2))


whole = credit_of_the_last_answer(full)
print("credit:", "  ".join(f"step {t} {whole[t]:.1e}" for t in (29, 28, 27, 20, 15, 9, 5, 0)))
assert (whole > 0).all()                                # the walk reaches the very first step
assert UPDATES < 3000 or whole.argmax() == 9            # where the symbol that it asks for was read

# %% [markdown]
# The largest credit goes to step 9, twenty steps back: there the tenth symbol was read, which the
# last answer should say. So there *is* something to learn far away. The price: all 30 steps must be
# kept and walked before a single weight is changed.
#
# ## 2. The cut
#
# [Truncated BPTT](../GLOSSARY.md#truncated-bptt) divides the sequence into
# [blocks](../GLOSSARY.md#block) of k steps and [cuts](../GLOSSARY.md#cut) the credit between them.
# The forward is untouched, to the last bit. The walk ends at the edge of the block.

# %%
print("\n2. The cut")
k = 5
truncated = sab.Config.truncated_bptt(10, 24, 10, k_trunc=k)
y_full, tape_full = sab.forward(params, x, full)
y_cut, tape_cut = sab.forward(params, x, truncated)
assert (y_full == y_cut).all()                              # not nearly: exactly
short = credit_of_the_last_answer(truncated)
print("steps that the last answer's credit reaches:", np.flatnonzero(short).tolist())
assert np.flatnonzero(short).tolist() == [25, 26, 27, 28, 29]
assert np.allclose(short[25:], whole[25:], rtol=1e-12)      # inside the block nothing changes

# %% [markdown]
# ## 3. How wrong is it?
#
# The gradient is a list of numbers, one for each weight: a direction in which to go. Do two such
# lists point the same way? The [cosine](../GLOSSARY.md#cosine) says: 1 is the same direction, 0 is
# a right angle. Are they equally long? The ratio of their lengths says. Same weights, same
# sequences, all answers; only k changes.

# %%
print("\n3. How wrong is it?")


def gradient(cfg):
    """All gradients in one list."""
    y, tape = sab.forward(params, x, cfg)
    _, dy = sab.softmax_cross_entropy(y, targets)
    grads = sab.backward(dy, tape)
    return np.concatenate([grads[name].ravel() for name in sorted(grads)])


g = gradient(full)
blocks, cosines, ratios = [1, 2, 3, 5, 10, 15, 20, 30], [], []
print(" k   cosine   length")
for size in blocks:
    g_cut = gradient(sab.Config.truncated_bptt(10, 24, 10, k_trunc=size))
    cosines.append(g_cut @ g / np.linalg.norm(g_cut) / np.linalg.norm(g))
    ratios.append(np.linalg.norm(g_cut) / np.linalg.norm(g))
    print(f"{size:2d}   {cosines[-1]:6.3f}   {ratios[-1]:6.3f}")
assert np.isclose(cosines[-1], 1) and np.isclose(ratios[-1], 1)   # one block of 30 is no cut at all
assert cosines[blocks.index(k)] < 0.99                            # blocks of 5 point another way
assert max(cosines[:3]) < 0.99
at_10, at_15, at_20 = (cosines[blocks.index(size)] for size in (10, 15, 20))
assert UPDATES < 3000 or at_20 < at_10 + 0.01 < at_15

# %% [markdown]
# This is called *bias*: it is no noise that more data would average away. What is missing is what
# this task needs most, the links from the answers back to the symbols: with k = 10 they are all
# cut, and the cosine is a half. It also matters where the cuts fall: the one cut of k = 20, just
# before the answers, costs as much as the two of k = 10; the one of k = 15, in the middle of the
# wait, leaves the answers the wait to walk through, and costs less.
#
# ## 4. The test that says "wrong"
#
# How do you test a gradient? Move one weight a little to both sides, see how much the loss moves,
# divide. This slope is a [central difference](../GLOSSARY.md#central-difference). Let us test one
# weight, both ways of going back:

# %%
print("\n4. The test that says 'wrong'")


def loss_at(params, cfg=full):
    return sab.softmax_cross_entropy(sab.forward(params, x, cfg)[0], targets)[0]


def moved(by):
    """The same parameters with one weight, that at `where`, changed."""
    W = params["W_h"].copy()
    W.flat[where] += by
    return params | {"W_h": W}


_, dy = sab.softmax_cross_entropy(y_full, targets)
grads_full, grads_cut = sab.backward(dy, tape_full), sab.backward(dy, tape_cut)
where = np.argmax(abs(grads_full["W_h"] - grads_cut["W_h"]))
h = 1e-5
slope = (loss_at(moved(h)) - loss_at(moved(-h))) / (2 * h)
print(f"slope of the loss      {slope:.9f}")
print(f"BPTT                   {grads_full['W_h'].flat[where]:.9f}")
print(f"truncated, k = {k}       {grads_cut['W_h'].flat[where]:.9f}   <- wrong?")
assert abs(grads_full["W_h"].flat[where] / slope - 1) < 1e-6
assert abs(grads_cut["W_h"].flat[where] / slope - 1) > 1e-2

# %% [markdown]
# It has to disagree. The wiggle travels through the whole forward, over all cuts, because
# the forward knows no cuts. The truncated gradient *promised* not to listen to that. So
# what is it the slope of?
#
# ## 5. The frozen replay
#
# Run once and record the values at the cuts. Then move the weight and run again, but at each cut
# throw away what arrives and put back what was recorded: a [frozen
# replay](../GLOSSARY.md#frozen-replay). The wiggle passes no cut.

# %%
print("\n5. The frozen replay")
with sab.record() as kept:
    recorded_loss = loss_at(params, truncated)
print("recorded:", len(kept), "values, such as", list(kept)[:2])
assert len(kept) == 2 * (T // k - 1)               # h and c at each of the five cuts


def replayed_loss(params):
    with sab.replay(kept):
        return loss_at(params, truncated)


slope_frozen = (replayed_loss(moved(h)) - replayed_loss(moved(-h))) / (2 * h)
print(f"slope of the replay    {slope_frozen:.9f}")
print(f"truncated, k = {k}       {grads_cut['W_h'].flat[where]:.9f}   <- right!")
assert replayed_loss(params) == recorded_loss      # unmoved, the replay is the same to the last bit
assert abs(grads_cut["W_h"].flat[where] - slope_frozen) < 1e-6 * abs(slope)

# %% [markdown]
# So the truncated gradient is exact after all: it is the gradient of the replay. This is how every
# gradient in this package is tested, and how you can test your own (tutorial 08). `sab.check`
# tests all the weights:

# %%
right, wrong = (sab.check(lambda p, cfg=cfg: loss_at(p, cfg), params, grads_cut)
                for cfg in (truncated, full))
print(f"against the replay: {right.verdict} (error {right.worst:.0e}),",
      f"the loss: {wrong.verdict} ({wrong.worst:.0e})")
assert right.ok and not wrong.ok

# %%
fig, (credit_plot, bias_plot) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
credit_plot.plot(range(T), whole, "s-", color=COLOURS["bptt"], label="BPTT")
credit_plot.plot(range(25, T), short[25:], "o-", color=COLOURS["tbptt"],
                 label=f"truncated, k = {k}")
cuts = np.arange(k, T, k) - 0.5
credit_plot.vlines(cuts, 0, whole.max(), color="grey", linestyle=":", linewidth=1)
credit_plot.set(xlabel="step (dotted: cuts)", ylabel="credit of the step's input",
                title="Credit of the last answer")
credit_plot.legend()
bias_plot.plot(blocks, cosines, "o-", color="black", label="cosine with the whole gradient")
bias_plot.plot(blocks, ratios, "^--", color="grey", label="length, whole gradient = 1")
bias_plot.axhline(1, color="grey", linewidth=0.8)
bias_plot.set(xlabel="k, steps in a block", ylabel="1 = no difference", ylim=(0, 1.1),
              title="What truncation changes")
bias_plot.legend(loc="lower right")
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/03_bptt_and_truncation.png", dpi=100)
print("\nThe picture: tutorials/out/03_bptt_and_truncation.png")

# %% [markdown]
# **Try it.** Set `UPDATES` to 1: the network is still at [chance](../GLOSSARY.md#chance). What is
# the cosine with k = 10 now? Why is so little lost by cutting a network that has learned nothing?
# (Compare the credit of step 9 in section 1.) And does the last test still tell right from wrong?
#
# Next: tutorial 05. Keep the short walk, add a few [skips](../GLOSSARY.md#skip).
