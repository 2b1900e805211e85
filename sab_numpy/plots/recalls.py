"""Which states the answers recall: ten rows, and a column for every state that any of them recalls."""

import numpy as np
from matplotlib.lines import Line2D

from sab_numpy.plots import save
from sab_numpy.plots.style import BLUE, GREY, INK, ORANGE, panels

LEAST = 0.01  # a state that no answer gives more is left out


def recall_matrix(slots, weights, cfg):
    """Weight that step t gave to the state of step s: (T, T+1); the last column is what went to empty slots."""
    n_steps = len(slots)
    matrix = np.zeros((n_steps, n_steps + 1))
    states = np.where(slots < cfg.n_empty, n_steps, cfg.written_at(slots - cfg.n_empty))  # (T, K)
    np.add.at(matrix, (np.arange(n_steps)[:, None], states), weights)
    return matrix


def recalled(*matrices, answers=10):
    """The states, in order, that an answer of any of these gives at least LEAST."""
    return sorted({int(s) for matrix in matrices for s in np.nonzero(matrix[-answers:, :-1].max(0) >= LEAST)[0]})


def draw_recalls(axes, rows, states, names, inputs=10, size=None):
    """rows (n, T+1) of a recall matrix as a table of weights: empty slots, then `states`. size: that of its digits."""
    shown = rows[:, [-1, *states]]
    image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for (row, column), weight in np.ndenumerate(shown if size else np.zeros((0, 0))):
        if weight >= LEAST:
            colour = "white" if weight > 0.6 else "black"
            axes.text(column, row, f"{weight:.2f}", ha="center", va="center", color=colour, fontsize=size)
    axes.set_xticks(range(len(states) + 1), ["empty", *map(str, states)])
    axes.set_yticks(range(len(rows)), names)
    axes.set_xticks(np.arange(len(states)) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="#e8e8e8", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    for border in {0.5, 0.5 + sum(state < inputs for state in states)}:  # the input stands between these two
        axes.axvline(border, color=INK, linewidth=1.5)
    return image


def kept_over_time(tapes, path, title):
    """tapes: {words: tape of one sequence of copying}. A line a microstate, as long as it can be recalled."""
    fig, axes = panels(1, len(tapes), 13.3, 5.2, sharey=True)
    for ax, (words, tape) in zip(axes[0], tapes.items()):
        memory, T = tape.memory, len(tape.x)
        there = {}  # step of a microstate -> the steps that can recall it
        for t in range(T):
            slots = memory.readable(t)
            for slot in range(memory.n_slots(t)) if slots is None else slots[0].tolist():
                there.setdefault(memory.step_of(slot), []).append(t)
        for step, steps in there.items():
            if step >= 0:
                colour = BLUE if step < 10 else ORANGE if step >= T - 11 else GREY
                ax.plot((step, steps[-1]), (step, step), color=colour, linewidth=1.5, solid_capstyle="butt")
        ax.set(title=words, xlabel="step t", xlim=(-4, T + 3), ylim=(-6, T + 3))
    axes[0, 0].set_ylabel("step whose state is in memory")
    looks = {"of the input": BLUE, "of the wait": GREY, "of the marker or an answer": ORANGE}
    handles = [Line2D([], [], color=colour, linewidth=3, label=f"a state {words}") for words, colour in looks.items()]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
    fig.suptitle(title)
    save(fig, path)


def answers_recall(tapes, path, title, answers=10):
    """tapes: {T: tape of one sequence}. Side by side: the weight that every answer gives to every state it recalls."""
    found = {}
    for T, tape in tapes.items():
        K = tape.weights.shape[2]
        found[T] = recall_matrix(tape.slots[:, 0, :K], tape.weights[:, 0], tape.cfg)
    states = {T: recalled(matrix, answers=answers) for T, matrix in found.items()}
    widths = [3 + len(states[T]) for T in found]
    fig, axes = panels(1, len(found), 13.3, 5.2, sharey=True, width_ratios=widths)
    for ax, (T, matrix) in zip(axes[0], found.items()):
        draw_recalls(ax, matrix[-answers:], states[T], range(1, answers + 1), size=9)
        ax.set(title=f"T = {T}", xlabel="step of the recalled state")
        ax.label_outer()
    axes[0, 0].set_ylabel("answer")
    fig.suptitle(f"{title}\nbetween the two lines: the input; what no answer recalls is left out")
    save(fig, path)
