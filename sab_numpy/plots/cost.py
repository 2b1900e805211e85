"""What a train step costs over the length of the sequence: walks, skips, seconds, megabytes."""

from matplotlib.ticker import FuncFormatter, LogLocator

from sab_numpy.plots import save
from sab_numpy.plots.credit import LOOKS
from sab_numpy.plots.style import Missing, panels

# model of cost.csv: (its look, marker, width); lines that coincide stay visible
MODELS = {
    "LSTM": ("BPTT", "s", 5),
    "TBPTT": ("TBPTT", "D", 4),
    "self-attention": ("self-attention", "^", 2.5),
    "SAB": ("SAB", "o", 1.5),
}
# title, numerator, denominator (a column or a number)
PANELS = (
    ("steps that credit walks\nbefore it is cut", "steps_walked", "blocks_visited"),
    ("skips a sequence", "skips", "B"),
    ("seconds a train step", "step_ms", 1000),
    ("peak memory (MB)", "peak_mb", 1),
)


def comparable(rows):
    """Of the rows of `sab bench`, those of whole training steps in one setting (that of most rows)."""

    def setting(row):
        return tuple(row.get(name, "") for name in ("B", "H", "threads", "backend", "checkpoint", "machine"))

    rows = [row for row in rows if row["what"] in ("speed", "growth") and row["model"] in MODELS]
    settings = [setting(row) for row in rows]
    most = max(sorted(set(settings)), key=settings.count, default=None)
    kept = {(row["model"], int(row["T"])): row for row in rows if setting(row) == most}
    return [kept[key] for key in sorted(kept)]


def longest(rows, model):
    """The steps of the longest sequence that a model was measured with; 0 when it was not."""
    return max((int(row["T"]) + 20 for row in rows if row["model"] == model), default=0)


def cost_over_length(rows, path):
    """rows of figures/data/cost.csv. Raises Missing when none is of a training step."""
    rows = comparable(rows)
    if not rows:
        raise Missing("cost.csv has no row of `sab bench` or `sab bench growth`")
    fig, axes = panels(1, 4, 16.5, 5.4)
    lengths = sorted({int(row["T"]) + 20 for row in rows})
    for ax, (words, above, below) in zip(axes[0], PANELS):
        for model, (look, marker, width) in MODELS.items():
            own = [row for row in rows if row["model"] == model and row[above] != ""]
            values = [float(row[above]) / float(row.get(below, below)) for row in own]
            if any(values):
                colour, dashes = LOOKS[look]
                ax.plot(
                    [int(row["T"]) + 20 for row in own],
                    values,
                    dashes,
                    marker=marker,
                    markersize=5 + width,
                    color=colour,
                    label=look,
                    linewidth=width,
                )
        ax.set(xscale="log", yscale="log", xlabel="length of the sequence (steps)", title=words)
        ax.set_xticks(lengths, lengths, rotation=45)
        ax.minorticks_off()
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    short = [look for model, (look, _, _) in MODELS.items() if 0 < longest(rows, model) < lengths[-1]]
    if short:
        fig.supxlabel(
            f"{' and '.join(short)} end earlier: `sab bench growth` measures BPTT and SAB alone.\nTBPTT costs what "
            "BPTT does; the skips of self-attention grow with the square of the length",
            fontsize=12,
        )
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center")
    one = rows[0]
    threads = f"{one['threads']} thread{'' if one['threads'] == '1' else 's'}"
    fig.suptitle(
        f"A train step of {one['B']} sequences, H = {one['H']}, {threads}, {one['backend']}.\nWith a loss at "
        "every step all four walk every step: cuts save nothing here, and recalls cost time and memory"
    )
    save(fig, path)
