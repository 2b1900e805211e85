"""`sab figures`: every figure again, from CSV files and from the trained parameters of the package. Nothing is trained."""

import os
from functools import partial
from typing import NamedTuple

import matplotlib
import numpy as np

import sab_numpy as sab
from sab_numpy import files, pretrained
from sab_numpy.plots import cost, credit, derivatives, reproduction, style, timeline
from sab_numpy.plots.training import attention_map
from sab_numpy.tasks import stream, task
from sab_numpy.threads import one_thread
from sab_numpy.walk_command import loss_at, sequence, trained

MODEL = "copying-T100-sab"                 # the trained model that most figures look at


class Figure(NamedTuple):
    """A figure: who draws it (data folder, path), the CSV files or model that it needs, where they come from, and what
    it shows, for those who cannot see it."""

    draw: object
    needs: tuple
    made_by: str
    alternative: str


class Missing(ValueError):
    """What a figure needs is not there."""


def model():
    """The trained model, and one short test sequence: model, x and targets (25, 1). Raises Missing."""
    if MODEL not in pretrained.names():
        raise Missing
    found = trained(MODEL)
    found = found._replace(params={name: value.astype(np.float64) for name, value in found.params.items()})
    return found, *sequence(found, T=5)


def interesting_answer(tape):
    """The answer, not the first of a block, that recalls the input with the largest weight."""
    at = range(len(tape.slots) - 10, len(tape.slots))
    of_input = (tape.slots[:, 0] >= tape.n_given) & (tape.step_of(tape.slots[:, 0]) < 10)        # (T, K)
    weight = (tape.weights[:, 0] * of_input[:, :tape.weights.shape[2]]).sum(1)
    return max((t for t in at if t % (tape.cfg.k_trunc or 1)), key=lambda t: weight[t], default=at[-1])


def dy_at(targets, step):
    """A function of y: the loss by y of the answer at `step` alone."""
    return lambda y: loss_at(task("copying").loss(y, targets)[1], step)


def forward_pass(data, path):
    found, x, _ = model()
    y, tape = sab.forward(found.params, x, found.cfg)
    timeline.forward_pass(tape, x[:, 0], y[:, 0].argmax(-1), path, "Forward: read ten symbols, wait, say them again")


def backward_pass(data, path):
    found, x, targets = model()
    y, tape = sab.forward(found.params, x, found.cfg)
    step = interesting_answer(tape)
    events = list(sab.walk(dy_at(targets, step)(y), tape))
    timeline.backward_pass(events, len(x), found.cfg.k_trunc, x[:, 0], path,
                           f"Backward: the credit of one answer, step {step}")


def algorithms(data, path):
    found, x, targets = model()
    step = interesting_answer(sab.forward(found.params, x, found.cfg)[1])
    credit.credit_pictures(found.params, found.cfg, x, dy_at(targets, step), path,
                           f"The credit of one answer (step {step}): same parameters, four algorithms")


def credit_over_distance(data, path):
    found, _, _ = model()
    x, targets = task("copying").sequences(100, 16, stream(found.seed, "test", 100))
    credit.credit_over_distance(found.params, found.cfg, x, dy_at(targets, 119), path,
                                "The credit of the last answer, copying T = 100, 16 sequences, same parameters")


def attention(data, path):
    found, _, _ = model()
    x, _ = sequence(found, T=100)
    _, tape = sab.forward(found.params, x, found.cfg)
    K = found.cfg.k_top
    attention_map(tape.slots[:, 0, :K], tape.weights[:, 0, :K], found.cfg, path,
                  title=f"What {MODEL} recalls in one test sequence")


def attention_longer(data, path):
    found, _, _ = model()
    x, _ = sequence(found, T=200)
    _, tape = sab.forward(found.params, x, found.cfg)
    K = found.cfg.k_top
    attention_map(tape.slots[:, 0, :K], tape.weights[:, 0, :K], found.cfg, path,
                  title=f"The same at T = 200, where {MODEL} was never trained")


def cost_over_length(data, path):
    cost.cost_over_length(files.read_rows(os.path.join(data, "cost.csv")), path)


def alone(draw, data, path):
    draw(path)


