"""The same model in PyTorch, its gradients by autograd: what the hand-written backward is compared with.

Written to be fast in PyTorch: x W_x for all steps at once, the memory allocated once and searched without autograd,
autograd only for the K recalled rows, fused attention and cross-entropy, one output product for the whole sequence.
PyTorch is needed for this file only; importing sab_numpy never imports it.
"""

import math

import torch
from torch.nn import functional as F


def to_torch(params, device="cpu"):
    """NumPy parameters as PyTorch leaves that collect gradients, copied."""
    return {name: torch.tensor(value, device=device, requires_grad=True) for name, value in params.items()}


class KeepRow(torch.autograd.Function):
    """memory[lo:hi] = h. The backward takes what all later reads have added to these rows of dmemory.

    `token` is a number without a meaning: it is handed from write to read to write, so that autograd runs their
    backwards in the reverse order.
    """

    @staticmethod
    def forward(ctx, h, token, memory, dmemory, lo, hi):
        memory[lo:hi] = h
        ctx.rows = dmemory[lo:hi]  # (B, H), a view
        return token.clone()

    @staticmethod
    def backward(ctx, dtoken):
        return ctx.rows.clone(), dtoken, None, None, None, None


class ReadRows(torch.autograd.Function):
    """memory[rows]; the backward adds to the same rows of dmemory and touches no others."""

    @staticmethod
    def forward(ctx, token, rows, memory, dmemory):
        ctx.dmemory, ctx.rows = dmemory, rows.reshape(-1)
        return F.embedding(rows, memory)  # (B, K, H)

    @staticmethod
    def backward(ctx, dM):
        ctx.dmemory.index_add_(0, ctx.rows, dM.reshape(-1, dM.shape[-1]))
        return dM.new_zeros(()), None, None, None


def forward(params, x, cfg, own_reads=False):
    """y (T,B,O) from x (T,B,D), both torch tensors; the parameters are those of `sab_numpy.init_params`.

    own_reads=True replaces autograd's gradient of the memory by the two functions above: autograd's own is an array
    as large as the whole memory at every read. Raises ValueError for scores other than "dot", dense reads and a budget.
    """
    if cfg.score != "dot" or cfg.k_top is None or cfg.dense_forward or cfg.budget:
        raise ValueError(
            "the PyTorch comparison knows sparse reads of all microstates with score='dot', found "
            f"score={cfg.score!r}, k_top={cfg.k_top}, dense_forward={cfg.dense_forward}, budget={cfg.budget}"
        )
    T, B, _ = x.shape
    H, K, W_h = cfg.n_hidden, cfg.k_top, params["W_h"]
    h = c = x.new_zeros(B, H)
    xW = (x.flatten(0, 1) @ params["W_x"] + params["b"]).view(T, B, 4 * H).unbind()
    n = cfg.n_empty if K else 0  # slots in use
    memory = x.new_zeros((n + T // cfg.k_att) * B if K else 0, H)  # slot n, batch row b: row n*B + b
    searched = memory.detach()  # the same numbers, unseen by autograd
    dmemory, token = torch.zeros_like(memory), x.new_zeros((), requires_grad=True)
    row = torch.arange(B, device=x.device)[:, None]
    states, summaries = [], []
    for t in range(T):
        if cfg.k_trunc and t and t % cfg.k_trunc == 0:
            h, c = h.detach(), c.detach()
        i, f, g, o = torch.addmm(xW[t], h, W_h).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        if K:
            query = h @ params["W_q"]  # (B, H)
            with torch.no_grad():
                scores = torch.bmm(query[:, None], searched[: n * B].view(n, B, H).permute(1, 2, 0))[:, 0]  # (B, n)
                slots = scores.topk(cfg.n_selected(n), sorted=True).indices
            if not cfg.mental_updates:
                M = F.embedding(slots * B + row, searched)
            elif own_reads:
                M = ReadRows.apply(token, slots * B + row, memory, dmemory)
            else:
                M = F.embedding(slots * B + row, memory)  # (B, K, H)
            s = recall(query, M, cfg)
            h = h + s
            summaries.append(s)
            if (t + 1) % cfg.k_att == 0:
                if own_reads:
                    token = KeepRow.apply(h, token, memory, dmemory, n * B, n * B + B)
                else:
                    memory[n * B : n * B + B] = h if cfg.mental_updates else h.detach()
                n += 1
        states.append(h)
    y = torch.addmm(params["b_y"], torch.cat(states), params["V_h"])
    if K:
        y = torch.addmm(y, torch.cat(summaries), params["V_s"])
    return y.view(T, B, -1)


def recall(query, M, cfg):
    """s (B,H) from the selected microstates M (B,K,H), K+1 of them for relu: the last is the threshold."""
    if cfg.normalise == "softmax":
        return F.scaled_dot_product_attention(query[:, None, None], M[:, None], M[:, None])[:, 0, 0]
    scores = torch.bmm(query[:, None], M.transpose(1, 2)) / math.sqrt(cfg.n_hidden)  # (B, 1, K+1)
    above = scores - scores[:, :, -1:]
    return torch.bmm(above / (above.sum(2, keepdim=True) + 1e-6), M)[:, 0]


def loss(y, targets):
    """Mean cross-entropy, nats, or of numbers squared error; over the last steps, as many as targets (T,B) has."""
    y = y[len(y) - len(targets) :]
    if targets.is_floating_point():
        return F.mse_loss(y, targets)
    return F.cross_entropy(y.flatten(0, 1), targets.flatten())


class PlainLSTM:
    """torch.nn.LSTM and a linear output, with the parameters of `sab_numpy.init_params` and their names."""

    def __init__(self, params, device="cpu"):
        leaves = to_torch(params, device)
        D, H, O = len(leaves["W_x"]), len(leaves["V_h"]), len(leaves["b_y"])
        self.lstm, self.linear = torch.nn.LSTM(D, H), torch.nn.Linear(H, O)
        self.names = {
            "W_x": self.lstm.weight_ih_l0,
            "W_h": self.lstm.weight_hh_l0,
            "b": self.lstm.bias_ih_l0,
            "V_h": self.linear.weight,
            "b_y": self.linear.bias,
        }
        for module in (self.lstm, self.linear):
            module.to(device, leaves["b"].dtype)
        with torch.no_grad():
            self.lstm.bias_hh_l0.zero_()
            for name, own in self.names.items():
                own.copy_(leaves[name].t())

    def parameters(self):
        return [*self.lstm.parameters(), *self.linear.parameters()]

    def forward(self, x):
        return self.linear(self.lstm(x)[0])

    def gradients(self):
        """Gradients as NumPy arrays in the shapes of `sab_numpy.init_params`."""
        return {name: own.grad.t().cpu().numpy() for name, own in self.names.items()}
