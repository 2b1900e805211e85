"""What changes from update to update: the learning rate and the lengths. Both follow from the run and the update."""

from math import cos, pi

SCHEDULES = ("constant", "cosine", "linear")
LENGTHS = ("uniform", "log-uniform")


def learning_rate(run, update):
    """The learning rate of `update` (the first is 0).

    It is lr * first_lr_ratio until a line from 0 to lr over `warmup` updates has come up to it, follows that line,
    stays at lr until the fraction `decay_from` of all updates, then falls
    to lr * final_lr_ratio at the last one, along half a cosine or a line.
    """
    rate = run.lr * min(1.0, max(run.first_lr_ratio, (update + 1) / run.warmup)) if run.warmup else run.lr
    start = run.decay_from * run.updates
    if run.schedule == "constant" or update <= start:
        return rate
    done = min(1.0, (update - start) / max(run.updates - 1 - start, 1))
    left = (1 + cos(pi * done)) / 2 if run.schedule == "cosine" else 1 - done
    return rate * (run.final_lr_ratio + (1 - run.final_lr_ratio) * left)


def length(run, update, rng):
    """The training length of `update`: from min_length..T, every length alike or (log-uniform) every octave alike.

    T itself is phased in over the first updates.
    """
    longest = run.T
    if update < run.phase_in:
        longest = run.min_length + (run.T - run.min_length) * update // run.phase_in
    if run.lengths == "uniform":
        return int(rng.integers(run.min_length, longest + 1))
    return int(run.min_length * ((longest + 1) / run.min_length) ** rng.random())
