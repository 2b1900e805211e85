"""Every figure: who draws it, what it needs, and what it shows, in words for those who cannot see it."""

import os
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from sab_numpy.bench.cost_table import COST
from sab_numpy.core.forward import forward
from sab_numpy.explore.sequence import loss_at, sequence
from sab_numpy.explore.walk import walk
from sab_numpy.plots import cost, credit, derivatives, reproduction, timeline
from sab_numpy.plots.recalls import answers_recall, kept_over_time
from sab_numpy.plots.training import attention_map
from sab_numpy.support import files
from sab_numpy.tasks import stream, task
from sab_numpy.training.checkpoints import trained

MODEL = "copying-T300-sab"  # the trained model that most figures look at
BUDGET = "copying-T300-budget"  # one whose memory has a budget
SHORT, WAIT = 5, 15  # waits of a sequence that is drawn step by step: one that fits, one with blocks nobody visits


class Figure(NamedTuple):
    """A figure: who draws it (data folder, path), the CSV files or model that it needs, where they come from, and what
    it shows, for those who cannot see it."""

    draw: object
    needs: tuple
    made_by: str
    alternative: str


def model(T=SHORT):
    """The trained model, and one short test sequence: model, x and targets (T+20, 1)."""
    found = trained(MODEL)
    found = found._replace(params={name: value.astype(np.float64) for name, value in found.params.items()})
    return found, *sequence(found, T)


def interesting_answer(tape):
    """The answer, not the first of a block, that recalls the input with the largest weight."""
    at = range(len(tape.slots) - 10, len(tape.slots))
    weight = {t: sum(weight for _, m, weight in tape.recalls(t) if 0 <= m < 10) for t in at}
    return max((t for t in at if t % (tape.cfg.k_trunc or 1)), key=lambda t: weight[t], default=at[-1])


def dy_at(targets, step):
    """A function of y: the loss by y of the answer at `step` alone."""
    return lambda y: loss_at(task("copying").loss(y, targets)[1], step)


def forward_pass(data, path):
    found, x, _ = model()
    y, tape = forward(found.params, x, found.cfg)
    timeline.forward_pass(tape, x[:, 0], y[:, 0].argmax(-1), path, "Forward: read ten symbols, wait, say them again")


def backward_pass(data, path):
    found, x, targets = model(WAIT)
    y, tape = forward(found.params, x, found.cfg)
    step = interesting_answer(tape)
    events = list(walk(dy_at(targets, step)(y), tape))
    timeline.backward_pass(
        events, len(x), found.cfg.k_trunc, x[:, 0], path, f"Backward: the credit of one answer, step {step}"
    )


def algorithms(data, path):
    found, x, targets = model(WAIT)
    step = interesting_answer(forward(found.params, x, found.cfg)[1])
    credit.credit_pictures(
        found.params,
        found.cfg,
        x,
        dy_at(targets, step),
        path,
        f"The credit of one answer (step {step}): same parameters, four algorithms",
    )


def credit_over_distance(data, path):
    found, _, _ = model()
    x, targets = task("copying").sequences(100, 16, stream(found.seed, "test", 100))
    credit.credit_over_distance(
        found.params,
        found.cfg,
        x,
        dy_at(targets, 119),
        path,
        "The credit of the last answer, copying T = 100, 16 sequences, same parameters",
    )


def attention(data, path):
    found, _, _ = model()
    x, _ = sequence(found, T=100)
    _, tape = forward(found.params, x, found.cfg)
    K = found.cfg.k_top
    attention_map(
        tape.slots[:, 0, :K],
        tape.weights[:, 0, :K],
        found.cfg,
        path,
        title=f"Which past states {MODEL} recalls, one test sequence",
    )


def attention_longer(data, path):
    found, _, _ = model()
    tapes = {T: forward(found.params, sequence(found, T)[0], found.cfg)[1] for T in (100, 300, 1000)}
    answers_recall(tapes, path, f"What {MODEL} recalls at its ten answers, also longer than it was trained")


