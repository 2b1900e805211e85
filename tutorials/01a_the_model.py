# %% [markdown]
# # The model on one page
#
# *20 minutes. You need: tutorial 00; what a matrix product is.*
# *You will see: SAB's six lines forward and the way back, in plain NumPy; every letter said; the
# package with the same numbers.*
#
# One sequence of T steps. At each step the network reads x, holds a state h and a memory cell c,
# and says y. Sizes: D numbers are read, H are held, O are said. Vectors are rows, so a matrix
# stands at the right: $x\,W$. The three settings are those of tutorial 00: how many past states a
# step [recalls](../GLOSSARY.md#recall) (one may be an [empty slot](../GLOSSARY.md#empty-slot)), how
# often a state is stored, and where [credit](../GLOSSARY.md#credit) is [cut](../GLOSSARY.md#cut).

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.core import optim
from sab_numpy.plots import COLOURS

T, D, H, O = 8, 3, 4, 3
K, K_ATT, K_TRUNC = 2, 2, 3   # recalled a step; stored every second step; credit is cut every third
rng = np.random.default_rng(0)
cfg = sab.Config.sab(D, H, O, k_trunc=K_TRUNC, k_top=K, k_att=K_ATT, empty_slots=1)
p = sab.init_params(cfg, rng)
p["W_q"] = rng.standard_normal((H, H))
x, targets = rng.standard_normal((T, D)), rng.integers(0, O, T)
print({name: value.shape for name, value in p.items()})

# %% [markdown]
# ## 1. Forward: six lines
#
# | | | |
# |---|---|---|
# | 1 | $z = x_t W_x + h_{t-1} W_h + b,$ | [LSTM](../GLOSSARY.md#lstm) |
# | | $c_t = f c_{t-1} + i g,\ \hat h_t = o \tanh c_t$ | |
# | 2 | $a_n = \hat h_t W_q \cdot M_n / \sqrt{H}$ | a [score](../GLOSSARY.md#score) |
# | | | for every stored state $M_n$ |
# | 3 | $w = \mathrm{softmax}(\text{the }K\text{ largest }a)$ | [weights](../GLOSSARY.md#softmax), |
# | | | positive, sum 1 |
# | 4 | $s_t = \sum_k w_k M_k$ | the [recall](../GLOSSARY.md#recall) |
# | 5 | $h_t = \hat h_t + s_t$ | the state |
# | 6 | $y_t = h_t V_h + s_t V_s + b_y$ | what it says |
#
# After every K_ATT-th step h is stored. A stored state is a
# [microstate](../GLOSSARY.md#microstate) and lies in a [slot](../GLOSSARY.md#slot); slot 0 is an
# [empty slot](../GLOSSARY.md#empty-slot), zeros from the start.
#
# The letters: i, f, o are [gates](../GLOSSARY.md#gate), numbers between 0 and 1 (sigmoid of their
# part of z): what is written, kept, shown; g, a tanh, is what is new. $\hat h$ (h_hat in the code)
# is the state before it is reminded. $q = \hat h W_q$ is the [query](../GLOSSARY.md#query), what
# the step asks for. A microstate plays two parts, [key and value](../GLOSSARY.md#key-and-value): it
# is compared with the query, and it is what is summed.

# %%
print("\n1. Forward: six lines")


def forward(k_top):
    """y (T, O), and of every step what the way back needs. k_top 0: a plain LSTM."""
    h, c, memory, y, tape = np.zeros(H), np.zeros(H), [np.zeros(H)], [], []
    for t in range(T):
        z = x[t] @ p["W_x"] + h @ p["W_h"] + p["b"]         # 1  (4H,): i, f, g, o side by side
        i, f, o = (1 / (1 + np.exp(-part)) for part in (z[:H], z[H:2 * H], z[3 * H:]))
        g = np.tanh(z[2 * H:3 * H])
        h_prev, c_prev = h, c
        c = f * c_prev + i * g
        h_hat = o * np.tanh(c)
        M = np.array(memory)                                # (N, H)
        a = M @ (h_hat @ p["W_q"]) / np.sqrt(H)             # 2  (N,)
        slots = np.argsort(-a, kind="stable")[:k_top]       # 3  (K,)
        w = np.exp(a[slots]) / np.exp(a[slots]).sum()
        s = w @ M[slots]                                    # 4  (H,)
        h = h_hat + s                                       # 5
        y.append(h @ p["V_h"] + s @ p["V_s"] + p["b_y"])    # 6
        tape.append((i, f, g, o, h_prev, c_prev, c, h, slots, w))
        if (t + 1) % K_ATT == 0:
            memory.append(h)
    return np.array(y), tape


y, tape = forward(K)
theirs, _ = sab.forward(p, x[:, None], cfg)                 # (T, B, D): B sequences at once, here 1
slots, w = tape[-1][8:]
print("the last step recalls slots", slots, "with weights", np.round(w, 3))
assert np.allclose(y, theirs[:, 0], rtol=0, atol=1e-12)
assert np.isclose(w.sum(), 1)

# %% [markdown]
# ## 2. The loss, and where the way back begins
#
# y are O numbers a step; softmax makes them probabilities. The loss is the
# [cross-entropy](../GLOSSARY.md#cross-entropy): minus the logarithm of the probability that the
# right answer got, a mean over the steps. Its slope with respect to y is called
# [dy](../GLOSSARY.md#dy): the probabilities, less 1 at the right answer, divided by the number of
# steps. dX is always the credit of X.

# %%
print("\n2. The loss, and where the way back begins")


