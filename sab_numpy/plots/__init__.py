"""Pictures. Each function draws numbers that it is given, onto a file; none of them trains or opens a window."""

import io
import os

from matplotlib.figure import Figure

from sab_numpy.support.files import write_atomic

# One colour for each method, the same in every picture: Okabe and Ito's, which most kinds of colour blindness keep
# apart. What belongs to no method is black, grey or amber (style.py).
COLOURS = {
    "sab": "#0072B2",  # blue
    "constant": "#56B4E9",  # sky: SAB's forward without mental updates, nothing for what it recalls
    "tbptt": "#D55E00",  # vermilion
    "bptt": "#009E73",  # green
    "attention": "#CC79A7",  # pink
    "paper": "#000000",  # SAB with the paper's cell
    "transformer": "#E69F00",  # amber
    "chance": "#999999",
}


def figure(width=7.0, height=4.0):
    """A figure and its axes, without global state: any thread, any machine, no display."""
    fig = Figure(figsize=(width, height), layout="constrained")
    axes = fig.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return fig, axes


def save(fig, path):
    """Write a PNG (or SVG, PDF, by the path's name), whole or not at all; the same numbers give the same PNG."""
    buffer, kind = io.BytesIO(), os.path.splitext(path)[1][1:].lower() or "png"
    fig.savefig(buffer, format=kind, dpi=150, metadata={"Software": None} if kind == "png" else None)
    write_atomic(path, buffer.getvalue())
