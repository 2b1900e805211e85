"""`sab demo`: SAB, truncated BPTT and a control learn to copy on the same data, each on one core."""

import os
import platform
import time

from sab_numpy.cli import options
from sab_numpy.explore.sequence import sample
from sab_numpy.plots.training import attention_map, learning_curves
from sab_numpy.support import __version__, files
from sab_numpy.support.progress import Line
from sab_numpy.training import checkpoints
from sab_numpy.training.evaluation import evaluate
from sab_numpy.training.launch import Training, next_to_end
from sab_numpy.training.run import Run

GOAL = {False: 0.99, True: 0.9}  # of --tiny, which is too short for more
FULL = {"T": 20, "min_length": 5, "updates": 3000, "hidden": 128, "lr": 5e-3, "validate_every": 50}
TINY = {"T": 5, "min_length": 2, "updates": 2600, "hidden": 64, "lr": 8e-3, "validate_every": 50, "batch": 32}
BOTH = {"k_trunc": 5, "k_att": 5, "empty_slots": 1, "schedule": "cosine", "decay_from": 0.5, "validation_sequences": 64}
SAME = dict.fromkeys(("seed", "T", "hidden", "updates", "version"), str)  # a row of the CSV for each
SIDES = {  # those of two that take longest last: two at once they end soonest
    "sab": ("SAB", {"k_top": 5}),
    "tbptt": ("truncated BPTT", {"k_top": 0}),
    "constant": ("recall without credit", {"k_top": 5, "mental_updates": False}),  # the control: SAB's forward
}


def history(out, side):
    """Updates and accuracies of a side."""
    folder = os.path.join(out, side)
    rows = checkpoints.rows_seen(folder, *checkpoints.load_run(folder))
    return [int(row["update"]) for row in rows], [float(row["accuracy"]) for row in rows]


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
    """The two pictures; their paths."""
    curves, maps = os.path.join(out, "learning_curves.png"), os.path.join(out, "attention_map.png")
    title = f"Copying 10 symbols over T = {settings['T']} steps, credit cut every {BOTH['k_trunc']} steps (seed {seed})"
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


def one_seed(args, settings, seed, out):
    """Train all sides with one seed and test them. Returns the row of results."""
    seconds = train(args, settings, seed, out)
    row = {"seed": seed, "T": settings["T"], "hidden": settings["hidden"], "updates": settings["updates"]}
    for side, (name, _) in SIDES.items():
        found = next(evaluate(os.path.join(out, side), backend_name=args.backend))
        _, state = checkpoints.load_run(os.path.join(out, side))
        row |= {
            f"{side}_accuracy": found["accuracy"],
            f"{side}_ce10": found["ce10"],
            f"{side}_cpu_seconds": round(state.cpu_seconds, 1),
        }
        print(
            f"  {name:21s} {100 * found['accuracy']:6.2f} % of the answers right   (95 % interval "
            f"{100 * found['low']:.1f} - {100 * found['high']:.1f}; {found['sequences']} sequences never trained on)"
        )
    return row | {
        "seconds": round(seconds, 1),
        "version": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {cores()} cores",
        "command": f"sab demo --seed {seed}"
        + " --tiny" * args.tiny
        + f" --backend {args.backend}" * (args.backend != "numpy"),
    }


def recorded(path, row):
    """Whether the CSV has a row of this seed and these settings already; older rows lack the control."""
    rows = files.read_rows(path, SAME) if os.path.exists(path) else []
    return any(old.get("constant_accuracy") and all(old[name] == str(row[name]) for name in SAME) for old in rows)


def add_arguments(parser):
    parser.add_argument("--tiny", action="store_true", help="a smaller task, in half a minute")
    options.add_seed(parser, "the first; decides the data")
    parser.add_argument(
        "--seeds", type=options.positive, default=1, metavar="N", help="so many seeds in turn (default: 1)"
    )
    parser.add_argument(
        "--out",
        type=options.path,
        metavar="DIR",
        help="where runs and pictures go (default: runs/demo, runs/demo-tiny)",
    )
    parser.add_argument("--csv", type=options.path, metavar="FILE", help="append one row a seed to this file")
    parser.add_argument("--force", action="store_true", help="train again although it was done")
    options.add_backend(parser)
    parser.add_argument("--quiet", action="store_true", help="no live line")
    parser.epilog = (
        "example: sab demo --tiny\n         sab demo --seeds 5 --csv figures/data/demo.csv\n"
        "Ctrl-C saves; the same command goes on."
    )


NEXT = r"""Next (first, once a terminal: source .venv/bin/activate; Windows: .venv\Scripts\activate):
  python tutorials/00_credit_by_hand.py          credit by hand, with four numbers
  sab explore copying-T100-sab --out page.html   step through a sequence, and back through its credit
  sab walk copying-T100-sab                      the same in words"""


def run(args):
    if args.csv:
        files.check_table(args.csv, SAME)
    goal, settings = GOAL[args.tiny], BOTH | (TINY if args.tiny else FULL)
    out = args.out or os.path.join("runs", "demo-tiny" if args.tiny else "demo")
    minutes = "half a minute" if args.tiny else "2 minutes on two cores"
    print(
        f"An LSTM reads 10 symbols and must say them again T = {settings['T']} steps later. Credit walks back only "
        f"{BOTH['k_trunc']} steps.\nSAB may also send it through 5 states that it recalls; truncated BPTT recalls "
        "nothing.\nThe control recalls as SAB does, but gives what it recalls no credit. The same data, a core each.\n"
        f"Expect {minutes} a seed. Chance is 12.5 %.",
        flush=True,
    )
    good = 0
    for seed in range(args.seed, args.seed + args.seeds):
        folder = os.path.join(out, f"seed{seed}")
        print(f"seed {seed}:", flush=True)
        row = one_seed(args, settings, seed, folder)
        good += row["sab_accuracy"] >= goal
        if row["sab_accuracy"] < goal:
            print(f"  This seed failed: SAB stayed below {100 * goal:.0f} %. Try another --seed.")
        if args.csv and not recorded(args.csv, row):
            files.append_rows(args.csv, [row], SAME)
        curves, maps = draw(folder, settings, seed)
        sab, tbptt, constant = (f"{100 * row[f'{side}_accuracy']:.2f} %" for side in SIDES)
        print(
            f"  credit through what is recalled: {sab}; the same forward without it: {constant}; no recall: {tbptt}\n"
            f"  trained in {row['seconds']:.0f} s; learning curves: {curves}\n"
            f"  which past state each step recalled: {maps}"
        )
    if args.seeds > 1:
        print(f"SAB reached {100 * goal:.0f} % in {good} of {args.seeds} seeds.")
    print(NEXT)
    return 0
