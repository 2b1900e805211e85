# %% [markdown]
# # SAB backward, event by event
#
# *30 minutes. You need: tutorials 00, 01a (what the letters mean) and 03.*
# *You will see: every piece of [credit](../GLOSSARY.md#credit) of a small trained network, one line
# each, beside its picture; and how the picture changes when you change one number.*
#
# The car of tutorial 00 again. At step 1 one of four tyres pops; at step 11 the driver must
# say which. Between them nothing happens. The network is an [LSTM](../GLOSSARY.md#lstm)
# with a memory: every third state is stored, as a [microstate](../GLOSSARY.md#microstate),
# in a [slot](../GLOSSARY.md#slot) of its own, and every step
# [recalls](../GLOSSARY.md#recall) the two that fit best.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.core import optim
from sab_numpy.plots import COLOURS

K_TRUNC = 3                                # <- change me: 1, 2, 3, 4, 6, 12, None (no cut)
K_TOP, K_ATT = 2, 3
T, POP = 12, 1


def trips(batch, rng):
    """Symbols (T, B): 0 nothing, 1..4 a tyre pops, 5 "which one?"; and the answers (T, B), of which
    the last counts."""
    x = np.zeros((T, batch), dtype=int)
    x[POP], x[-1] = rng.integers(1, 5, batch), 5
    return x, np.where(np.arange(T)[:, None] == T - 1, x[POP] - 1, 0)


only_last = np.zeros((T, 32))
only_last[-1] = 1
cfg = sab.Config.sab(n_in=6, n_hidden=8, n_out=4, k_trunc=3, k_top=K_TOP, k_att=K_ATT)
rng = np.random.default_rng(2)
params = sab.init_params(cfg, rng)
state = optim.adam_init(params)
for update in range(40):                   # learning to remember, with credit cut every three steps
    x, targets = trips(32, rng)
    y, tape = sab.forward(params, x, cfg)
    loss, dy = sab.softmax_cross_entropy(y, targets, only_last)
    params, state, _ = optim.adam_step(params, sab.backward(dy, tape), state, lr=2e-2, clip=1.0)
right = (y[-1].argmax(1) == targets[-1]).mean()
print(f"after {update + 1} updates {100 * right:.0f} % name the right tyre (chance: 25 %)")
assert right > 0.5

# %% [markdown]
# ## 1. One trip, forward
#
# One sequence now. The forward pass does not know where credit will be [cut](../GLOSSARY.md#cut):
# whatever `K_TRUNC` you choose above, this table stays the same.

# %%
print("\n1. One trip, forward")
x, targets = trips(1, np.random.default_rng(0))
one = sab.Config.sab(6, 8, 4, k_trunc=K_TRUNC, k_top=K_TOP, k_att=K_ATT)
y, tape = sab.forward(params, x, one)
assert (y == sab.forward(params, x, cfg)[0]).all()
for t in range(T):
    recalled = [f"the state of step {tape.memory.step_of(slot)}, weight {weight:.2f}"
                for slot, weight in zip(tape.slots[t, 0], tape.weights[t, 0], strict=True)
                if slot >= one.n_empty]
    print(f"step {t:2d} recalls", "; ".join(recalled) or "nothing")
assert tape.slots[-1].min() >= one.n_empty      # the last step does recall stored states

# %% [markdown]
# Before step 3 nothing is stored, and an [empty slot](../GLOSSARY.md#empty-slot) is recalled: a row
# of zeros that changes nothing. The states of step 8 and of step 5 that the last step recalls are
# no tyre pops. But look at what *they* recalled. The memory of the pop was handed on.
#
# ## 2. The way back, in words
#
# `sab.walk` runs the package's backward and tells what it does, in its order:
#
# * `loss`: the answer gives credit to its state;
# * `skip`: the credit jumps to a state that was recalled, however far away it is: a
#   [skip](../GLOSSARY.md#skip);
# * `local`: the credit goes one step back, through the LSTM;
# * `cut`: here it would go on to the step before, but the [block](../GLOSSARY.md#block) begins:
#   the [cut](../GLOSSARY.md#cut);
# * `not visited`: no credit at all came here, so nobody walks through it.

