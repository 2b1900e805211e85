"""The reproduction as pictures: the table, learning curves, longer tests, what works and what does not. From CSVs."""

import os
from statistics import median

import numpy as np

from sab_numpy.paper import recipes, results, tables
from sab_numpy.paper.recalls_while_learning import COLUMNS as MOMENTS
from sab_numpy.paper.transfer import read as transfer_rows
from sab_numpy.plots import save
from sab_numpy.plots.style import AMBER, BLUE, GREEN, GREY, ORANGE, PINK, SKY, Missing, panels
from sab_numpy.support import files

STYLES = {
    "bptt": (GREEN, "-"),
    "bptt-clip1": (GREEN, ":"),
    "attention": (PINK, "-"),
    "attention-clip1": (PINK, ":"),
    "tbptt-1": (AMBER, ":"),
    "tbptt-5": (ORANGE, "-"),
    "tbptt-10": (ORANGE, "-."),
    "tbptt-20": (ORANGE, "--"),
    "tbptt-5-clip1": (ORANGE, ":"),
    "tbptt-20-clip1": (AMBER, "-."),
    "tbptt-150": ("black", ":"),
    "sab-1-1": (AMBER, "--"),
    "sab-1-5": (AMBER, "-"),
    "sab-5-5": (BLUE, "-"),
    "sab-5-5-clip1": (BLUE, ":"),
    "sab-5-5-one": (BLUE, "-."),
    "sab-5-5-att2": (BLUE, "--"),
    "sab-5-5-att2-clip1": (GREY, ":"),
    "sab-10-10": (SKY, "-"),
    "sab-10-10-one": (SKY, "-."),
    "sab-10-10-att2": (SKY, "--"),
    "sab-10-10-att2-clip1": (SKY, ":"),
    "sab-1-1-cell": (GREEN, "-."),
    "sab-1-5-cell": (PINK, "-."),
    "sab-5-5-cell": ("black", "-"),
    "sab-10-10-cell": (PINK, "--"),
    "sab-5-5-paper": ("black", "--"),
    "sab-5-5-paper-16": ("black", "-."),
    "sab-5-5-constant": (GREY, "-"),
    "sab-5-5-dense": (GREY, "--"),
    "sab-5-5-recipe": (BLUE, (0, (5, 1))),
    "sab-10-10-recipe": (SKY, (0, (5, 1))),
    "bptt-recipe": (GREEN, (0, (5, 1))),
    "sab-5-5-recipe-constant": (GREY, (0, (5, 1))),
}
LEARNING = (
    "bptt",
    "attention",
    "tbptt-5",
    "tbptt-20",
    "sab-1-5",
    "sab-5-5",
    "sab-5-5-one",
    "sab-5-5-att2",
    "sab-5-5-cell",
    "sab-10-10-att2-clip1",
)  # of which the learning curves are drawn; the table has all


def cells(data):
    """{(row name, T): rows of the CSV, one a seed} of all the table's recipes that were run."""
    every = tables.cells(results.read(os.path.join(data, "copying.csv")))
    return {key: rows for key, (_, rows) in every.items() if rows}


def curve(data, row):
    """The history of a run as columns of numbers, or None."""
    return columns_of(os.path.join(data, "curves", f"{row['name']}.csv"))


def columns_of(path):
    """A CSV as columns of numbers, or None."""
    known = {"update": files.whole, "accuracy": files.share}
    history = files.read_rows(path, known) if os.path.exists(path) else []
    columns = history[0] if history else ()
    with files.judged(path, "not a learning curve"):
        return {name: np.array([float(line[name] or "nan") for line in history]) for name in columns} or None


