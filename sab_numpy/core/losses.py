"""Two losses; each returns the loss and its gradient dy."""

import numpy as np

from sab_numpy.core.backend import namespace


def softmax_cross_entropy(y, targets, mask=None):
    """Mean over the counted steps of -log softmax(y)[target], in nats.

    y (T, B, O); targets (T, B) integers, 0..O-1 where they count; mask (T, B): where it is not 0.
    Returns (loss, dy). Raises ValueError for other shapes, targets out of range, an empty mask.
    """
    xp, share = _share(y, targets, mask, 2)                            # (T, B), sums to 1
    if targets.dtype.kind not in "iu":
        raise ValueError(f"targets: expected integers, found {targets.dtype}")
    asked = targets[share != 0] if xp is np else targets
    if xp is np and (asked.min() < 0 or asked.max() >= y.shape[2]):
        raise ValueError(f"targets: expected classes 0..{y.shape[2] - 1}, "
                         f"found {asked.min()}..{asked.max()}")
    shifted = y - y.real.max(2, keepdims=True)                         # (T, B, O)
    e = xp.exp(shifted)
    total = e.sum(2, keepdims=True)                                   # (T, B, 1)
    at_target = xp.arange(y.shape[2]) == targets[..., None]            # (T, B, O), one-hot
    loss = ((xp.log(total)[..., 0] - (shifted * at_target).sum(2)) * share).sum()
    return loss, (e / total - at_target) * share[..., None]


def mean_squared_error(y, targets, mask=None):
    """Mean of (y - target)**2 over the counted entries.

    y, targets (T, B, O); mask of the shape of targets or (T, B) (None: all). Returns (loss, dy).
    Raises ValueError for other shapes, non-finite targets, an empty mask.
    """
    xp, share = _share(y, targets, mask, 3)                            # (T, B, O), sums to 1
    if xp is np and not np.isfinite(targets).all():
        raise ValueError("targets: expected finite numbers, found NaN or infinity")
    difference = y - targets
    return (difference * difference * share).sum(), 2 * difference * share


def _share(y, targets, mask, axes):
    """Their module, and the weight of each counted step or entry in the mean.

    ValueError unless targets have the first axes of y, and mask these or two.
    """
    xp = namespace(y, targets, *(() if mask is None else (mask,)))
    if y.ndim != 3 or not y.size:
        raise ValueError(f"y: expected (T, B, n_out), each at least 1, found shape {y.shape}")
    shape, steps = y.shape[:axes], y.shape[:2]
    if targets.shape != shape:
        raise ValueError(f"targets: expected shape {shape}, found {targets.shape}")
    if mask is not None and mask.shape not in (shape, steps):
        raise ValueError(f"mask: expected shape {shape}{f' or {steps}' * (axes > 2)}, "
                         f"found {mask.shape}")
    if xp is np and mask is not None and not mask.any():
        raise ValueError("mask: expected at least one counted step, found none")
    counted = xp.ones(shape, y.real.dtype)
    if mask is not None:
        counted *= (mask if mask.ndim == axes else mask[..., None]) != 0
    return xp, counted / counted.sum()
