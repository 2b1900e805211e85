# %% [markdown]
# # Adding: two numbers among a hundred
#
# *15 minutes, of which the computer works one. You need: tutorials 03, 05 and 07.*
# *You will see: one answer at the end, and three learners of it; which past states the last
# step [recalls](../GLOSSARY.md#recall), how many steps the walk visits, and how few hold half
# of the [credit](../GLOSSARY.md#credit). And a result that we did not expect.*

# %%
import os
from dataclasses import replace
from math import cos, pi
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.core import credit, optim
from sab_numpy.plots import COLOURS
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import adding

one_thread()
QUICK = os.environ.get("SAB_QUICK") == "1"
UPDATES = 10 if QUICK else 1200
T, K_TOP, SEED = 100, 5, 0                      # <- change me

# %% [markdown]
# ## 1. The task
#
# Every step brings a number between 0 and 1 and a flag. The flag is 1 at two steps, one in each
# half. At the end, and only there, the network must say half the sum of the two flagged numbers.

# %%
print("\n1. The task")
x, targets = adding.sequences(8, 1, np.random.default_rng(3))
print("value", *(f"{value:5.2f}" for value in x[:, 0, 0]))
print("flag ", *(f"{flag:5.0f}" for flag in x[:, 0, 1]))
print(f"answer {targets[0, 0, 0]:.3f}")
assert abs((x[..., 0] * x[..., 1]).sum() / 2 - targets[0, 0, 0]) < 1e-6

# %% [markdown]
# Who always says 1/2 has a mean squared error of 1/24. That is what a network gets that remembers
# nothing.

# %%
_, many = adding.sequences(T, 100_000, np.random.default_rng(0))
guess = ((many - 0.5) ** 2).mean()
print(f"always 1/2: squared error {guess:.4f}; 1/24 = {1 / 24:.4f}")
assert abs(guess - 1 / 24) < 1e-3

# %% [markdown]
# ## 2. Three learners
#
# The same [LSTM](../GLOSSARY.md#lstm), the same data, and [credit](../GLOSSARY.md#credit) that
# walks in [blocks](../GLOSSARY.md#block) of five steps. Without a recall, credit reaches a flagged
# number only where it stands in the last block: the second one in one sequence of ten, the first
# never. That is [truncated BPTT](../GLOSSARY.md#truncated-bptt). Between the two stands a network
# that recalls like SAB, but whose recalled states get no credit.

# %%
print("\n2. Three learners")
recalling = sab.Config.sab(2, 64, 1, k_trunc=5, k_top=K_TOP, k_att=5, empty_slots=1)
configs = {"SAB": recalling,
           "recall without credit": replace(recalling, mental_updates=False),
           "truncated BPTT": sab.Config.truncated_bptt(2, 64, 1, k_trunc=5)}


def error(params, cfg, T=T, n=300):
    """Mean squared error on sequences of T steps that were not trained on."""
    x, targets = adding.sequences(T, n, np.random.default_rng(99))
    y, _ = sab.forward(params, x, cfg)
    return ((y[-1:] - targets) ** 2).mean()