FROM_MODEL = ((MODEL,), "sab reproduce ship")
RUNS = (("copying.csv",), "sab reproduce copying")
FIGURES = {
    "forward_pass": Figure(forward_pass, *FROM_MODEL, "A row of 25 boxes, one a step, joined by arrows from left to "
                           "right. Every fifth state is copied upwards into a memory slot. While the network says its "
                           "answers, arcs lead from the memory slots of the input to the answering steps."),
    "backward_pass": Figure(backward_pass, *FROM_MODEL, "The same row of boxes, read from the right. Credit enters at "
                            "one answer, walks left to the start of its block and is cut there. Arcs carry it to recalled "
                            "states far to the left, from where it walks to the start of their blocks. Grey blocks get "
                            "no credit and are not visited."),
    "algorithms": Figure(algorithms, *FROM_MODEL, "Four rows of boxes, one an algorithm, for the loss of one answer. BPTT "
                         "colours all earlier boxes, paler with distance. Truncated BPTT colours the last block alone. "
                         "Self-attention colours all boxes and draws an arc to every microstate. SAB colours a few blocks, "
                         "joined by a few arcs."),
    "credit_over_distance": Figure(credit_over_distance, *FROM_MODEL, "Left: norm of the credit over the distance from "
                                   "the last answer. BPTT falls steadily, truncated BPTT ends after one block, "
                                   "self-attention and SAB rise again at the input. Right: relative error beside the uncut "
                                   "gradient of the same forward; zero for BPTT and self-attention, one for truncated "
                                   "BPTT beyond its block, between for SAB."),
    "kink_of_selection": Figure(partial(alone, derivatives.kink_of_selection), (), "", "Weight of one slot over its own "
                                "score when the two largest of four are recalled. With softmax it jumps from zero when "
                                "the slot enters the selection; with relu it has a kink there. The frozen replay, dashed, "
                                "goes on smoothly."),
    "error_over_step_size": Figure(partial(alone, derivatives.error_over_step_size), (), "", "Relative error of three "
                                   "numeric derivatives over the step size, on logarithmic axes. The complex step of the "
                                   "replay falls to rounding and stays there, the central difference of the replay "
                                   "falls and rises again, the central difference of the loss itself never falls."),
    "attention_map": Figure(attention, *FROM_MODEL, "Which past state each step recalls, one test sequence of T = 100. "
                            "The answering steps, at the bottom, recall the states at the end of the input's blocks."),
    "attention_map_T200": Figure(attention_longer, *FROM_MODEL, "The same picture for a sequence twice as long as in "
                                 "training."),
    "cost_over_length": Figure(cost_over_length, ("cost.csv",), "sab bench --csv && sab bench growth --csv", "Four panels over "
                               "the length of the sequence: steps that credit walked, skips, seconds of a train step and "
                               "peak memory, for LSTM with BPTT, truncated BPTT, self-attention and SAB."),
    "copying_table": Figure(reproduction.reproduction_table, *RUNS, "A table of methods by lengths: accuracy of the median "
                            "seed with the worst, the best and the number of seeds, and below it the paper's number. The "
                            "blue is deeper the higher the accuracy. What was not run says so."),
    "learning_curves": Figure(reproduction.all_learning_curves, *RUNS, "Accuracy on validation over updates, one line a "
                              "seed, one panel a length, methods told apart by colour and dashes."),
    "transfer": Figure(reproduction.transfer, ("copying.csv", "transfer.csv"), "sab reproduce transfer", "Accuracy over the "
                       "length of the test for models trained at T = 100: the mean of all seeds with a band from worst to "
                       "best, and the paper's numbers as open markers."),
    "works_or_not": Figure(reproduction.works_or_not, *RUNS, "Two columns, the best and the worst SAB run there is. From "
                           "top to bottom, over updates: accuracy, the largest absolute state, and the shares of recalls at "
                           "the answers that go to states of the input and to empty slots."),
    "attention_while_learning": Figure(reproduction.attention_while_learning, ("moments.csv",),
                                       "python -m sab_numpy.experiments.moments", "Maps of what one test sequence recalls at "
                                       "several moments of a training at T = 200."),
}


def missing(figure, data):
    """What the figure needs and does not find."""
    return [name for name in figure.needs if not (os.path.exists(os.path.join(data, name)) if name.endswith(".csv")
                                                  else name in pretrained.names())]


def draw(names, data, out):
    """Draw these figures into the folder `out`; yields (name, None), or why it was not drawn, as it goes."""
    os.makedirs(out, exist_ok=True)
    for name in names:
        lacking = missing(FIGURES[name], data)
        if lacking:
            yield name, f"not run: {', '.join(lacking)} ({FIGURES[name].made_by})"
            continue
        try:
            with matplotlib.rc_context(style.SETTINGS):
                FIGURES[name].draw(data, os.path.join(out, f"{name}.png"))
        except ValueError as error:
            yield name, f"not drawn: {error}"
        else:
            yield name, None


def readme(out):
    """The text of figures/README.md."""
    lines = ["# Figures", "", "All are drawn again by `sab figures`, from the CSV files in `data/` and the trained parameters "
             "that come with the package;", "drawing never trains. One alone: `sab figures NAME`.", ""]
    for name, figure in FIGURES.items():
        lines += [f"## {name}", ""]
        if os.path.exists(os.path.join(out, f"{name}.png")):
            lines += [f"![{figure.alternative}]({name}.png)", ""]
        source = " and ".join(f"`{need}`" for need in figure.needs) or "nothing but the package"
        lines += [figure.alternative, "", f"Command: `sab figures {name}`. Drawn from {source}"
                  + (f" (`{figure.made_by}`)." if figure.made_by else "."), ""]
    return "\n".join(lines)


def add_arguments(parser):
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all): " + ", ".join(FIGURES))
    parser.add_argument("--data", default=os.path.join("figures", "data"), metavar="DIR", help="the CSV files (figures/data)")
    parser.add_argument("--out", default="figures", metavar="DIR", help="where the pictures and README.md go (figures)")
    parser.epilog = "example: sab figures\n         sab figures kink_of_selection --out lecture"


def run(args):
    for name in args.names:
        if name not in FIGURES:
            raise ValueError(f"no figure {name!r}: expected one of {', '.join(FIGURES)}")
    one_thread()
    drawn = 0
    for name, reason in draw(args.names or FIGURES, args.data, args.out):
        drawn += reason is None
        print(f"{name:26s} {reason or os.path.join(args.out, name + '.png')}", flush=True)
    if not args.names:
        files.write_atomic(os.path.join(args.out, "README.md"), readme(args.out))
    print(f"{drawn} of {len(args.names or FIGURES)} figures drawn")
    return 0
