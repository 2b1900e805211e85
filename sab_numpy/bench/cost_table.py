"""The rows of `sab bench` as a table for the eye and as a CSV file, and the exponents of their growth."""

import datetime
import math
import sys

from sab_numpy.support import files
from sab_numpy.support.machine import machine
from sab_numpy.support.text import table

KEY = ("what", "model", "T", "B", "H", "threads", "backend", "checkpoint")  # a new row replaces one of equal key
COST = dict.fromkeys(KEY, str) | {"T": files.whole, "B": files.whole, "step_ms": files.maybe}  # that cost.csv has
COLUMNS = (  # heading, key, format; MB: the whole process with its packages, before a first step and at most
    ("step ms", "step_ms", ".1f"),
    ("backward", "backward_ms", ".1f"),
    ("floor ms", "floor_ms", ".1f"),
    ("step/floor", "step_over_floor", ".2f"),
    ("backward/floor", "backward_over_floor", ".2f"),
    ("CPU ms", "cpu_ms", ".1f"),
    ("GPU/CPU", "step_over_cpu", ".3f"),
    ("sequences/s", "sequences_per_second", ".0f"),
    ("one step ms", "once_ms", ".0f"),
    ("accuracy", "accuracy", ".3f"),
    ("start MB", "start_mb", ".0f"),
    ("peak MB", "peak_mb", ".0f"),
    ("blocks", "blocks", "d"),
    ("visited", "blocks_visited", "d"),
    ("steps walked", "steps_walked", "d"),
    ("skips", "skips", "d"),
    ("x faster peer", "times_its_speed", ".2f"),
    ("which is", "faster_peer", ""),
)


def lines(heading, rows):
    """The rows as text; columns without a value are left out."""
    columns = [column for column in COLUMNS if any(row.get(column[1]) is not None for row in rows)]
    cells = [
        [row["model"], *(format(row[key], form) if row.get(key) is not None else "" for _, key, form in columns)]
        for row in rows
    ]
    return "\n".join([heading, *table(["", *(name for name, _, _ in columns)], cells)]) + "\n"


def growth(rows):
    """Exponents of step and backward time between the shortest and the longest T, for models measured at several."""
    found = []
    for model in dict.fromkeys(row["model"] for row in rows):
        own = sorted((row for row in rows if row["model"] == model), key=lambda row: row["T"])
        first, last = own[0], own[-1]
        if first["T"] == last["T"] or any(first[name] != last[name] for name in ("B", "H")):
            continue
        for part, key in (("step", "step_ms"), ("backward", "backward_ms")):
            if first.get(key) and last.get(key):
                times = last[key] / first[key]
                found.append(
                    {
                        "model": model,
                        "part": part,
                        "from": first["T"],
                        "to": last["T"],
                        "times": times,
                        "exponent": math.log(times) / math.log(last["steps"] / first["steps"]),
                    }
                )
    return found


def update_csv(path, rows):
    """Put rows into the CSV at `path`: each replaces the one that has the same KEY and notes how it was made."""
    made = {
        "command": " ".join(["sab", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
    }
    rounded = [
        {name: round(value, 3) if isinstance(value, float) else value for name, value in (row | made).items()}
        for row in rows
    ]
    head = (
        "# Measured by `sab bench`; every row says with which command, when and on which machine.\n"
        "# Times are medians in ms, of a train step (forward, loss, backward) and of its backward pass.\n"
        "# SAB: k_trunc 5, k_top 5, k_att 2. TBPTT: k_trunc 5. Self-attention: k_att 2.\n"
    )
    files.append_rows(path, rounded, COST, lambda row: tuple(str(row.get(name)) for name in KEY), head)
