# %% [markdown]
# # Attention in space, recall in time
#
# *20 minutes, of which the computer works half of one. You need: tutorials 04, 05 and 07.*
# *You will see: the one line that a Transformer and SAB share, forwards and backwards; what a
# Transformer has instead of time; how it learns to copy in a few hundred updates; and what it
# cannot do then.*
#
# A Transformer lays a sequence out in space: all steps lie side by side, and each looks at all the
# others. SAB walks through it in time: one step after the other, each with a few memories. The
# package has both by hand, in [core](../sab_numpy/core) and
# [transformer](../sab_numpy/transformer).

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.core import optim, sparsify
from sab_numpy.plots import COLOURS
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import copying
from sab_numpy.transformer.backward import backward
from sab_numpy.transformer.forward import forward
from sab_numpy.transformer.params import Config, init_params

one_thread()
QUICK = os.environ.get("SAB_QUICK") == "1"
T, UPDATES = 20, 20 if QUICK else 400             # <- change me: T is the wait
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. The line that they share
#
# A [query](../GLOSSARY.md#query) q asks, every [key](../GLOSSARY.md#key-and-value) k gets the
# [score](../GLOSSARY.md#score) q·k / √d, and a [softmax](../GLOSSARY.md#softmax) makes weights w of
# them, with which the values v are summed:
#
#     s = Σ w v,    backwards:    da = w (v·ds − s·ds)
#
# In tutorial 05 the second line was that of a [recall](../GLOSSARY.md#recall), with
# [microstates](../GLOSSARY.md#microstate) for values. We take the arrays of a Transformer's head
# and give them to SAB's own functions.

# %%
print("\n1. The line that they share")
cfg = Config(n_in=10, n_hidden=64, n_out=10, n_steps=copying.steps(T), n_layers=2, n_heads=4)
params = init_params(cfg, rng, np.float32)
x, targets = copying.sequences(T, 1, rng)
y, tape = forward(params, x, cfg)
attention, _ = tape.cache.layers[0]
last, d = len(x) - 1, cfg.n_hidden // cfg.n_heads
q, keys, v, w = (a[0, 0].astype(float) for a in (attention.q, attention.k, attention.v,
                                                 attention.w))   # head 0: (T, d), w (T, T)
scores = (keys @ q[last] / np.sqrt(d))[None]                                         # (1, T)
w_sab, slope = sparsify.weights(np, scores, "softmax")
s, ds = w_sab @ v, rng.standard_normal((1, d))                                       # (1, d)
da_sab = sparsify.weights_backward(np, ds @ v.T, slope, (s * ds).sum(1, keepdims=True), "softmax")
da = w[last] * (v @ ds[0] - (w[last] @ v) @ ds[0])
print(f"weights of {len(x)} steps, SAB's function and the Transformer: "
      f"largest difference {abs(w_sab[0] - w[last]).max():.0e}")
print(f"credit of the scores, likewise: {abs(da_sab[0] - da).max():.0e}")
assert abs(w_sab[0] - w[last]).max() < 1e-6 and abs(da_sab[0] - da).max() < 1e-6

# %% [markdown]
# So far one model. Three things differ: *what* is read (SAB: K of them; here: all), *when* (SAB:
# one step after the other; here: all steps at once, so a step reads what others have read in the
# layer below, never above), and what tells the steps apart.
#
# ## 2. Space: a position is a label
#
# Nothing in attention knows an order. We shuffle the steps before the last one, without and with
# the learned label P of every position. A network in time has no need for a label: who reads the
# same symbols in another order ends in another state.

# %%
print("\n2. Space: a position is a label")
symbols = rng.integers(1, 9, (12, 1))
shuffled = symbols[[*rng.permutation(11), 11]]
one = Config(10, 64, 10, n_steps=12, n_layers=1)
labelled = init_params(one, rng)
lstm = sab.Config.full_bptt(10, 64, 10)
states = sab.init_params(lstm, rng)


def moved(run):
    """How far the last answer moves when the steps before it are shuffled."""
    return float(abs(run(shuffled)[-1] - run(symbols)[-1]).max())


blank = labelled | {"P": 0 * labelled["P"]}
found = {"Transformer, no labels": moved(lambda x: forward(blank, x, one)[0]),
         "Transformer": moved(lambda x: forward(labelled, x, one)[0]),
         "LSTM": moved(lambda x: sab.forward(states, x, lstm)[0])}
for name, value in found.items():
    print(f"{name:23} {value:.0e}")
assert found["Transformer, no labels"] < 1e-12 < 1e-4 < min(found["Transformer"], found["LSTM"])

# %% [markdown]
# This is one layer. A second one reads what the steps have seen of those before them: there a
# shuffle shows without labels too.
#
# ## 3. How far is the first step?
#
# One hop: the last step looks at the first directly, however many lie between. Its
# [credit](../GLOSSARY.md#credit) does not walk, so it cannot
# [vanish](../GLOSSARY.md#vanishing-gradient) on the way. The gradient of P shows it: row t is what
# step t receives. Beside it what [BPTT](../GLOSSARY.md#bptt) brings to the steps of an
# [LSTM](../GLOSSARY.md#lstm); both are untrained, the loss is at the last step alone.