def what_is_kept(data, path):
    found = trained(BUDGET)
    x, _ = sequence(found, found.T)
    spacing = len(x) // (found.cfg.budget + 1) + 1  # the fewest steps that leave no more states than the budget
    evenly = replace(found.cfg, budget=None, k_att=spacing)
    words = f"the {found.cfg.budget} most surprising"
    kept_over_time(
        {
            f"{found.cfg.budget} written evenly, every {spacing} steps": forward(found.params, x, evenly)[1],
            words: forward(found.params, x, found.cfg)[1],
        },
        path,
        f"When each state can be recalled, copying T = {found.T}: a memory of {found.cfg.budget} microstates",
    )


def cost_over_length(data, path):
    cost.cost_over_length(files.read_rows(os.path.join(data, "cost.csv"), COST), path)


def alone(draw, data, path):
    draw(path)


FROM_MODEL = (MODEL,), "sab reproduce publish"
RUNS = ("copying.csv",), "sab reproduce copying"
FIGURES = {
    "forward_pass": Figure(
        forward_pass,
        *FROM_MODEL,
        "A row of 25 boxes, one a step, joined by arrows from left to right. Every fifth state is copied upwards "
        "into a memory slot. While the network says its answers, blue arcs lead from the memory slots of the "
        "input to the answering steps.",
    ),
    "backward_pass": Figure(
        backward_pass,
        *FROM_MODEL,
        "A row of 35 boxes, read from the right. Credit enters at one answer, walks left to the start of its "
        "block and is cut there. Two strong arcs carry it to the state of step 4, the end of the input's first "
        "block, from where it walks to the sequence's start; faint ones lead to other recalled states. Boxes are a "
        "darker blue the more credit they got; grey blocks got none and are not visited.",
    ),
    "algorithms": Figure(
        algorithms,
        *FROM_MODEL,
        "Four rows of boxes, one an algorithm, each in its colour, for the loss of one answer. BPTT colours all "
        "earlier boxes, paler with distance. Truncated BPTT colours the last block alone. Self-attention colours "
        "all boxes and draws an arc to every microstate. SAB colours the answer's block and the input's first, "
        "joined by two strong arcs; what else it recalled is pale, and one block between is grey. All four on the "
        "parameters that SAB trained.",
    ),
    "credit_over_distance": Figure(
        credit_over_distance,
        *FROM_MODEL,
        "Left: norm of the credit over the distance from the last answer. BPTT falls to a small rest, truncated BPTT "
        "ends after one block, self-attention and SAB rise again at the input. Right: relative error beside the uncut "
        "gradient of the same forward; zero for BPTT and self-attention, one for truncated BPTT beyond its block, "
        "near one for SAB over the wait and small at the input. All four on the parameters that SAB trained.",
    ),
    "kink_of_selection": Figure(
        partial(alone, derivatives.kink_of_selection),
        (),
        "",
        "Weight of one slot over its own score when the two largest of four are recalled. With softmax it jumps from "
        "zero when the slot enters the selection; with relu it has a kink there. The frozen replay, dashed, goes on "
        "smoothly.",
    ),
    "error_over_step_size": Figure(
        partial(alone, derivatives.error_over_step_size),
        (),
        "",
        "Relative error of three numeric derivatives over the step size, on logarithmic axes. The complex step of the"
        " replay falls to rounding and stays there, the central difference of the replay falls and rises again, the "
        "central difference of the loss itself never falls.",
    ),
    "attention_map": Figure(
        attention,
        *FROM_MODEL,
        "A table of weights, one test sequence of T = 100: down the ten answers, across empty slots and the "
        "states that an answer recalls. The first three answers recall the state of step 4, the sixth to eighth "
        "that of step 9: the ends of the input's two blocks. A row above them: before the answers 90 % of the weight "
        "is on the empty slot.",
    ),
    "attention_longer": Figure(
        attention_longer,
        *FROM_MODEL,
        "Three tables of weights side by side, for T = 100, 300 and 1,000: what each of the ten answers gives to "
        "the empty slot and to the states that it recalls. They hardly differ: the first three answers recall the "
        "state of step 4, the seventh and eighth that of step 9.",
    ),
    "what_is_kept": Figure(
        what_is_kept,
        (BUDGET,),
        "sab reproduce publish",
        "Two panels: across the step, upwards the step whose state is in memory; a line lasts as long as the state can "
        "be recalled. Left, five written evenly: five lines of the wait, none of the input. Right, the five most "
        "surprising: the two states that have read the input stay to the end; states of the wait come and go, and "
        "that of the marker comes last.",
    ),
    "cost_over_length": Figure(
        cost_over_length,
        ("cost.csv",),
        "sab bench --csv && sab bench growth --csv",
        "Four panels over the length of the sequence: steps that credit walks before it is cut, skips, seconds of "
        "a train step and peak memory, for LSTM with BPTT, truncated BPTT, self-attention and SAB; below them, "
        "why two of the lines end earlier.",
    ),
    "copying_table": Figure(
        reproduction.copying_table,
        *RUNS,
        "Six methods down, three lengths across: a dot for the right answers of every seed, beside them the "
        "median and the number of seeds; an open diamond is the paper's number, a dotted line chance. What was "
        "not run says so.",
    ),
    "learning_curves": Figure(
        reproduction.all_learning_curves,
        *RUNS,
        "Six panels, one a method: accuracy on validation over updates, a line a seed, solid, dashed and dotted "
        "for T = 100, 200 and 300, and a dot where a training ended; pale behind them the lines of the other "
        "panels.",
    ),
    "adding": Figure(
        partial(reproduction.learning, "adding"),
        ("adding.csv",),
        "sab reproduce adding",
        "A panel a length: squared error on validation over updates, on a logarithmic axis, in the colour of its "
        "method a pale line a seed and the median bold, and a dotted line where an answer that is always the mean "
        "stands.",
    ),
    "images": Figure(
        partial(reproduction.learning, "images"),
        ("images.csv",),
        "sab reproduce images",
        "A panel a set of images: right answers on validation over updates, in the colour of its method a pale line a "
        "seed and the median bold, and a dotted line where guessing stands.",
    ),
    "recalls_of_images": Figure(
        reproduction.recalls_of_images,
        ("recalls_of_images.csv",),
        "python -m sab_numpy.paper.recalls_of_images RUN",
        "Ten digits, read pixel by pixel in a random order and drawn in their places. Below each of them: the pixels "
        "that each recalled state had just read, a darker blue the more weight the last step gives to it; and the "
        "weights over the steps: from early ones to the latest.",
    ),
    "characters": Figure(
        partial(reproduction.learning, "characters"),
        ("characters.csv",),
        "sab reproduce characters",
        "Bits per character on validation over updates, in the colour of its method a pale line a seed and the median "
        "bold.",
    ),
    "transfer": Figure(
        reproduction.transfer,
        ("copying.csv", "transfer.csv"),
        "sab reproduce transfer",
        "Panels over the length of the test for methods trained at T = 100: a line a seed, and the paper's "
        "numbers as open diamonds.",
    ),
    "works_or_not": Figure(
        reproduction.works_or_not,
        *RUNS,
        "Four panels over updates, each with two lines, the best and the worst seed of one and the same SAB command "
        "(an earlier recipe's, six empty slots): "
        "accuracy, the largest absolute state, and the shares of the answers' recalls that go to states of the input "
        "and to empty slots. The one begins to learn when it recalls the input; the other recalls hardly anything but "
        "empty slots.",
    ),
    "attention_while_learning": Figure(
        reproduction.attention_while_learning,
        ("moments.csv",),
        "python -m sab_numpy.paper.recalls_while_learning",
        "Six tables of weights, what the ten answers of one test sequence recall at six moments of a training at "
        "T = 200: at first the latest states, then some of the wait, then empty slots; once the network learns, "
        "the ends of the input's two blocks.",
    ),
}
