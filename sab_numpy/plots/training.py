"""Pictures of a training: accuracy over updates, and which past state each answer recalled."""

import numpy as np

from sab_numpy.plots import COLOURS, figure, save
from sab_numpy.plots.recalls import draw_recalls, recall_matrix, recalled
from sab_numpy.plots.style import panels
from sab_numpy.tasks import copying


def learning_curves(curves, path, title="", error=None):
    """Accuracy of copying over updates. curves: {label: (colour name, updates, accuracies in 0..1)}.

    error: the curves are squared errors, and this is what guessing has.
    """
    fig, axes = figure()
    for label, (colour, updates, values) in curves.items():
        axes.plot(updates, (1 if error else 100) * np.asarray(values), color=COLOURS[colour], label=label)
    axes.axhline(error or 100 * copying.CHANCE["accuracy"], color=COLOURS["chance"], linestyle=":", label="chance")
    axes.set(xlabel="updates", ylabel="right answers (%)", xlim=(0, None), title=title)
    axes.set(ylabel="squared error", yscale="log") if error else axes.set(ylim=(0, 103))
    fig.legend(loc="outside lower center", ncols=len(curves) + 1, frameon=False)
    save(fig, path)


def attention_map(slots, weights, cfg, path, inputs=10, title=""):
    """Which past states the answers of one sequence recalled. slots, weights (T, K).

    Down: all steps before the answers (their mean), then the ten answers. Across: empty slots, then every state that
    an answer recalls. Each cell is a weight; between the two lines is the input.
    """
    matrix = recall_matrix(slots, weights, cfg)
    states = recalled(matrix, answers=inputs)
    fig, axes = panels(2, 1, max(7.0, 2.6 + 0.8 * len(states)), 6.0, height_ratios=(1, inputs), sharex=True)
    (before,), (answers,) = axes
    draw_recalls(before, matrix[:-inputs].mean(0)[None], states, [f"before (mean of {len(matrix) - inputs})"], size=10)
    draw_recalls(answers, matrix[-inputs:], states, range(1, inputs + 1), size=10)
    before.tick_params(labelbottom=False)
    answers.set(xlabel="step whose state is recalled (between the two lines: the input)", ylabel="answer")
    fig.suptitle(f"{title}\nweight of every recall; states that no answer recalls are left out")
    save(fig, path)
