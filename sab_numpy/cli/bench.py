"""`sab bench`: how fast a train step is, how far from the limit of the machine, and what it needs of memory."""

import importlib.util
import json
import os
import sys

from sab_numpy.bench.contestants import KS, MODELS
from sab_numpy.bench.cost_table import COST as COST_COLUMNS
from sab_numpy.bench.cost_table import growth, lines, update_csv
from sab_numpy.bench.processes import measure, sizes, title
from sab_numpy.cli import options
from sab_numpy.core import backend
from sab_numpy.support.files import check_table
from sab_numpy.support.machine import machine
from sab_numpy.tasks import TASKS, task
from sab_numpy.training import pretrained
from sab_numpy.training.checkpoints import LAST

COST = "figures/data/cost.csv"
PLANS = {  # what: how it is measured, and what is measured unless options say otherwise
    "speed": dict(measure="speed", T=[100, 300], models=list(MODELS)),
    "growth": dict(measure="speed", T=[300, 1000, 3000], models=["LSTM", "SAB"]),
    "long": dict(measure="memory", T=[5000], models=["SAB"], checkpoint="blocks"),
    "sparse": dict(measure="sparse", T=[1000, 10000], models=["SAB"]),
    "visits": dict(measure="visits", T=[100], models=["SAB"]),
}
QUICK = {"speed": [20], "growth": [20, 60], "long": [100], "sparse": [60, 200], "visits": [20]}


def add_arguments(parser):
    parser.description = (
        __doc__
        + """

speed    train step (forward, loss, backward) of every model beside its floor, the same matrix products alone
growth   the same over T, and the exponent of its growth
long     one step of a long sequence with checkpoint="blocks": peak memory, time
sparse   the backward pass of a loss at the last step, when all recalls go to five microstates
visits   which blocks a trained model (--trained) visits on new sequences when the last step alone has a loss

SAB is k_trunc=5, k_top=5, k_att=2 (--sab says others); TBPTT has its k_trunc, self-attention its k_att. Times are
medians. A measurement runs in a process of its own, pinned to its cores; what is compared is timed in turns. Of a task
with one answer at the end "steps walked" says how many steps its backward pass visits, before any training."""
    )
    parser.epilog = """examples: sab bench --quick
          sab bench --peers --threads 2          (PyTorch has to be installed)
          sab bench --task pmnist --data-dir mnist --B 100 --sab 20 5 20 --models LSTM SAB
          sab bench long --T 20000 --B 8
          sab bench visits --trained copying-T100-sab --T 100 1000 --B 1 64"""
    parser.add_argument("what", nargs="?", choices=PLANS, default="speed", metavar="WHAT")
    parser.add_argument("--task", choices=TASKS, default="copying", metavar="NAME", help="speed, growth: of which task")
    options.add_data_dir(parser)
    parser.add_argument("--T", nargs="+", type=options.positive, help="lengths of the task; copying has T+20 steps")
    parser.add_argument(
        "--sab", nargs=3, type=options.positive, default=KS, metavar="K", help="k_trunc, k_top, k_att of SAB (5 5 2)"
    )
    parser.add_argument("--B", nargs="+", type=options.positive, default=[64], help="batch sizes (64)")
    parser.add_argument("--H", nargs="+", type=options.whole(2), default=[128], help="hidden sizes (128)")
    parser.add_argument("--models", nargs="+", choices=MODELS, help="which of " + ", ".join(MODELS))
    parser.add_argument(
        "--trained",
        type=options.path,
        metavar="FILE",
        help="visits: a pretrained name (" + ", ".join(pretrained.names()) + "), or a run of sab train",
    )
    parser.add_argument("--checkpoint", choices=("none", "blocks"), help="what the tape keeps (long: blocks)")
    parser.add_argument(
        "--threads", type=options.integer, default=1, help="cores: threads of PyTorch, processes of ours (1)"
    )
    options.add_backend(parser, "what is measured")
    parser.add_argument("--peers", action="store_true", help="PyTorch beside ours, in the same run")
    parser.add_argument("--rounds", type=options.positive, default=15, help="timed rounds, fewer after --seconds (15)")
    parser.add_argument("--seconds", type=options.real, default=120, help="stop a measurement after this time (120)")
    parser.add_argument("--quick", action="store_true", help="small and short: a trial, not a measurement")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--csv", nargs="?", type=options.path, const=COST, metavar="FILE", help=f"also update a CSV file ({COST})"
    )


