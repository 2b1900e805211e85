"""One page, without a server, that steps through sequences and then back through their credit."""

import json
import os
from dataclasses import replace
from importlib import resources

from sab_numpy.core.forward import forward
from sab_numpy.explore.sequence import loss_at, sequence
from sab_numpy.explore.walk import KINDS, walk
from sab_numpy.tasks import task
from sab_numpy.training.checkpoints import trained

LARGEST = 5_000_000  # bytes of a page
SEQUENCES = 4  # on a page, where they fit
BPTT = "copying-T100-bptt"  # the model of BPTT's lane


def lanes(model):
    """The algorithms that the page shows one above the other: (name, method, whose parameters, params, Config)."""
    cfg, own = model.cfg, os.path.basename(os.path.normpath(model.name))
    k = cfg.k_trunc or 5
    plain = {"normalise": "softmax", "dense_forward": False, "budget": None}
    bptt = trained(BPTT)
    whole = replace(cfg, k_trunc=None, k_top=None, **plain)
    return [
        (
            "SAB",
            "sab",
            f"parameters of {own}" + ("" if cfg.k_top else ", not trained as SAB"),
            model.params,
            replace(cfg, k_trunc=k, k_top=cfg.k_top or 5),
        ),
        ("TBPTT", "tbptt", "SAB's parameters without recall", model.params, replace(cfg, k_trunc=k, k_top=0, **plain)),
        ("BPTT", "bptt", f"trained with BPTT: parameters of {BPTT}", bptt.params, bptt.cfg),
        ("BPTT", "bptt", "SAB's parameters without recall", model.params, replace(whole, k_top=0)),
        (
            "self-attention",
            "attention",
            "SAB's parameters" + ("" if cfg == whole else ", not trained for it"),
            model.params,
            whole,
        ),
    ]


def short(number):
    """Four digits are enough for a picture."""
    return float(f"{number:.4g}")


def row(event):
    """An event as the page has it: kind, start, end, norm, total, and a skip's weight."""
    kind, start, end, _, weight, norm, total = event
    numbers = [KINDS.index(kind), start, end, short(norm), short(total)]
    return numbers if weight is None else [*numbers, short(weight)]


def lane(name, method, whose, params, cfg, x, targets, losses, problem):
    """Forward and every backward of one algorithm, as lists of numbers."""
    y, tape = forward(params, x, cfg)
    _, dy = problem.loss(y, targets)
    slots = [tape.memory.slot_of(t) for t in range(len(x))]
    return {
        "name": name,
        "method": method,
        "parameters": whose,
        "k_trunc": cfg.k_trunc,
        "k_top": cfg.k_top,
        "k_att": cfg.k_att,
        "n_empty": tape.memory.initial_slots,
        "says": y[:, 0].argmax(-1).tolist(),
        "recalls": [[[slot, short(w)] for slot, _, w in tape.recalls(t) if w > 0] for t in range(len(x))],
        "slots": [[slot, t] for t, slot in enumerate(slots) if slot is not None],
        "walks": {label: [row(event) for event in walk(loss_at(dy, at), tape)] for label, at in losses.items()},
    }


def size(cfg, steps):
    """Bytes of one sequence on the page, at most: self-attention reads every microstate, in each of three walks."""
    return 3 * 40 * steps * (20 + (cfg.k_top or 5) + steps / 2 / cfg.k_att)


def explore(model, T=None, number=0):
    """All that the page shows, ready for JSON. ValueError, before anything is computed, where it would be too large."""
    problem = task(model.task)
    T = T or min(100, model.T)
    steps = problem.steps(T)
    about = size(model.cfg, steps)
    if about > LARGEST:
        raise ValueError(
            f"--T {T}: the page would have about {about / 1e6:,.0f} MB, expected at most {LARGEST / 1e6:g} MB:"
            " give a smaller --T"
        )
    losses = {
        "the last answer": steps - 1,
        "the ten answers": slice(steps - problem.WIDTH, steps),
        "every step": slice(None),
    }
    sequences = []
    for n in range(number, number + min(SEQUENCES, int(LARGEST // about))):
        x, targets = sequence(model, T, n)
        shown = [lane(*one, x, targets, losses, problem) for one in lanes(model)]
        sequences.append({"number": n, "x": x[:, 0].tolist(), "targets": targets[:, 0].tolist(), "lanes": shown})
    return {
        "model": os.path.basename(os.path.normpath(model.name)),
        "T": T,
        "width": problem.WIDTH,
        "kinds": KINDS,
        "losses": list(losses),
        "trained": {"k_trunc": model.cfg.k_trunc, "k_top": model.cfg.k_top},
        "sequences": sequences,
    }


def page(data):
    """The page as text: the template with its script and these numbers inside."""
    here = resources.files("sab_numpy.explore")
    text = here.joinpath("page.html").read_text(encoding="utf-8")
    numbers = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # a name cannot end the script
    text = text.replace("/*SCRIPT*/", here.joinpath("page.js").read_text(encoding="utf-8")).replace("/*DATA*/", numbers)
    return text
