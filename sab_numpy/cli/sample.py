"""`sab sample`: one test sequence, what the model says to it, and which past steps it recalled to say it."""

from sab_numpy.cli import options
from sab_numpy.explore.sequence import sample
from sab_numpy.support.text import table
from sab_numpy.tasks import task


def say(slots, weights, cfg):
    """The recalls of one step in words, the heaviest first: "4 (0.81), empty (0.12), 9 (0.07)"."""
    found = {}
    for slot, weight in zip(slots, weights):
        if slot >= 0:  # -1: there were fewer slots than K
            name = "empty" if slot < cfg.n_empty else str(cfg.written_at(slot - cfg.n_empty))
            found[name] = found.get(name, 0.0) + weight
    return ", ".join(f"{name} ({weight:.2f})" for name, weight in sorted(found.items(), key=lambda pair: -pair[1]))


def add_arguments(parser):
    options.add_model(parser)
    options.add_sequence(parser)
    options.add_backend(parser)
    parser.epilog = "example: sab sample copying-T100-sab --T 30 --number 2"


def run(args):
    found = sample(args.folder, args.T, args.number, args.best, args.backend)
    width, cfg, n_steps = task(found.model.task).WIDTH, found.model.cfg, len(found.x)
    first = n_steps - width  # the first answer
    good = (found.answers == found.targets)[first:].sum()
    print(
        f"reads      {' '.join(map(str, found.x[:width]))}   then {first - width - 1} blanks, and at step {first - 1} "
        f"the marker\nshould say {' '.join(map(str, found.targets[first:]))}\n"
        f"says       {' '.join(map(str, found.answers[first:]))}   ({good} of {width} right)"
    )
    if found.slots is None:
        print("it recalls nothing in particular (k_top is 0, or it reads every microstate)")
        return 0
    lines = [
        [t, found.answers[t], found.targets[t], say(found.slots[t], found.weights[t], cfg)]
        for t in range(first, n_steps)
    ]
    print("\n".join(table(["step", "says", "right", "recalls the states of steps (weight)"], lines)))
    return 0
