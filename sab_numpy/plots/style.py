"""How every picture looks: large letters, colours that most eyes keep apart, no frame that says nothing."""

from matplotlib.figure import Figure

from sab_numpy.plots import COLOURS

BLUE, ORANGE, GREEN, PINK = (COLOURS[name] for name in ("sab", "tbptt", "bptt", "attention"))
INK, PALE, GREY, AMBER = "#333333", "#dddddd", "#999999", "#E69F00"  # of no method
SETTINGS = {
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 2,
    "legend.frameon": False,
}


class Missing(ValueError):
    """What a figure needs is not there yet: it was not run."""


def panels(rows, columns, width, height, **options):
    """A figure and its axes as a (rows, columns) array."""
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns, squeeze=False, **options)
