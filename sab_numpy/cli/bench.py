"""`sab bench`: how fast a train step is, how far from the limit of the machine, and what it needs of memory."""

import importlib.util
import json
import os
import subprocess
import sys

from sab_numpy.bench.cost_table import growth, machine, table, update_csv
from sab_numpy.core import backend
from sab_numpy.core.config import check_count

COST = "figures/data/cost.csv"
MODELS = ["LSTM", "TBPTT", "SAB", "self-attention"]
PLANS = {  # what: how it is measured, and what is measured unless options say otherwise
    "speed": dict(measure="speed", T=[100, 300], models=MODELS),
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
visits   which blocks a trained model (--trained FILE) visits on new sequences when the last step alone has a loss

SAB is k_trunc=5, k_top=5, k_att=2; TBPTT k_trunc=5; self-attention k_att=2. Times are medians. A measurement runs in
a process of its own, pinned to its cores; what is compared is timed in turns."""
    )
    parser.epilog = """examples: sab bench --quick
          sab bench --peers --threads 2          (PyTorch has to be installed)
          sab bench long --T 20000 --B 8
          sab bench visits --trained runs/copy/best.npz --T 100 --B 1 64"""
    parser.add_argument("what", nargs="?", choices=PLANS, default="speed", metavar="WHAT")
    parser.add_argument("--T", nargs="+", type=int, help="waits of the copying task; it has T+20 steps")
    parser.add_argument("--B", nargs="+", type=int, default=[64], help="batch sizes (64)")
    parser.add_argument("--H", nargs="+", type=int, default=[128], help="hidden sizes (128)")
    parser.add_argument("--models", nargs="+", choices=MODELS, help="which of " + ", ".join(MODELS))
    parser.add_argument("--trained", metavar="FILE", help="a checkpoint of sab train (visits)")
    parser.add_argument("--checkpoint", choices=("none", "blocks"), help="what the tape keeps (long: blocks)")
    parser.add_argument("--threads", type=int, default=1, help="cores: threads of PyTorch, processes of ours (1)")
    parser.add_argument("--backend", choices=("numpy", "cupy", "auto"), default="numpy")
    parser.add_argument("--peers", action="store_true", help="PyTorch beside ours, in the same run")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds, fewer after --seconds (15)")
    parser.add_argument("--seconds", type=float, default=120, help="stop a measurement after this time (120)")
    parser.add_argument("--quick", action="store_true", help="small and short: a trial, not a measurement")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--csv", nargs="?", const=COST, metavar="FILE", help=f"also update a CSV file ({COST})")


def run(args):
    """Measure, print, and write the CSV if asked. Raises ValueError for sizes and options that cannot be measured."""
    specs, rows = plan(args), []
    for number, spec in enumerate(specs, 1):
        print(f"[{number}/{len(specs)}] {title(spec)}: {', '.join(spec['models'])}", file=sys.stderr, flush=True)
        done = len(rows)
        rows += [{"what": args.what, **sizes(spec), **row} for row in measure(spec)]
        if args.csv:
            update_csv(args.csv, rows)
        if not args.json:
            print(table(title(spec), rows[done:]))
    grown = growth(rows)
    if args.json:
        print(json.dumps({"machine": machine(), "rows": rows, "growth": grown}, indent=1))
    else:
        for line in grown:
            print("{model}: {part} grows as T^{exponent:.2f} from T={from} to {to} (x {times:.1f})".format(**line))
    return 0


def plan(args):
    """The list of measurements that the options ask for."""
    defaults = PLANS[args.what]
    waits = args.T or (QUICK[args.what] if args.quick else defaults["T"])
    for name, values in (("--T", waits), ("--B", args.B), ("--H", args.H)):
        for value in values:
            check_count(name, value, 2 if name == "--H" else 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if not 1 <= args.threads <= cores:
        raise ValueError(f"--threads must be between 1 and the {cores} cores of this process, found {args.threads}")
    check_count("--rounds", args.rounds, 1)
    if (args.what == "visits") != bool(args.trained):
        raise ValueError("visits and --trained FILE belong together: the first asks what the second does")
    if args.models and args.what in ("sparse", "visits"):
        raise ValueError(f"--models: {args.what} measures SAB alone")
    if args.csv and not os.path.isdir(os.path.dirname(args.csv) or "."):
        raise ValueError(f"--csv {args.csv}: no such folder")
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
    )
    alone = [common["models"]] if common["measure"] == "speed" else [[model] for model in common["models"]]
    return [
        dict(common, T=T, B=B, H=H, models=models) for T in waits for B in args.B for H in args.H for models in alone
    ]


def measure(spec):
    """The rows of one measurement; those of speed on the CPU get the memory and the walk of every model."""
    rows = start(spec)
    if spec["measure"] == "speed" and spec["backend"] == "numpy":
        for model in spec["models"]:
            (alone,) = start(dict(spec, measure="memory", models=[model]))
            row = next(row for row in rows if row["model"] == model)
            row |= {key: value for key, value in alone.items() if not key.startswith("once")}
    return rows


def start(spec):
    """Run `sab_numpy.bench.measure` in a new process with `spec["threads"]` threads on as many cores."""
    env = os.environ | {f"{name}_NUM_THREADS": str(spec["threads"]) for name in ("OMP", "MKL")}  # PyTorch's
    env |= {f"{name}_THREADS": "1" for name in ("OPENBLAS_NUM", "BLIS_NUM", "VECLIB_MAXIMUM")}  # ours: see parallel
    if spec["measure"] == "speed":  # glibc keeps freed memory: new pages cost everybody time, PyTorch the most
        env |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [here, env.get("PYTHONPATH")]))
    pin = None
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[-spec["threads"] :]

        def pin():
            os.sched_setaffinity(0, cores)

    child = subprocess.run(
        [sys.executable, "-m", "sab_numpy.bench.measure"],
        input=json.dumps(spec),
        env=env,
        capture_output=True,
        text=True,
        preexec_fn=pin,
    )
    if child.returncode < 0:
        raise ValueError(
            f"{title(spec)}: stopped by signal {-child.returncode}; not enough memory? Try a smaller T or "
            "B, or --checkpoint blocks"
        )
    if child.returncode:
        last = (child.stderr.strip() or "it failed without a word").splitlines()[-1]
        raise ValueError(f"{title(spec)}: {last.removeprefix('ValueError: ')}")
    return json.loads(child.stdout.splitlines()[-1])


def sizes(spec):
    return {name: spec[name] for name in ("T", "B", "H", "threads", "backend")} | {
        "steps": spec["T"] + 20,
        "checkpoint": spec["checkpoint"] or "none",
    }


def title(spec):
    model = spec.get("trained") or f"H={spec['H']}, float32"
    plural = "" if spec["threads"] == 1 else "s"
    return (
        f"copy T={spec['T']}, {spec['T'] + 20} steps, B={spec['B']}, {model}, {spec['backend']}, "
        f"{spec['threads']} thread{plural}" + (f", checkpoint={spec['checkpoint']}" if spec["checkpoint"] else "")
    )
