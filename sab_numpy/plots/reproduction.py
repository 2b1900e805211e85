"""The reproduction as pictures: the table, learning curves, longer tests, what works and what does not. From CSVs."""

import os
from itertools import cycle
from statistics import median

import numpy as np
from matplotlib.lines import Line2D

from sab_numpy.paper import recipes, results, tables
from sab_numpy.paper.recalls_of_images import COLUMNS as RECALLS
from sab_numpy.paper.recalls_while_learning import COLUMNS as MOMENTS
from sab_numpy.paper.transfer import read as transfer_rows
from sab_numpy.plots import COLOURS, save
from sab_numpy.plots.recalls import draw_recalls, recalled
from sab_numpy.plots.style import BLUE, GREY, INK, PALE, Missing, panels
from sab_numpy.support import files
from sab_numpy.tasks import task

# The six methods of recipes.SIX: {name: (colour, what it is)}; all rows are in the tables.
SAID = {
    "full BPTT": ("bptt", "credit walks back through every step"),
    "TBPTT 20": ("tbptt", "credit is cut every 20 steps"),
    "self-attention": ("attention", "recalls every state, credit to all of them"),
    "SAB 5/5": ("sab", "recalls 5 states, credit is cut every 5 steps"),
    "SAB 5/5, the paper's cell": ("paper", "its score and weights, our training"),
    "no mental updates": ("constant", "SAB's forward, no credit to what is recalled"),
}
DASHES = {100: "-", 200: "--", 300: ":"}  # of the lengths


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


def six(found):
    """Of {(row name, T): ...} what is drawn: {method: (colour, {T: ...}, a row name, words)}."""
    drawn = {}
    for method, names in recipes.SIX.items():
        colour, words = SAID[method]
        own = {T: rows for name in reversed(names) for (row, T), rows in found.items() if row == name}
        drawn[method] = COLOURS[colour], own, names[0], words
    if not any(own for _, own, _, _ in drawn.values()):
        raise Missing("copying.csv has no run of the six methods (sab reproduce copying)")
    return drawn


def swarm(values, width=1.6, step=0.13, room=0.4):
    """Heights (n,) at which dots that would lie within `width` of each other stand side by side, around 0."""
    values, heights = np.asarray(values), np.zeros(len(values))
    bins = np.round(values / width)
    for one in np.unique(bins):
        own = np.flatnonzero(bins == one)
        heights[own] = (np.arange(len(own)) - (len(own) - 1) / 2) * min(step, 2 * room / len(own))
    return heights