# %%
print("\n2. The way back, in words")
_, dy = sab.softmax_cross_entropy(y, targets, only_last[:, :1])
events = list(sab.walk(dy, tape))
for event in events:
    path = {"loss": f"to step {event.end}", "cut": f"between {event.start} and {event.end}"}.get(
        event.kind, f"from {event.start} to {event.end}")
    size = f"credit {event.norm:.1e}, now {event.total:.1e} there" if event.total else ""
    weight = f"weight {event.weight:.2f}" if event.weight is not None else ""
    print(f"{event.kind:14}{path:20}{weight:13}{size}")
skips = [event for event in events if event.kind == "skip"]
assert events[0].kind == "loss" and events[0].start == T - 1
assert any(event.start == T - 1 for event in skips)          # the answer gives credit into the past
assert all((event.end + 1) % K_ATT == 0 for event in skips)  # a skip lands only at a stored state

# %% [markdown]
# Read it with the picture below. Three rules explain every line:
#
# 1. Credits that meet at a state are added ("now ... there"). They are vectors, of which only the
#    lengths are printed: two that point in different directions can make a shorter one.
# 2. A skip lands at the end of a stretch (a stored state), and from there the credit walks on
#    locally.
# 3. The local walk stops at a cut. Nothing crosses a cut except skips.
#
# The first skip is larger than the credit of the state that it leaves. For what is recalled, s,
# takes two roads to the answer: within h = h_hat + s, and directly, y = h V_h + s V_s + b_y;
# "there" counts h alone. And a skip is two credits in one: to the recalled state as value (it is in
# s), and as key (its [score](../GLOSSARY.md#score) sets the weights).

# %%
assert skips[0].norm > events[0].norm
by_h, by_s = dy[-1] @ params["V_h"].T, dy[-1] @ params["V_s"].T
print(f"credit of s at the last step: by h {np.linalg.norm(by_h):.1e}, "
      f"by V_s {np.linalg.norm(by_s):.1e}, "
      f"together {np.linalg.norm(by_h + by_s):.1e}")
