"""Forward: a Transformer (Vaswani et al. 2017) whose norms come first (Xiong et al. 2020).

    embed     h = x W_x + P                                     P: a learned vector per position
    attend    h = h + softmax(q k^T / sqrt(d)) v W_o            q, k, v = norm(h) W_qkv, per head
    think     h = h + relu(norm(h) W_1 + b_1) W_2 + b_2
    output    y = norm(h) V + b_y

A step attends to itself and to the steps before it: it has read what an LSTM has read by then, so
that a task asks both the same. relu, not GELU: a comparison instead of a tanh, and a slope that is
0 or 1.

Sizes   R = T*B rows, a step of a sequence each; L layers; N heads, d = H/N wide
"""

from typing import Any, NamedTuple

from sab_numpy.core.backend import namespace
from sab_numpy.core.inputs import check_input, one_hot
from sab_numpy.transformer.params import check_params, layer

LATER = -1e30        # added to the score of a later step: its weight is exp(-1e30) = 0
EPSILON = 1e-5       # of a norm's variance


class Norm(NamedTuple):
    """What a layer norm keeps."""

    h_hat: Any                 # (R, H)         mean 0, variance 1
    scale: Any                 # (R, 1)         1 / standard deviation
    u: Any                     # (R, H)         its output


class Attention(NamedTuple):
    """What the first half of a layer keeps."""

    norm: Norm
    q: Any                     # (B, N, T, d)
    k: Any                     # (B, N, T, d)
    v: Any                     # (B, N, T, d)
    w: Any                     # (B, N, T, T)   weights; of later steps 0
    s: Any                     # (R, H)         what they sum, the heads side by side


class Thought(NamedTuple):
    """What the second half keeps."""

    norm: Norm
    f: Any                     # (R, 4H)        relu(...)


class Cache(NamedTuple):
    """What is kept of all steps."""

    x: Any                     # (R, D)         symbols as one-hot
    layers: list               # of (Attention, Thought)
    norm: Norm                 # the last one
    h: Any                     # (T, B, H)      what it reads


class Tape(NamedTuple):
    """What a forward pass leaves. It refers to params and x: leave both alone until backward."""

    params: dict
    cfg: Any
    cache: Cache
    slots: None = None         # none are selected: every step that was is read


def forward(params, x, cfg):
    """Run a batch of sequences; returns (y, tape).

    params   dict of arrays (init_params); they decide dtype and backend
    x        (T, B, n_in) floats, or (T, B) integer symbols 0..n_in-1; T at most n_steps
    y        (T, B, n_out)
    Raises ValueError for wrong shapes, non-finite x, symbols out of range, too many steps.
    """
    xp, dtype, layers = namespace(*params.values()), params["P"].dtype, []
    check_params(params, cfg)
    check_input(xp, x, cfg, dtype)
    T, B = x.shape[:2]
    if T > cfg.n_steps:
        raise ValueError(f"x: expected at most {cfg.n_steps} steps, as many positions as this "
                         f"Transformer has learned, found {T}")

    # embed
    x = one_hot(xp, x, cfg.n_in, dtype).reshape(T * B, -1)                 # (R, D)
    h = (x @ params["W_x"]).reshape(T, B, -1) + params["P"][:T, None]      # (T, B, H)
    h = h.reshape(T * B, -1)                                               # (R, H)

    for l in range(cfg.n_layers):
        W = layer(params, l)
        h, attention = attend(xp, h, W, T, cfg.n_heads)
        h, thought = think(xp, h, W)
        layers.append((attention, thought))

    # output
    norm = layer_norm(xp, h, params["gain"], params["shift"])
    y = norm.u @ params["V"] + params["b_y"]                               # (R, O)
    cache = Cache(x, layers, norm, h.reshape(T, B, -1))
    return y.reshape(T, B, -1), Tape(params, cfg, cache)


def attend(xp, h, W, T, N):
    """Every step reads, in each of N heads, a mixture of the steps up to itself: (h, Attention)."""
    norm = layer_norm(xp, h, W["gain_1"], W["shift_1"])
    q, k, v = split(norm.u @ W["W_qkv"], 3, T, N)                          # (B, N, T, d)
    a = (q * q.shape[3] ** -0.5) @ k.swapaxes(2, 3)                        # (B, N, T, T)
    a += LATER * xp.triu(xp.ones((T, T), h.real.dtype), 1)
    a -= a.real.max(3, keepdims=True)
    w = xp.exp(a, out=a)
    w /= w.sum(3, keepdims=True)
    s = xp.empty_like(h)                                                   # (R, H)
    split(s, 1, T, N)[0][...] = w @ v
    return h + s @ W["W_o"], Attention(norm, q, k, v, w, s)


def think(xp, h, W):
    """Every step on its own: (h, Thought)."""
    norm = layer_norm(xp, h, W["gain_2"], W["shift_2"])
    z = norm.u @ W["W_1"] + W["b_1"]                                       # (R, 4H)
    f = z * (z.real > 0)
    return h + f @ W["W_2"] + W["b_2"], Thought(norm, f)


def layer_norm(xp, h, gain, shift):
    """Every row of h (R, H) gets mean 0 and variance 1, then a learned scale (Ba et al. 2016)."""
    centred = h - h.mean(1, keepdims=True)
    scale = 1 / xp.sqrt((centred * centred).mean(1, keepdims=True) + EPSILON)
    h_hat = centred * scale
    return Norm(h_hat, scale, h_hat * gain + shift)


def split(rows, J, T, N):
    """(R, J*H) -> (J, B, N, T, d), a view: J arrays side by side, each of N heads side by side."""
    return rows.reshape(T, len(rows) // T, J, N, -1).transpose(2, 1, 3, 0, 4)
