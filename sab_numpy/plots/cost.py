"""What a train step costs over the length of the sequence: steps walked, skips, seconds, megabytes."""

from matplotlib.ticker import FuncFormatter, LogLocator

from sab_numpy.plots import save
from sab_numpy.plots.credit import LOOKS
from sab_numpy.plots.style import Missing, panels

MODELS = {"LSTM": "BPTT", "TBPTT": "TBPTT", "self-attention": "self-attention", "SAB": "SAB"}     # cost.csv: LOOKS
PANELS = (("steps_walked", "steps that credit walked\n(a loss at every step)", 1), ("skips", "skips a sequence", None),
          ("step_ms", "seconds a train step", 1e-3), ("peak_mb", "peak memory (MB)", 1))
WIDTHS = dict(zip(MODELS, (6, 4.5, 3, 1.5)))                   # lines that coincide stay visible


def comparable(rows):
    """Of the rows of `sab bench`, those of whole training steps in one setting (that of most rows)."""
    def setting(row):
        return tuple(row.get(name, "") for name in ("B", "H", "threads", "backend", "checkpoint", "machine"))
    rows = [row for row in rows if row["what"] in ("speed", "growth") and row["model"] in MODELS]
    settings = [setting(row) for row in rows]
    most = max(sorted(set(settings)), key=settings.count, default=None)
    kept = {(row["model"], int(row["T"])): row for row in rows if setting(row) == most}
    return [kept[key] for key in sorted(kept)]


def cost_over_length(rows, path):
    """rows of figures/data/cost.csv. Raises Missing when none is of a training step."""
    rows = comparable(rows)
    if not rows:
        raise Missing("cost.csv has no row of `sab bench` or `sab bench growth`")
    fig, axes = panels(1, 4, 15.5, 4.8)
    for ax, (column, words, scale) in zip(axes[0], PANELS):
        for model, look in MODELS.items():
            own = [row for row in rows if row["model"] == model and row.get(column, "") != ""]
            values = [float(row[column]) * (scale or 1 / int(row["B"])) for row in own]
            if any(values):
                colour, dashes = LOOKS[look]
                ax.plot([int(row["T"]) + 20 for row in own], values, dashes, marker="o", color=colour, label=look,
                        linewidth=WIDTHS[model])
        lengths = sorted({int(row["T"]) + 20 for row in rows})
        ax.set(xscale="log", yscale="log", xlabel="length (steps)", title=words)
        ax.set_xticks(lengths, lengths, rotation=45)
        ax.minorticks_off()
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    one = rows[0]
    fig.suptitle(f"A train step of {one['B']} sequences, H = {one['H']}, {one['threads']} thread(s), {one['backend']}")
    save(fig, path)
