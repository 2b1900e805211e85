"""Ten slides for the projector, made of the figures and their data: python figures/slides.py (or make slides)."""

import sys
from pathlib import Path
from statistics import median

import matplotlib.image
import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages

from sab_numpy.plots import COLOURS
from sab_numpy.support.files import read_rows

HERE = Path(__file__).parent


def tyre(ax):
    """Tutorial 00: the pop is at step 1, the question at step 3; the numbers are the credit of each step."""
    rows = (
        ("every step back", "bptt", (0.125, 0.25, 0.5, 1), False),
        ("cut after two steps", "tbptt", (0, 0, 0.5, 1), False),
        ("cut, and a recall of step 1", "sab", (0.5, 1, 0.5, 1), True),
    )
    for row, (name, colour, credit, recall) in enumerate(rows):
        ax.text(-0.55, -row, name, ha="right", va="center", fontsize=17, color=COLOURS[colour])
        for t, value in enumerate(credit):
            face = COLOURS[colour] if value else "white"
            ax.text(
                t,
                -row,
                f"{value:g}",
                ha="center",
                va="center",
                fontsize=17,
                color="white" if value else "grey",
                bbox={"boxstyle": "circle,pad=0.5", "facecolor": face, "edgecolor": "grey"},
            )
        if recall:
            ax.annotate(
                "",
                (1.1, -row + 0.3),
                (2.9, -row + 0.3),
                arrowprops={"arrowstyle": "->", "color": COLOURS[colour], "lw": 3, "connectionstyle": "arc3,rad=0.25"},
            )
    for t, event in enumerate(("set off", "pop", "drive on", "which tyre?")):
        ax.text(t, 0.62, event, ha="center", fontsize=15, color="grey")
    ax.set(xlim=(-2.2, 3.6), ylim=(-2.6, 0.9))


def control(ax):
    """The same forward pass with and without credit through recalls, and no recall: data/demo.csv, every seed."""
    rows = read_rows(HERE / "data" / "demo.csv")
    kinds = (("truncated BPTT", "tbptt"), ("SAB 5/5, recalled states constant", "constant"), ("SAB 5/5", "sab"))
    for place, (_, side) in enumerate(kinds):
        found = [100 * float(row[f"{side}_accuracy"]) for row in rows]
        ax.barh(-place, median(found), color=COLOURS[side])
        ax.plot(found, [-place] * len(found), "k.", markersize=9)
        ax.text(102, -place, f"{median(found):.0f} %, {len(found)} seeds", va="center", fontsize=15)
    ax.set_yticks([0, -1, -2], [name for name, _ in kinds], fontsize=16)
    ax.axvline(12.5, color="grey", linestyle=":")
    ax.set_xlim(0, 122)
    ax.set_xticks(range(0, 101, 25))
    ax.set_xlabel("symbols right at the end (%), median and single runs; dotted: chance", fontsize=14)
    ax.spines[["top", "right"]].set_visible(False)


# (title, picture or a function that draws it, lines)
SLIDES = (
    (
        "Credit across a wait",
        "forward_pass",
        (
            "A network reads ten symbols, waits a hundred steps, and says them again.",
            "Which of its steps earned the right answer, and how does the credit get there?",
        ),
    ),
    (
        "A tyre pops, and long after someone asks which",
        tyre,
        (
            "Credit: how much the answer moves when a step's input does (here each step keeps half).",
            "A cut loses the pop. One recall brings it back, without walking the way between.",
        ),
    ),
    (
        "Why walking back is not enough",
        "credit_over_distance",
        (
            r"$\frac{\partial L}{\partial h_t} = \frac{\partial L}{\partial h_T}\,"
            r"\prod_{u=t+1}^{T}\,\frac{\partial h_u}{\partial h_{u-1}}$"
            "      a hundred factors: it vanishes or explodes, and costs a hundred steps",
        ),
    ),
    (
        "Forward: a state, and a few past states that fit",
        "kink_of_selection",
        (
            r"$\hat h_t = \mathrm{LSTM}(x_t, h_{t-1})$      $a_n = \hat h_t W_q \cdot M_n / \sqrt{H}$"
            r"      $w$: the $K$ largest scores, renormalised",
            r"$s_t = \sum_k w_k M_k$      $h_t = \hat h_t + s_t$      $y_t = h_t V_h + s_t V_s + b_y$",
        ),
    ),
    (
        "Backward: three streams of credit meet",
        "backward_pass",
        (
            r"$dh_t = dh^{\,\mathrm{loss}}_t + dh^{\,\mathrm{local}}_t + dh^{\,\mathrm{memory}}_t$"
            "      (answer; next step, never across a cut; whoever recalled it)",
            r"$ds_t = dy_t V_s^{\top} + dh_t$      $dM_k = w_k\,ds_t$"
            r"      $da_k = w_k\,\left(ds_t \cdot (M_k - s_t)\right)$",
        ),
    ),
    (
        "One model, four algorithms: two numbers",
        "algorithms",
        (r"$k_\mathrm{trunc}$: steps in a block (None: never cut).   $k_\mathrm{top}$: recalls (0: none, None: all)",),
    ),
    (
        "Attention alone is not enough: credit has to pass",
        control,
        ("A wait of 20 steps, cut every 5. Light blue: the same forward, what is recalled is a constant.",),
    ),
    (
        "What it recalls when it answers",
        "attention_longer",
        ("Trained at T = 300, tested up to 1,000: an answer looks back to the input's blocks, or to the wait.",),
    ),
    (
        "How do you know that your gradient is right?",
        "error_over_step_size",
        (
            "A truncated gradient is not the derivative of the loss: finite differences call it wrong.",
            "Keep what was stopped and what was selected, replay, and compare with that.",
        ),
    ),
    (
        "Some seeds learn, some do not",
        "works_or_not",
        (
            "The same command, another seed. What would you look at first?",
            "Your turn: sab explore    sab exercises --out exercises    sab grade exercises",
        ),
    ),
)


def draw(number, title, picture, lines):
    fig = plt.figure(figsize=(13.33, 7.5))
    fig.text(0.05, 0.91, title, fontsize=30, weight="bold", va="center")
    for place, line in enumerate(lines):
        fig.text(0.05, 0.815 - 0.075 * place, line, fontsize=17, va="center")
    bottom, top = 0.06, 0.83 - 0.075 * len(lines)
    if callable(picture):
        ax = fig.add_axes(
            (
                0.33 if picture is control else 0.1,
                bottom + 0.06,
                0.62 if picture is control else 0.8,
                top - bottom - 0.07,
            )
        )
        picture(ax)
        if picture is tyre:
            ax.axis("off")
    else:
        ax = fig.add_axes((0.05, bottom, 0.9, top - bottom))
        ax.imshow(matplotlib.image.imread(HERE / f"{picture}.png"), interpolation="antialiased")
        ax.axis("off")
    fig.text(0.95, 0.025, f"sab_numpy   {number}", fontsize=11, color="grey", ha="right")
    return fig


def main(path):
    with PdfPages(path, metadata={"Title": "Credit across a wait", "CreationDate": None}) as pdf:
        for number, slide in enumerate(SLIDES, 1):
            fig = draw(number, *slide)
            pdf.savefig(fig, dpi=150)
            plt.close(fig)
    print(f"{len(SLIDES)} slides in {path}")


if __name__ == "__main__":
    plt.switch_backend("Agg")
    main(sys.argv[1] if len(sys.argv) > 1 else "slides.pdf")
