# %% [markdown]
# # What to write to memory
#
# *15 minutes. You need: tutorial 09.*
# *You will see: a network that may keep five states of a thousand, and keeps the right ones; and
# why its backward pass did not change.*
#
# SAB stores a state every k_att steps, a [microstate](../GLOSSARY.md#microstate). Its memory grows
# with the sequence, and nobody asks whether a state is worth it. The authors name this as future
# work: a rule that looks at what there is to write. Here is one, and a network that was trained
# with it.
#
# The rule: the memory has a [budget](../GLOSSARY.md#budget). Every fifth state may be written, and
# the one with the least *surprise* makes room, which may be the new one. Surprise is how far the
# state moved in its last step, the sum of the changes of all units.

# %%
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import copying

one_thread()
QUICK = os.environ.get("SAB_QUICK") == "1"
BUDGET, NAME = 5, "copying-T300-budget"
params, trained_with = sab.load_pretrained(NAME)
cfg = replace(trained_with, budget=BUDGET)
T = 100 if QUICK else 300
print(f"{NAME}: k_att {cfg.k_att}, budget {cfg.budget}, one empty slot")

# %% [markdown]
# ## 1. What is kept?
#
# One sequence: ten symbols, the wait, the marker, ten answers. Just before the first answer, which
# [slots](../GLOSSARY.md#slot) can be [recalled](../GLOSSARY.md#recall)? `readable` says it, a row a
# sequence; `step_of` says whose state a slot holds.

# %%
print("\n1. What is kept?")
x, targets = copying.sequences(T, 4, np.random.default_rng(5))
y, tape = sab.forward(params, x, cfg)
memory, asked = tape.memory, T + copying.WIDTH                             # the first answer's step
slots = memory.readable(asked)                                             # (B, 6)
kept = np.sort(memory.step_of(slots))                                     # negative: the empty slot
for row in range(2):
    print(f"sequence {row}: the states of steps", *kept[row, kept[row] >= 0])
marker = asked - 1                                                         # its step
surprise = memory.surprise[0, memory.initial_slots:]                       # of steps 4, 9, 14..
print("surprise of the states of steps 4 and 9:", *(f"{s:.1f}" for s in surprise[:2]))
print("of eight states of the wait:            ", *(f"{s:.1f}" for s in surprise[8:16]))
print(f"of the state of step {marker}, the marker:  ", f"{surprise[marker // cfg.k_att]:.1f}")
assert BUDGET < 5 or all({4, 9, marker} <= set(row) for row in kept.tolist())
assert surprise[:2].min() > surprise[8:16].max()

# %% [markdown]
# The two states that have read the ten symbols are there, and stay. The last one has just read the
# marker, which surprises, too. Between them stand states of the wait: nothing to be surprised
# about, but there is room for them.
#
# Nobody told the network what is worth keeping. The rule has no parameters, and no gradient: which
# state makes room is a discrete choice, like which states are recalled. But the network learns the
# states, and the rule looks at them: states that move when there is something to remember are kept,
# and then [credit](../GLOSSARY.md#credit) reaches them.
#
# ## 2. Evenly, or as it surprises
#
# The same weights and as many places, but a state every so many steps, the fewest that need no more
# places: every 54th of 320 for five. The symbols fall before the first of them, and their credit
# would have to walk from there. This network was not trained so, and guesses.
#
# Two networks that were trained so, a state every 64 steps and [blocks](../GLOSSARY.md#block) as
# long, have 34.4 and 36.9 % (of their five states the last comes too late for any answer). Blocks
# of five steps could not teach it: a [cut](../GLOSSARY.md#cut) lies between each of these states
# and the input. The one network that was tried has 12.7 % (`figures/RESULTS.md`, and number 14 of
# `figures/FINDINGS.md`).

# %%
print("\n2. Evenly, or as it surprises")


def right(cfg, wait, n):
    """Right answers, %, of n sequences."""
    x, targets = copying.sequences(wait, n, np.random.default_rng(wait))
    return 100 * copying.metrics(sab.forward(params, x, cfg)[0], targets)["accuracy"]


evenly = replace(cfg, budget=None, k_att=(T + 20) // (BUDGET + 1) + 1)
written = np.arange(evenly.k_att - 1, len(x), evenly.k_att)
print("written evenly: the states of steps", *written)
assert len(written) == BUDGET and 10 <= written[0] and written[-1] < asked
shares = {"the most surprising": right(cfg, T, 64), "evenly": right(evenly, T, 64)}
for words, share in shares.items():
    print(f"{BUDGET} states, {words:20} {share:5.1f} % right (guessing: 12.5 %)")
assert BUDGET < 5 or shares["the most surprising"] > 95
assert shares["evenly"] < 60

# %% [markdown]
# ## 3. Longer
#
# The budget is a number of states, not a share of the sequence.

# %%
print("\n3. Longer")
waits = (T, 1000) if QUICK else (300, 1000, 5000)
for wait in waits:
    n = max(4, 10_000 // wait)
    share = right(cfg, wait, n)
    states, everything = ((n + cfg.n_empty) * cfg.n_hidden * 4
                          for n in (cfg.budget, (wait + 20) // cfg.k_att))
    print(f"wait {wait:5d}: {share:5.1f} % of {10 * n} answers right; what can be recalled: "
          f"{states:,} bytes a sequence; all that SAB writes: {everything:,}")
    assert BUDGET < 5 or share > 95

# %% [markdown]
# (Training still keeps every state, as [BPTT](../GLOSSARY.md#bptt) does: backward needs them. What
# does not grow is what a step can read, and what it costs to read it.)
#
# ## 4. The backward pass did not change
#
# It follows the recalled slots, wherever they came from. So the proof is the old one: repeat the
# forward with its choices frozen, what was kept among them, and its derivative by numbers is the
# gradient by hand.

# %%
print("\n4. The backward pass did not change")
rng = np.random.default_rng(0)
small = sab.Config.sab(3, 5, 4, k_trunc=3, k_top=2, k_att=1, empty_slots=1, budget=3)
small_x = rng.standard_normal((12, 2, 3))
report = sab.check_gradients(sab.init_params(small, rng), small_x, small, rng)
print("PASS" if report.ok else "FAIL")
assert report.ok

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", sharex=True,
                         sharey=True)
for ax, (words, one) in zip(axes, {"written evenly": evenly, "the most surprising": cfg}.items()):
    memory = sab.forward(params, x, one)[1].memory
    for t in range(len(x)):
        slots = memory.readable(t)
        slots = np.arange(memory.n_slots(t)) if slots is None else slots[0]
        steps = memory.step_of(slots[slots >= memory.initial_slots])
        for part, colour in ((steps < 10, "#0072B2"), ((steps >= 10) & (steps < marker), "#999999"),
                             (steps >= marker, "#D55E00")):
            ax.plot(np.full(part.sum(), t), steps[part], ".", color=colour, markersize=3)
    ax.set(title=f"{BUDGET} states, {words}", xlabel="step t")
axes[0].set_ylabel("can recall the state of this step\n(blue: input, grey: wait,\n"
                   "orange: marker and answers)")
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/14_what_to_write.png", dpi=100)
print("\nThe picture: tutorials/out/14_what_to_write.png")

# %% [markdown]
# ## Try it
#
# 1. `BUDGET = 2`, then 1: this network was trained with 5. What is lost first? (When the answers
#    begin, their states surprise too.)
# 2. In `sab_numpy/core/memory.py`, another surprise: `abs(h - h_prev).max(1)`, or the state's own
#    size. Does this network keep the same states? Run `pytest tests/test_budget.py`: what do the
#    tests say of a rule that they do not know?
