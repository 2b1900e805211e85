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

MINUTES, POINTS, TUTORIAL = 10, 5, "01_why_it_is_hard"
OUTPUTS = ("norm", "clipped")
HINTS = (
    "One norm for the whole dict: add the squares of all arrays first, take one root at the end.",
    "scale = min(1, max_norm / norm): a small gradient is never made larger.",
    "{name: scale * value for name, value in grads.items()} makes new arrays; *= would change those of the caller.",
)


def cases(rng):
    for scale, max_norm in ((3.0, 1.0), (0.05, 2.0), (1.0, 2.5)):
        shapes = dict(W=(3, 5), V=(4, 2, 3), b=(5,))
        yield dict(grads={name: scale * rng.normal(size=shape) for name, shape in shapes.items()}, max_norm=max_norm)


def reference(grads, max_norm):
    norm = np.sqrt(sum((value**2).sum() for value in grads.values()))
    scale = min(1.0, max_norm / norm)
    clipped = {name: scale * value for name, value in grads.items()}
    return norm, clipped


MISTAKES = (
    ("norm: the square root is missing", "norm = np.sqrt(sum((value**2).sum() for value in grads.values()))",
     "norm = sum((value**2).sum() for value in grads.values())"),
    ("norm is the sum of the norms; expected the root of the sum of all squares",
     "np.sqrt(sum((value**2).sum() for value in grads.values()))",
     "sum(np.sqrt((value**2).sum()) for value in grads.values())"),
    ("norm is the largest of the norms; expected one norm over all arrays", "np.sqrt(sum(", "np.sqrt(max("),
    ("norm: the mean of the squares; expected their sum", "(value**2).sum()", "(value**2).mean()"),
    ("norm is returned after clipping; expected the norm before", "clipped = {",
     "norm_before, norm = norm, norm * scale; clipped = {"),
    ("each array is clipped by its own norm; expected one norm over all of them, so that the direction stays",
     "scale * value for",
     "min(1.0, max_norm / np.sqrt((value**2).sum())) * value for"),
    ("a norm below max_norm is scaled up, too; small gradients never become larger", "min(1.0, max_norm / norm)",
     "max_norm / norm"),
    ("nothing is clipped", "min(1.0, max_norm / norm)", "1.0"),
    ("the gradients become 1 / norm long: the factor max_norm is missing", "max_norm / norm)", "1 / norm)"),
    ("entries are clipped one by one; expected one factor for all, so that the direction stays", "scale * value for",
     "np.clip(value, -max_norm, max_norm) for"),
    ("clipped the wrong way round: gradients are shrunk when norm is below max_norm", "min(1.0, max_norm / norm)",
     "(max_norm / norm if norm < max_norm else 1.0)"),
)
