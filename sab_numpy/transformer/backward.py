"""Backward: forward.py, read from the end. dh is the credit of the residual stream, rows (R, H):
each half of a layer adds what flows through it; what it adds to flows on.

    softmax   da = w (dw - s.ds)         the line of SAB's recall: w (M.ds - s.ds)
    norm      dh = scale (dh_hat - mean(dh_hat) - h_hat mean(dh_hat h_hat))
"""

from sab_numpy.core.backend import namespace
from sab_numpy.transformer.forward import split
from sab_numpy.transformer.params import layer


def backward(dy, tape):
    """Gradients of the loss by every parameter: a dict with the names and shapes of params.

    dy   (T, B, n_out), the loss by y
    Raises ValueError for a wrong shape.
    """
    params, cfg, (x, layers, norm, h), _ = tape
    xp, grads, (T, B, H) = namespace(dy, *params.values()), {}, h.shape
    if dy.shape != (T, B, cfg.n_out):
        raise ValueError(f"dy: expected shape {(T, B, cfg.n_out)}, found {dy.shape}")
    dy = dy.reshape(T * B, -1).astype(h.dtype, copy=False)                 # (R, O)

    # y = norm(h) V + b_y
    grads["b_y"] = dy.sum(0)
    du, grads["V"] = product_backward(dy, norm.u, params["V"])
    dh, grads["gain"], grads["shift"] = norm_backward(du, norm, params["gain"])

    for l in reversed(range(cfg.n_layers)):
        (attention, thought), W = layers[l], layer(params, l)
        dh, of_layer = think_backward(dh, W, thought)
        dh, more = attend_backward(xp, dh, W, attention, T, cfg.n_heads)
        for name, gradient in (of_layer | more).items():
            grads.setdefault(name, xp.empty_like(params[name]))[l] = gradient

    # h = x W_x + P: a position is that of every sequence
    grads["P"] = xp.zeros_like(params["P"])
    grads["P"][:T] = dh.reshape(T, B, H).sum(1)
    grads["W_x"] = x.T @ dh
    return {name: grads[name] for name in params}


def think_backward(dh, W, thought):
    """think, last line first: (dh, gradients of its parameters)."""
    norm, f = thought
    df, dW_2 = product_backward(dh, f, W["W_2"])               # h + f W_2 + b_2
    dz = df * (f.real > 0)                                     # f = z where z > 0, else 0
    du, dW_1 = product_backward(dz, norm.u, W["W_1"])          # z = u W_1 + b_1
    through, dgain, dshift = norm_backward(du, norm, W["gain_2"])    # u = norm(h)
    return dh + through, {"W_1": dW_1, "b_1": dz.sum(0), "W_2": dW_2, "b_2": dh.sum(0),
                          "gain_2": dgain, "shift_2": dshift}


def attend_backward(xp, dh, W, attention, T, N):
    """attend, last line first: (dh, gradients of its parameters)."""
    norm, q, k, v, w, s = attention
    root = q.shape[3] ** -0.5
    ds, dW_o = product_backward(dh, s, W["W_o"])               # h + s W_o
    ds, s = split(ds, 1, T, N)[0], split(s, 1, T, N)[0]        # (B, N, T, d)
    dqkv = xp.empty((len(dh), 3 * dh.shape[1]), dh.dtype)      # (R, 3H)
    dq, dk, dv = split(dqkv, 3, T, N)                          # views of it
    dv[...] = w.swapaxes(2, 3) @ ds                            # s = w v
    da = ds @ v.swapaxes(2, 3)                                 # dw, (B, N, T, T)
    da -= (s * ds).sum(3, keepdims=True)                       # w = softmax(a)
    da *= w                                                    #   w (dw - s.ds); later steps: w = 0
    dq[...] = da @ k * root                                    # a = q k^T / sqrt(d)
    dk[...] = da.swapaxes(2, 3) @ q * root
    du, dW_qkv = product_backward(dqkv, norm.u, W["W_qkv"])    # q, k, v = split(u W_qkv)
    through, dgain, dshift = norm_backward(du, norm, W["gain_1"])    # u = norm(h)
    return dh + through, {"W_qkv": dW_qkv, "W_o": dW_o, "gain_1": dgain, "shift_1": dshift}


def norm_backward(du, norm, gain):
    """layer_norm, last line first: (dh, dgain, dshift)."""
    h_hat, scale, _ = norm
    dh_hat = du * gain                                         # u = h_hat gain + shift
    along = (dh_hat * h_hat).mean(1, keepdims=True)            # h_hat = centred scale(centred)
    dh = scale * (dh_hat - dh_hat.mean(1, keepdims=True) - h_hat * along)
    return dh, (du * h_hat).sum(0), du.sum(0)


def product_backward(dz, u, W):
    """z = u W: (du, dW)."""
    return dz @ W.T, u.T @ dz
