import numpy as np
from earlier_10 import clip_gradients, loss_and_gradients

EXERCISE = 10
EXERCISE_SET = 2


def training_step(params, m, v, step, x, targets, learning_rate, max_norm):
    loss, grads = loss_and_gradients(params, x, targets)
    norm, grads = clip_gradients(grads, max_norm)
    step = step + 1
    new_params, new_m, new_v = {}, {}, {}
    for name in params:
        new_m[name] = 0.9 * m[name] + 0.1 * grads[name]
        new_v[name] = 0.999 * v[name] + 0.001 * grads[name] ** 2
        m_hat = new_m[name] / (1 - 0.9 ** step)
        v_hat = new_v[name] / (1 - 0.999 ** step)
        new_params[name] = params[name] - learning_rate * m_hat / (np.sqrt(v_hat) + 1e-8)
    return loss, new_m, new_v, new_params, step