def train(cfg, name):
    """Parameters, and the errors on the way: a list of (update, squared error)."""
    rng = np.random.default_rng(SEED)
    params = sab.init_params(cfg, rng, dtype=np.float32)
    state, tape, curve = optim.adam_init(params), None, []
    for update in range(UPDATES):
        x, targets = adding.sequences(T, 32, rng)
        y, tape = sab.forward(params, x, cfg, reuse=tape)
        loss, dy = adding.loss(y, targets)
        grads = sab.backward(dy, tape)
        lr = 5e-3 * min(1, update / 200) * (1 + cos(pi * max(0, update / UPDATES - 0.5) / 0.5)) / 2
        params, state, _ = optim.adam_step(params, grads, state, lr, clip=0.1)
        if (update + 1) % (UPDATES // 10) == 0:
            curve.append((update + 1, error(params, cfg)))
            print(f"{name:21} update {update + 1:4d}  loss {loss:.4f} ",
                  f"squared error {curve[-1][1]:.4f}", flush=True)
    return params, curve


trained, curves = {}, {}
for name, cfg in configs.items():
    trained[name], curves[name] = train(cfg, name)
final = {name: curve[-1][1] for name, curve in curves.items()}
print({name: f"{value:.4f}" for name, value in final.items()}, f"(always 1/2: {1 / 24:.4f})")
AS_GIVEN = not QUICK and (T, K_TOP, SEED) == (100, 5, 0)
learned = {name: next((update for update, found in curve if found < 1 / 48), None)
           for name, curve in curves.items()}
print(f"half the error of guessing is reached at update: {learned}")
assert not AS_GIVEN or final["SAB"] < 0.004
assert not AS_GIVEN or min(final["recall without credit"], final["truncated BPTT"]) > 0.03

# %% [markdown]
# Only the network whose recalls carry credit has learned it. The recall alone, with nothing told to
# the states that are recalled, is no better than none.
#
# ## 3. Where does the last step look?
#
# A state is stored every five steps. The state that holds a flagged number is the first one stored
# at or after its step. Does the last step recall these two?

# %%
print("\n3. Where does the last step look?")
x, targets = adding.sequences(T, 200, np.random.default_rng(7))
y, tape = sab.forward(trained["SAB"], x, configs["SAB"])
weights = tape.weights[-1]                                                 # (B, K)
steps = tape.memory.step_of(tape.slots[-1])                                # (B, K); negative: empty
flags = [np.flatnonzero(column) for column in x[:, :, 1].T]                # two a sequence
stored = np.array([[(flag // 5 + 1) * 5 - 1 for flag in two] for two in flags])        # (B, 2)
hit = (steps[:, :, None] == stored[:, None]).any(2)
print(f"of the last step's weight {100 * weights[hit].sum() / weights.sum():.0f} % goes to the two "
      f"states that hold a flagged number, "
      f"{100 * weights[steps < 0].sum() / weights.sum():.0f} % to the empty slot")
print("weight of every second stored state, mean:",
      *(f"{step}: {weights[steps == step].sum() / len(weights):.2f}"
        for step in range(4, T - 1, 10)))

# %% [markdown]
# Hardly: most of the weight goes to the latest states, wherever the flags are; they hold the sum so
# far. The recall is no pointer here. It is a road: whatever a block has to learn about keeping a
# number, it can be told from the end.
#
# ## 4. How far does credit walk?
#
# With a loss at the last step alone, truncated BPTT visits one block. SAB goes on from recall to
# recall: every block that was recalled is visited, recalls others, and so on. With five recalls a
# step that is, in the end, all of them: sparse is each step, not the whole walk. But most of the
# recalls have hardly any weight, so what arrives is uneven. On how few steps does half of it lie?

# %%
print("\n4. How far does credit walk?")
_, dy = adding.loss(y[:, :1], targets[:, :1])
_, one = sab.forward(trained["SAB"], x[:, :1], configs["SAB"])
_, plain = sab.forward(trained["truncated BPTT"], x[:, :1], configs["truncated BPTT"])
visited, half = {}, {}
for name, tape_of in (("SAB", one), ("truncated BPTT", plain)):
    visited[name] = credit.count(tape_of, dy).steps
    sizes = np.linalg.norm(sab.backward(dy, tape_of, inputs=True)["dx"][:, 0], axis=1)     # (T,)
    shares = np.sort(sizes)[::-1].cumsum() / sizes.sum()
    half[name] = int(np.searchsorted(shares, 0.5)) + 1
    print(f"{name}: credit visits {visited[name]} of {T} steps; half of it lies on {half[name]}")
assert visited["truncated BPTT"] == 5
assert not AS_GIVEN or visited["SAB"] == T and half["SAB"] < T / 4

# %%
fig, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
looks = ("o-", "sab"), ("^-.", "constant"), ("s--", "tbptt")
for (name, curve), (style, key) in zip(curves.items(), looks, strict=True):
    axes.semilogy(*zip(*curve), style, color=COLOURS[key], label=name)
axes.axhline(1 / 24, color="black", linestyle=":", label="always 1/2")
axes.set(xlabel="updates", ylabel="squared error",
         title=f"Adding, T = {T}: the same data, the same cut")
axes.legend(frameon=False)
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/11_adding.png", dpi=100)
print("\nThe picture: tutorials/out/11_adding.png")

# %% [markdown]
# ## Try it
#
# 1. `T = 50`: now truncated BPTT learns it as well, a little later. One sequence in five shows it a
#    flagged number within reach, and a rule that is learned there holds over any distance. A task
#    that looks as if it needed long credit need not need it; what [tutorial
#    07](07_learning_to_copy.py) asks has no such shortcut.
# 2. `T = 50`, `K_TOP = 1`: two numbers, one recall. SAB still learns it. How can it?
# 3. Test the trained network at T = 200: `print(error(trained["SAB"], configs["SAB"], 200))`.
#    It saw one length alone.