def reproduction_table(data, path):
    """Accuracy of every method that was run, at every length, ours beside the paper's."""
    found = cells(data)
    names = [name for name in recipes.ROWS if any(key[0] == name for key in found)] or list(recipes.ROWS)
    lengths = recipes.LENGTHS
    fig, ((axes,),) = panels(1, 1, 4.2 + 2.9 * len(lengths), 1.3 + 0.55 * len(names))
    for i, name in enumerate(names):
        axes.text(-0.55, i, recipes.ROWS[name][0], ha="right", va="center")
        for j, T in enumerate(lengths):
            rows, printed = found.get((name, T), []), tables.paper("copying", T, recipes.cell(name, T, 0))
            values = [100 * float(row["accuracy"]) for row in rows]
            share = (median(values) - 12.5) / 87.5 if values else 0.0
            axes.fill_between(
                [j - 0.49, j + 0.49], i - 0.46, i + 0.46, color=BLUE, alpha=max(0.0, 0.55 * share), linewidth=0
            )
            words = "not run"
            if values:
                words = f"{median(values):.2f} ({min(values):.2f} - {max(values):.2f}), {len(values)} seeds"
                words = f"{values[0]:.2f}, 1 seed" if len(values) == 1 else words
            axes.text(j - 0.45, i - 0.17, words, va="center", fontsize=11.5, color="black" if values else "#777777")
            axes.text(
                j - 0.45,
                i + 0.22,
                f"paper {printed['accuracy'] if printed else '-'}",
                va="center",
                fontsize=10,
                color="#444444",
            )
    axes.set(xlim=(-0.5, len(lengths) - 0.5), ylim=(len(names) - 0.5, -0.5), yticks=[])
    axes.set_xticks(range(len(lengths)), [f"T = {T}" for T in lengths])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("Copying: right answers (%), median seed (worst - best)", pad=16)
    save(fig, path)


def all_learning_curves(data, path):
    """Accuracy over updates, every seed: a panel a length for the rows of LEARNING, one for the release's training."""
    found = {key: [curve(data, row) for row in rows] for key, rows in cells(data).items()}
    shown = [(f"T = {T}", T, [name for name in LEARNING if (name, T) in found]) for T in recipes.LENGTHS]
    shown += [("T = 100, the release's training", 100, [name for name in recipes.BY_NAME if (name, 100) in found])]
    shown = [panel for panel in shown if panel[2]]
    if not shown:
        raise Missing("copying.csv has no run of a row of the table (sab reproduce copying)")
    fig, axes = panels(1, len(shown), 1.5 + 5.2 * len(shown), 6.4, sharey=True)
    for ax, (title, T, names) in zip(axes[0], shown):
        for name in names:
            for history in filter(None, found[name, T]):
                colour, dashes = STYLES[name]
                ax.plot(
                    history["update"],
                    100 * history["accuracy"],
                    linestyle=dashes,
                    color=colour,
                    linewidth=1.4,
                    alpha=0.8,
                    label=recipes.ROWS[name][0],
                )
        ax.axhline(12.5, color=GREY, linestyle=":", linewidth=1)
        ax.set(xlabel="updates", ylim=(0, 103), xlim=(0, None), title=title)
        ax.locator_params(axis="x", nbins=5)
    axes[0, 0].set_ylabel("right answers on validation (%)\n(dotted grey: chance)")
    handles = {label: handle for ax in axes[0] for handle, label in zip(*ax.get_legend_handles_labels())}
    fig.legend(handles.values(), handles, loc="outside lower center", ncols=min(4, 1 + 2 * len(shown)))
    save(fig, path)


def transfer(data, path):
    """Accuracy over the length of the test, trained at 100, a line a seed, beside the paper's points."""
    tested, found = transfer_rows(data), cells(data)
    fig, ((axes,),) = panels(1, 1, 11, 6.2)
    printed = [row for row in files.read_rows(tables.PAPER) if row["table"] == "transfer"]
    for k_top, colour, marker in (("0", GREEN, "s"), ("none", PINK, "D"), ("", BLUE, "o")):
        own = [row for row in printed if row["k_top"] == k_top and row["accuracy"][:1].isdigit()]  # or "out of memory"
        axes.plot(
            [int(row["T"]) for row in own],
            [float(row["accuracy"]) for row in own],
            marker,
            color=colour,
            markerfacecolor="white",
            markersize=9,
            label=f"paper: {own[0]['method']}",
        )
    for name in STYLES:
        trained = dict.fromkeys(row["name"] for row in found.get((name, 100), []))
        seeds = [[row for row in tested if row["name"] == seed] for seed in trained]
        seeds = [sorted((int(row["T"]), 100 * float(row["accuracy"])) for row in rows) for rows in seeds if rows]
        colour, dashes = STYLES[name]
        for number, values in enumerate(seeds):
            label = f"{recipes.ROWS[name][0]}, {len(seeds)} seed{'' if len(seeds) == 1 else 's'}"
            axes.plot(
                *zip(*values), dashes, color=colour, marker=".", linewidth=1.4, alpha=0.8, label="" if number else label
            )
    axes.axhline(12.5, color=GREY, linestyle=":", linewidth=1)
    axes.set(
        xscale="log",
        xlabel="T at the test (steps of waiting); trained at T = 100",
        ylabel="right answers (%)",
        ylim=(0, 103),
        title="Tested longer than trained, a line a seed (dotted: chance)",
    )
    lengths = sorted({int(row["T"]) for row in printed})
    axes.set_xticks(lengths, lengths)
    axes.minorticks_off()
    fig.legend(loc="outside lower center", ncols=2)
    save(fig, path)


