"""`sab sample`: one test sequence, what the model says to it, and which past steps it recalled to say it."""

from sab_numpy.cli import options
from sab_numpy.explore.sequence import sample, written
from sab_numpy.support.text import table
from sab_numpy.tasks import task
from sab_numpy.training.checkpoints import trained


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
    parser.add_argument("--temperature", type=options.real, metavar="X", help="of a model of text (default: 1)")
    parser.add_argument("--length", type=options.positive, metavar="N", help="of its text, in characters (300)")
    options.add_backend(parser)
    options.add_data_dir(parser)
    parser.epilog = (
        "example: sab sample copying-T100-sab --T 30 --number 2\n         sab sample runs/ptb --temperature 0.7"
    )


def run(args):
    model = options.that_recalls(trained(args.folder, args.best))
    if hasattr(task(model.task), "carried"):
        return write(args)
    if args.temperature is not None or args.length is not None:
        raise ValueError(f"--temperature and --length are of models of text, found one of {model.task}")
    show(sample(args.folder, args.T, args.number, args.best, args.backend), task(model.task))
    return 0


def write(args):
    """The text that a model of text writes."""
    temperature = 1.0 if args.temperature is None else args.temperature
    if temperature <= 0:
        raise ValueError(f"--temperature must be above 0, found {temperature}")
    if args.T:
        raise ValueError("--T is of test sequences, a model of text has none: expected --length")
    print(written(args.folder, args.length or 300, temperature, args.number, args.best))
    return 0


def show(found, problem):
    """What a model says to one sequence, and what it recalls at the steps that are asked."""
    cfg, asked = found.model.cfg, range(len(found.x) - problem.ANSWERS, len(found.x))
    if hasattr(problem, "tell"):
        print("\n".join(problem.tell(found.x[:, None], found.y, found.targets[:, None])))
    else:
        print(f"should say {found.targets[-1]}\nsays       {found.answers[-1]}")
    if found.slots is None:
        print("it recalls nothing in particular (k_top is 0, or it reads every microstate)")
    elif len(asked) == 1:
        print(f"recalls the states of steps (weight): {say(found.slots[-1], found.weights[-1], cfg)}")
    else:
        heads = ["step", "says", "right", "recalls the states of steps (weight)"]
        lines = [[t, found.answers[t], found.targets[t], say(found.slots[t], found.weights[t], cfg)] for t in asked]
        print("\n".join(table(heads, lines)))
