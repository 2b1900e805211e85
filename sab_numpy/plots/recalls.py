"""Which microstates the answers recall, as strips; one for each length of the test."""

import numpy as np

from sab_numpy.plots import save
from sab_numpy.plots.style import ORANGE, panels


def answers_recall(tapes, path, title, answers=10):
    """tapes: {T: tape of one sequence}. Across: the microstates; down: the answers; darker with the weight."""
    fig, axes = panels(len(tapes), 1, 13.3, 1.2 + 2.6 * len(tapes))
    for ax, (T, tape) in zip(axes[:, 0], tapes.items()):
        steps, n = len(tape.x), tape.memory.initial_slots
        image = np.zeros((answers, tape.memory.M.shape[1] - n))
        for row, t in enumerate(range(steps - answers, steps)):
            for slot, _, weight in tape.recalls(t):
                if slot >= n:
                    image[row, slot - n] += weight
        shown = ax.pcolormesh(image**0.5, cmap="Blues", vmin=0, vmax=1, edgecolors="#e8e8e8", linewidth=0.3)
        ax.axvline(answers // tape.cfg.k_att, color=ORANGE)
        ticks = np.arange(0, image.shape[1], max(1, image.shape[1] // 12))
        ax.set_xticks(ticks + 0.5, [tape.memory.step_of(n + slot) for slot in ticks])
        ax.set_yticks([0.5, answers - 0.5], ["1", str(answers)])
        ax.set(ylim=(answers, 0), ylabel="answer", title=f"T = {T}")
    ax.set_xlabel("step whose state is recalled (left of the orange line: the input)")
    bar = fig.colorbar(shown, ax=axes[:, 0], label="weight of the recall")
    bar.set_ticks([0, 0.1**0.5, 0.25**0.5, 0.5**0.5, 1], labels=["0", "0.1", "0.25", "0.5", "1"])
    fig.suptitle(title)
    save(fig, path)
