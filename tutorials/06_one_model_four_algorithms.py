# %% [markdown]
# # One model, four algorithms
#
# *25 minutes. You need: tutorials 03 and 05.*
# *You will see: two numbers turn one program into [BPTT](../GLOSSARY.md#bptt), [truncated
# BPTT](../GLOSSARY.md#truncated-bptt), [self-attention](../GLOSSARY.md#self-attention) and SAB; and
# a picture of who gives [credit](../GLOSSARY.md#credit) to whom in each.*
#
# Papers give each of these a section of its own. Here they are one forward and one backward.
# `k_trunc` says how far the [credit](../GLOSSARY.md#credit) walks before it is
# [cut](../GLOSSARY.md#cut); `k_top` says how many past states a step
# [recalls](../GLOSSARY.md#recall).
#
# | algorithm | k_trunc | k_top |
# |---|---|---|
# | [LSTM](../GLOSSARY.md#lstm), BPTT | None: never | 0: none |
# | LSTM, truncated BPTT | k | 0 |
# | LSTM with self-attention | None | None: all |
# | SAB | k | K |

# %%
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.core import credit
from sab_numpy.plots import COLOURS
from sab_numpy.tasks import copying

K_TRUNC, K_ATT = 5, 5                 # <- change me; as it was trained: 5, 5
AS_GIVEN = (K_TRUNC, K_ATT) == (5, 5)
trained, cfg = sab.load_pretrained("copying-T100-sab")  # SAB 5/5, comes with the package
cfg = replace(cfg, k_trunc=K_TRUNC, k_att=K_ATT)
params = {name: value.astype(float) for name, value in trained.items()}
D, H = cfg.n_in, cfg.n_hidden
rng = np.random.default_rng(3)
x, targets = copying.sequences(100, 1, rng)   # ten symbols, a wait, the ten symbols: (120, 1)
T, ANSWERS = len(x), 10
block = K_TRUNC or T                          # None: one block, no cut
last = (T - 1) % block + 1                    # steps of the last block
four = {"BPTT": sab.Config.full_bptt(D, H, D),
        "truncated BPTT": sab.Config.truncated_bptt(D, H, D, k_trunc=block),
        "self-attention": sab.Config.self_attention(D, H, D, k_att=cfg.k_att),
        "SAB": cfg}
assert all(set(sab.init_params(cfg, rng)) == set(params) for cfg in four.values())

# %% [markdown]
# All four have the same parameters, by name and shape. (Those without a memory have no use for
# `W_q`, and give it a gradient of zero.) So one set of numbers goes through all four: those of a
# network that SAB has trained to copy.
#
# ## 1. Forward: two kinds
#
# Cutting is a matter of the way back. With equal `k_top` the forward is the same, to the last bit:

# %%
print("\n1. Forward: two kinds")
outputs = {name: sab.forward(params, x, cfg)[0] for name, cfg in four.items()}
uncut = sab.forward(params, x, replace(four["SAB"], k_trunc=None))[0]
assert (outputs["BPTT"] == outputs["truncated BPTT"]).all()
assert (outputs["SAB"] == uncut).all()
assert K_ATT >= T or not np.allclose(outputs["SAB"], outputs["BPTT"])
y, tape = sab.forward(params, x, four["BPTT"])
assert not sab.backward(np.ones_like(y), tape)["W_q"].any()         # no use, so no gradient
print("forward: BPTT and truncated BPTT equal to the last bit; so are SAB with and without cuts")
right = {name: (y[-ANSWERS:].argmax(2) == targets[-ANSWERS:]).mean() for name, y in outputs.items()}
print("right answers:", {name: f"{100 * share:.0f} %" for name, share in right.items()})
assert not AS_GIVEN or right["SAB"] == 1 and right["BPTT"] < 0.5

# %% [markdown]
# (Without its recalls the network says little that is right: it has learned to lean on them.)
#
# And there is a bridge between the last two. SAB that recalls so many states that none is left
# out *is* self-attention:

# %%
everything = sab.Config.sab(D, H, D, k_trunc=None, k_top=T + 1, k_att=K_ATT, empty_slots=1)
difference = abs(sab.forward(params, x, everything)[0] - outputs["self-attention"]).max()
print(f"SAB with K = {T + 1} against self-attention: largest difference {difference:.0e}")
assert difference < 1e-12

# %% [markdown]
# ## 2. Backward: who gives credit to whom?
#
# Let one answer at a time have a say, and write down how much credit arrives at each input: one row
# for each step. 120 steps, 120 ways back.

# %%
print("\n2. Backward: who gives credit to whom?")


def who_credits_whom(cfg):
    """Entry [t, s]: credit that the answer at step t gives to the input of step s. (T, T)"""
    y, tape = sab.forward(params, x, cfg)
    _, dy = sab.softmax_cross_entropy(y, targets)
    rows = []
    for t in range(T):
        alone = np.zeros_like(dy)
        alone[t] = dy[t]
        rows.append(np.linalg.norm(sab.backward(alone, tape, inputs=True)["dx"][:, 0], axis=1))
    return np.array(rows)


maps = {name: who_credits_whom(cfg) for name, cfg in four.items()}
t, s = np.indices((T, T))
for name, found in maps.items():
    assert (found[s > t] == 0).all()                                     # nobody credits the future
