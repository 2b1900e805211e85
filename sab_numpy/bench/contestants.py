"""What `sab bench` times: our train step, its floor and PyTorch's, all on the same batch of the copying task.

A step is a function of `now`, a clock; it returns the moment between the loss and the backward pass.
"""

import time

import numpy as np

from sab_numpy.bench.floor import Floor
from sab_numpy.core import backend
from sab_numpy.core.backward import backward
from sab_numpy.core.config import Config
from sab_numpy.core.forward import forward
from sab_numpy.core.losses import softmax_cross_entropy
from sab_numpy.core.params import init_params
from sab_numpy.tasks import copying
from sab_numpy.training.parallel import Team

D, O = copying.N_IN, copying.N_OUT
MODELS = {
    "LSTM": lambda H: Config.full_bptt(D, H, O),
    "TBPTT": lambda H: Config.truncated_bptt(D, H, O, k_trunc=5),
    "SAB": lambda H: Config.sab(D, H, O, k_trunc=5, k_top=5, k_att=2),
    "self-attention": lambda H: Config.self_attention(D, H, O, k_att=2),
}
PEERS = {"torch.nn.LSTM": "LSTM", "SAB in PyTorch": "SAB", "SAB in PyTorch, own reads": "SAB"}


def problem(model, spec):
    """(cfg, params, x, targets): a batch of the copying task, one-hot, float32, on the CPU."""
    rng = np.random.default_rng(0)
    cfg = MODELS[model](spec["H"])
    x, targets = copying.sequences(spec["T"], spec["B"], rng)
    return cfg, init_params(cfg, rng, dtype=np.float32), np.eye(D, dtype=np.float32)[x], targets


class TimedLoss:
    """The loss, and the moment at which it was done."""

    def __init__(self, now):
        self.now = now

    def __call__(self, y, targets, mask=None):
        found = softmax_cross_entropy(y, targets, mask)
        self.moment = self.now()
        return found


def ours(model, spec, name):
    """Our train step on backend `name`. As in training, the tape of a step is given back to the next one."""
    cfg, *arrays = problem(model, spec)
    params, x, targets = backend.to_backend(arrays, name)
    if spec["threads"] > 1:
        loss = TimedLoss(time.perf_counter)  # of the part that this process takes
        team = Team(cfg, spec["threads"], loss, pin=True)

        def step(now):
            team.loss_and_gradients(params, x, targets)
            return loss.moment

        return step
    tape = None

    def step(now):
        nonlocal tape
        loss = TimedLoss(now)
        y, tape = forward(params, x, cfg, checkpoint=spec["checkpoint"], reuse=tape)
        backward(loss(y, targets)[1], tape)
        return loss.moment

    return step


def products(model, spec):
    """The floor of the same model: its matrix products alone; of several processes, one part of the batch."""
    floor = Floor(
        MODELS[model](spec["H"]),
        spec["T"] + 2 * copying.WIDTH,
        -(-spec["B"] // spec["threads"]),
        np.random.default_rng(0),
    )

    def step(now):
        floor.forward()
        middle = now()
        floor.backward()
        return middle

    return step


def peer(name, spec):
    """PyTorch's train step; its gradients are thrown away at the start, not zeroed."""
    import torch

    from sab_numpy.bench import torch_sab

    torch.set_num_threads(spec["threads"])
    device = "cuda" if spec["backend"] == "cupy" else "cpu"
    cfg, params, x, targets = problem(PEERS[name], spec)
    x, targets = torch.tensor(x, device=device), torch.tensor(targets, device=device)
    if name == "torch.nn.LSTM":
        module = torch_sab.PlainLSTM(params, device)
        leaves, run = module.parameters(), module.forward
    else:
        params = torch_sab.to_torch(params, device)
        leaves = list(params.values())

        def run(x):
            return torch_sab.forward(params, x, cfg, own_reads="own reads" in name)

    def step(now):
        for leaf in leaves:
            leaf.grad = None
        loss = torch_sab.loss(run(x), targets)
        middle = now()
        loss.backward()
        return middle

    return step


def remind_of_the_input(params, H):
    """Make every score the product of unit 0 of a microstate and unit 1 of the query, in place.

    Unit 1 is always on. Unit 0 is 0.3 where a symbol is read and -0.76 where a blank or the marker is: a recall
    adds what the input's states hold, and a state of the wait still stays below them.
    """
    params["W_h"].reshape(H, 4, H)[:, :, :2] = 0
    gates_x, gates_b = params["W_x"].reshape(-1, 4, H), params["b"].reshape(4, H)
    gates_x[:, :, :2] = 0
    gates_b[:, :2] = np.array([[9], [-9], [9], [9]])  # i open, f shut, g = 1, o open: 0.76
    gates_x[:, 2, 0] = -18  # g = -1
    gates_x[1 : copying.MARKER, 2, 0] = -9 + 0.3  # g = 0.3
    params["W_q"][:] = 0
    params["W_q"][1, 0] = np.sqrt(H)
