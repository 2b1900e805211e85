"""How good a trained model is, at lengths that it never saw."""

import math
from functools import partial

from sab_numpy.core import backend
from sab_numpy.tasks import batches, stream, task
from sab_numpy.training.checkpoints import trained
from sab_numpy.training.models import model

STEPS_AT_ONCE = 20_000  # steps x sequences of one forward: bounds the memory


def mean_metrics(params, cfg, problem, length, n, rng, chunk=None, split="test", progress=None):
    """Metrics of `n` sequences of `length` (see tasks.batches), run a chunk at a time, and how many they were.

    Returns the task's metrics and what it recalls, and `max_abs_h`; and the number of sequences (of a text:
    characters). The result does not depend on the chunk beyond rounding. progress: called with the number done.
    """
    chunk = chunk or max(1, min(n or 512, 512, STEPS_AT_ONCE // length))
    done, sums, largest, xp, tape, start = 0, {}, 0.0, backend.namespace(*params.values()), None, None
    for x, targets in batches(problem, length, n, chunk, rng, split):
        y, tape = model(cfg).forward(params, xp.asarray(x), cfg, state=start, reuse=tape)
        start = problem.carried(tape) if hasattr(problem, "carried") else None
        weight = int((targets >= 0).sum()) if hasattr(problem, "carried") else x.shape[1]
        found = problem.metrics(backend.to_numpy(y), targets)
        if recalled(tape) is not None and hasattr(problem, "recalls"):
            found |= problem.recalls(recalled(tape), cfg, x)
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + value * weight
        done += weight
        largest = max(largest, float(abs(tape.cache.h).max()))
        if progress:
            progress(done)
    return {name: total / done for name, total in sums.items()} | {"max_abs_h": largest}, done


def recalled(tape):
    """The slots that every step recalled, (T, B, K), without relu's threshold; None where none or all are read."""
    return None if tape.slots is None else backend.to_numpy(tape.slots)[..., : tape.cfg.k_top]


def interval(accuracy, n):
    """Wilson's 95 % interval of a share, for n independent sequences.

    A sequence counts as one trial although it has several answers: they may stand and fall together, and no
    dependence between them makes the true interval wider than this one. Parts of a sequence are rounded outwards.
    """
    from scipy.stats import binomtest  # takes as long as all of NumPy

    right = round(accuracy * n, 6)
    low = binomtest(math.floor(right), n).proportion_ci(method="wilson").low
    return float(low), float(binomtest(math.ceil(right), n).proportion_ci(method="wilson").high)


def evaluate(source, lengths=None, n=None, best=False, backend_name="numpy", progress=None):
    """One row of metrics for each length, on n test sequences that no training ever used.

    n: None means 512, of a task that has data the whole test split.
    source: the folder of a run, or the name of a pretrained model; best: its best parameters, not the last; progress:
    called with the length and the number of sequences done.
    """
    found = trained(source, best)
    params, problem = backend.to_backend(found.params, backend_name), task(found.task)
    n = n or (None if hasattr(problem, "batches") else 512)
    for length in lengths or [found.T]:
        told = progress and partial(progress, length)
        rng = stream(found.seed, "test", length)
        row, done = mean_metrics(params, found.cfg, problem, length, n, rng, progress=told)
        low, high = interval(row["accuracy"], done)
        yield {"T": length, "sequences": done, "low": low, "high": high} | row