def cross_entropy(y):
    probabilities = np.exp(y) / np.exp(y).sum(1, keepdims=True)                # (T, O)
    right = np.arange(T), targets
    dy = probabilities / T
    dy[right] -= 1 / T
    return -np.log(probabilities[right]).mean(), dy


loss, dy = cross_entropy(y)
their_loss, their_dy = sab.softmax_cross_entropy(theirs, targets[:, None])
print(f"cross-entropy {loss:.4f}; guessing has log {O} = {np.log(O):.4f};",
      f"dy of the last step {np.round(dy[-1], 3)}")
assert np.isclose(loss, their_loss)
assert np.allclose(dy, their_dy[:, 0]) and np.allclose(dy.sum(1), 0)

# %% [markdown]
# ## 3. Backward: the loop
#
# First without recalls, $s = 0$. The loop reads the six lines from the bottom, from the last step
# to the first: this is [BPTT](../GLOSSARY.md#bptt). Two credits go on to the step before, that of h
# and that of c. At the start of a [block](../GLOSSARY.md#block) [truncated
# BPTT](../GLOSSARY.md#truncated-bptt) sets them to zero: one line.

# %%
print("\n3. Backward: the loop")


def backward(dy, tape, k_trunc):
    grads = {name: np.zeros_like(value) for name, value in p.items()}
    dh_local, dc = np.zeros(H), np.zeros(H)                             # what the step after says
    for t in reversed(range(T)):
        i, f, g, o, h_prev, c_prev, c, h, _, _ = tape[t]
        dh = dy[t] @ p["V_h"].T + dh_local                              # y = h V_h + b_y
        grads["V_h"] += np.outer(h, dy[t])
        grads["b_y"] += dy[t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)                        # h = o tanh(c)
        dz = np.concatenate([dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dc * i * (1 - g ** 2),
                             dh * np.tanh(c) * o * (1 - o)])            # c = f c_prev + i g
        grads["W_x"] += np.outer(x[t], dz)                              # z = x W_x + h_prev W_h + b
        grads["W_h"] += np.outer(h_prev, dz)
        grads["b"] += dz
        dh_local, dc = dz @ p["W_h"].T, dc * f
        if k_trunc and t % k_trunc == 0:
            dh_local, dc = np.zeros(H), np.zeros(H)                     # the cut
    return grads


plain, plain_tape = forward(0)
_, dy = cross_entropy(plain)
lengths = {}
for k_trunc in (None, K_TRUNC):
    same = sab.Config(D, H, O, k_trunc=k_trunc, k_top=0)
    y, tape = sab.forward(p, x[:, None], same)
    theirs, grads = sab.backward(dy[:, None], tape), backward(dy, plain_tape, k_trunc)
    assert all(np.allclose(grads[name], theirs[name], rtol=0, atol=1e-12) for name in p)
    lengths[k_trunc] = np.sqrt(sum((grad ** 2).sum() for grad in grads.values()))
print(f"length of the gradient: BPTT {lengths[None]:.4f},",
      f"cut every {K_TRUNC} steps {lengths[K_TRUNC]:.4f}")

# %% [markdown]
# **SAB adds one thing** to this loop. The credit of $h_t$ is also that of $s_t$, and from there it
# jumps to what was recalled: as a value, $w_k\,ds$, and as a key, $da_k\,q/\sqrt H$. When the loop
# comes to a stored step it adds what jumped there. The jump is a [skip](../GLOSSARY.md#skip), and
# no cut stops it. The whole loop with it is `backward` in [sab_in_one_file.py](sab_in_one_file.py),
# forty lines; tutorial 05 follows it event by event.
#
# ## 4. A step of learning
#
# Downhill: each number goes a little against its slope. A gradient that is too long is shortened
# first ([clipping](../GLOSSARY.md#clipping)). [Adam](../GLOSSARY.md#adam) divides each slope by its
# own usual size, so that the first step moves every number by the learning rate, lr.

# %%
print("\n4. A step of learning")
clipped, norm = optim.clip_gradients(grads, 0.1)
moved, _, _ = optim.adam_step(p, grads, optim.adam_init(p), lr=0.01, clip=0.1)
step = abs(moved["W_x"] - p["W_x"]).max()
shorter = np.sqrt(sum((grad ** 2).sum() for grad in clipped.values()))
print(f"clipping: {norm:.4f} becomes {shorter:.4f}; "
      f"Adam's first step moves W_x by {step:.4f} at most")
assert np.isclose(norm, lengths[K_TRUNC]) and np.isclose(step, 0.01, rtol=1e-3)

# %%
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
for name, k_trunc, style, key in (("BPTT", None, "o-", "bptt"),
                                  (f"cut every {K_TRUNC}", K_TRUNC, "s--", "tbptt")):
    _, tape = sab.forward(p, x[:, None], sab.Config(D, H, O, k_trunc=k_trunc, k_top=0))
    last = np.zeros((T, 1, O))
    last[-1] = dy[-1]
    reach = np.linalg.norm(sab.backward(last, tape, inputs=True)["dx"][:, 0], axis=1)      # (T,)
    ax.plot(reach, style, label=name, color=COLOURS[key])
ax.set(xlabel="step", ylabel="credit of the step's input",
       title="The last answer alone: whom does the loop reach?")
ax.legend()
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/01a_the_model.png", dpi=100)
print("\nThe picture: tutorials/out/01a_the_model.png")

# %% [markdown]
# **Try it.** Move the cut up, before `dh_local, dc` are set: which assert finds it? Then print the
# weight of a single recall, `forward(1)[1][-1][-1]`: why is it what it is, whatever the score?
#
# Next: tutorial 03, the same loop through a network that has learned something.