def copying_table(data, path):
    """Accuracy of the six methods at every length: a dot a seed, their median, and the paper's number."""
    found, lengths = cells(data), recipes.LENGTHS
    drawn = six(found)
    fig, axes = panels(1, len(lengths), 14.5, 6.4, sharey=True)
    for ax, T in zip(axes[0], lengths):
        for y, (colour, own, name, _) in enumerate(drawn.values()):
            values = [100 * float(row["accuracy"]) for row in own.get(T, [])]
            printed = tables.paper("copying", T, recipes.cell(name, T, 0))
            if printed:
                ax.plot(float(printed["accuracy"]), y, "D", color=INK, markerfacecolor="white", markersize=11, zorder=2)
            ax.scatter(values, y + swarm(values), s=42, color=colour, edgecolor="white", linewidth=0.7, zorder=3)
            words = f"{median(values):.2f}\n{len(values)} seed{'s' * (len(values) > 1)}" if values else "not run"
            words += " *" if tables.chosen_on(own.get(T, [])) else ""
            ax.text(107, y, words, va="center", fontsize=11, color=INK if values else GREY)
        ax.axvline(12.5, color=GREY, linestyle=":", linewidth=1.2, zorder=1)
        ax.hlines(range(len(drawn)), 0, 103, color=PALE, linewidth=0.8, zorder=0)
        ax.set(xlim=(-3, 135), ylim=(len(drawn) - 0.5, -0.6), title=f"T = {T}", xticks=range(0, 101, 25))
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    axes[0, 0].set_yticks(range(len(drawn)), drawn)
    for label, (colour, *_) in zip(axes[0, 0].get_yticklabels(), drawn.values()):
        label.set(color=colour, fontweight="bold")
    starred = any(text.get_text().endswith("*") for ax in axes[0] for text in ax.texts)
    words = "right answers (%); beside them: the median" + "; *: a seed that was chosen on" * starred
    axes[0, len(lengths) // 2].set_xlabel(words)
    seed = Line2D([], [], marker="o", color=GREY, linestyle="", label="a seed")
    paper = Line2D([], [], marker="D", color=INK, markerfacecolor="white", linestyle="", label="the paper")
    chance = Line2D([], [], color=GREY, linestyle=":", label="chance, 12.5 %")
    fig.legend(handles=[seed, paper, chance], loc="outside lower center", ncols=3)
    fig.suptitle("Copying ten symbols after T steps: a dot a seed")
    save(fig, path)


def all_learning_curves(data, path):
    """Accuracy over updates: a panel a method, a line a seed, dashes for the length; the others' lines in grey."""
    drawn = six(cells(data))
    curves = {
        method: [(T, history) for T in sorted(own) for row in own[T] if (history := curve(data, row))]
        for method, (_, own, _, _) in drawn.items()
    }
    fig, axes = panels(2, 3, 14.5, 8.2, sharex=True, sharey=True)
    for ax, (method, (colour, _, _, words)) in zip(axes.flat, drawn.items()):
        for other in curves:
            for _, history in curves[other] if other != method else ():
                ax.plot(history["update"], 100 * history["accuracy"], color="#ececec", linewidth=0.7, zorder=1)
        for T, history in curves[method]:
            x, y = history["update"], 100 * history["accuracy"]
            ax.plot(x, y, DASHES[T], color=colour, linewidth=1.5, label=f"T = {T}", zorder=3)
            ax.plot(x[-1:], y[-1:], "o", color=colour, markersize=5, zorder=4)
        ax.axhline(12.5, color=INK, linestyle=(0, (1, 3)), linewidth=1, zorder=2)
        ax.set(ylim=(0, 103), xlim=(0, None))
        ax.set_title(method, color=colour, fontweight="bold", loc="left", pad=24)
        ax.text(0, 1.02, words, transform=ax.transAxes, fontsize=12, color=INK, va="bottom")
    for ax in axes[-1]:
        ax.set_xlabel("updates")
    fig.supylabel("right answers on validation (%)")
    lengths = [Line2D([], [], color=INK, linestyle=dashes, label=f"T = {T}") for T, dashes in DASHES.items()]
    end = Line2D([], [], marker="o", color=INK, linestyle="", label="end of a training")
    rest = Line2D([], [], color="#d0d0d0", label="the other panels' lines")
    chance = Line2D([], [], color=INK, linestyle=(0, (1, 3)), linewidth=1, label="chance")
    fig.legend(handles=[*lengths, end, rest, chance], loc="outside lower center", ncols=6)
    save(fig, path)


TASKS = {  # what a figure of a task says: its title, that of the axis, and how that is drawn
    "adding": ("Adding two marked numbers", "squared error", dict(yscale="log")),
    "images": ("Which digit or thing was it? One pixel a step", "right answers (%)", dict(ylim=(0, 100))),
    "characters": ("Penn Treebank, the next character", "bits per character", dict(ylim=(1.5, 2.5))),
}


PATTERNS = ("-", "--", "-.", (0, (1, 1)), (0, (6, 1, 1, 1, 1, 1)))  # of the rows of a method


def middle(histories, metric, scale):
    """(updates, median over the seeds), as far as the shortest goes."""
    ends = min(len(history["update"]) for history in histories)
    return histories[0]["update"][:ends], scale * np.median([history[metric][:ends] for history in histories], axis=0)


def learning(what, data, path):
    """An experiment's metric over updates: a panel a task and length, in the colour of its method; bold: the median."""
    experiment, (title, words, axis) = recipes.EXPERIMENTS[what], TASKS[what]
    metric, scale = experiment.metric, 100 if experiment.metric == "accuracy" else 1
    found = tables.cells(results.read(results.table_of(data, what)), experiment.rows, experiment.lengths, what=what)
    drawn = {}  # (task, T): lines, each the row's name, its words, its histories
    for (name, T), (run, rows) in found.items():
        histories = [history for row in rows if (history := curve(data, row))]
        if histories and not experiment.rows[name][0].startswith("earlier"):
            said = experiment.rows[name][0].removeprefix(f"{run.task}: ")
            drawn.setdefault((run.task, T), []).append((name.removeprefix(f"{run.task}-"), said, histories))
    if not drawn:
        raise Missing(f"{what}.csv has no run with a curve (sab reproduce {what})")
    fig, axes = panels(1, len(drawn), 2 + 6 * len(drawn), 5.6, sharey=True)
    for ax, ((name, T), lines) in zip(axes[0], drawn.items()):
        dashes = {method: cycle(PATTERNS) for method in COLOURS}
        for row, said, histories in lines:
            method = row.partition("-")[0]
            look, bold = dict(color=COLOURS[method], linestyle=next(dashes[method])), dict(label=said, linewidth=2)
            if len(histories) > 1:
                pale = dict(label=f"_{said}", linewidth=1, alpha=0.3)
                for history in histories:
                    ax.plot(history["update"], scale * history[metric], **pale, **look)
                ax.plot(*middle(histories, metric, scale), **bold, **look)
            else:
                ax.plot(histories[0]["update"], scale * histories[0][metric], **bold, **look)
        chance = scale * task(name).CHANCE[metric]
        ax.set(title=f"T = {T}" if what == "adding" else f"{name}, {T} steps", xlabel="updates", xlim=(0, None))
        ax.set(**axis)
        if ax.get_ylim()[0] <= chance <= ax.get_ylim()[1]:
            ax.axhline(chance, color=GREY, linestyle=":", label="guessing")
    axes[0, 0].set_ylabel(f"{words} on validation")
    handles = {label: line for ax in axes[0] for line, label in zip(*ax.get_legend_handles_labels())}
    fig.legend(handles.values(), handles, loc="outside lower center", ncols=2 if len(drawn) == 1 else 3)
    fig.suptitle(f"{title}: a pale line a seed, the median bold")
    save(fig, path)


def recalls_of_images(data, path):
    """What the last step recalls of some images: a pixel has the weight of the first microstate after it."""
    rows = files.read_rows(os.path.join(data, "recalls_of_images.csv"), RECALLS)
    images = {}
    for row in rows:
        images.setdefault((int(row["image"]), row["label"], row["says"]), []).append(row)
    k_att = np.gcd.reduce(
        [int(row["step"]) + 1 for row in rows if float(row["weight"])]
    )  # a block ends in a microstate
    fig, axes = panels(3, len(images), 1 + 1.35 * len(images), 5.2, height_ratios=(1, 1, 1.2), sharey="row")
    for column, ((_, label, says), steps) in zip(axes.T, images.items()):
        side = round(len(steps) ** 0.5)
        pixels = np.array([int(row["pixel"]) for row in steps])
        weights = np.array([float(row["weight"]) for row in steps])
        grey, weight = np.zeros((2, side * side))
        grey[pixels] = [float(row["grey"]) for row in steps]
        for step in np.flatnonzero(weights):
            weight[pixels[step + 1 - k_att : step + 1]] = weights[step]
        for ax, values, colours in zip(column, (grey, weight), ("Greys", "Blues")):
            ax.imshow(values.reshape(side, side), cmap=colours, vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
        column[0].set_title(f"a {label}" + ("" if label == says else f", says {says}"))
        column[2].bar(np.arange(len(steps)), weights, width=6, color=BLUE)
        column[2].set(xlabel="step", ylim=(0, 1), xlim=(0, len(steps)))
    for ax, words in zip(axes[:, 0], ("what it is", "where the last\nstep looks", "weight")):
        ax.set_ylabel(words)
    fig.suptitle("Permuted digits, put back in order: what the last step recalls")
    save(fig, path)


def apart(lengths, ratio=2.5):
    """Of `lengths` those whose labels do not touch on a logarithmic axis, the shortest first."""
    kept = []
    for length in sorted(lengths):
        if not kept or length >= ratio * kept[-1]:
            kept.append(length)
    return kept


def transfer(data, path):
    """Accuracy over the length of the test, trained at 100: a panel a method, a line a seed, the paper's points."""
    tested = {}
    for row in transfer_rows(data):
        tested.setdefault(row["name"], {})[int(row["T"])] = 100 * float(row["accuracy"])
    found = {
        (name, T): [tested[row["name"]] for row in rows if row["name"] in tested]
        for (name, T), rows in cells(data).items()
        if T == 100
    }
    drawn = six({key: seeds for key, seeds in found.items() if seeds})
    drawn = {method: kept for method, kept in drawn.items() if kept[1]}
    fig, axes = panels(1, len(drawn), 1 + 3.5 * len(drawn), 5.6, sharey=True)
    printed = [row for row in files.read_rows(tables.PAPER) if row["table"] == "transfer"]
    lengths = sorted({int(row["T"]) for row in printed})
    ticks = apart({*lengths, *(T for _, own, _, _ in drawn.values() for one in own[100] for T in one)})
    for ax, (method, (colour, own, name, _)) in zip(axes[0], drawn.items()):
        papers = [tables.paper("transfer", T, recipes.cell(name, 100, 0)) for T in lengths]
        papers = [
            (T, float(row["accuracy"])) for T, row in zip(lengths, papers) if row and row["accuracy"][:1].isdigit()
        ]
        if papers:
            ax.plot(*zip(*papers), "D:", color=INK, markerfacecolor="white", markersize=8, linewidth=1)
            at = min(papers, key=lambda point: abs(point[0] - 400))
            ax.annotate("the paper", at, (10, 5), textcoords="offset points", color=INK)
        seeds = [sorted(values.items()) for values in own[100]]
        for values in seeds:
            ax.plot(*zip(*values), "o-", color=colour, linewidth=1.5, markersize=5, clip_on=False, zorder=3)
        longest = max(values[-1][0] for values in seeds)
        ends = [values[-1][1] for values in seeds if values[-1][0] == longest]
        words = f"{len(ends)} seed{'s' * (len(ends) > 1)}, median at {longest}: {median(ends):.1f} %"
        ax.axhline(12.5, color=GREY, linestyle=":", linewidth=1)
        ax.set(xscale="log", ylim=(0, 103))
        ax.set_xticks(ticks, ticks, fontsize=11)
        ax.minorticks_off()
        ax.set_title(method, color=colour, fontweight="bold", loc="left", pad=26)
        ax.text(0, 1.04, words, transform=ax.transAxes, fontsize=12, color=INK, va="bottom")
    axes[0, 0].set_ylabel("right answers (%); dotted: chance")
    fig.supxlabel("T at the test (steps of waiting)")
    fig.suptitle("Trained at T = 100, tested at other waits: a line a seed")
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
    for row, colour, dashes, which in ((best, BLUE, "-", "best"), (worst, INK, "--", "worst")):
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


def attention_while_learning(data, path, answers=10):
    """What the answers of one test sequence recall at several moments of a training."""
    rows = files.read_rows(os.path.join(data, "moments.csv"), MOMENTS)
    moments = sorted({int(row["update"]) for row in rows})
    T, found, right = int(rows[0]["T"]), {}, {}
    for moment in moments:
        matrix = np.zeros((T + 20, T + 21))
        for row in rows:
            if int(row["update"]) == moment:
                matrix[int(row["t"]), int(row["recalled"])] = float(row["weight"])
                right[moment] = 100 * float(row["accuracy"])
        matrix[:, -1] = np.maximum(0, 1 - matrix.sum(1))  # the rest: empty slots
        found[moment] = matrix
    states = recalled(*found.values())
    fig, axes = panels(
        -(-len(moments) // 3), min(3, len(moments)), 14.5, 1.2 + 3.7 * -(-len(moments) // 3), sharey=True
    )
    for ax, (moment, matrix) in zip(axes.flat, found.items()):
        image = draw_recalls(ax, matrix[-answers:], states, range(1, answers + 1))
        ax.tick_params(axis="x", rotation=90, labelsize=10)
        ax.set_title(f"update {moment}: {right[moment]:.0f} % right")
    for ax in axes.flat[len(moments) :]:
        ax.set_visible(False)
    fig.supylabel("answer")
    fig.supxlabel("step whose state is recalled (between the two lines: the input)")
    fig.colorbar(image, ax=axes, shrink=0.6, label="weight of the recall")
    fig.suptitle(f"Copying, T = {T}: what the ten answers of one test sequence recall while the network learns")
    save(fig, path)