if K_TRUNC:
    crossings = [event for event in events if event.kind == "local"
                 and event.start // K_TRUNC != event.end // K_TRUNC]
    assert not crossings                                      # rule 3, checked on every local event
    assert all(event.end % K_TRUNC == K_TRUNC - 1 for event in events if event.kind == "cut")

# %% [markdown]
# ## 3. Three ways back from the same forward
#
# The forward is one; how much of its credit we listen to is our choice:
#
# * **all of it**: no cuts (`k_trunc=None`), every skip;
# * **SAB**: cuts, and the skips;
# * **cuts alone**: the same cuts, and what was recalled counts as a constant
#   (`mental_updates=False`).

# %%
print("\n3. Three ways back from the same forward")


def credit_per_step(**changes):
    """How much credit reaches the input of every step, (T,), and the parameters' gradient as one
    list."""
    _, tape = sab.forward(params, x, sab.Config(6, 8, 4, k_top=K_TOP, k_att=K_ATT, **changes))
    grads = sab.backward(dy, tape, inputs=True)
    flat = np.concatenate([grads[name].ravel() for name in params])
    return np.linalg.norm(grads["dx"][:, 0], axis=1), flat


ways = {"all of it": credit_per_step(), "SAB": credit_per_step(k_trunc=K_TRUNC),
        "cuts alone": credit_per_step(k_trunc=K_TRUNC, mental_updates=False)}
print(f"{'':12}{'steps reached':>14}{'credit of the pop':>19}{'cosine with all':>17}")
whole = ways["all of it"][1]
for name, (sizes, flat) in ways.items():
    cosine = flat @ whole / np.linalg.norm(flat) / np.linalg.norm(whole)
    print(f"{name:12}{(sizes > 0).sum():>14}{sizes[POP]:>19.1e}{cosine:>17.3f}")
assert (ways["all of it"][0] > 0).all()
if K_TRUNC == 3:
    assert ways["SAB"][0][POP] > 0.1 * ways["all of it"][0][POP]     # the pop is heard
    assert ways["cuts alone"][0][POP] == 0                           # and without skips it is not
if K_TRUNC in (1, 2):
    assert ways["SAB"][0][POP] == 0               # a cut lies between the pop and its stored state

# %% [markdown]
# (The [cosine](../GLOSSARY.md#cosine) says how far two gradients point the same way: 1
# is the same direction.)
#
# ## 4. The picture
#
# In it step 0 has *more* credit than the pop, although nothing happens there. Credit does not say
# what was important, but how much the answer would change *if* something else were read: had
# another tyre popped at step 0, the answer would be another. And the LSTM listens better there: its
# tanh is steep at 0, and flatter where the pop has pushed it.

# %%
other = np.where(np.arange(T)[:, None] == 0, x[POP] % 4 + 1, x)
says = [sab.forward(params, trip, one)[0][-1, 0].argmax() + 1 for trip in (x, other)]
slope = (1 - tape.cache.gates[3, :, 0] ** 2).mean(1)       # of the units' g = tanh(z), in each step
print(f"{x[POP, 0]} popped, answer {says[0]}; had {other[0, 0]} popped first: {says[1]}.",
      f"Slopes {slope[:2].round(2)}")
assert says[0] == x[POP, 0] != says[1] and slope[0] > slope[POP]
fig, (line, dots) = plt.subplots(2, 1, figsize=(10, 7.5), sharex=True, layout="constrained")
reached = {event.end for event in events if event.kind in ("loss", "local", "skip")}
largest, blue = max(event.norm for event in events), COLOURS["sab"]
rings = np.where(np.arange(1, T + 1) % K_ATT, 1, 3)
line.scatter(range(T), np.zeros(T), s=500, zorder=3, edgecolor="black", linewidth=rings,
             facecolor=["white" if t in reached else "#dddddd" for t in range(T)])
for t in range(T):
    line.text(t, 0, t, ha="center", va="center", zorder=4)
    line.text(t, -0.35, {POP: "pop", T - 1: "which one?"}.get(t, ""), ha="center")
for event in events:
    width = 0.6 + 5 * np.sqrt(event.norm / largest)
    how = {"arrowstyle": "->", "color": blue, "lw": width, "alpha": 0.8}
    if event.kind == "local":
        line.annotate("", (event.end + 0.2, 0), (event.start - 0.2, 0), arrowprops=how)
    if event.kind == "skip":
        line.annotate("", (event.end, 0.12), (event.start, 0.12),
                      arrowprops=how | {"connectionstyle": "arc3,rad=0.3"})
    if event.kind == "cut":
        line.axvline(event.start - 0.5, color="black", linestyle=":")
for label, mark, face, edge in (("cut", ":", "w", 1), ("stored", "o", "w", 3),
                                ("not visited", "o", "#dddddd", 1)):
    line.plot([], [], mark, color="black", markersize=12, markerfacecolor=face,
              markeredgewidth=edge, label=label)
line.legend(ncols=3, loc="upper right")
line.set(ylim=(-0.6, 1.3), yticks=[],
         title="SAB: straight arrows, one step back; arcs, skips; thicker: more credit")
marks = {"cuts alone": ("s", 20, COLOURS["constant"]), "all of it": ("o", 13, "#333333"),
         "SAB": ("o", 9, blue)}
for name, (mark, size, colour) in marks.items():
    dots.plot(ways[name][0], mark, markersize=size, color=colour, label=name)
dots.set(yscale="log", xlabel="step", ylabel="credit of the step's input (no mark: none)",
         xticks=range(T))
dots.annotate("another pop here would change the answer", (0.3, ways["all of it"][0][0]),
              va="center")
dots.legend(labelspacing=1)
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/05_sab_backward.png", dpi=100)
print("\nThe picture: tutorials/out/05_sab_backward.png")

# %% [markdown]
# **Try it.** Change `K_TRUNC` at the top: 12 (one block: no cut at all), 6, 2, 1. With 1 and with 2
# the pop gets nothing at all, although the skips are the same. Why? (Where was the pop stored, and
# where is the nearest cut?)
#
# The same for a large trained network: `sab walk --help` in words, `sab explore --help`
# as a page to play with.
#
# Next: tutorial 07, where this is enough to learn.
