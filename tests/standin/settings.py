"""Every setting of the model in small, and every way of calling it, for the stand-in and for a real GPU."""

from itertools import product

import numpy as np

import sab_numpy as sab
from sab_numpy.core import optim
from sab_numpy.core.config import NORMALISERS, SCORES

from . import watch

SIZES, T, B = (4, 5, 3), 11, 3  # D, H, O; T is no multiple of k_trunc or k_att
PRESETS = {
    "bptt": sab.Config.full_bptt,
    "tbptt": lambda *sizes, **others: sab.Config.truncated_bptt(*sizes, k_trunc=4, **others),
    "attention": lambda *sizes, **others: sab.Config.self_attention(*sizes, k_att=2, **others),
    "sab": lambda *sizes, **others: sab.Config.sab(*sizes, k_trunc=4, k_top=3, k_att=2, **others),
}


def every_setting():
    """Name -> Config: presets x scores x normalisers x mental_updates x dense_forward, without what Config refuses."""
    found = {}
    for preset, score, normalise, mental, dense in product(PRESETS, SCORES, NORMALISERS, (True, False), (False, True)):
        if dense and preset != "sab" or normalise == "relu" and (dense or preset == "attention"):
            continue
        name = f"{preset}-{score}-{normalise}" + "-constant" * (not mental) + "-dense" * dense
        found[name] = PRESETS[preset](
            *SIZES, score=score, normalise=normalise, mental_updates=mental, dense_forward=dense
        )
    return found


SETTINGS = every_setting()
SOME = [name for name in SETTINGS if "additive" not in name and "constant" not in name]
CHECKED = ["bptt-dot-softmax", "tbptt-dot-softmax", "attention-mlp-softmax", "sab-mlp-relu"]


def problem(cfg, dtype=np.float64, seed=0, steps=T):
    """Parameters with every bias random, inputs, targets and a mask, drawn on the CPU."""
    rng = np.random.default_rng(seed)
    params = sab.init_params(cfg, rng, dtype=dtype)
    params = {name: value + 0.1 * rng.standard_normal(value.shape).astype(dtype) for name, value in params.items()}
    x = rng.standard_normal((steps, B, cfg.n_in)).astype(dtype)  # (T, B, D)
    targets = rng.integers(cfg.n_out, size=(steps, B))  # (T, B)
    mask = rng.random((steps, B)) < 0.7  # (T, B)
    return params, x, targets, mask


def both(act, cfg, dtype=np.float64, steps=T):
    """act(params, x, targets, mask, cfg) on NumPy and on the backend cupy: both results on the CPU, and the events."""
    tree = problem(cfg, dtype, steps=steps)
    there = sab.to_backend(tree, "cupy")
    with watch() as events:
        found = act(*there, cfg)
    return sab.to_backend(found, "numpy"), act(*tree, cfg), events


def step(params, x, targets, mask, cfg):
    """One update: forward, loss, backward, clipping and Adam; all that it makes, by name."""
    y, tape = sab.forward(params, x, cfg)  # (T, B, O)
    loss, dy = sab.softmax_cross_entropy(y, targets, mask)
    grads = sab.backward(dy, tape)
    moved, adam, norm = optim.adam_step(params, grads, optim.adam_init(params), 1e-2, clip=0.05)
    return {"y": y, "loss": loss, "dy": dy, "grads": grads, "params": moved, "adam": adam, "norm": norm}


def with_symbols(params, x, targets, mask, cfg):
    """Whole numbers as input, all steps counted."""
    y, tape = sab.forward(params, targets, cfg)
    loss, dy = sab.softmax_cross_entropy(y, targets)
    return y, loss, sab.backward(dy, tape, inputs=True)


def with_squared_error(params, x, targets, mask, cfg):
    y, tape = sab.forward(params, x, cfg)
    loss, dy = sab.mean_squared_error(y, 0.3 * x[..., : cfg.n_out], mask)
    return loss, sab.backward(dy, tape)


def with_checkpoints(params, x, targets, mask, cfg):
    y, tape = sab.forward(params, x, cfg, checkpoint="blocks")
    return y, sab.backward(sab.softmax_cross_entropy(y, targets, mask)[1], tape)


