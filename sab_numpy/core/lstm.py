"""One step of an LSTM, and the same step backwards.

    i, f, o = sigmoid(z),   g = tanh(z)              z = x W_x + h_prev W_h + b
    c = f * c_prev + i * g
    h_hat = o * tanh(c)

The parameters have the gates side by side, i f g o. Inside a step they are stacked, (4, B, H), in
the order i f o g: each gate is contiguous and the three sigmoids are one array. As sigmoid(z) is
(1 + tanh(z/2)) / 2, one tanh serves all four where i, f and o come with half their z.
"""

from sab_numpy.core.backend import gate_kernel

INSIDE = (0, 1, 3, 2)                              # i f g o -> i f o g, and back


def stack_gates(xp, W, halve=False):
    """(R, 4H), gates side by side -> (4, R, H); halve: those of the sigmoids."""
    H = W.shape[1] // 4
    stacked = xp.stack([W[:, k * H:(k + 1) * H] for k in INSIDE])
    if halve:
        stacked[:3] *= 0.5
    return stacked


def unstack_gates(xp, W):
    """(4, R, H) -> (R, 4H): undoes stack_gates."""
    return xp.concatenate([W[k] for k in INSIDE], axis=1)


def lstm_step(xp, z, c_prev, step):
    """Of z (4, B, H), sigmoids' halved, and c_prev (B, H): fills step's gates, c, tanh_c, h_hat."""
    gates, c, tanh_c, h_hat = step.gates, step.c, step.tanh_c, step.h_hat
    if fused := gate_kernel(xp, "forward"):                    # on a GPU: the same in one kernel
        return fused(*z, c_prev, *gates, c, tanh_c, h_hat)
    xp.tanh(z, out=gates)
    sigmoids = gates[:3]
    sigmoids *= 0.5
    sigmoids += 0.5
    i, f, o, g = gates
    xp.multiply(f, c_prev, out=c)
    c += i * g
    xp.tanh(c, out=tanh_c)
    xp.multiply(o, tanh_c, out=h_hat)


def lstm_step_backward(xp, dh_hat, dc_local, step, dz, slopes):
    """Of dh_hat, dc_local (B, H): fills dz (4, B, H), returns dc_prev. slopes: scratch like dz."""
    gates, c_prev, tanh_c = step.gates, step.c_prev, step.tanh_c
    if fused := gate_kernel(xp, "backward"):
        fused(dh_hat, dc_local, *gates, c_prev, tanh_c, *dz, dc_prev := xp.empty_like(dc_local))
        return dc_prev
    i, f, o, g = gates
    di, df, do, dg = dz
    xp.multiply(dh_hat, tanh_c, out=do)                        # h_hat = o * tanh(c)
    dc = dc_local + (dh_hat - do * tanh_c) * o                 #   dtanh_c (1 - tanh_c^2)
    xp.multiply(dc, g, out=di)                                 # c = f * c_prev + i * g
    xp.multiply(dc, c_prev, out=df)
    xp.multiply(dc, i, out=dg)
    xp.multiply(gates, gates, out=slopes)                      # i, f, o = sigmoid(z): i - i^2
    xp.subtract(gates[:3], slopes[:3], out=slopes[:3])
    xp.subtract(1, slopes[3], out=slopes[3])                   # g = tanh(z):          1 - g^2
    dz *= slopes
    return dc * f
