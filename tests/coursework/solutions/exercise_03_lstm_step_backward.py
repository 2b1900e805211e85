import numpy as np

EXERCISE = 3
EXERCISE_SET = 2


def lstm_step_backward(dh_hat, dc, x, h_prev, c_prev, i, f, g, o, c, W_x, W_h):
    H = h_prev.shape[1]
    dc_next = dc
    dc = dh_hat * o * (1 - np.tanh(c) ** 2)
    dc = dc + dc_next
    do = dh_hat * np.tanh(c)
    di = dc * g
    df = dc * c_prev
    dg = dc * i
    dc_prev = dc * f
    dz = np.zeros((len(x), 4 * H))
    dz[:, :H] = di * i * (1 - i)
    dz[:, H:2 * H] = df * f * (1 - f)
    dz[:, 2 * H:3 * H] = dg * (1 - g ** 2)
    dz[:, 3 * H:] = do * o * (1 - o)
    dW_x = np.dot(x.T, dz)
    dW_h = np.dot(h_prev.T, dz)
    db_i, db_f, db_g, db_o = [dz[:, n * H:(n + 1) * H].sum(0) for n in range(4)]
    db = np.concatenate([db_i, db_f, db_g, db_o])
    dx = np.dot(dz, W_x.T)
    dh_prev = np.dot(dz, W_h.T)
    return dz, dc_prev, dx, dh_prev, dW_x, dW_h, db
