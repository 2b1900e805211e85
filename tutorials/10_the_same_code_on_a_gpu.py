# %% [markdown]
# # The same code on a GPU
#
# *15 minutes. You need: tutorial 07, and no GPU: without one every cell runs on NumPy.*
# *You will see: one forward and one backward that run where their arrays live; what a GPU is bad
# at (many small steps, and being asked questions); and a measured table of when a larger batch
# pays, on this machine.*

# %%
import os
import time
from pathlib import Path

# before numpy: two threads on a busy machine blur a timing
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import matplotlib.pyplot as plt
import numpy as np

import sab_numpy as sab
from sab_numpy.core import backend, optim

QUICK = os.environ.get("SAB_QUICK") == "1"
HERE = backend.available()
print("this machine has:", ", ".join(HERE))
if "cupy" not in HERE:
    try:
        backend.require("cupy")
    except ValueError as reason:
        print("and for a GPU:", reason)

# %% [markdown]
# ## 1. The arrays decide
#
# There is no switch to set. The package asks its parameters where they live, and uses that module's
# functions for everything that follows: `numpy` for arrays in the computer's memory, `cupy` for
# arrays on an NVIDIA GPU. CuPy is a NumPy for GPUs with the same function names, so the lines of
# the model are the same lines.

# %%
print("\n1. The arrays decide")
cfg = sab.Config.sab(n_in=6, n_hidden=24, n_out=6, k_trunc=4, k_top=3, k_att=4)
rng = np.random.default_rng(7)
params = sab.init_params(cfg, rng)
x = rng.integers(6, size=(23, 8))                           # (T, B) integer symbols
targets = rng.integers(6, size=(23, 8))                     # (T, B)

there, x_there, targets_there = sab.to_backend((params, x, targets), "auto")
xp = backend.namespace(*there.values())
print("parameters live in", xp.__name__)
assert xp is backend.require("auto")                         # a GPU where there is one
assert backend.namespace(*params.values()) is np            # the originals stayed where they were

# %% [markdown]
# Random numbers are always drawn on the CPU and moved afterwards. A GPU draws other numbers from
# the same seed, so this is what keeps "seed 7" the same experiment everywhere.
#
# Now one step of training in both places: forward, loss, backward. In float64 they agree to the
# tenth digit; not to the last bit, because a GPU adds up the terms of a matrix product in another
# order. (Without a GPU both places are the same place, and the difference is zero.)

# %%
def credit(params, x, targets):
    """The loss and its gradient, wherever the arrays are."""
    y, tape = sab.forward(params, x, cfg)
    loss, dy = sab.softmax_cross_entropy(y, targets)
    return loss, sab.backward(dy, tape)


loss, grads = credit(params, x, targets)
loss_there, grads_there = credit(there, x_there, targets_there)
back = sab.to_backend(grads_there, "numpy")
scale = max(abs(g).max() for g in grads.values())
difference = max(abs(grads[name] - back[name]).max() for name in grads) / scale
print(f"loss {float(loss):.6f} here, {float(loss_there):.6f} there;",
      f"largest difference of a gradient {difference:.1e}")
assert abs(float(loss) - float(loss_there)) < 1e-10 and difference < 1e-10

# %% [markdown]
# ## 2. Arrays of two places do not mix
#
# CuPy refuses to add a NumPy array to its own, rather than moving one behind your back. The
# package refuses too, at the door and in one line. (Without a GPU there is only one place here,
# and nothing to refuse.)

# %%
print("\n2. Arrays of two places do not mix")
try:
    backend.namespace(params["W_h"], there["W_h"])
    refused = None
except ValueError as error:
    refused = str(error)
print("refused:", refused or "nothing, there is one place only")
assert bool(refused) == (xp is not np)

# %% [markdown]
# ## 3. Do not ask the GPU questions
#
# A GPU works through a queue. The computer puts in orders ("multiply these") without waiting,
# and runs ahead. As soon as it asks for a *number*, with `float(loss)`, `if (x > 0).any()`,
# or by printing, it must wait until the queue is empty, and then the GPU waits for the
# computer. So nothing inside a step of this package asks: the loss is a 0-d array until
# somebody wants to read it, and values are checked on the CPU, before they move. A training
# loop asks once an update at most.

