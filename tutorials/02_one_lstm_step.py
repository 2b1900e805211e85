# %% [markdown]
# # One LSTM step, forward and backward
#
# *25 minutes. You need: the chain rule, and what a matrix product is.*
# *You will see: every array of one step with its shape; the four lines of the way forward, read
# backwards; and a test of every number.*
#
# Four lines make an [LSTM](../GLOSSARY.md#lstm). At first sight they look arbitrary; they are a
# small memory with three valves. c is the memory. f says how much of it stays, i how much of the
# new is written, o how much is shown; g is what is new. The valves are called
# [gates](../GLOSSARY.md#gate).
#
# $$z = x\,W_x + h_{prev}\,W_h + b \qquad \text{(four wishes for each unit)}$$
# $$i, f, o = \sigma(z_i), \sigma(z_f), \sigma(z_o) \quad \text{(0 to 1)}, \qquad g = \tanh(z_g)$$
# $$c = f \cdot c_{prev} + i \cdot g$$
# $$h = o \cdot \tanh(c)$$
#
# $\sigma$ is the sigmoid, 1 / (1 + exp(-z)).

# %%
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np

from sab_numpy.core import lstm

B, D, H = 3, 2, 4                               # sequences at once, inputs, units
rng = np.random.default_rng(0)
x, h_prev, c_prev = (rng.standard_normal(shape) for shape in ((B, D), (B, H), (B, H)))
W_x, W_h, b = (rng.standard_normal(shape) for shape in ((D, 4 * H), (H, 4 * H), 4 * H))

# %% [markdown]
# ## 1. Forward, plainly
#
# The four lines as they stand, with the four parts of z side by side, in the order i f g o.

# %%
print("\n1. Forward, plainly")
z = x @ W_x + h_prev @ W_h + b                                  # (B, 4H)
i, f, o = (1 / (1 + np.exp(-part)) for part in (z[:, :H], z[:, H:2 * H], z[:, 3 * H:]))
g = np.tanh(z[:, 2 * H:3 * H])
plain_c = f * c_prev + i * g
plain_h = o * np.tanh(plain_c)                                  # (B, H)
print("z", z.shape, " i, f, o, g", i.shape, " c", plain_c.shape, " h", plain_h.shape)

# %% [markdown]
# ### As the package does it
#
# The package keeps the four gates one above the other, (4, B, H): gate, sequence, unit; in the
# order i f o g, so that the three sigmoids are one array. `stack_gates` turns a weight matrix with
# the gates side by side, (D, 4H), into (4, D, H). Then one product serves all gates.
#
# One tanh also serves all gates, because sigmoid(z) = (1 + tanh(z/2)) / 2. `lstm_step` takes z with
# the factor 1/2 already in it (`halve=True`), and fills the arrays of a step.

# %%
def step(x, h_prev, c_prev, W_x=W_x, W_h=W_h, b=b):
    """One step by the package: its gates (4, B, H), c, tanh_c and h_hat (B, H)."""
    kind = np.result_type(x, h_prev, c_prev, W_x, W_h, b)       # complex in section 3
    V_x, V_h, bias = (lstm.stack_gates(np, W, halve=True) for W in (W_x, W_h, b[None]))  # (4, ., H)
    done = SimpleNamespace(gates=np.empty((4, B, H), kind), c_prev=c_prev,
                           **{name: np.empty((B, H), kind) for name in ("c", "tanh_c", "h_hat")})
    lstm.lstm_step(np, x @ V_x + h_prev @ V_h + bias, c_prev, done)
    return done


done = step(x, h_prev, c_prev)
gates, c, tanh_c, h = done.gates, done.c, done.tanh_c, done.h_hat
i, f, o, g = gates
for name, array in {"x": x, "W_x": W_x, "W_h": W_h, "b": b, "gates": gates, "c": c, "h": h}.items():
    print(f"{name:8}{array.shape}")
assert gates.shape == (4, B, H) and h.shape == c.shape == (B, H)
assert ((0 < i) & (i < 1) & (0 < f) & (f < 1) & (0 < o) & (o < 1)).all() and (abs(g) < 1).all()
assert np.allclose(c, plain_c, rtol=1e-13)                                  # the plain lines
assert np.allclose(h, plain_h, rtol=1e-13)

