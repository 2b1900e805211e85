"""Exercise 9: clipping by the global norm

Gradients of recurrent networks sometimes explode. One length is taken over all of them together; if it is above
max_norm, all are shrunk by the same factor, so the direction stays.

As loops:

    total = 0
    for name in grads:
        for value in grads[name].flat:
            total += value**2
    norm = sqrt(total)
    if norm > max_norm:
        multiply every gradient by max_norm / norm
    otherwise leave every gradient as it is

Return new arrays: the ones that came in must not change.
"""

import numpy as np

EXERCISE = 9
EXERCISE_SET = 1


def clip_gradients(grads, max_norm):
    """grads a dict of arrays of any shape, max_norm a float  ->  norm (a float, before clipping), clipped (a dict)."""
    raise NotImplementedError("exercise 9")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 10, 5, "01"
OUTPUTS = ("norm", "clipped")
HINTS = (
    "One norm for the whole dict: add the squares of all arrays first, take one root at the end.",
    "scale = min(1, max_norm / norm): a small gradient is never made larger.",
    "{name: scale * value for name, value in grads.items()} makes new arrays; *= would change those of the caller.",
)


def cases(rng):
    for scale, max_norm in ((3.0, 1.0), (0.05, 2.0), (1.0, 2.5)):
        shapes = dict(W=(3, 5), b=(5,), V=(4, 2, 3))
        yield dict(grads={name: scale * rng.normal(size=shape) for name, shape in shapes.items()}, max_norm=max_norm)


def reference(grads, max_norm):
    norm = np.sqrt(sum((value**2).sum() for value in grads.values()))
    scale = min(1.0, max_norm / norm)
    clipped = {name: scale * value for name, value in grads.items()}
    return norm, clipped
