"""`sab evaluate`: how good a trained model is, at lengths that it never saw."""

import time

from sab_numpy.cli import options
from sab_numpy.support.progress import Line, clock
from sab_numpy.support.threads import one_thread
from sab_numpy.training.checkpoints import trained
from sab_numpy.training.evaluation import evaluate

ROW = "{:>6}  {:>10}  {:>15}  {:>6}  {:>7}  {:>7}"  # a line of the table


def add_arguments(parser):
    options.add_model(parser)
    parser.add_argument(
        "--T", type=options.positive, nargs="+", metavar="N", help="lengths (default: that of the training)"
    )
    options.add_sequences(parser, 512)
    options.add_backend(parser)
    parser.epilog = "example: sab evaluate runs/copy --T 100 200 400 --sequences 1000"


def run(args):
    one_thread()
    model = trained(args.folder, args.best)
    print(
        f"{model.name}: {model.task}, trained at T={model.T}, {model.updates} updates, seed {model.seed}; "
        f"{args.sequences} test sequences a length"
    )
    line, began = Line(), time.perf_counter()

    def progress(T, done):
        seconds = time.perf_counter() - began
        line.write(lambda: f"T={T}: {done}/{args.sequences} sequences  {clock(seconds)}")

    print(ROW.format("T", "accuracy %", "95 % interval*", "CE10", "CE", "max |h|"), flush=True)
    for row in evaluate(args.folder, args.T, args.sequences, args.best, args.backend, progress):
        line.clear()
        interval = f"{100 * row['low']:6.2f} - {100 * row['high']:6.2f}"
        numbers = f"{row['ce10']:.4f}", f"{row['ce']:.5f}", f"{row['max_abs_h']:.2f}"
        print(ROW.format(row["T"], f"{100 * row['accuracy']:.2f}", interval, *numbers), flush=True)
    print(
        "* Wilson's, a sequence being one trial: ten answers of one sequence may stand and fall together.\n"
        "  CE10: nats on the ten answers; CE: on all steps. Chance: 12.5 %, CE10 2.079."
    )
    return 0
