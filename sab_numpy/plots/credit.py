"""How far credit reaches: four algorithms as pictures, its norm over distance, and what a cut makes wrong."""

from dataclasses import replace

import numpy as np

from sab_numpy.core.backward import backward
from sab_numpy.core.forward import forward
from sab_numpy.explore.walk import walk
from sab_numpy.plots import save
from sab_numpy.plots.style import BLUE, GREEN, ORANGE, PINK, panels
from sab_numpy.plots.timeline import bare, blocks, credit_line

LOOKS = {"BPTT": (GREEN, "--"), "TBPTT": (ORANGE, ":"), "self-attention": (PINK, "-."), "SAB": (BLUE, "-")}


def algorithms(cfg):
    """The four, for the parameters of one SAB model: {name: Config}."""
    plain = {"normalise": "softmax", "dense_forward": False, "budget": None}
    return {
        "BPTT": replace(cfg, k_trunc=None, k_top=0, **plain),
        "TBPTT": replace(cfg, k_top=0, **plain),
        "self-attention": replace(cfg, k_trunc=None, k_top=None, **plain),
        "SAB": cfg,
    }


def credit_pictures(params, cfg, x, dy_of, path, title):
    """One line of steps an algorithm. dy_of(y) is the loss by y (T, 1, O)."""
    found = {}
    for name, one in algorithms(cfg).items():
        y, tape = forward(params, x, one)
        found[name] = one, list(walk(dy_of(y), tape))
    T = len(x)
    heights = [4.9 if one.k_top != 0 else 2.7 for one, _ in found.values()]  # with room for arcs
    fig, axes = panels(4, 1, 13.3, 0.62 * sum(heights) + 2, sharex=True, height_ratios=heights)
    for ax, (name, (one, events)) in zip(axes[:, 0], found.items()):
        credit_line(ax, events, T, x[:, 0], LOOKS[name][0])
        blocks(ax, T, one.k_trunc, -1.2, 0.9)
        walked = len({event.end for event in events if event.kind in ("loss", "local", "skip")})
        skips = sum(event.kind == "skip" for event in events)
        bare(ax, T, -1.5, 3.4 if one.k_top != 0 else 1.2)
        ax.set_title(f"{name}: {walked} of {T} steps walked, {skips} skips", loc="left", color=LOOKS[name][0])
        ax.tick_params(bottom=False, labelbottom=ax is axes[-1, 0])
        ax.set_xlabel("step t" if ax is axes[-1, 0] else "")
    fig.suptitle(title)
    fig.get_layout_engine().set(hspace=0.02)
    save(fig, path)


def credit_at(dy, tape):
    """What reached every state: dL/dh (T, B, H), zero where nothing did."""
    dh = np.zeros((len(dy), *tape.end[0].shape))

    def watch(visit):
        dh[visit.t] = visit.dh_loss + visit.dh_local + (0 if visit.dh_memory is None else visit.dh_memory)

    backward(dy, tape, watch=watch)
    return dh


def over_distance(params, cfg, x, dy_of):
    """{name: (norm of dL/dh over distance, relative error beside the never cut gradient of the same forward)}."""
    found = {}
    for name, one in algorithms(cfg).items():
        y, tape = forward(params, x, one)
        dh = credit_at(dy_of(y), tape)
        whole = replace(one, k_trunc=None)
        y, tape = forward(params, x, whole)
        full = credit_at(dy_of(y), tape)
        norms, fulls, wrong = (np.sqrt((a * a).sum((1, 2)))[::-1] for a in (dh, full, dh - full))  # by distance
        found[name] = norms, wrong / np.maximum(fulls, 1e-300)
    return found


def credit_over_distance(params, cfg, x, dy_of, path, title):
    """Two panels: how much credit arrives, and how wrong it is."""
    found = over_distance(params, cfg, x, dy_of)
    fig, ((left, right),) = panels(1, 2, 13.3, 5.6)
    for name, (norms, wrong) in found.items():
        colour, dashes = LOOKS[name]
        distance = np.arange(len(norms))
        left.plot(distance, np.where(norms > 0, norms / norms[0], np.nan), dashes, color=colour, label=name)
        right.plot(distance, wrong, dashes, color=colour, label=name)
    left.set(
        yscale="log",
        xlabel="distance from the last answer (steps)",
        ylabel="credit, norm of dL/dh\n(1 at the last answer)",
    )
    left.set_title("How much credit arrives\n(no line: none)", loc="left")
    right.set(
        xlabel="distance from the last answer (steps)",
        ylim=(-0.05, None),
        ylabel="error beside the uncut gradient\nof the same forward (relative)",
    )
    right.set_title("How wrong it is: 0 where never cut,\n1 where all is missing", loc="left")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    fig.suptitle(title)
    save(fig, path)
