"""A sequence as a line of steps: recalls forward, credit backward, both from a real tape. Two poster diagrams."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import FancyArrowPatch, Rectangle

from sab_numpy.plots import save
from sab_numpy.plots.style import BLUE, GREY, INK, panels

SIDE = 0.76  # of a box
DECADES = 4  # of credit that the colours tell apart


def box(axes, x, y, colour="white", edge="black", text=""):
    axes.add_patch(Rectangle((x - SIDE / 2, y - SIDE / 2), SIDE, SIDE, facecolor=colour, edgecolor=edge, zorder=3))
    ink = "black" if np.dot(to_rgb(colour), (0.3, 0.6, 0.1)) > 0.45 else "white"  # on what is dark
    axes.text(x, y - 0.02, text, ha="center", va="center", zorder=4, fontsize=11, color=ink)


def arrow(axes, start, end, colour, width=1.2, alpha=1.0, bend=0.0):
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=8 + 2 * width,
            color=colour,
            alpha=alpha,
            linewidth=width,
            connectionstyle=f"arc3,rad={bend}",
            shrinkA=0,
            shrinkB=0,
            zorder=2,
        )
    )


def bend(distance):
    """Flatter arcs for longer ways, so that all stay in the picture."""
    return min(0.6, 2.2 / distance**0.7)


def blocks(axes, T, k_trunc, low, high):
    """A dashed line before the first step of every block but the first."""
    for t in range(k_trunc or T, T, k_trunc or T):
        axes.plot([t - 0.5, t - 0.5], [low, high], color="black", linestyle=(0, (3, 3)), linewidth=1)


def bare(axes, T, low, high, left=-1.0):
    axes.set(xlim=(left, T - 0.3), ylim=(low, high), yticks=[], xticks=range(0, T, 5), xlabel="step t")
    axes.spines[["left", "bottom"]].set_visible(False)


def forward_pass(tape, x, says, path, title):
    """Read, remember, recall: one sequence, x and says (T,), tape of a batch of one."""
    T, cfg = len(x), tape.cfg
    fig, ((axes,),) = panels(1, 1, 13.3, 4.9)
    left = -2.2 - 0.9 * max(2, tape.memory.initial_slots)  # with room for the words
    for slot in range(tape.memory.initial_slots):
        box(axes, left + 0.9 * slot + 0.6, 2, "#eeeeee", GREY, "0")
    axes.text(left + 0.1, 2.75, "empty slots", color="#555555")
    for t in range(T):
        box(axes, t, 0, text=str(x[t]) if x[t] else "")
        box(axes, t, -1.5, "#f4f4f4", "none", str(says[t]) if says[t] else "")
        arrow(axes, (t, -SIDE / 2), (t, -1.5 + SIDE / 2), GREY)
        if t and not (cfg.k_trunc and t % cfg.k_trunc == 0):
            arrow(axes, (t - 1 + SIDE / 2, 0), (t - SIDE / 2, 0), "black")
        elif t:
            arrow(axes, (t - 1 + SIDE / 2, 0), (t - SIDE / 2, 0), GREY)
        if tape.memory.slot_of(t) is not None:
            box(axes, t, 2, "white", INK, "h")
            arrow(axes, (t, SIDE / 2), (t, 2 - SIDE / 2), INK, 2)
        for _, m, weight in tape.recalls(t):
            if m >= 0 and weight >= 0.02:
                arrow(
                    axes,
                    (m + 0.1, 2 + SIDE / 2),
                    (t, SIDE / 2),
                    BLUE,
                    0.6 + 2.4 * weight,
                    0.15 + 0.85 * weight,
                    -bend(t - m),
                )
    blocks(axes, T, cfg.k_trunc, -2.1, 2.6)
    for y, words, colour in ((0, "reads, state h", "black"), (-1.5, "says", "black"), (2, "memory", INK)):
        axes.text(left + 0.1, y if y < 2 else 1.25, words, va="center", color=colour)
    bare(axes, T, -2.2, 4.6, left)
    axes.set_title(
        title + f"\nblue: a recall, thicker with its weight; arrows up: every {cfg.k_att}th state is stored; "
        "dashed: here credit will be cut",
        loc="left",
    )
    save(fig, path)


def credit_line(axes, events, T, x, colour=BLUE):
    """The boxes of all steps, darker with the credit that reached them, and the ways that it took."""
    shades = LinearSegmentedColormap.from_list("credit", ["#f4f4f4", colour])
    last = {event.end: event.total for event in events if event.kind in ("loss", "local", "skip")}
    largest = max(last.values())
    for t in range(T):
        shade = 1 + np.log10(max(last.get(t, 0.0), 1e-300) / largest) / DECADES
        fill = shades(float(np.clip(shade, 0, 1))) if t in last else "#e4e4e4"
        box(axes, t, 0, fill, "black" if t in last else GREY, str(x[t]) if x[t] else "")
    strongest = max((event.norm for event in events if event.kind == "skip"), default=1.0) or 1.0
    for kind, start, end, _, _, norm, _ in events:
        if kind == "local":
            arrow(axes, (start - SIDE / 2, 0), (end + SIDE / 2, 0), colour, 1.5)
        elif kind == "cut":
            axes.text(
                end + 0.5,
                -0.72,
                "cut",
                ha="center",
                va="center",
                fontsize=10,
                zorder=4,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
        elif kind == "loss":
            arrow(axes, (start, -1.35), (start, -SIDE / 2), colour, 2)
        elif kind == "skip" and norm > 0:
            share = max(0.0, 1 + np.log10(norm / strongest) / 2)
            arrow(
                axes,
                (start, SIDE / 2),
                (end, SIDE / 2),
                colour,
                0.5 + 2.5 * share,
                0.08 + 0.9 * share,
                bend(start - end),
            )


def backward_pass(events, T, k_trunc, x, path, title):
    """The same sequence from the end: local credit, cuts, skips, and blocks that are not visited."""
    fig, ((axes,),) = panels(1, 1, 13.3, 4.4)
    credit_line(axes, events, T, x)
    blocks(axes, T, k_trunc, -1.4, 0.9)
    for event in events:
        if event.kind == "not visited":
            axes.text(
                (event.start + event.end) / 2,
                -0.85,
                "not visited",
                ha="center",
                va="center",
                color="#555555",
                fontsize=11,
            )
        if event.kind == "loss":
            axes.text(event.start, -1.4, "loss", ha="center", va="top", color=BLUE)
    bare(axes, T, -2.0, 3.4)
    axes.set_title(
        title + "\nfrom box to box: local credit, inside a block; arcs: skips to recalled states; a box is "
        "darker the more credit it has",
        loc="left",
    )
    save(fig, path)
