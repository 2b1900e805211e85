import numpy as np

EXERCISE = 9
EXERCISE_SET = 2


def clip_gradients(grads, max_norm):
    total = 0.0
    for name in grads:
        total += np.sum(grads[name] ** 2)
    norm = np.sqrt(total)
    clipped = {}
    for name in grads:
        clipped[name] = grads[name].copy()
        if norm > max_norm:
            clipped[name] = clipped[name] * max_norm / norm
    return norm, clipped