def run(args):
    """Measure, print, and write the CSV if asked. Raises ValueError for sizes and options that cannot be measured."""
    specs, rows = plan(args), []
    own = " ".join([args.task, *map(str, args.sab)])  # of what is not copying with the usual SAB
    what = (
        args.what if (args.task, args.sab) == ("copying", KS) else own if args.what == "speed" else f"{args.what} {own}"
    )
    for number, spec in enumerate(specs, 1):
        print(f"[{number}/{len(specs)}] {title(spec)}: {', '.join(spec['models'])}", file=sys.stderr, flush=True)
        done = len(rows)
        rows += [{"what": what, **sizes(spec), **row} for row in measure(spec)]
        if args.csv:
            update_csv(args.csv, rows)
        if not args.json:
            print(lines(title(spec), rows[done:]))
    grown = growth(rows)
    if args.json:
        print(json.dumps({"machine": machine(), "rows": rows, "growth": grown}, indent=1))
    else:
        for each in grown:
            print("{model}: {part} grows as T^{exponent:.2f} from T={from} to {to} (x {times:.1f})".format(**each))
    return 0


def plan(args):
    """The list of measurements that the options ask for."""
    defaults = PLANS[args.what]
    length = getattr(task(args.task), "LENGTH", None)
    waits = args.T or ([length] if length else None) or (QUICK[args.what] if args.quick else defaults["T"])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if not 1 <= args.threads <= cores:
        raise ValueError(f"--threads must be between 1 and the {cores} cores of this process, found {args.threads}")
    if (args.what == "visits") != bool(args.trained):
        raise ValueError("visits and --trained FILE belong together: the first asks what the second does")
    if args.trained and args.trained not in pretrained.names():
        args.trained = os.path.join(args.trained, LAST) if os.path.isdir(args.trained) else args.trained
        if not os.path.isfile(args.trained):
            there = ", ".join(pretrained.names())
            raise ValueError(f"--trained {args.trained}: no such file, expected one, or a pretrained name: {there}")
    if (args.task, args.sab) != ("copying", KS) and args.what not in ("speed", "growth"):
        raise ValueError(f"--task and --sab: {args.what} measures copying with SAB 5/5/2")
    if args.models and args.what in ("sparse", "visits"):
        raise ValueError(f"--models: {args.what} measures SAB alone")
    if args.csv:
        check_table(args.csv, COST_COLUMNS)
    if args.peers and (args.what not in ("speed", "growth") or not importlib.util.find_spec("torch")):
        raise ValueError(
            "--peers compares speed with PyTorch: expected `sab bench` or `sab bench growth`, and PyTorch "
            "installed (https://pytorch.org)"
        )
    gpu = args.backend != "numpy" and backend.require(args.backend).__name__ == "cupy"
    if gpu and args.what not in ("speed", "growth"):
        raise ValueError(f"--backend cupy measures speed, found {args.what}")
    checkpoint = args.checkpoint or defaults.get("checkpoint") or "none"
    common = dict(
        measure=defaults["measure"],
        threads=args.threads,
        backend="cupy" if gpu else "numpy",
        checkpoint=None if checkpoint == "none" else checkpoint,
        peers=args.peers,
        rounds=min(args.rounds, 3) if args.quick else args.rounds,
        seconds=args.seconds,
        models=args.models or defaults["models"],
        trained=args.trained,
        task=args.task,
        sab=args.sab,
    )
    alone = [common["models"]] if common["measure"] == "speed" else [[model] for model in common["models"]]
    return [
        dict(common, T=T, B=B, H=H, models=models) for T in waits for B in args.B for H in args.H for models in alone
    ]