def furthest_apart(data):
    """(row name, T, rows, worst accuracy first) of the SAB recipe whose seeds ended furthest apart (to 10 %; of equals
    the one with most seeds); None when no recipe has two seeds with learning curves."""
    found = {
        key: sorted((row for row in rows if curve(data, row)), key=lambda row: float(row["accuracy"]))
        for key, rows in cells(data).items()
        if recipes.cell(*key, 0).k_top
    }
    gaps = [
        (round(float(rows[-1]["accuracy"]) - float(rows[0]["accuracy"]), 1), len(rows), key)
        for key, rows in found.items()
        if len(rows) > 1
    ]
    if not gaps:
        return None
    name, T = max(gaps)[2]
    return name, T, found[name, T]


def works_or_not(data, path):
    """One command, two seeds: accuracy, largest |h| and recalls of the best and the worst, on the same axes."""
    found = furthest_apart(data)
    if found is None:
        raise Missing("two seeds of a SAB row with learning curves (sab reproduce copying)")
    name, T, rows = found
    fig, axes = panels(2, 2, 13.3, 8.4, sharex=True)
    worst, best = rows[0], rows[-1]
    for row, colour, dashes, which in ((best, BLUE, "-", "best"), (worst, ORANGE, "--", "worst")):
        history = curve(data, row)
        right = 100 * float(row["accuracy"])
        label = f"{which} of {len(rows)} seeds (seed {row['seed']}): {right:.1f} % right at the end"
        for ax, column, scale in zip(
            axes.flat, ("accuracy", "max_abs_h", "recalls_input", "recalls_empty"), (100, 1, 100, 100)
        ):
            ax.plot(history["update"], scale * history[column], dashes, color=colour, label=label)
    axes[0, 0].axhline(12.5, color=GREY, linestyle=":", linewidth=1)
    for ax, title in zip(
        axes.flat,
        (
            "Right answers on validation (%); dotted: chance",
            "Largest absolute state, |h|",
            "The answers' recalls: of states of the input (%)",
            "The answers' recalls: of empty slots (%)",
        ),
    ):
        ax.set(title=title, ylim=(0, None), xlim=(0, None))
    for ax in (axes[0, 0], *axes[1]):
        ax.set(ylim=(-2, 103))
    for ax in axes[1]:
        ax.set(xlabel="updates")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    fig.suptitle(f"{recipes.ROWS[name][0]}, copying T = {T}: the same command, only the seed differs")
    save(fig, path)


def attention_while_learning(data, path):
    """What one test sequence recalls at several moments of a training."""
    rows = files.read_rows(os.path.join(data, "moments.csv"), MOMENTS)
    moments = sorted({int(row["update"]) for row in rows})
    T = int(rows[0]["T"])
    fig, axes = panels(-(-len(moments) // 3), min(3, len(moments)), 14, 1 + 4.9 * -(-len(moments) // 3))
    for ax, moment in zip(axes.flat, moments):
        image = np.zeros((T + 20, T + 20))
        own = [row for row in rows if int(row["update"]) == moment]
        for row in own:
            image[int(row["t"]), int(row["recalled"])] = float(row["weight"])
        t, recalled = np.nonzero(image > 0)
        ax.scatter(
            recalled, t, s=10, c=image[t, recalled] ** 0.5, cmap="Blues", vmin=-0.3, vmax=1, marker="s", linewidth=0
        )
        ax.axhline(T + 9.5, color=ORANGE, linewidth=1)
        ax.axvline(9.5, color=ORANGE, linewidth=1)
        ax.set(
            xlim=(-3, T + 20),
            ylim=(T + 20, -3),
            xlabel="step whose state is recalled",
            ylabel="step that recalls",
            title=f"update {moment}: {100 * float(own[0]['accuracy']):.0f} % right",
        )
    for ax in axes.flat[len(moments) :]:
        ax.set_visible(False)
    fig.suptitle(
        f"Copying, T = {T}: what one test sequence recalls, darker with the weight.\nBelow the orange line: "
        "the answers; left of it: the input"
    )
    save(fig, path)