# %%
print("\n3. How far is the first step?")
LONG = 120
far = Config(10, 64, 10, n_steps=LONG)
x = rng.integers(1, 9, (LONG, 1))
far_params = init_params(far, rng)
y, tape = forward(far_params, x, far)
dy = np.zeros_like(y)
dy[-1] = rng.standard_normal(10)                  # [dy](../GLOSSARY.md#dy): the loss by y
space = np.linalg.norm(backward(dy, tape)["P"], axis=1)                              # (T,)
y, tape = sab.forward(states, x, lstm)
time = np.linalg.norm(sab.backward(dy, tape, inputs=True)["dx"][:, 0], axis=1)       # (T,)
for name, credit in (("space", space), ("time", time)):
    print(f"{name}: the first step gets {credit[0] / credit[-2]:.0e} of what the last but one gets")
assert space[0] > 0.1 * space[-2] and time[0] < 1e-6 * time[-2]

# %% [markdown]
# The price: all pairs of steps. SAB keeps a few roads of those many, and credit walks only where
# one was used.

# %%
K, k_trunc = 5, 5
reads = far.n_layers * far.n_heads * LONG * (LONG + 1) // 2
print(f"{LONG} steps: the Transformer weighs {reads:,} pairs, SAB recalls {K * LONG}")
assert reads > 90 * K * LONG

# %% [markdown]
# ## 4. Learning to copy, by position
#
# The task of tutorial 07, always with the same wait: the answer at a step is the symbol exactly
# so many steps before. That is a fact about positions, and positions are what it learns.

# %%
print("\n4. Learning to copy, by position")
state = optim.adam_init(params)
shown, wanted = copying.sequences(T, 100, np.random.default_rng(99))
right = 0.0
for update in range(UPDATES):
    x, targets = copying.sequences(T, 16, rng)
    y, tape = forward(params, x, cfg)
    loss, dy = copying.loss(y, targets)
    lr = 1e-3 * min(1, (update + 1) / 200)
    params, state, _ = optim.adam_step(params, backward(dy, tape), state, lr, clip=1.0)
    if (update + 1) % (UPDATES // 5) == 0:
        y, tape = forward(params, shown, cfg)
        right = copying.metrics(y, wanted)["accuracy"]
        print(f"update {update + 1:4d}  loss {loss:.4f}  right {100 * right:5.1f} %", flush=True)
assert QUICK or T != 20 or right > 0.99

heads = np.stack([attention.w[:, :, -10:].mean(0) for attention, _ in tape.cache.layers])
source = heads[..., :10][..., range(10), range(10)].mean(-1)                         # (L, N)
layer, head = np.unravel_index(source.argmax(), source.shape)
print(f"layer {layer}, head {head}: an answer gives {100 * source[layer, head]:.0f} % of its "
      f"weight to the step of its own symbol (evenly: {100 / len(x):.0f} %)")
assert QUICK or T != 20 or source[layer, head] > 0.3

# %% [markdown]
# ## 5. Longer than it was trained for
#
# Position T + 20 was never learned: there is no label for it, and the package says so. SAB, trained
# at T = 100, is asked for 200: its recall looks for *what* was stored, not for *where*.

# %%
print("\n5. Longer than it was trained for")
refused = ""
try:
    forward(params, copying.sequences(T + 1, 1, rng)[0], cfg)
except ValueError as error:
    refused = str(error)
print(refused)
assert "expected at most" in refused
sab_params, sab_cfg = sab.load_pretrained("copying-T100-sab")
x, targets = copying.sequences(200, 50, rng)
y, sab_tape = sab.forward(sab_params, x, sab_cfg)
longer = copying.metrics(y, targets)["accuracy"]
print(f"SAB, trained at 100, right at 200: {100 * longer:.1f} %")
assert longer > 0.9

# %%
fig, (left, right_plot) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
image = left.imshow(heads[layer, head], aspect="auto", cmap="Greys", vmin=0)
left.set(xlabel="step that is looked at", ylabel="answer", yticks=range(10),
         title=f"Space: layer {layer}, head {head}, at its ten answers")
fig.colorbar(image, ax=left, label="weight")
right_plot.semilogy(range(LONG), space, color="black", label="space: Transformer")
right_plot.semilogy(range(LONG), time, "--", color=COLOURS["bptt"], label="time: LSTM, BPTT")
right_plot.set(xlabel="step", ylabel="credit", title="Credit of the last answer, untrained")
right_plot.legend(frameon=False)
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/13_attention_in_space.png", dpi=100)
print("\nThe picture: tutorials/out/13_attention_in_space.png")

# %% [markdown]
# **Try it.** Draw the wait of every update from 5 to T (`copying.sequences(rng.integers(5, T + 1),
# 16, rng)`): are 400 updates still enough, and why not? Then `n_layers=1`: what was the second
# layer for?