def with_old_buffers(params, x, targets, mask, cfg):
    _, tape = sab.forward(params, 2 * x, cfg)
    y, tape = sab.forward(params, x[:-3], cfg, reuse=tape)
    return y, sab.backward(sab.softmax_cross_entropy(y, targets[:-3])[1], tape)


def with_buffers_of_numpy(params, x, targets, mask, cfg):
    here, x_here, *_ = problem(cfg)
    _, tape = sab.forward(here, x_here, cfg)
    y, tape = sab.forward(params, x, cfg, reuse=tape)
    return y, sab.backward(sab.softmax_cross_entropy(y, targets)[1], tape)


def in_two_parts(params, x, targets, mask, cfg):
    _, tape = sab.forward(params, x[:6], cfg)
    y, tape = sab.forward(params, x[6:], cfg, state=tape.final_state)
    return y, sab.backward(sab.softmax_cross_entropy(y, targets[6:])[1], tape, inputs=True)


def with_a_late_loss(params, x, targets, mask, cfg):
    """Only the last step counts: whole blocks may be out of credit's reach."""
    late = mask.copy()
    late[:-1], late[-1] = False, True
    y, tape = sab.forward(params, x, cfg)
    return sab.backward(sab.softmax_cross_entropy(y, targets, late)[1], tape)


def replayed(params, x, targets, mask, cfg):
    """The derivative of the frozen replay along a line, by a complex step, and by hand."""
    y, tape = sab.forward(params, x, cfg)
    loss, dy = sab.softmax_cross_entropy(y, targets, mask)
    grads = sab.backward(dy, tape)
    moved = {name: value + 1e-30j * (1 + 0 * value) for name, value in params.items()}
    y_moved, _ = sab.forward(moved, x, cfg, frozen=tape)
    numeric = sab.softmax_cross_entropy(y_moved, targets, mask)[0].imag / 1e-30
    return {"numeric": numeric, "by hand": sum(g.sum() for g in grads.values())}


WAYS = {
    act.__name__: act
    for act in (
        with_symbols,
        with_squared_error,
        with_checkpoints,
        with_old_buffers,
        with_buffers_of_numpy,
        in_two_parts,
        with_a_late_loss,
    )
}


def backward_there(cotangent, tape):
    """The gradient of a NumPy tape's forward, made on the backend cupy: for sab.gradcheck's backward=."""
    params, x, cotangent = sab.to_backend((tape.params, tape.x, cotangent), "cupy")
    grads = sab.backward(cotangent, sab.forward(params, x, tape.cfg)[1])
    return sab.to_backend(grads, "numpy")


def leaves(tree, name=""):
    """(name, leaf) of a tree of dicts, lists and tuples."""
    if isinstance(tree, dict):
        tree = tree.items()
    elif isinstance(tree, (list, tuple)):
        tree = enumerate(tree)
    else:
        yield name, tree
        return
    for key, value in tree:
        yield from leaves(value, f"{name}.{key}" if name else str(key))


def worst_difference(found, expected):
    """Largest error of any tensor, and its name; both trees on the CPU, of the same names, shapes and dtypes.

    Error = max|a - n| / max(max|n|, 1e-3 x the largest |n| of its branch): a gradient that cancels to rounding,
    as the query's of the additive score does, is not judged by its own size.
    """
    found, expected = ({name: np.asarray(leaf) for name, leaf in leaves(tree)} for tree in (found, expected))
    assert found.keys() == expected.keys()
    size = {name: float(np.abs(n).max(initial=0.0)) for name, n in expected.items()}
    worst = (0.0, "nothing")
    for name, n in expected.items():
        a, branch = found[name], name.partition(".")[0]
        assert a.shape == n.shape and a.dtype == n.dtype and np.isfinite(a).all(), name
        largest = max(size[other] for other in size if other.partition(".")[0] == branch)
        worst = max(worst, (float(np.abs(a - n).max(initial=0.0)) / (max(size[name], 1e-3 * largest) or 1.0), name))
    return worst
