"""`sab demo`: SAB, truncated BPTT and a control learn to copy, or to add, on the same data, each on one core."""

import os
import platform
import time

from sab_numpy.cli import options
from sab_numpy.explore.sequence import sample
from sab_numpy.paper.recipes import EXPERIMENTS
from sab_numpy.plots.training import attention_map, learning_curves
from sab_numpy.support import __version__, files
from sab_numpy.support.progress import Line
from sab_numpy.training import checkpoints
from sab_numpy.training.evaluation import evaluate
from sab_numpy.training.launch import Training, next_to_end
from sab_numpy.training.run import Run

GOAL = {False: 0.99, True: 0.9}  # of --tiny, which is too short for more
ERROR = 0.005  # the goal of adding: who always says 1/2 has 1/24
UNTIL_LEARNED = {"stop_at": 0.99, "fall": 600}  # the rate falls once it is learned, or so that it ends with the updates
FULL = {"T": 20, "min_length": 1, "updates": 5000, "lr": 5e-3} | UNTIL_LEARNED
TINY = {"T": 5, "min_length": 2, "updates": 2600, "lr": 8e-3, "batch": 32, "decay_from": 0.5}
ADDING = {"task": "adding", "T": 100, "updates": 1200, "lr": 5e-3, "batch": 32, "decay_from": 0.5}
ADDING |= {"warmup": 200, "clip": 0.1}
BOTH = {"k_trunc": 5, "k_att": 5, "empty_slots": 1, "hidden": 64, "schedule": "cosine"}
BOTH |= {"validate_every": 50, "validation_sequences": 64}
SAME = dict.fromkeys(("seed", "T", "hidden", "updates", "version"), str)  # a row of the CSV for each
SIDES = {  # those of two that take longest last: two at once they end soonest
    "sab": ("SAB", {"k_top": 5}),
    "tbptt": ("truncated BPTT", {"k_top": 0}),
    "constant": ("recall without credit", {"k_top": 5, "mental_updates": False}),  # the control: SAB's forward
}


def history(out, side, metric="accuracy"):
    """Updates, and the accuracies (or another metric) of a side."""
    folder = os.path.join(out, side)
    rows = checkpoints.rows_seen(folder, *checkpoints.load_run(folder))
    return [int(row["update"]) for row in rows], [float(row[metric]) for row in rows]


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def train(args, settings, seed, out):
    """Train all sides with one seed, each on its core; the seconds it took. Raises ValueError when one fails."""
    began, line = time.perf_counter(), Line(pause=None if args.quiet else 10)
    waiting, active = list(SIDES.items()), []
    try:
        while waiting or active:
            while waiting and len(active) < cores():
                side, (name, fields) = waiting.pop(0)
                run, folder = Run(**settings, **fields, seed=seed), os.path.join(out, side)
                active.append(Training(name, run, folder, args.backend, "--force" if args.force else "--resume"))
            training, said = next_to_end(active, line)
            if training.process.returncode:
                raise ValueError(f"the training of {training.name} failed: {said}")
            training.close()
            active.remove(training)
    finally:
        for training in active:
            training.close()
    return time.perf_counter() - began


def draw(out, settings, seed):
    """The picture of adding, or the two of copying; their paths."""
    curves, maps = os.path.join(out, "learning_curves.png"), os.path.join(out, "attention_map.png")
    cut = f"credit cut every {BOTH['k_trunc']} steps (seed {seed})"
    if "task" in settings:
        found = {SIDES[side][0]: (side, *history(out, side, "squared_error")) for side in SIDES}
        learning_curves(found, curves, f"Adding two of T = {settings['T']} numbers, {cut}", error=1 / 24)
        return (curves,)
    title = f"Copying 10 symbols over T = {settings['T']} steps, {cut}"
    learning_curves({SIDES[side][0]: (side, *history(out, side)) for side in SIDES}, curves, title)
    found = sample(os.path.join(out, "sab"))
    attention_map(
        found.slots,
        found.weights,
        found.model.cfg,
        maps,
        title=f"What SAB recalled in one test sequence (seed {seed})",
    )
    return curves, maps


def said(row, side):
    """What a side came to, in its task's measure."""
    if f"{side}_squared_error" in row:
        return f"squared error {row[f'{side}_squared_error']:.4f}"
    return f"{100 * row[f'{side}_accuracy']:.2f} %"


def one_seed(args, settings, seed, out):
    """Train all sides with one seed and test them. Returns the row of results."""
    seconds = train(args, settings, seed, out)
    row = {"seed": seed, "T": settings["T"], "hidden": settings["hidden"], "updates": settings["updates"]}
    metric = EXPERIMENTS[args.task].metric
    for side, (name, _) in SIDES.items():
        found = next(evaluate(os.path.join(out, side), backend_name=args.backend))
        _, state = checkpoints.load_run(os.path.join(out, side))
        row |= {
            f"{side}_accuracy": found["accuracy"],
            f"{side}_{metric}": found[metric],
            f"{side}_cpu_seconds": round(state.cpu_seconds, 1),
        }
        print(
            f"  {name:21s} {100 * found['accuracy']:6.2f} % of the answers right   (95 % interval "
            f"{100 * found['low']:.1f} - {100 * found['high']:.1f}; {found['sequences']} sequences never trained on)"
            + f"   {said(row, side)}"
            * (args.task == "adding")
        )
    return row | {
        "seconds": round(seconds, 1),
        "version": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {cores()} cores",
        "command": f"sab demo --seed {seed}"
        + " --task adding" * (args.task == "adding")
        + " --tiny" * args.tiny
        + f" --backend {args.backend}" * (args.backend != "numpy"),
    }


