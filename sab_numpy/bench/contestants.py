"""What `sab bench` times: our train step, its floor and PyTorch's, all on the same batch of a task.

A step is a function of `now`, a clock; it returns the moment between the loss and the backward pass.
"""

import time

import numpy as np

from sab_numpy.bench.floor import Floor
from sab_numpy.core import backend
from sab_numpy.core.backward import backward
from sab_numpy.core.config import Config
from sab_numpy.core.forward import forward
from sab_numpy.core.params import init_params
from sab_numpy.tasks import copying, task
from sab_numpy.training.parallel import Team

MODELS = {  # n_in, n_hidden, n_out, and SAB's k_trunc, k_top, k_att
    "LSTM": lambda *sizes, ks: Config.full_bptt(*sizes),
    "TBPTT": lambda *sizes, ks: Config.truncated_bptt(*sizes, k_trunc=ks[0]),
    "SAB": lambda *sizes, ks: Config.sab(*sizes, k_trunc=ks[0], k_top=ks[1], k_att=ks[2]),
    "self-attention": lambda *sizes, ks: Config.self_attention(*sizes, k_att=ks[2]),
}
KS = [5, 5, 2]
PEERS = {"torch.nn.LSTM": "LSTM", "SAB in PyTorch": "SAB", "SAB in PyTorch, own reads": "SAB"}


def config(model, spec):
    """The Config of a model on the task of `spec` (copying where it names none)."""
    problem = task(spec.get("task", "copying"))
    return MODELS[model](problem.N_IN, spec["H"], problem.N_OUT, ks=spec.get("sab", KS))


def batch(model, spec):
    """(cfg, params, x, targets, loss): a batch of the task, symbols one-hot, float32, on the CPU."""
    rng, problem, cfg = np.random.default_rng(0), task(spec.get("task", "copying")), config(model, spec)
    if hasattr(problem, "segment"):
        x, targets, _ = problem.segment(0, spec["T"], spec["B"])
    else:
        x, targets = problem.sequences(spec["T"], spec["B"], rng)
    x = x if x.ndim == 3 else np.eye(cfg.n_in, dtype=np.float32)[x]
    return cfg, init_params(cfg, rng, dtype=np.float32), x, targets, problem.loss


class TimedLoss:
    """A loss, and the moment at which it was done."""

    def __init__(self, loss, now):
        self.loss, self.now = loss, now

    def __call__(self, y, targets):
        found = self.loss(y, targets)
        self.moment = self.now()
        return found


def ours(model, spec, name):
    """Our train step on backend `name`. As in training, the tape of a step is given back to the next one."""
    cfg, *arrays, loss = batch(model, spec)
    params, x, targets = backend.to_backend(arrays, name)
    if spec["threads"] > 1:
        loss = TimedLoss(loss, time.perf_counter)  # of the part that this process takes
        team = Team(cfg, spec["threads"], loss, pin=True)

        def step(now):
            team.loss_and_gradients(params, x, targets)
            return loss.moment

        return step
    tape = None

    def step(now):
        nonlocal tape
        timed = TimedLoss(loss, now)
        y, tape = forward(params, x, cfg, checkpoint=spec["checkpoint"], reuse=tape)
        backward(timed(y, targets)[1], tape)
        return timed.moment

    return step


def products(model, spec):
    """The floor of the same model: its matrix products alone; of several processes, one part of the batch."""
    floor = Floor(
        config(model, spec),
        task(spec.get("task", "copying")).steps(spec["T"]),
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
    cfg, params, x, targets, _ = batch(PEERS[name], spec)
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