# %%
print("\n3. Do not ask the GPU questions")
print("the loss is", type(loss_there).__module__.partition(".")[0], type(loss_there).__name__)
state, losses = optim.adam_init(there), []
for update in range(5 if QUICK else 30):
    loss_there, grads_there = credit(there, x_there, targets_there)
    there, state, norm = optim.adam_step(there, grads_there, state, 1e-2, clip=1.0)
    losses.append(loss_there)                               # an order in the queue, not a question
losses = [float(loss) for loss in losses]                   # the questions, at the end
print(f"loss {losses[0]:.3f} before, {losses[-1]:.3f} after {len(losses)} updates")
assert losses[-1] < losses[0]

# %% [markdown]
# ## 4. When does it pay?
#
# A recurrent network takes its T steps one after the other, and each is a dozen small operations.
# Every operation has a fixed price, whatever its size: on the CPU a call from Python, on a GPU the
# launch of a kernel. With a batch of one you pay almost nothing but fixed prices. With a larger
# batch the same calls do more work, until the work itself is what costs. That is the whole question
# of "when does a GPU pay": is there enough work in each small step to hide the fixed prices, which
# are higher there, and to use its width?
#
# Here is the measurement, on this machine. The column of a GPU says "not measured" where there is
# none.

# %%
print("\n4. When does it pay?")


def sequences_per_second(name, B, H, repeats):
    """Speed of one training step, the fastest of `repeats` after one to warm up."""
    cfg = sab.Config.sab(n_in=6, n_hidden=H, n_out=6, k_trunc=5, k_top=3, k_att=5)
    rng = np.random.default_rng(0)
    tree = (sab.init_params(cfg, rng, dtype=np.float32),
            rng.integers(6, size=(40, B)), rng.integers(6, size=(40, B)))
    params, x, targets = sab.to_backend(tree, name)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        y, tape = sab.forward(params, x, cfg)
        _, dy = sab.softmax_cross_entropy(y, targets)
        float(sab.backward(dy, tape)["b"].sum())            # a question: wait until all is computed
        seconds.append(time.perf_counter() - start)
    return B / min(seconds[1:])


H = 32                                                      # <- change me
batches = (1, 8, 64) if QUICK else (1, 4, 16, 64, 256)
speed = {name: [sequences_per_second(name, B, H, 3 if QUICK else 7) for B in batches]
         for name in HERE}

print(f"{'batch':>6} {'numpy':>14} {'cupy':>14}   sequences per second (T=40, H={H}, float32)")
for row, B in enumerate(batches):
    columns = [f"{speed[name][row]:>14.0f}" if name in speed else f"{'not measured':>14}"
               for name in backend.BACKENDS]
    print(f"{B:>6} " + " ".join(columns))
assert max(speed["numpy"]) > 2 * speed["numpy"][0]          # a larger batch shares the fixed prices

crossover = [B for row, B in enumerate(batches)
             if "cupy" in speed and speed["cupy"][row] > speed["numpy"][row]]
print("a GPU is ahead:", "not measured" if "cupy" not in speed else
      f"from a batch of {crossover[0]}" if crossover else "at none of these batches")

# %%
figure, axes = plt.subplots(figsize=(6, 4))
for name, marker in zip(speed, "os", strict=False):
    axes.loglog(batches, speed[name], marker=marker, label=name)
axes.loglog(batches, [speed["numpy"][0] * B for B in batches], linestyle=":", color="grey",
            label="fixed prices only (work for nothing)")
axes.set_xlabel("batch size B (sequences)")
axes.set_ylabel("speed (sequences per second)")
axes.set_title("A larger batch shares the fixed price of a step")
axes.legend()
figure.tight_layout()
Path("tutorials/out").mkdir(parents=True, exist_ok=True)
figure.savefig("tutorials/out/10_batch_and_speed.png", dpi=100)
print("\nThe picture: tutorials/out/10_batch_and_speed.png")

# %% [markdown]
# ## What to take away
#
# * Move the parameters with `sab.to_backend(params, "cupy")` and the data with them; nothing else
#   changes.
# * On the command line it is `--backend cupy`, or `auto`: a GPU where there is one.
# * Raise the batch first. Ask for numbers rarely. Draw on the CPU.
#
# **Try it.** Change `H` in section 4 from 32 to 128. Does the curve leave the dotted line
# earlier or later, and why?
