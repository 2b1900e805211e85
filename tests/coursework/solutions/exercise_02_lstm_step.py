import numpy as np

EXERCISE = 2
EXERCISE_SET = 2


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_step(x, h_prev, c_prev, W_x, W_h, b):
    H = h_prev.shape[1]
    z = x.dot(W_x) + h_prev.dot(W_h)
    i = sigmoid(z[:, :H] + b[:H])
    f = sigmoid(z[:, H:2 * H] + b[H:2 * H])
    g = np.tanh(z[:, 2 * H:3 * H] + b[2 * H:3 * H])
    o = sigmoid(z[:, 3 * H:] + b[3 * H:])
    c = f * c_prev + i * g
    h = o * np.tanh(c)
    return i, f, g, o, c, h
