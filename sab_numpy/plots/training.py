"""Pictures of a training: accuracy over updates, and which past state each step recalled."""

import numpy as np

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
    states = np.where(slots < cfg.n_empty, n_steps, cfg.written_at(slots - cfg.n_empty))           # (T, K)
    np.add.at(matrix, (np.arange(n_steps)[:, None], states), weights)
    return matrix


def attention_map(slots, weights, cfg, path, inputs=10, title=""):
    """Which past state each step recalled, for one sequence. slots, weights (T, K).

    Across: the past step; down: the step that recalls. The grey is the square root of the weight, so that small
    weights are seen. Below the one line are the answers, left of the other the input.
    """
    matrix = recall_matrix(slots, weights, cfg)
    n_steps = len(matrix)
    fig, axes = figure(7.4, 6.4)
    image = axes.imshow(matrix[:, :-1] ** 0.5, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    axes.axhline(n_steps - inputs - 0.5, color=COLOURS["tbptt"], linewidth=0.8)
    axes.axvline(inputs - 0.5, color=COLOURS["tbptt"], linewidth=0.8)
    words = {"color": COLOURS["tbptt"]}
    axes.text(n_steps - 1, n_steps - inputs - 1, "answers below this line", ha="right", va="bottom", **words)
    axes.text(inputs, 0, "input: left of this line", ha="left", va="top", **words)
    axes.set(xlabel="step whose state is recalled", ylabel="step that recalls", title=title)
    bar = fig.colorbar(image, ax=axes, shrink=0.7, label="weight of the recall")
    bar.set_ticks([0, 0.1 ** 0.5, 0.25 ** 0.5, 0.5 ** 0.5, 1], labels=["0", "0.1", "0.25", "0.5", "1"])
    save(fig, path)
