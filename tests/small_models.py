"""Small random models in every setting, and the derivative of their frozen replay by numbers: the proofs' material."""

from importlib import import_module
from itertools import product
from typing import Any, NamedTuple

import numpy as np

import sab_numpy as sab
from sab_numpy.core.config import NORMALISERS, SCORES

COMPLEX_H, CENTRAL_H = 1e-30, 1e-4

# what the recall reads x score x normaliser x mental updates, without what Config refuses or what makes no difference
READS = [
    (read, score, normalise, mental)
    for read, score, normalise, mental in product(
        ("none", "sparse", "dense", "all"), SCORES, NORMALISERS, (True, False)
    )
    if not (normalise == "relu" and read in ("dense", "all")) and not (read == "none" and not mental)
]
SETTINGS = [(*read, cut) for read in READS for cut in (False, True)]


class Problem(NamedTuple):
    cfg: Any
    params: dict
    x: Any  # (T, B, D) floats or (T, B) symbols
    state: Any  # a State, or None
    cotangent: Any  # (T, B, O), zero where no loss is
    checkpoint: Any  # as forward takes it
    chunk: int  # steps whose products are made at once


def draw(seed, read, score, normalise, mental, cut, steps=(5, 7, 7, 8), **others):
    """A Problem of this setting; everything that the setting leaves open is random."""
    rng = np.random.default_rng([seed, 1 + ("none", "sparse", "dense", "all").index(read), len(score), cut])
    D, H, O, B = (int(rng.integers(*between)) for between in ((1, 3), (2, 4), (1, 3), (1, 4)))
    T, k_att = int(rng.choice(steps)), int(rng.choice([1, 2, 2, 3]))
    cfg = sab.Config(
        D,
        H,
        O,
        **{
            "k_trunc": int(rng.choice([1, 2, 3, 3, 4])) if cut else None,
            "k_att": k_att,
            "k_top": {"none": 0, "all": None}.get(read, int(rng.integers(1, 4))),
            "score": score,
            "normalise": normalise,
            "mental_updates": mental,
            "dense_forward": read == "dense",
            "empty_slots": [None, None, 1, 2, 5][rng.integers(5)],
            **others,
        },
    )
    params = {name: value + 0.5 * rng.standard_normal(value.shape) for name, value in sab.init_params(cfg, rng).items()}
    x = rng.standard_normal((T, B, D)) if rng.random() < 0.7 else rng.integers(0, D, (T, B))
    state = sab.State(*rng.standard_normal((2, B, H)), rng.standard_normal((int(rng.integers(1, 5)), B, H)))
    cotangent = rng.standard_normal((T, B, cfg.n_out))
    cotangent *= {
        "every step": np.ones((T, B, 1)),
        "a mask": rng.random((T, B, 1)) < 0.5,
        "the last step": (np.arange(T) == T - 1)[:, None, None],
    }[rng.choice(["every step", "a mask", "the last step"])]
    cotangent[-2, 0] = 1 + rng.random(cfg.n_out)  # never no loss at all
    return Problem(
        cfg,
        params,
        x,
        state if rng.random() < 0.4 else None,
        cotangent,
        rng.choice([None, "blocks"]),
        int(rng.choice([2, 3, 4, 32])),
    )


class Model:
    """forward and backward of a package of the names of sab_numpy (or of a copy in which a bug was planted)."""

    def __init__(self, package="sab_numpy"):
        self.modules = [import_module(f"{package}.core.{name}") for name in ("forward", "backward")]
        self.forward, self.backward = self.modules[0].forward, self.modules[1].backward

    def set_chunk(self, chunk, monkeypatch):
        for module in self.modules:
            monkeypatch.setattr(module, "CHUNK", chunk)

    def analytic(self, p):
        """(gradients by hand, tape): those of the parameters, and dx, dh0, dc0 where they can be moved."""
        y, tape = self.forward(p.params, p.x, p.cfg, state=p.state, checkpoint=p.checkpoint)
        grads = self.backward(p.cotangent, tape, inputs=True)
        return {name: grads[name] for name in places(p)}, tape

    def numeric(self, p, tape, derivative):
        """The derivative of the replay of `tape` by every entry of places(p)."""

        def loss(moved):
            params = {name: moved[name] for name in p.params}
            state = p.state and p.state._replace(h=moved["dh0"], c=moved["dc0"])
            y, _ = self.forward(params, moved.get("dx", p.x), p.cfg, frozen=tape, state=state)
            return (y * p.cotangent).sum()

        return derivative(loss, places(p))


def places(p):
    """What a gradient can be taken by, under the name that backward gives it."""
    tree = dict(p.params)
    if p.x.ndim == 3:
        tree["dx"] = p.x
    if p.state is not None:
        tree |= {"dh0": p.state.h, "dc0": p.state.c}
    return tree


def complex_step(loss, point):
    """d loss / d entry of every entry: exact to rounding."""
    moved = {name: value.astype(complex) for name, value in point.items()}
    numeric = {name: np.zeros(value.shape) for name, value in point.items()}
    for name, value in point.items():
        for index in np.ndindex(value.shape):
            moved[name][index] += 1j * COMPLEX_H
            numeric[name][index] = loss(moved).imag / COMPLEX_H
            moved[name][index] = value[index]
    return numeric


def central_differences(loss, point):
    """The same from two real steps, h and h/2, extrapolated to zero."""
    moved = {name: value.copy() for name, value in point.items()}
    numeric = {name: np.zeros(value.shape) for name, value in point.items()}
    for name, value in point.items():
        for index in np.ndindex(value.shape):
            slopes = []
            for h in (CENTRAL_H, CENTRAL_H / 2):
                ends = []
                for step in (h, -h):
                    moved[name][index] = value[index] + step
                    ends.append(loss(moved))
                slopes.append((ends[0] - ends[1]) / (2 * h))
            moved[name][index] = value[index]
            numeric[name][index] = (4 * slopes[1] - slopes[0]) / 3
    return numeric


def worst_error(found, expected):
    """(largest error of any tensor, its name); error = max|a - n| / max(max|n|, 1e-3 x the largest |n| of all)."""
    assert found.keys() == expected.keys()
    largest = max(np.abs(n).max() for n in expected.values())
    assert largest > 0 and all(found[name].shape == n.shape for name, n in expected.items())
    return max(
        (float(np.abs(found[name] - n).max() / max(np.abs(n).max(), 1e-3 * largest)), name)
        for name, n in expected.items()
    )