# %% [markdown]
# ## 2. Backward
#
# Someone hands us dh: how much the loss grows if h grows, for each of the (B, H) numbers. (Here a
# random one.) And dc, what the memory's next step says. Read the four lines from the bottom:
#
# | forward line | backward |
# |---|---|
# | h = o * tanh(c) | do = dh * tanh(c), and c hears dh * o * (1 - tanh(c)²) |
# | c = f * c_prev + i * g | di = dc * g, df = dc * c_prev, dg = dc * i, dc_prev = dc * f |
# | i = sigmoid(z_i), g = tanh(z_g) | dz_i = di * i (1 - i), dz_g = dg * (1 - g²); f and o like i |
# | z = x W_x + h_prev W_h + b | dx = dz W_xᵀ, dh_prev = dz W_hᵀ, |
# | | dW_x = xᵀ dz, dW_h = h_prevᵀ dz, db = sum of dz |
#
# The [credit](../GLOSSARY.md#credit) of everything has the shape of the thing itself. If you forget
# a formula, the shapes often leave only one way to write it.

# %%
print("\n2. Backward")
dh, dc_later = rng.standard_normal((B, H)), rng.standard_normal((B, H))
dz = np.empty((4, B, H))                                        # filled
dc_prev = lstm.lstm_step_backward(np, dh, dc_later, done, dz, np.empty((4, B, H)))

dc = dc_later + dh * o * (1 - tanh_c ** 2)                      # the table, literally
by_table = np.stack([dc * g * i * (1 - i), dc * c_prev * f * (1 - f),
                     dh * tanh_c * o * (1 - o), dc * i * (1 - g ** 2)])
assert np.allclose(dz, by_table, rtol=1e-12, atol=1e-14)
assert np.allclose(dc_prev, dc * f, rtol=1e-12)

back_x, back_h = (lstm.stack_gates(np, W).swapaxes(1, 2) for W in (W_x, W_h))            # (4, H, .)
credit = {"x": (dz @ back_x).sum(0), "h_prev": (dz @ back_h).sum(0), "c_prev": dc_prev,
          "W_x": lstm.unstack_gates(np, x.T @ dz), "W_h": lstm.unstack_gates(np, h_prev.T @ dz),
          "b": lstm.unstack_gates(np, dz.sum(1, keepdims=True))[0]}

# %% [markdown]
# ## 3. Every number tested
#
# Is it right? Move one number a little and see how much  L = sum(dh * h + dc_later * c)  moves.
# The sharpest way is the [complex step](../GLOSSARY.md#complex-step): add a tiny *imaginary*
# number; the imaginary part of L, divided by it, is the slope, and nothing is lost by subtracting
# two nearly equal numbers.

# %%
print("\n3. Every number tested")
tiny = 1e-30
things = {"x": x, "h_prev": h_prev, "c_prev": c_prev, "W_x": W_x, "W_h": W_h, "b": b}
worst = {}
for name, array in things.items():
    slope = np.empty(array.shape)
    for place in np.ndindex(array.shape):
        moved = array.astype(complex)
        moved[place] += 1j * tiny
        there = step(**(things | {name: moved}))
        slope[place] = (dh * there.h_hat + dc_later * there.c).sum().imag / tiny
    assert credit[name].shape == array.shape
    worst[name] = abs(credit[name] - slope).max() / abs(slope).max()
assert max(worst.values()) < 1e-13

print(f"{'what':8}{'shape':>10}{'numbers':>9}{'largest credit':>16}{'worst error':>13}")
for name, array in things.items():
    largest = abs(credit[name]).max()
    print(f"{name:8}{array.shape!s:>10}{array.size:>9}{largest:>16.3f}{worst[name]:>13.0e}")

# %% [markdown]
# ## 4. Why this cell remembers
#
# In a plain network each step back multiplies the credit by a whole matrix and by a slope below
# one. Here it can take the path of c alone:  dc_prev = dc * f.  If the gate f is near 1, the credit
# comes through unharmed. That is why the package starts with a forget bias of 1.

# %%
print("\n4. Why this cell remembers")
steps = np.arange(51)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for bias, style in ((0, ":"), (1, "--"), (3, "-"), (5, "-.")):
    f_gate = 0.5 * (1 + np.tanh(bias / 2))
    ax.semilogy(steps, f_gate ** steps, style, linewidth=2,
                label=f"forget bias {bias}: f = {f_gate:.3f}")
ax.set(xlabel="steps back", ylabel="part of the credit that is left",
       title="Along the memory cell: one factor f a step")
ax.legend()
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
fig.savefig("tutorials/out/02_one_lstm_step.png", dpi=100)
print("\nThe picture: tutorials/out/02_one_lstm_step.png")
half_life = np.log(0.5) / np.log(0.5 * (1 + np.tanh(np.array([1, 5]) / 2)))
print(f"half of the credit is gone after {half_life[0]:.1f} steps (bias 1)",
      f"or {half_life[1]:.0f} steps (bias 5)")
assert half_life[0] < 3 and half_life[1] > 100

# %% [markdown]
# **Try it.** Plant a bug in `by_table`: use c in place of c_prev for df. Which assert finds it?
