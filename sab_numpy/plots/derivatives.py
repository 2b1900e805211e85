"""Two pictures about derivatives: the kink of a selection, and the error of a numeric derivative over its step."""

import numpy as np

from sab_numpy.core.backward import backward
from sab_numpy.core.config import Config
from sab_numpy.core.forward import forward
from sab_numpy.core.params import init_params
from sab_numpy.core.replay import not_recording
from sab_numpy.core.sparsify import largest, weights
from sab_numpy.gradcheck.derivative import EPS
from sab_numpy.gradcheck.step_sizes import step_sizes
from sab_numpy.plots import save
from sab_numpy.plots.style import AMBER, GREY, INK, panels

SCORES = np.array([1.0, 0.5, -0.5])  # of the other slots; K = 2


def weight_of_first(score, normalise, frozen=False):
    """The weight of a slot with this score beside SCORES; frozen: the selection stays that of score 1."""

    def selection(value):
        return largest(np, np.array([[value, *SCORES]]), 2 + (normalise == "relu"))[0]

    slots = selection(1.0 if frozen else score)
    a = np.array([score, *SCORES])[slots][None]
    w, _ = weights(np, a, normalise)
    return float(w[0][slots == 0].sum()) if 0 in slots else 0.0


def kink_of_selection(path):
    """The weight of one slot over its own score, when the two largest of four are recalled."""
    fig, axes = panels(1, 2, 13.3, 5.2)
    score = np.linspace(0.2, 2.0, 901)
    for ax, normalise, words in zip(axes[0], ("softmax", "relu"), ("it jumps", "it has a kink")):
        true, frozen = (np.array([weight_of_first(s, normalise, keep) for s in score]) for keep in (False, True))
        jump = np.abs(np.diff(true)) > 0.1
        true[1:][jump] = np.nan  # no line where there is no value between
        ax.plot(score, frozen, "--", color=AMBER, label="frozen replay: the selection made at score 1")
        ax.plot(score, true, color=INK, label="selection made anew")
        ax.axvline(0.5, color=GREY, linestyle=":")
        ax.text(0.53, -0.55, "from here on it is one of the two largest", color="#555555", fontsize=12)
        ax.set(xlabel="score of the slot (the others: 1, 0.5, -0.5)", ylabel="weight of the slot", ylim=(-0.65, 1))
        ax.set_title(f"{normalise}: {words}", loc="left")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save(fig, path)


def step_errors():
    """Relative errors of numeric derivatives of SAB along one direction: (h, {what: errors})."""
    rng, T, B = np.random.default_rng(0), 12, 3
    cfg = Config.sab(3, 8, 3, k_trunc=4, k_top=2, k_att=2)
    params = init_params(cfg, rng)
    x, c = rng.standard_normal((T, B, 3)), rng.standard_normal((T, B, 3))
    _, tape = forward(params, x, cfg)
    grads = backward(c, tape)

    def loss(p):
        return (forward(p, x, cfg)[0] * c).sum()

    def loss_itself(p):
        with not_recording():  # nothing is held
            return loss(p)

    replay, free = step_sizes(loss, params, grads, tape), step_sizes(loss_itself, params, grads)
    return replay.h, {
        "complex step of the replay": replay.complex,
        "central difference of the replay": replay.central,
        "central difference of the loss itself": free.central,
    }


def error_over_step_size(path):
    """Why the frozen replay: the loss itself has another derivative at every step size."""
    draw_step_sizes(*step_errors(), path, "A truncated gradient is the derivative of the replay, not of the loss")


def draw_step_sizes(h, errors, path, title="Error of a numeric derivative"):
    """The errors {what: array} over the step sizes h; what is NaN everywhere is left out."""
    fig, ((axes,),) = panels(1, 1, 10.5, 5.8)
    looks = ((INK, "--"), (GREY, "-"), (AMBER, "-."))
    for (name, error), (colour, dashes) in zip(errors.items(), looks):
        if not np.isnan(error).all():
            axes.loglog(h, error, dashes, color=colour, label=name)
    axes.invert_xaxis()
    axes.set(
        xlabel="step size h (parameters move by h along a random direction)",
        ylabel="relative error against backward",
        ylim=(EPS / 8, 10),
    )
    axes.set_title(title, loc="left")
    axes.legend(loc=(0.6, 0.15))
    axes.grid(alpha=0.3)
    save(fig, path)
