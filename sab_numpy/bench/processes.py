"""A measurement in a process of its own, pinned to its cores, and its name."""

import json
import os
import subprocess
import sys

from sab_numpy.bench.contestants import KS
from sab_numpy.support.threads import environment
from sab_numpy.tasks import task


def measure(spec):
    """The rows of one measurement; those of speed on the CPU get memory, and our models their walk."""
    rows = start(spec)
    if spec["measure"] == "speed" and spec["backend"] == "numpy":
        for row in rows:
            (alone,) = start(dict(spec, measure="memory", models=[row["model"]]))
            row |= {key: value for key, value in alone.items() if not key.startswith("once")}
    return rows


def start(spec):
    """Run `sab_numpy.bench.measurement` in a new process with `spec["threads"]` threads on as many cores."""
    threads = str(spec["threads"])
    env = environment(OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads)  # PyTorch's; ours: see parallel
    env |= {"BLIS_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
    if spec["measure"] == "speed":  # glibc keeps freed memory: new pages cost everybody time, PyTorch the most
        env |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
    pin = None
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[-spec["threads"] :]

        def pin():
            os.sched_setaffinity(0, cores)

    child = subprocess.run(
        [sys.executable, "-m", "sab_numpy.bench.measurement"],
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


def steps(spec):
    return task(spec.get("task", "copying")).steps(spec["T"])


def sizes(spec):
    return {name: spec[name] for name in ("T", "B", "H", "threads", "backend")} | {
        "steps": steps(spec),
        "checkpoint": spec["checkpoint"] or "none",
    }


def title(spec):
    model = spec.get("trained") or f"H={spec['H']}, float32"
    plural = "" if spec["threads"] == 1 else "s"
    name = "copy" if spec.get("task", "copying") == "copying" else spec["task"]
    own = f", SAB {'/'.join(map(str, spec['sab']))}" if spec.get("sab", KS) != KS else ""
    return (
        f"{name} T={spec['T']}, {steps(spec)} steps, B={spec['B']}, {model}{own}, {spec['backend']}, "
        f"{spec['threads']} thread{plural}" + (f", checkpoint={spec['checkpoint']}" if spec["checkpoint"] else "")
    )
