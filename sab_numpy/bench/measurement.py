"""One measurement, in a process of its own: reads what to measure (JSON) from stdin and prints one line of JSON.

`sab bench` starts it with the number of threads set in its environment, which has to happen before NumPy loads.
Everything that is compared is timed in turns, A B C A B C ..., so that a busy machine disturbs all alike.
"""

import gc
import json
import os
import statistics
import sys
import time

import numpy as np

from sab_numpy.bench.contestants import PEERS, batch, ours, peer, products, remind_of_the_input
from sab_numpy.core import backend, credit
from sab_numpy.core.backward import backward
from sab_numpy.core.forward import forward
from sab_numpy.core.losses import softmax_cross_entropy
from sab_numpy.tasks import copying
from sab_numpy.training import checkpoints, pretrained


class Timer:
    """Seconds between two moments; on a GPU the moments are events in its queue, so nothing waits while it works."""

    def __init__(self, name):
        self.cupy = backend.require("cupy") if name == "cupy" else None

    def now(self):
        if not self.cupy:
            return time.perf_counter()
        event = self.cupy.cuda.Event()
        event.record()
        return event

    def between(self, start, end):
        if not self.cupy:
            return end - start
        end.synchronize()
        return self.cupy.cuda.get_elapsed_time(start, end) / 1e3


def take_turns(steps, timer, rounds, seconds):
    """{name: [(seconds of a step, of its backward pass), ...]} after two warm-up rounds; at least 3 rounds."""
    times = {name: [] for name in steps}
    gc.disable()
    began = time.perf_counter()
    for turn in range(rounds + 2):
        for name, step in steps.items():
            time.sleep(0.02)  # idle threads of the one before still spin for a while
            start = timer.now()
            middle = step(timer.now)
            end = timer.now()  # what the step allocated has been freed by now
            if turn >= 2:
                times[name].append((timer.between(start, end), timer.between(middle, end)))
        if turn >= 4 and time.perf_counter() - began > seconds:
            break
    return times


def ratio(some, others, part=0):
    """The median of a round's ratios: both of its terms met the same disturbances."""
    return statistics.median(a[part] / b[part] for a, b in zip(some, others))


def speed(spec):
    """Rows of medians for every model, its floor (on a GPU: the CPU) and its peers at one T, B and H."""
    name, other = spec["backend"], "cpu" if spec["backend"] == "cupy" else "floor"
    steps = {model: ours(model, spec, name) for model in spec["models"]}
    steps |= {
        (other, model): ours(model, spec, "numpy") if other == "cpu" else products(model, spec)
        for model in spec["models"]
    }
    steps |= {rival: peer(rival, spec) for rival, model in PEERS.items() if spec["peers"] and model in spec["models"]}
    times = take_turns(steps, Timer(name), spec["rounds"], spec["seconds"])
    median = {key: [1e3 * statistics.median(part) for part in zip(*values)] for key, values in times.items()}
    rows = [
        {
            "model": key,
            "step_ms": median[key][0],
            "backward_ms": median[key][1],
            "rounds": len(times[key]),
            "sequences_per_second": 1e3 * spec["B"] / median[key][0],
        }
        for key in steps
        if isinstance(key, str)
    ]
    for row in rows[: len(spec["models"])]:
        model, own = row["model"], times[row["model"]]
        beside, beside_ms = times[other, model], median[other, model]
        row |= {
            f"{other}_ms": beside_ms[0],
            f"{other}_backward_ms": beside_ms[1],
            f"step_over_{other}": ratio(own, beside),
            f"backward_over_{other}": ratio(own, beside, 1),
        }
        rivals = [rival for rival in PEERS if PEERS[rival] == model and rival in times]
        if rivals:
            rival = min(rivals, key=lambda name: median[name][0])
            row |= {"faster_peer": rival, "times_its_speed": ratio(times[rival], own)}
    return rows


def resident_mb(field):
    """VmHWM (peak) or VmRSS (now) of this process in MB (10^6 bytes); None where Linux's /proc is missing."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024e-6 for line in file if line.startswith(field))
    except OSError:
        return None


def walk(tape, dy):
    """What the backward pass walks, in whole numbers: blocks, steps, and recalls that carry credit (all rows)."""
    count, k = credit.count(tape, dy), tape.cfg.k_trunc or len(dy)
    starts = np.arange(0, len(dy), k)
    return {
        "steps_walked": count.steps,
        "skips": count.skips,
        "blocks": len(starts),
        "blocks_visited": int(np.logical_or.reduceat(credit.reached_steps(tape, dy), starts).sum()),
    }


def memory(spec):
    """Peak memory, the time of the only step, and what the backward pass walked: one model, nothing else."""
    (model,) = spec["models"]
    if model in PEERS:
        step, before = peer(model, spec), resident_mb("VmRSS")
        step(time.perf_counter)
        return [{"model": model, "start_mb": before, "peak_mb": resident_mb("VmHWM")}]
    cfg, params, x, targets, loss = batch(model, spec)
    before, start = resident_mb("VmRSS"), time.perf_counter()
    y, tape = forward(params, x, cfg, checkpoint=spec["checkpoint"])
    _, dy = loss(y, targets)
    middle = time.perf_counter()
    backward(dy, tape)
    end = time.perf_counter()
    return [
        {
            "model": model,
            "start_mb": before,
            "peak_mb": resident_mb("VmHWM"),
            "once_ms": 1e3 * (end - start),
            "once_backward_ms": 1e3 * (end - middle),
            **walk(tape, dy),
        }
    ]


def last_step(x):
    """A mask (T,B) that counts the last step alone."""
    return np.broadcast_to(np.arange(len(x))[:, None] == len(x) - 1, x.shape[:2])


def sparse(spec):
    """The backward pass of a loss at the last step alone, when every recall goes to the input's five microstates."""
    cfg, params, x, targets, _ = batch("SAB", spec)
    remind_of_the_input(params, cfg.n_hidden)
    y, tape = forward(params, x, cfg, checkpoint=spec["checkpoint"])
    _, dy = softmax_cross_entropy(y, targets, mask=last_step(x))
    seconds = []
    for _ in range(spec["rounds"] + 2):
        start = time.perf_counter()
        backward(dy, tape)
        seconds.append(time.perf_counter() - start)
    return [
        {
            "model": "SAB",
            "backward_ms": 1e3 * statistics.median(seconds[2:]),
            "rounds": spec["rounds"],
            "peak_mb": resident_mb("VmHWM"),
            **walk(tape, dy),
        }
    ]


def visits(spec):
    """What a trained model's backward pass walks on new sequences when only the last step has a loss."""
    source, name = spec["trained"], spec["trained"]
    if source in pretrained.names():
        params, cfg = pretrained.load_pretrained(source)
    else:
        run, state = checkpoints.load(source)
        if (run.task, run.model) != ("copying", "lstm"):
            raise ValueError(f"{source}: expected a run of the copying task, found {run.task}, {run.model}")
        params, cfg, name = state.params, run.config(), os.path.basename(os.path.dirname(os.path.abspath(source)))
    x, targets = copying.sequences(spec["T"], spec["B"], np.random.default_rng(1))
    y, tape = forward(params, x, cfg)
    _, dy = softmax_cross_entropy(y, targets, mask=last_step(x))
    return [
        {
            "model": name,
            "H": cfg.n_hidden,
            "accuracy": float(copying.right(y, targets).mean()),
            **walk(tape, dy),
        }
    ]


if __name__ == "__main__":
    spec = json.load(sys.stdin)
    print(json.dumps({"speed": speed, "memory": memory, "sparse": sparse, "visits": visits}[spec["measure"]](spec)))
