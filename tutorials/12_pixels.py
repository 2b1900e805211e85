# %% [markdown]
# # Pixels: where does a classifier look back to?
#
# *15 minutes, of which the computer works one. You need: tutorials 04, 05 and 11.*
# *You will see: a picture read pixel by pixel, and one answer at its end; which rows the last
# step [recalls](../GLOSSARY.md#recall), drawn over the digit; and whether these are the rows that
# the answer needs.*

# %%
import os
from math import cos, pi
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.core import credit, optim
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import data, images

one_thread()
QUICK = os.environ.get("SAB_QUICK") == "1"
UPDATES = 10 if QUICK else 1000
K_TOP, SEED = 3, 0                                                         # <- change me
S = 7                                                                      # pixels of an edge
REAL = data.find(os.environ.get("SAB_DATA") or "nowhere", "train-images-idx3-ubyte") is not None

# %% [markdown]
# ## 1. A sequence of pixels
#
# Handwritten digits (MNIST) made small: 7 x 7 grey values, one a step, row by row. After the last
# one comes the question: which digit was it? Where MNIST is not on your disk we draw digits
# ourselves; the rest of this page is the same.

# %%
print("\n1. A sequence of pixels")
FONT = "75557 26227 71747 71717 55711 74717 74757 71222 75757 75717"  # digits: 5 rows of 3 bits
mnist = images.Images("MNIST, 7 x 7", data.mnist, S)


def drawn(n, rng):
    """n digits of 5 x 3 pixels, at one of two places, in noise: x (49, n, 1), targets (1, n)."""
    rows = np.array([[int(row) for row in digit] for digit in FONT.split()], np.uint8)  # (10, 5)
    glyphs = np.unpackbits(rows[..., None], axis=2)[..., -3:]                   # (10, 5, 3)
    labels, lefts = rng.integers(0, 10, n), rng.integers(2, 4, n)
    pictures = rng.uniform(0, 0.1, (n, S, S)).astype(np.float32)
    for picture, label, left in zip(pictures, labels, lefts):
        picture[1:6, left:left + 3] += 0.7 * glyphs[label]
    return np.ascontiguousarray(pictures.reshape(n, -1).T[..., None]), labels[None]


def held_out(n):
    """n pictures that no training sees."""
    if REAL:
        return next(mnist.batches(S * S, n, n, "test"))
    return drawn(n, np.random.default_rng(99))


if not REAL:
    print("Drawn digits. MNIST: its four files (12 MB) are at http://yann.lecun.com/exdb/mnist,")
    print("or a mirror; name their folder in the variable SAB_DATA, and run this page again.")
x, targets = held_out(500)
print(f"{len(x)} steps, grey values {x.min():.1f} to {x.max():.1f}; the first picture:")
for row in x[:, 0, 0].reshape(S, S):
    print("  ", "".join(2 * " .:-=+*#%@"[min(9, int(10 * grey))] for grey in row))
print("is a", targets[0, 0])
assert x.shape == (S * S, 500, 1) and targets.shape == (1, 500)

# %% [markdown]
# ## 2. Two learners
#
# [Credit](../GLOSSARY.md#credit) walks in [blocks](../GLOSSARY.md#block) of seven steps: a row of
# the picture. Only the last step has a loss. So all that [truncated
# BPTT](../GLOSSARY.md#truncated-bptt) learns about reading pixels, it learns from the last row. SAB
# stores a state at the end of every row, a [microstate](../GLOSSARY.md#microstate), and can send
# credit there.

# %%
print("\n2. Two learners")
configs = {"SAB": sab.Config.sab(1, 64, 10, k_trunc=S, k_top=K_TOP, k_att=S, empty_slots=1),
           "truncated BPTT": sab.Config.truncated_bptt(1, 64, 10, k_trunc=S)}


def right(params, cfg, x):
    """Share of right answers."""
    return mnist.metrics(sab.forward(params, x, cfg)[0], targets)["accuracy"]