def recorded(path, row):
    """Whether the CSV has a row of this seed and these settings already; older rows lack the control."""
    rows = files.read_rows(path, SAME) if os.path.exists(path) else []
    return any(old.get("constant_accuracy") and all(old[name] == str(row[name]) for name in SAME) for old in rows)


def add_arguments(parser):
    parser.add_argument(
        "--task", choices=("copying", "adding"), default="copying", help="adding takes a minute (copying)"
    )
    parser.add_argument("--tiny", action="store_true", help="a smaller task of copying, in half a minute")
    options.add_seed(parser, "the first; decides the data")
    parser.add_argument(
        "--seeds", type=options.positive, default=1, metavar="N", help="so many seeds in turn (default: 1)"
    )
    parser.add_argument(
        "--out",
        type=options.folder,
        metavar="DIR",
        help="where runs and pictures go (default: runs/demo, runs/demo-tiny, runs/demo-adding)",
    )
    parser.add_argument("--csv", type=options.path, metavar="FILE", help="append one row a seed to this file")
    parser.add_argument("--force", action="store_true", help="train again although it was done")
    options.add_backend(parser)
    parser.add_argument("--quiet", action="store_true", help="no live line")
    parser.epilog = (
        "example: sab demo --tiny\n         sab demo --task adding\n"
        "         sab demo --seeds 5 --csv figures/data/demo.csv\n"
        "Ctrl-C saves; the same command goes on."
    )


NEXT = r"""Next (first, once a terminal: source .venv/bin/activate; Windows: .venv\Scripts\activate):
  python tutorials/00_credit_by_hand.py          credit by hand, with four numbers
  sab explore copying-T100-sab --out page.html   step through a sequence, and back through its credit
  sab walk copying-T100-sab                      the same in words"""


STORY = {
    "copying": "An LSTM reads 10 symbols and must say them again T = {T} steps later.",
    "adding": "An LSTM reads T = {T} numbers and must say, at the end, half the sum of the two that are marked.",
}
CHANCE = {
    "copying": "Chance is 12.5 %.",
    "adding": "An answer is right within 0.04; who always says 1/2 is in 15 % of the sequences: squared error 0.0417.",
}


def run(args):
    if args.csv:
        files.check_table(args.csv, SAME)
    adding = args.task == "adding"
    if adding and args.tiny:
        raise ValueError("--tiny is of copying: expected one of --tiny and --task adding, found both")
    settings = BOTH | (ADDING if adding else TINY if args.tiny else FULL)
    goal = f"{ERROR}" if adding else f"{100 * GOAL[args.tiny]:.0f} %"
    out = args.out or os.path.join("runs", "demo-adding" if adding else "demo-tiny" if args.tiny else "demo")
    minutes = "half a minute" if args.tiny else f"{'1 minute' if adding else '2 minutes'} on two cores"
    print(
        f"{STORY[args.task].format(**settings)} Credit walks back only "
        f"{BOTH['k_trunc']} steps.\nSAB may also send it through 5 states that it recalls; truncated BPTT recalls "
        "nothing.\nThe control recalls as SAB does, but gives what it recalls no credit. The same data, and at most "
        f"{settings['updates']:,} updates for each.\nExpect {minutes} a seed. {CHANCE[args.task]}",
        flush=True,
    )
    good = 0
    for seed in range(args.seed, args.seed + args.seeds):
        folder = os.path.join(out, f"seed{seed}")
        print(f"seed {seed}:", flush=True)
        row = one_seed(args, settings, seed, folder)
        reached = row["sab_squared_error"] <= ERROR if adding else row["sab_accuracy"] >= GOAL[args.tiny]
        good += reached
        if not reached:
            print(f"  This seed failed: SAB did not reach {goal}. Try another --seed.")
        if args.csv and not recorded(args.csv, row):
            files.append_rows(args.csv, [row], SAME)
        curves, *maps = draw(folder, settings, seed)
        sab, tbptt, constant = (said(row, side) for side in SIDES)
        print(
            f"  credit through what is recalled: {sab}; the same forward without it: {constant}; no recall: {tbptt}\n"
            f"  trained in {row['seconds']:.0f} s; to open:\n"
            f"  {curves}: {'errors' if adding else 'right answers'} over updates; dotted is chance",
            *(f"  {path}: what each answer was reminded of, a row for each; darker is more" for path in maps),
            sep="\n",
        )
    if args.seeds > 1:
        print(f"SAB reached {goal} in {good} of {args.seeds} seeds.")
    print(NEXT)
    return 0
