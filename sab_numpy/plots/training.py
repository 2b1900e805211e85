"""Pictures of a training: accuracy over updates, and which past state each step recalled."""

import numpy as np
from matplotlib.figure import Figure

from sab_numpy.plots import COLOURS, figure, save


def learning_curves(curves, path, title="", chance=1 / 8):
    """Accuracy over updates. curves: {label: (colour name, updates, accuracies in 0..1)}."""
    fig, axes = figure()
    for label, (colour, updates, accuracies) in curves.items():
        axes.plot(updates, 100 * np.asarray(accuracies), color=COLOURS[colour], label=label)
    axes.axhline(100 * chance, color=COLOURS["chance"], linestyle=":", label="chance")
    axes.set(xlabel="updates", ylabel="right answers (%)", ylim=(0, 103), xlim=(0, None), title=title)
    fig.legend(loc="outside lower center", ncols=len(curves) + 1, frameon=False)
    save(fig, path)


def recall_matrix(slots, weights, cfg):
    """Weight that step t gave to the state of step s: (T, T+1); the last column is what went to empty slots."""
    n_steps = len(slots)
    matrix = np.zeros((n_steps, n_steps + 1))
    states = np.where(slots < cfg.n_empty, n_steps, cfg.written_at(slots - cfg.n_empty))  # (T, K)
    np.add.at(matrix, (np.arange(n_steps)[:, None], states), weights)
    return matrix


def attention_map(slots, weights, cfg, path, inputs=10, title=""):
    """Which past state each step recalled, for one sequence, the answers enlarged. slots, weights (T, K).

    Across: the past step; down: the step that recalls. The grey is the square root of the weight, so that small
    weights are seen. The narrow column at the left is what went to empty slots. Below the one line are the answers,
    left of the other the input.
    """
    matrix = recall_matrix(slots, weights, cfg) ** 0.5
    n_steps, orange = len(matrix), COLOURS["tbptt"]
    answers = n_steps - inputs - 0.5  # the line above them
    fig = Figure(figsize=(8.4, 9.2), layout="constrained")
    axes = fig.subplots(2, 2, width_ratios=(1, 22), height_ratios=(3, 1.3))
    for (empty, states), first in zip(axes, (-0.5, answers)):
        for ax, part in ((empty, matrix[:, -1:]), (states, matrix[:, :-1])):
            image = ax.imshow(part, cmap="Greys", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
            ax.set(ylim=(n_steps - 0.5, first))
            ax.axhline(answers, color=orange, linewidth=1)
        empty.set(xticks=[])
        states.set(yticks=[])
        states.axvline(inputs - 0.5, color=orange, linewidth=1)
    axes[0, 0].set(ylabel="step that recalls")
    axes[1, 0].set(ylabel="the answers, enlarged", yticks=range(n_steps - inputs, n_steps))
    axes[1, 0].set_xlabel("empty\nslots", labelpad=20)
    axes[1, 1].set(xlabel="step whose state is recalled")
    axes[0, 1].text(n_steps - 1, answers - 0.5, "answers below this line", ha="right", va="bottom", color=orange)
    axes[0, 1].text(inputs, 0, "input left of this line", ha="left", va="top", color=orange)
    bar = fig.colorbar(image, ax=axes, shrink=0.6, label="weight of the recall")
    bar.set_ticks([0, 0.1**0.5, 0.25**0.5, 0.5**0.5, 1], labels=["0", "0.1", "0.25", "0.5", "1"])
    fig.suptitle(f"{title}\nrow: the step that recalls; column: the step whose state it recalls")
    save(fig, path)
