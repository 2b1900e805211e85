"""Exercise 9: clipping by the global norm

Gradients of recurrent networks sometimes explode. One length is taken over all of them together; if it is above
max_norm, all are shrunk by the same factor, so the direction stays. (Why they explode: tutorial 01; a clipped gradient:
tutorial 01a, section 4.)

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
EXERCISE_SET = 2


def clip_gradients(grads, max_norm):
    """grads a dict of arrays of any shape, max_norm a float  ->  norm (a float, before clipping), clipped (a dict)."""
    raise NotImplementedError("exercise 9")


# ---- students get what is above this line ----

MINUTES, POINTS, TUTORIAL = 10, 5, "01a_the_model"
PACKAGE = "core/optim.py: clip_gradients"
OUTPUTS = ("norm", "clipped")
HINTS = (
    "One norm for the whole dict: add the squares of all arrays first, take one root at the end.",
    "scale = min(1, max_norm / norm): a small gradient is never made larger.",
    "{name: scale * value for name, value in grads.items()} makes new arrays; *= would change those of the caller.",
)
EXAMPLE = dict(grads=dict(W=[[3.0, 0.0]], b=[4.0]), max_norm=1.0)


def cases(rng):
    for scale, max_norm in ((3.0, 1.0), (0.05, 2.0), (1.0, 2.5), (0.3, 4.0)):    # the last: 1 < norm < max_norm
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
    ("norm: the sum of the absolute values; expected the root of the sum of squares",
     "np.sqrt(sum((value**2).sum() for value in grads.values()))", "sum(abs(value).sum() for value in grads.values())"),
    ("norm: the largest absolute value; expected the root of the sum of squares",
     "np.sqrt(sum((value**2).sum() for value in grads.values()))", "max(abs(value).max() for value in grads.values())"),
    ("norm: divided by the root of the number of arrays (a mean); expected the sum of all squares",
     "for value in grads.values()))", "for value in grads.values()) / len(grads))"),
    ("norm: divided by the root of the number of entries (a mean); expected the sum of all squares",
     "for value in grads.values()))", "for value in grads.values()) / sum(value.size for value in grads.values()))"),
    ("norm: the last array alone counts: = for += in the loop over the names", "sum((value**2).sum() for value",
     "max((value**2).sum() for value in list(grads.values())[-1:]) + 0 * sum((value**2).sum() for value"),
    ("norm: the mean of the squares; expected their sum", "(value**2).sum()", "(value**2).mean()"),
    ("norm is returned after clipping; expected the norm before", "clipped = {",
     "norm_before, norm = norm, norm * scale; clipped = {"),
    ("each array is clipped by its own norm; expected one norm over all of them, so that the direction stays",
     "scale * value for",
     "min(1.0, max_norm / np.sqrt((value**2).sum())) * value for"),
    ("a norm below max_norm is scaled up, too; small gradients never become larger", "min(1.0, max_norm / norm)",
     "max_norm / norm"),
    ("the factor max_norm / norm is there twice, or squared", "min(1.0, max_norm / norm)",
     "min(1.0, max_norm / norm)**2"),
    ("the factor is max_norm / norm**2: the root is forgotten there", "min(1.0, max_norm / norm)",
     "(max_norm / norm**2 if norm > max_norm else 1.0)"),
    ("1e-6 is added to the norm: the factor is max_norm / norm", "max_norm / norm)", "max_norm / (norm + 1e-6))"),
    ("one array alone is clipped (a condition, or a line outside of the loop?)", "{name: scale * value for",
     "{name: scale * value if name == 'W' else value for"),
    ("one array alone is clipped (a condition, or a line outside of the loop?)", "{name: scale * value for",
     "{name: scale * value if name == 'b' else value for"),
    ("clipped holds absolute values: the signs are lost", "scale * value for", "scale * abs(value) for"),
    ("max_norm / norm is subtracted; expected a product", "scale * value for",
     "value - max_norm / norm * (norm > max_norm) for"),
    ("arrays are clipped where their largest entry is above max_norm; expected where the norm is", "scale * value for",
     "(value if abs(value).max() <= max_norm else scale * value) for"),
    ("gradients are clipped where norm is above 1; expected above max_norm", "min(1.0, max_norm / norm)",
     "(max_norm / norm if norm > 1 else 1.0)"),
    ("nothing is clipped", "min(1.0, max_norm / norm)", "1.0"),
    ("the gradients become 1 / norm long: the factor max_norm is missing", "min(1.0, max_norm / norm)",
     "(1 / norm if norm > max_norm else 1.0)"),
    ("entries are clipped one by one; expected one factor for all, so that the direction stays", "scale * value for",
     "np.clip(value, -max_norm, max_norm) for"),
    ("clipped the wrong way round: gradients are shrunk when norm is below max_norm", "min(1.0, max_norm / norm)",
     "(max_norm / norm if norm < max_norm else 1.0)"),
)
