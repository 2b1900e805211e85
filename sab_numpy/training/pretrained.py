"""Trained parameters that come with the package: of each model the median of all fresh seeds, not the best."""

import os

from sab_numpy.core.config import Config, check_count
from sab_numpy.core.params import check_params
from sab_numpy.support.files import judged, load_arrays

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pretrained")


def names():
    """The models that are there."""
    found = os.listdir(FOLDER) if os.path.isdir(FOLDER) else []
    return sorted(name.removesuffix(".npz") for name in found if name.endswith(".npz"))


def about(name):
    """What is known of a model: its task's T, seed, the rank of the seed, accuracy, command. ValueError as below."""
    return _load(name)[1]


def load_pretrained(name):
    """(params, cfg) of a trained model, float32: one of copying-T100-sab and copying-T300-sab (SAB 5/5, the recipe),
    copying-T300-budget (of its states the five most surprising are kept), copying-T100-paper (the paper's cell: mlp
    score, relu), copying-T100-bptt (full BPTT, chrono biases).

    Raises ValueError, with the names that are there, for another name.
    """
    params, meta = _load(name)
    return params, Config(**meta["config"])


def _load(name):
    if name not in names():
        there = ", ".join(names()) or "none (none is there)"
        raise ValueError(f"no pretrained model {name!r}: expected one of {there}")
    path = os.path.join(FOLDER, f"{name}.npz")
    params, meta = load_arrays(path)
    with judged(path, "not a pretrained model"):
        check_params(params, Config(**meta["config"]))
        check_count("T", meta["T"], 1)
        check_count("seed", meta["seed"], 0)
        check_count("updates", meta["updates"], 0)
    return params, meta
