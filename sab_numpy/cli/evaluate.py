"""`sab evaluate`: how good a trained model is, at lengths that it never saw."""

import time

from sab_numpy.cli import options
from sab_numpy.support.progress import Line, clock
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import task
from sab_numpy.training.checkpoints import trained
from sab_numpy.training.evaluation import evaluate

ROW = "{:>6}  {:>10}  {:>15}  "  # a line of the table, then the metrics of the task and max |h|


def add_arguments(parser):
    options.add_model(parser)
    parser.add_argument(
        "--T", type=options.positive, nargs="+", metavar="N", help="lengths (default: that of the training)"
    )
    parser.add_argument(
        "--sequences",
        type=options.positive,
        metavar="N",
        help="test sequences a length (default: 512; of a task that has data the whole test split)",
    )
    options.add_data_dir(parser)
    options.add_backend(parser)
    parser.epilog = "example: sab evaluate copying-T100-sab --T 100 200 400 --sequences 1000"


def run(args):
    one_thread()
    model = trained(args.folder, args.best)
    problem = task(model.task)
    metrics, stream = getattr(problem, "METRICS", {}), hasattr(problem, "carried")
    if hasattr(problem, "about"):
        print(problem.about())
    tested = args.sequences or (None if hasattr(problem, "batches") else 512)
    kind = "segments of the test split" if stream else "test sequences a length"
    print(
        f"{model.name}: {model.task}, trained at T={model.T}, {model.updates} updates, seed {model.seed}; "
        + (f"{tested} {kind}" if tested else "the whole test split")
    )
    line, began = Line(), time.perf_counter()

    def progress(T, done):
        seconds = time.perf_counter() - began
        line.write(lambda: f"T={T}: {done} {'characters' if stream else 'sequences'}  {clock(seconds)}")

    row_of = ROW + "  ".join(f"{{:>{max(7, len(name))}}}" for name, _ in [*metrics.values(), ("max |h|", "")])
    heads = [name for name, _ in metrics.values()]
    print(row_of.format("T", "accuracy %", "95 % interval*", *heads, "max |h|"), flush=True)
    for row in evaluate(args.folder, args.T, args.sequences, args.best, args.backend, progress):
        line.clear()
        interval = "-" if stream else f"{100 * row['low']:6.2f} - {100 * row['high']:6.2f}"
        numbers = [f"{row[name]:.5f}" for name in metrics]
        right = f"{100 * row['accuracy']:.2f}"
        print(row_of.format(row["T"], right, interval, *numbers, f"{row['max_abs_h']:.2f}"), flush=True)
    print("* Wilson's, a sequence being one trial: several answers of one sequence may stand and fall together.")
    if metrics:
        print("  " + "; ".join(f"{name}: {words}" for name, words in metrics.values()) + ".")
    chance = [
        f"{100 * value:.1f} %" if name == "accuracy" else f"{metrics[name][0]} {value:.3f}"
        for name, value in problem.CHANCE.items()
    ]
    print(f"  Chance: {', '.join(chance)}.")
    return 0
