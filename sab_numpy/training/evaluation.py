"""`sab evaluate`: how good a trained model is, at lengths that it never saw."""

import math

import sab_numpy as sab
from sab_numpy.core import backend
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import stream, task
from sab_numpy.training.checkpoints import trained

STEPS_AT_ONCE = 20_000  # steps x sequences of one forward: bounds the memory


def measure(params, cfg, problem, length, n, rng, chunk=None):
    """Metrics of `n` sequences of `length`, drawn from `rng` and run a chunk at a time.

    Returns the task's metrics and what it recalls, and `max_abs_h`. The result does not depend on the chunk beyond
    rounding.
    """
    chunk = chunk or max(1, min(n, 512, STEPS_AT_ONCE // length))
    sums, largest, xp, tape = {}, 0.0, backend.namespace(*params.values()), None
    for start in range(0, n, chunk):
        x, targets = problem.sequences(length, min(chunk, n - start), rng)
        y, tape = sab.forward(params, xp.asarray(x), cfg, reuse=tape)
        found = problem.metrics(backend.to_numpy(y), targets)
        if recalled(tape) is not None:
            found |= problem.recalls(recalled(tape), cfg)
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + value * x.shape[1]
        largest = max(largest, float(abs(tape.cache.h).max()))
    return {name: total / n for name, total in sums.items()} | {"max_abs_h": largest}


def recalled(tape):
    """The slots that every step recalled, (T, B, K), without relu's threshold; None where none or all are read."""
    return None if tape.slots is None else backend.to_numpy(tape.slots)[..., : tape.cfg.k_top]


def interval(accuracy, n):
    """Wilson's 95 % interval of a share, for n independent sequences.

    A sequence counts as one trial although it has ten answers: they may stand and fall together, and no dependence
    between them makes the true interval wider than this one.
    """
    z = 1.959964
    middle = (accuracy + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(accuracy * (1 - accuracy) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def evaluate(source, lengths=None, n=512, best=False, backend_name="numpy"):
    """One row of metrics for each length, on test sequences that no training ever used.

    source: the folder of a run, or the name of a pretrained model; best: its best parameters, not the last.
    """
    model = trained(source, best)
    params = sab.to_backend(model.params, backend_name)
    for length in lengths or [model.T]:
        found = measure(params, model.cfg, task(model.task), length, n, stream(model.seed, "test", length))
        low, high = interval(found["accuracy"], n)
        yield {"T": length, "sequences": n, "low": low, "high": high} | found


def add_arguments(parser):
    parser.add_argument("folder", metavar="DIR", help="the folder of a run (sab train --out), or a pretrained name")
    parser.add_argument("--T", type=int, nargs="+", metavar="N", help="lengths (default: that of the training)")
    parser.add_argument("--sequences", type=int, default=512, metavar="N", help="a length (default: 512)")
    parser.add_argument("--best", action="store_true", help="the best parameters on validation, not the last")
    parser.add_argument("--backend", default="numpy", help="numpy, cupy or auto (default: numpy)")
    parser.epilog = "example: sab evaluate runs/copy --T 100 200 400 --sequences 1000"


def run(args):
    for length in args.T or []:
        if length < 1:
            raise ValueError(f"--T must be at least 1, found {length}")
    if args.sequences < 1:
        raise ValueError(f"--sequences must be at least 1, found {args.sequences}")
    backend.require(args.backend)
    one_thread()
    model = trained(args.folder, args.best)
    print(
        f"{model.name}: {model.task}, trained at T={model.T}, {model.updates} updates, seed {model.seed}; "
        f"{args.sequences} test sequences a length"
    )
    print("     T   accuracy %   95 % interval*      CE10        CE   max |h|", flush=True)
    for row in evaluate(args.folder, args.T, args.sequences, args.best, args.backend):
        print(
            f"{row['T']:6d}   {100 * row['accuracy']:10.2f}   {100 * row['low']:6.2f} - {100 * row['high']:6.2f}   "
            f"{row['ce10']:7.4f}   {row['ce']:7.5f}   {row['max_abs_h']:7.2f}",
            flush=True,
        )
    print(
        "* Wilson's, a sequence being one trial: ten answers of one sequence may stand and fall together.\n"
        "  CE10: nats on the ten answers; CE: on all steps. Chance: 12.5 %, CE10 2.079."
    )
    return 0
