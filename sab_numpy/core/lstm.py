"""One step of an LSTM, and the same step backwards.

The four gates i f g o are kept apart, gate first, (4, B, H): every gate is then one contiguous array. All arrays
are given by the caller and written in place.

    sigmoid(z) = (1 + tanh(z/2)) / 2     so one tanh serves all four gates when i, f and o come with z/2: HALF
"""

from sab_numpy.core.backend import gate_kernel

I, F, G, O = range(4)
HALF = (0.5, 0.5, 1.0, 0.5)                                                   # g is a tanh, the others sigmoids


def split_gates(W):
    """(D, 4H), gates side by side -> (4, D, H), contiguous."""
    D, H = W.shape[0], W.shape[1] // 4
    return W.reshape(D, 4, H).swapaxes(0, 1).copy()


def join_gates(W):
    """(4, D, H) -> (D, 4H): undoes split_gates."""
    return W.swapaxes(0, 1).reshape(W.shape[1], -1)


def gate_column(xp, values, dtype):
    """One number a gate, shaped to multiply (4, B, H) or (4, D, H)."""
    column = xp.empty((4, 1, 1), dtype)
    for gate, value in enumerate(values):                                     # filled, not asarray: that would be a
        column[gate] = value                                                  # copy to the GPU inside a step
    return column


def lstm_step(xp, z, half, shift, c_prev, c, tanh_c, h_hat):
    """z (4, B, H), half * pre-activations, becomes the gates; c, tanh_c, h_hat (B, H) are written.

    c = f * c_prev + i * g,   h_hat = o * tanh(c)
    """
    if fused := gate_kernel(xp, "forward"):                                   # on a GPU: the same in one kernel
        return fused(*z, c_prev, *z, c, tanh_c, h_hat)
    xp.tanh(z, out=z)
    z *= half
    z += shift                                                                # 1 - half; now i f g o
    i, f, g, o = z
    xp.multiply(i, g, out=h_hat)                                              # h_hat lends its room for a moment
    xp.multiply(f, c_prev, out=c)
    c += h_hat
    xp.tanh(c, out=tanh_c)
    xp.multiply(o, tanh_c, out=h_hat)


def lstm_step_backward(xp, dh_hat, dc, gates, c_prev, tanh_c, dz, room):
    """From dh_hat and dc (B, H) to dz (4, B, H), the pre-activations' gradient; dc becomes dc_prev. room: like dz.

    Reverses  h_hat = o * tanh(c),   c = f * c_prev + i * g,   i, f, o = sigmoid(z),   g = tanh(z)
    """
    if fused := gate_kernel(xp, "backward"):
        return fused(dh_hat, dc, *gates, c_prev, tanh_c, *dz, dc)
    i, f, g, o = gates
    di, df, dg, do = dz
    xp.multiply(dh_hat, tanh_c, out=do)
    xp.multiply(do, tanh_c, out=di)                                           # dh_hat * o * (1 - tanh_c**2),
    xp.subtract(dh_hat, di, out=di)                                           # di lends its room for a moment
    di *= o
    dc += di
    xp.multiply(dc, g, out=di)
    xp.multiply(dc, c_prev, out=df)
    xp.multiply(dc, i, out=dg)
    dc *= f
    xp.multiply(gates, gates, out=room)                                       # sigmoid' = i - i**2
    xp.subtract(1, room[G], out=room[G])                                      # tanh'    = 1 - g**2
    for gate in (slice(I, G), slice(O, None)):
        xp.subtract(gates[gate], room[gate], out=room[gate])
    dz *= room