def train(cfg, name):
    """Parameters, and the accuracies on the way: a list of (update, share)."""
    rng = np.random.default_rng(SEED)
    params = sab.init_params(cfg, rng, dtype=np.float32)
    state, tape, curve = optim.adam_init(params), None, []
    for update in range(UPDATES):
        seen, answers = mnist.sequences(S * S, 32, rng) if REAL else drawn(32, rng)
        y, tape = sab.forward(params, seen, cfg, reuse=tape)
        loss, dy = mnist.loss(y, answers)
        grads = sab.backward(dy, tape)
        lr = 1e-2 * min(1, update / 100) * (1 + cos(pi * max(0, update / UPDATES - 0.5) / 0.5)) / 2
        params, state, _ = optim.adam_step(params, grads, state, lr, clip=1.0)
        if (update + 1) % (UPDATES // 10) == 0:
            curve.append((update + 1, right(params, cfg, x)))
            print(f"{name:14} update {update + 1:4d}  loss {loss:.3f}  right "
                  f"{100 * curve[-1][1]:5.1f} %", flush=True)
    return params, curve


trained, curves = {}, {}
for name, cfg in configs.items():
    trained[name], curves[name] = train(cfg, name)
final = {name: curve[-1][1] for name, curve in curves.items()}
AS_GIVEN = not QUICK and (REAL, K_TOP, SEED) == (False, 3, 0)
assert not AS_GIVEN or final["SAB"] > 0.95 and final["truncated BPTT"] < 0.6

# %% [markdown]
# Which pixels get credit at all? The gradient of the loss by the input says so: for truncated BPTT
# it is zero, exactly, above the last row.

# %%
tapes, reach = {}, {}
for name, cfg in configs.items():
    y, tapes[name] = sab.forward(trained[name], x, cfg)
    _, dy = mnist.loss(y, targets)
    dx = sab.backward(dy, tapes[name], inputs=True)["dx"]                  # (49, B, 1)
    reach[name] = abs(dx).sum((1, 2)).reshape(S, S).sum(1)                 # (7,)
    print(f"{name}: credit visits {credit.count(tapes[name], dy).steps} of {S * S} steps; "
          "share of a row:", *(f"{part:.2f}" for part in reach[name] / reach[name].sum()))
assert not reach["truncated BPTT"][:-1].any() and reach["SAB"][:-1].any()

# %% [markdown]
# ## 3. Where does the last step look?
#
# It recalls three states, each the end of a row, or the [empty
# slot](../GLOSSARY.md#empty-slot). Its own row is not among them: a state is stored after it has
# recalled.

# %%
print("\n3. Where does the last step look?")
weights = tapes["SAB"].weights[-1]                                         # (B, K)
slots = tapes["SAB"].slots[-1]                                             # (B, K)
rows = tapes["SAB"].memory.step_of(slots) // S                             # (B, K); negative: empty
look = np.stack([np.where(rows == row, weights, 0).sum(1) for row in range(S)], 1)   # (B, 7)
print("weight of the state at the end of a row:", *(f"{part:.2f}" for part in look.mean(0)),
      f"  empty: {1 - look.sum() / len(look):.2f}")
assert not look[:, -1].any() and abs(look.sum(1) + (weights * (rows < 0)).sum(1) - 1).max() < 1e-5

# %% [markdown]
# ## 4. Does it need what it looks at?
#
# Cover one row of every picture, and count the answers that are lost. This asks the whole network,
# not the recall alone.

# %%
print("\n4. Does it need what it looks at?")
lost = {}
for name, cfg in configs.items():
    lost[name] = np.empty(S)
    for row in range(S):
        covered = x.copy()
        covered[S * row:S * row + S] = x.min()
        lost[name][row] = final[name] - right(trained[name], cfg, covered)
    percent = (f"{100 * a:.0f}" for a in lost[name])
    print(f"{name:14} right answers lost without a row, %:", *percent)
most, needed = look.mean(0).argmax(), lost["SAB"].argmax()
print(f"most weight: the end of row {most}; most needed: row {needed}")
assert not AS_GIVEN or lost["SAB"].max() > 0.3 and look.mean(0)[needed] < 0.3

# %% [markdown]
# Of the drawn digits row 1 is needed most, and hardly recalled: a state at the end of a later row
# has read row 1 too. A weight says which road the answer takes, not where on the page its reason
# stands. Truncated BPTT loses nothing without a row, because it has learned nothing: its answer has
# always been a guess.

# %%
widths = [1] * 5 + [1.5]
fig, axes = plt.subplots(1, 6, figsize=(11, 2.6), layout="constrained", width_ratios=widths)
for number, ax in enumerate(axes[:5]):
    ax.imshow(x[:, number, 0].reshape(S, S), cmap="Greys", vmin=0, vmax=1)
    ax.barh(range(S), 3 * look[number], left=S - 0.5, color="#0072B2")
    ax.set(title=f"a {targets[0, number]}", xlim=(-0.5, S + 2.5), xticks=[], yticks=[])
axes[5].barh(np.arange(S) - 0.2, look.mean(0), 0.4, color="#0072B2", label="weight")
axes[5].barh(np.arange(S) + 0.2, lost["SAB"], 0.4, color="#D55E00", label="lost without it")
axes[5].set(ylim=(S - 0.5, -0.5), title="all pictures", ylabel="row", xlabel="share")
axes[5].legend(frameon=False, fontsize=8)
fig.suptitle("Blue: how much the last step recalls of the state at the end of a row")
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/12_pixels.png", dpi=100)
print("\nThe picture: tutorials/out/12_pixels.png")

# %% [markdown]
# ## Try it
#
# 1. `K_TOP = 1`: one state for each answer. Which?
# 2. With MNIST both learn something in these 1,000 updates, and SAB is not ahead: 58 % and 63 %. It
#    recalls the end of row 1 and needs that row most; truncated BPTT needs rows 3 to 5, the last
#    with ink, which its state still holds when credit begins.
# 3. The same at 14 x 14 (`S = 14`) takes eight times as long. At 28 x 28 it is the paper's task:
#    `sab train mnist --data-dir DIR`, hours of a core; `sab reproduce images` has its table.
