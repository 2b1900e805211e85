"""One page, without a server, that steps through a sequence and then back through its credit."""

import json
import os
from dataclasses import replace
from importlib import resources

from sab_numpy.core.forward import forward
from sab_numpy.explore.sequence import loss_at, sequence
from sab_numpy.explore.walk import KINDS, walk
from sab_numpy.tasks import task

LARGEST = 3_000_000  # bytes of a page
LEAST = 200  # bytes of a step


def lanes(cfg):
    """The algorithms that the page shows side by side: (name, Config). Their parameters are the same."""
    k = cfg.k_trunc or 5
    recalling = replace(cfg, k_trunc=k, k_top=cfg.k_top or 5)
    return [
        ("SAB", recalling),
        ("TBPTT", replace(cfg, k_trunc=k, k_top=0, normalise="softmax", dense_forward=False)),
        ("BPTT", replace(cfg, k_trunc=None, k_top=0, normalise="softmax", dense_forward=False)),
    ]


def short(number):
    """Four digits are enough for a picture."""
    return None if number is None else float(f"{number:.4g}")


def recalls_of(tape, t):
    """What step t of the first sequence read: [[slot, weight], ...]."""
    if tape.slots is None:
        return []
    return [
        [int(slot), short(weight)]
        for slot, weight in zip(tape.slots[t, 0], tape.weights[t, 0])
        if slot >= 0 and weight > 0
    ]


def lane(name, params, cfg, x, targets, losses, problem):
    """Forward and every backward of one algorithm, as lists of numbers."""
    y, tape = forward(params, x, cfg)
    _, dy = problem.loss(y, targets)
    T = len(x)
    walks = {
        label: [
            [KINDS.index(kind), start, end, slot, short(weight), short(norm), short(total)]
            for kind, start, end, slot, weight, norm, total in walk(loss_at(dy, steps), tape)
        ]
        for label, steps in losses.items()
    }
    return {
        "name": name,
        "k_trunc": cfg.k_trunc,
        "k_top": cfg.k_top,
        "k_att": cfg.k_att,
        "n_empty": tape.memory.initial_slots,
        "says": y[:, 0].argmax(-1).tolist(),
        "recalls": [recalls_of(tape, t) for t in range(T)],
        "slots": [[tape.memory.slot_of(t), t] for t in range(T) if tape.memory.slot_of(t) is not None],
        "walks": walks,
    }


def explore(model, T=None, number=0):
    """All that the page shows, ready for JSON."""
    if (T or model.T) > LARGEST // LEAST:
        raise ValueError(f"a page of T={T or model.T} would be too large: expected at most {LARGEST // LEAST}")
    x, targets = sequence(model, T, number)
    problem, steps = task(model.task), len(x)
    losses = {
        "the ten answers": slice(steps - problem.WIDTH, steps),
        "the last step": steps - 1,
        "every step": slice(None),
    }
    return {
        "model": os.path.basename(os.path.normpath(model.name)),
        "x": x[:, 0].tolist(),
        "targets": targets[:, 0].tolist(),
        "kinds": KINDS,
        "losses": list(losses),
        "trained": {"k_trunc": model.cfg.k_trunc, "k_top": model.cfg.k_top},
        "lanes": [lane(name, model.params, cfg, x, targets, losses, problem) for name, cfg in lanes(model.cfg)],
    }


def page(data):
    """The page as text: the template with its script and these numbers inside. ValueError when it grows too large."""
    here = resources.files("sab_numpy.explore")
    text = here.joinpath("page.html").read_text(encoding="utf-8")
    numbers = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # a name cannot end the script
    text = text.replace("/*SCRIPT*/", here.joinpath("page.js").read_text(encoding="utf-8")).replace("/*DATA*/", numbers)
    if len(text.encode()) > LARGEST:
        raise ValueError(
            f"the page would have {len(text.encode()) / 1e6:.1f} MB, expected at most {LARGEST / 1e6:.0f}:"
            " give a smaller --T"
        )
    return text