assert (maps["BPTT"][s <= t] > 0).all()
own_block = (s <= t) & (s // block == t // block)
assert ((maps["truncated BPTT"] > 0) == own_block).all()                  # its own block alone
assert (maps["self-attention"][s <= t] > 0).all()
beyond = (maps["SAB"] > 0) & (s // block != t // block)
assert not AS_GIVEN or beyond.any()                                      # what the skips add
assert not AS_GIVEN or (maps["SAB"] > 0).sum() < (maps["BPTT"] > 0).sum() / 2   # they are sparse
print(f"pairs with credit: BPTT {(maps['BPTT'] > 0).sum()}, "
      f"truncated {(maps['truncated BPTT'] > 0).sum()}, "
      f"SAB {(maps['SAB'] > 0).sum()}, of them {beyond.sum()} by skips")

# %% [markdown]
# ## 3. What it costs
#
# Now the last answer alone. `credit.count` says how many steps the way back must walk and how
# many [skips](../GLOSSARY.md#skip) it takes. The [cosine](../GLOSSARY.md#cosine) is that with
# the whole gradient of the same forward, nothing cut: 1 means that cutting did no harm. *far* is
# how much of that whole credit goes to inputs before the last [block](../GLOSSARY.md#block): how
# much there is to lose.

# %%
print("\n3. What it costs")


def gradient(cfg):
    """The parameters' gradient as one list, what it cost, and the share of credit before the last
    block."""
    y, tape = sab.forward(params, x, cfg)
    _, dy = sab.softmax_cross_entropy(y, targets)
    dy[:-1] = 0
    grads = sab.backward(dy, tape, inputs=True)
    sizes = np.linalg.norm(grads["dx"][:, 0], axis=1)                       # (T,)
    flat = np.concatenate([grads[name].ravel() for name in params])
    return flat, credit.count(tape, dy), sizes[:T - last].sum() / sizes.sum()


def whole(cfg):
    """The same forward, with nothing cut and nothing held constant."""
    k_top = None if cfg.dense_forward else cfg.k_top
    return gradient(replace(cfg, k_trunc=None, k_top=k_top, dense_forward=False,
                            mental_updates=True))


print(f"{'':30}{'forward':>9}{'backward':>10}{'steps':>7}{'skips':>7}{'cosine':>8}{'far':>7}")
more = {"dense and sparse": replace(four["SAB"], dense_forward=True),
        "SAB without mental updates": replace(four["SAB"], mental_updates=False)}
cost, distant, found_cosine = {}, {}, {}
for name, cfg in (four | more).items():
    g, cost[name], _ = gradient(cfg)
    full, _, distant[name] = whole(cfg)
    cosine = found_cosine[name] = g @ full / np.linalg.norm(g) / np.linalg.norm(full)
    forward = ("-" if cfg.k_top == 0 else
               "dense" if cfg.k_top is None or cfg.dense_forward else "sparse")
    backward = ("-" if cfg.k_top == 0 else "none" if not cfg.mental_updates else
                "dense" if cfg.k_top is None else "sparse")
    print(f"{name:30}{forward:>9}{backward:>10}"
          f"{cost[name].steps:>7}{cost[name].skips:>7}{cosine:>8.3f}"
          f"{100 * distant[name]:>5.0f} %")
    if cfg.k_trunc is None and cfg.mental_updates and not cfg.dense_forward:
        assert np.isclose(cosine, 1)
assert cost["truncated BPTT"].steps == last and cost["BPTT"].steps == T
assert cost["SAB without mental updates"] == (last, 0)
if AS_GIVEN:
    assert cost["SAB"].steps <= T / 2 and cost["SAB"].skips < cost["self-attention"].skips / 5
    assert 0.75 < distant["SAB"] < 0.9 < distant["truncated BPTT"]
    assert (found_cosine["truncated BPTT"] < 0.1 < 0.7 < found_cosine["SAB without mental updates"]
            < 0.9 < found_cosine["SAB"])

# %% [markdown]
# Each row compares with a whole gradient of its own. Truncated BPTT gives up all that is far, here
# nearly all of the credit (without the recalls that it has learned to lean on, this network's
# credit explodes on the way back), and what is left points elsewhere. With recalls four fifths are
# far, and SAB keeps most of it, on half of the steps, with a seventh of self-attention's skips.
#
# Why 195 skips for one answer? Five recalls a step, and one [slot](../GLOSSARY.md#slot) is empty:
# four or five of them are of past states, most with hardly any weight, and credit takes them all.
#
# Two variants stand below the four:
#
# * *dense and sparse*: the forward reads every slot, credit goes only through the five largest. The
#   paper's slides name both forms.
# * *without [mental updates](../GLOSSARY.md#mental-update)*: what was recalled counts as a
#   constant. The recalled state is used, but nobody tells it so. A [mental
#   update](../GLOSSARY.md#mental-update) is just this credit to a recalled state.
#
# Of a longer sequence BPTT walks all, truncated BPTT still 5 steps, and SAB 90 of 1,020 (`sab bench
# visits --trained copying-T100-sab --T 1000 --B 1`).

# %%
fig, axes = plt.subplots(1, 4, figsize=(14, 4), sharey=True, layout="constrained")
colours = [COLOURS[key] for key in ("bptt", "tbptt", "attention", "sab")]
for ax, (name, found), colour in zip(axes, maps.items(), colours, strict=True):
    largest = found.max(1, keepdims=True)                                       # of each answer
    shares = np.where(found > 0, found, np.nan) / largest
    image = ax.imshow(np.log10(shares), cmap="viridis", vmin=-3, vmax=0)
    ax.set(title=name, xlabel="input of step s")
    ax.title.set_color(colour)
axes[0].set_ylabel("answer at step t")
fig.colorbar(image, ax=axes, label="log10 of the credit; largest of a row: 0; white: none")
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/06_four_algorithms.png", dpi=100)
print("\nThe picture: tutorials/out/06_four_algorithms.png")

# %% [markdown]
# **Try it.** `K_TRUNC = 1` at the top: what is left of SAB's picture? Then 5 again, `K_ATT = 1`?
