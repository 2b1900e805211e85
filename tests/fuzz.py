"""Attacks on files and processes, with counts: flips and cuts, kills and stops, a hostile class, wrong invocations.

python tests/fuzz.py --flips 50000 --kills 200 --stops 50 --hostile --wrong 1000 --csv figures/data/fuzz.csv

Prints what was counted, and puts it into a CSV (in place of what the same attack with the same seed gave before: many
short runs add up); exit status 1 where anything was lost, a traceback was met or damage was taken for data.
tests/test_fuzz.py runs a little of each (make test-slow).

Damage is wrongly accepted where a file with a checksum (checkpoints, published models), or a history.csv whose
checkpoint knows its rows, gives anything but what was written. A CSV of results has no checksum: people and merges
edit it. There, one other cell (of the same kind, or a name in the head that nobody needs) and last rows that are gone
are edits like any other and counted as such; whatever else is read is wrongly accepted.
"""

import argparse
import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from sab_numpy import cli
from sab_numpy.bench.cost_table import COST
from sab_numpy.cli import demo, options
from sab_numpy.coursework import catalogue
from sab_numpy.paper import recalls_while_learning, results, transfer
from sab_numpy.support import __version__, files, threads
from sab_numpy.training import checkpoints, loop, pretrained
from sab_numpy.training.run import Run

DATA = Path(__file__).parents[1] / "figures" / "data"
SMALL = Run(T=3, updates=6, batch=2, hidden=3, validate_every=2, validation_sequences=4, checkpoint_every=3)
OFTEN = 40  # one attack in so many goes through a whole command too


def said(arguments):
    """(exit status, lines of stderr) of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main(arguments)
        except SystemExit as end:
            status = f"SystemExit {end.code}"
    return status, err.getvalue().splitlines()


# flips and cuts


def held(path):
    """All that a checkpoint holds, as text and bytes."""
    run, state = checkpoints.load(path)
    arrays = {key: np.asarray(value).tobytes() for tree in (state.params, state.adam) for key, value in tree.items()}
    return run, arrays, state._replace(params=0, adam=0)


def published(path):
    params, cfg = pretrained.load_pretrained(path.stem)
    return cfg, {name: value.tobytes() for name, value in params.items()}, pretrained.about(path.stem)


def seen(path):
    """The rows of the run beside whose checkpoint a history.csv lies."""
    return checkpoints.rows_seen(path.parent, *checkpoints.load(path.parent / "last.npz"))


def first_lines(path, source, lines):
    path.write_text("".join(source.read_text().splitlines(keepends=True)[:lines]))
    return path


def targets(folder):
    """[(path, a function that reads it, a command that does, whether it has a checksum or record of its own)]."""
    run = folder / "run"
    loop.train(SMALL, run)
    earlier = folder / "earlier"
    earlier.mkdir()
    arrays, meta = files.load_arrays(run / "last.npz")
    del meta["state"]["history"]
    np.savez(earlier / "last.npz", __meta__=np.array(json.dumps(meta)), **arrays)
    (earlier / "history.csv").write_bytes((run / "history.csv").read_bytes())
    pretrained.FOLDER = str(folder)
    source = Path(threads.HOME) / "sab_numpy" / "training" / "pretrained" / "copying-T100-sab.npz"
    arrays, meta = files.load_arrays(source)
    small = replace(SMALL, k_trunc=5, k_top=5).config()
    meta["config"] = vars(small)
    shrunk = {name: value.astype(np.float32) for name, value in checkpoints.first_parameters(SMALL).items()}
    np.savez(folder / "mine.npz", __meta__=np.array(json.dumps(meta)), **shrunk)
    files.save_arrays(folder / "ours.npz", shrunk, meta)
    (folder / "data").mkdir()
    curve = next(path for path in sorted((DATA / "curves").iterdir()))
    tables = [
        (first_lines(folder / "data" / "copying.csv", DATA / "copying.csv", 7), results.read),
        (first_lines(folder / "data" / "transfer.csv", DATA / "transfer.csv", 12), lambda p: transfer.read(p.parent)),
        (first_lines(folder / "data" / "cost.csv", DATA / "cost.csv", 12), lambda p: files.read_rows(p, COST)),
        (
            first_lines(folder / "data" / "moments.csv", DATA / "moments.csv", 20),
            lambda p: files.read_rows(p, recalls_while_learning.COLUMNS),
        ),
        (first_lines(folder / "data" / "demo.csv", DATA / "demo.csv", 5), lambda p: files.read_rows(p, demo.SAME)),
        (first_lines(folder / "data" / "curve.csv", curve, 9), lambda p: files.read_rows(p, checkpoints.COLUMNS)),
        (earlier / "history.csv", seen),
    ]
    table = ["reproduce", "copying", "--table", "--data", str(folder / "data")]
    tested = ["reproduce", "transfer", "--table", "--data", str(folder / "data"), "--rows", "sab-5-5"]
    commands = {"copying.csv": table, "transfer.csv": tested}
    return [
        (run / "last.npz", held, ["evaluate", str(run), "--sequences", "2"], True),
        (run / "history.csv", seen, None, True),
        (run / "best.npz", held, ["sample", str(run), "--best"], True),
        (earlier / "last.npz", held, ["evaluate", str(earlier), "--sequences", "2"], True),
        (folder / "ours.npz", published, ["evaluate", "ours", "--T", "3", "--sequences", "2"], True),
        (folder / "mine.npz", published, ["walk", "mine", "--T", "3"], True),
        *((path, read, commands.get(path.name), False) for path, read in tables),
    ]


def spoilt(data, rng):
    """The bytes with a bit flipped, a byte replaced, or cut."""
    place, kind = rng.randrange(len(data)), rng.random()
    if kind < 0.3:
        return data[:place]
    byte = (
        data[place] ^ 1 << rng.randrange(8) if kind < 0.7 else rng.choice([b for b in range(256) if b != data[place]])
    )
    return data[:place] + bytes([byte]) + data[place + 1 :]


WRONGLY = "WRONGLY ACCEPTED"


def verdict(before, after, exact):
    """What it means that damage was read: exact files must be as they were; a table may differ in one cell."""
    if after == before:
        return "read as it was"
    if exact:
        return WRONGLY
    rows, others = ([row[1] if isinstance(row, tuple) else row for row in table] for table in (before, after))
    if others == rows[: len(others)]:
        return "a table without its last rows, cut at the end of a line"
    heads = [list(table[0]) for table in (rows, others)]
    differ = sum(a != b for row, other in zip(rows, others) for a, b in zip(row.values(), other.values()))
    differ = differ if heads[0] == heads[1] else differ + sum(a != b for a, b in zip(*heads))
    return "a table with one other cell of its kind" if len(rows) == len(others) and differ == 1 else WRONGLY


def flips(n, seed=0):
    """Counter of what came of `n` flips and cuts over every file that a command reads."""
    rng, counts, folder = random.Random(seed), Counter(), pretrained.FOLDER
    with tempfile.TemporaryDirectory() as name:
        all_targets = targets(Path(name))
        clean = {path: (path.read_bytes(), read(path)) for path, read, _, _ in all_targets}
        for attack in range(n):
            path, read, command, exact = all_targets[attack % len(all_targets)]
            data, before = clean[path]
            bad = spoilt(data, rng)
            path.write_bytes(bad)
            try:
                found = verdict(before, read(path), exact)
                where = next((n for n, pair in enumerate(zip(data, bad)) if pair[0] != pair[1]), len(bad))
                said_more = (
                    f" {path.parent.name}/{path.name}: {data[where - 9 : where + 9]} {bad[where - 9 : where + 9]}"
                )
                counts[found + said_more * (found == WRONGLY)] += 1
            except (ValueError, OSError) as error:
                counts["refused" if "\n" not in str(error) else "MORE THAN ONE LINE"] += 1
            except BaseException as error:
                counts[f"TRACEBACK {path.name}: {type(error).__name__}: {error}"] += 1
            if command and rng.random() < 1 / OFTEN:
                try:
                    status, lines = said(command)
                    good = (status == 2 and len(lines) == 1) or (status == 0 and not lines)
                    found = "one line and status 2, or none and 0" if good else f"BAD {command[0]} {status} {lines}"
                    counts[f"by a whole command: {found}"] += 1
                except BaseException as error:
                    counts[f"TRACEBACK {command}: {type(error).__name__}: {error}"] += 1
            path.write_bytes(data)
    pretrained.FOLDER = folder
    return counts


# kills and stops


def family(mark):
    """The processes that have the mark in their environment (Linux)."""
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in place.read_bytes() and "(" in (place.parent / "stat").read_text():
                if (place.parent / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found.append(int(place.parent.name))
    return found


def alone(mark, patience=30.0):
    """Whether all of the family is gone, after some patience."""
    end = time.monotonic() + patience
    while family(mark):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def bits(folder):
    """What the runs below a folder have learned, to the last bit; what a class got there."""
    found = {}
    for path in sorted(Path(folder).rglob("last.npz")):
        run, state = checkpoints.load(path)
        arrays = {f"{tree}{key}": np.asarray(value).tobytes() for tree in (0, 1) for key, value in state[tree].items()}
        rows = files.read_rows(path.parent / "history.csv")
        times = ("seconds", "cpu_seconds")
        kept = [{name: row[name] for name in row if name not in times} for row in rows]
        found[str(path.relative_to(folder))] = run, state.update, arrays, kept
    for table in Path(folder).glob("grades.csv"):
        rows = [row | {"seconds": "", "feedback": Path(row["feedback"]).name} for row in files.read_rows(table)]
        found["grades"] = rows, {path.name: path.read_text() for path in (table.parent / "say").glob("*.txt")}
    return found


def progress_of(folder):
    """{run: updates saved, student: 1}; ValueError where what was saved can not be read, whenever it is looked at."""
    found = {}
    for path in Path(folder).rglob("*.npz"):
        _, state = checkpoints.load(path)
        if path.name == "last.npz":
            found[path] = state.update
    for table in Path(folder).glob("grades.csv"):
        found |= {row["student"]: 1 for row in files.read_rows(table) if row["points"]}
    return found


def make_class(folder):
    """Eight students: most are right, one is wrong, one does not run, one handed in a link."""
    name = catalogue.file_name(1)
    right = (Path(__file__).parent / "coursework" / "solutions" / name).read_text()
    for student in "abcdefgh":
        (folder / student).mkdir(parents=True)
        (folder / student / name).write_text(right)
    (folder / "c" / name).write_text(right.replace("dz = (p", "dz = -(p"))
    (folder / "e" / name).write_text(right.replace("return", "retrun"))
    (folder / "g" / name).unlink()
    (folder / "g" / name).symlink_to(folder / "a" / name)


TRAIN = "--T 20 --min-length 5 --updates 400 --batch 8 --hidden 16 --k-att 5 --validate-every 20 --checkpoint-every 7"
COMMANDS = {  # the command in the folder {0}
    "train": f"train copying {TRAIN} --validation-sequences 16 --quiet --resume --out {{0}}",
    "reproduce": "reproduce copying --quick --rows sab-5-5 tbptt-5 --seeds 2 --data {0}/data --runs {0}/runs",
    "grade": "grade --class {1}/class --csv {0}/grades.csv --out {0}/say --seed 5 --resume",
    "demo": "demo --tiny --quiet --out {0}",
}


def start(command, folder, mark):
    """Start it. The mark goes into PATH, as the grader hands its students' processes nothing else."""
    env = threads.environment(PATH=os.environ["PATH"] + os.pathsep + mark)
    return subprocess.Popen(
        [sys.executable, "-m", "sab_numpy", *COMMANDS[command].format(folder, folder.parent).split()],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def met(command, number, n, longest, rng, counts, folder):
    """Send the signal `number` to a command `n` times, each within `longest` seconds, going on after each to the end.

    Yields the folder of a command that ended.
    """
    mark = f"fuzz-{os.getpid()}-{command}-{number}-{rng.random()}"
    saved, name, finished, landed = {}, signal.Signals(number).name, 0, 0
    while landed < n:  # one that came too late is none
        process = start(command, folder, mark)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=rng.uniform(0.0, longest))
        running = process.poll() is None
        landed += running
        if running:
            process.send_signal(number)
        status, stderr = process.wait(timeout=120), process.stderr.read()
        counts[f"{command}: {name}" + ("" if running else " came too late: it had ended")] += 1
        if running and number == signal.SIGTERM and status not in (130, 0, -number):
            counts[f"{command}: STATUS {status} {stderr[-200:]}"] += 1
        if "Traceback" in stderr and "KeyboardInterrupt" not in stderr:
            counts[f"{command}: TRACEBACK {stderr[-300:]}"] += 1
        if not alone(mark):
            counts[f"{command}: A PROCESS IS LEFT"] += 1
        try:
            now = progress_of(folder)
        except ValueError as error:
            counts[f"{command}: LOST {error}"] += 1
            continue
        if any(now.get(path, -1) < done for path, done in saved.items()):
            counts[f"{command}: LOST updates"] += 1
        saved = now
        if not running and status == 0:  # all is done: begin again elsewhere
            finished += 1
            yield folder
            folder = Path(f"{folder}-{finished}")
            folder.mkdir()
            saved = {}
    process = start(command, folder, mark)
    if process.wait(timeout=600):
        counts[f"{command}: DOES NOT GO ON {process.stderr.read()[-300:]}"] += 1
    yield folder


def signals(number, n, seed=0, commands=tuple(COMMANDS)):
    """Counter of what came of `n` signals over the commands."""
    rng, counts = random.Random(seed), Counter()
    shares = {"train": 0.4, "reproduce": 0.25, "grade": 0.25, "demo": 0.1}
    total = sum(shares[command] for command in commands)
    with tempfile.TemporaryDirectory() as name:
        make_class(Path(name) / "class")
        for command in commands:
            whole, parts = Path(name) / f"{command}-whole", Path(name) / command
            whole.mkdir()
            parts.mkdir()
            began, process = time.monotonic(), start(command, whole, "whole")
            assert process.wait(timeout=900) == 0, process.stderr.read()
            expected, longest = bits(whole), min(time.monotonic() - began, 30.0)
            for folder in met(command, number, round(n * shares[command] / total), longest, rng, counts, parts):
                same = bits(folder) == expected
                counts[f"{command}: ended " + ("bit for bit as one never met" if same else "WITH OTHER BITS")] += 1
                if left := [path for path in folder.rglob(".tmp-*") if (path.parent / "last.npz").exists()]:
                    counts[f"{command}: TEMPORARY FILES LEFT {left}"] += 1
    return counts


# wrong invocations

FIRST = {  # what a command needs beside the option that is wrong
    "train": ["copying", "--updates", "1", "--out", "made"],
    "evaluate": ["copying-T100-sab"],
    "sample": ["copying-T100-sab"],
    "walk": ["copying-T100-sab"],
    "explore": ["copying-T100-sab"],
    "hint": ["1"],
    "grade": ["nothing"],
    "reproduce": ["copying", "--quick"],
}
NUMBERS = ["", "x", "1.5", "-7", "nan", "1e3", "0x10", "9" * 5000, "٣x", "1 2"]
REALS = ["", "x", "nan", "inf", "-inf", "1,5", "0.1.2"]
PATHS = ["", " ", "a\0b"]


def wrong_values(action):
    """Values that an option of any command cannot take."""
    if action.nargs == 0:
        return []
    if action.choices:
        return ["", "nonsense", "SAB ", "\n"]
    if getattr(action.type, "expected", "").startswith("a whole number"):
        return NUMBERS
    if action.type is options.real:
        return REALS
    if action.type is options.path:
        return PATHS
    if action.type is options.seeds:
        return ["", "x", "-1", "0", "5-3", "1-", "9" * 30, "0-99999999"]
    if action.type is options.backend:
        return ["", "tpu", "NumPy!"]
    if action.dest in ("score", "normalise", "schedule", "init", "dtype", "algorithm"):
        return ["", "nonsense"]
    return []


def wrong_invocations():
    """Command lines that are all wrong: every option of every command with every wrong value, and more."""
    for command in cli.COMMANDS:
        parser = cli.Parser()
        cli.module(command).add_arguments(parser)
        first = FIRST.get(command, [])
        yield [command, *first, "--nonsense"]
        yield [command, *first, "--nonsense=1"]
        yield [command, "no_such_figure"] if command == "figures" else [command, *first, "too", "many"]
        for action in parser._actions:
            flag = action.option_strings[-1] if action.option_strings else None
            for value in wrong_values(action):
                yield [command, *first, f"{flag}={value}"] if flag else [command, value]
            if flag and action.nargs in (None, "+") and type(action).__name__ == "_StoreAction":
                yield [command, *first, flag]  # its value is missing
    yield from ([word] for word in ("", "trian", "TRAIN", "-x", "--nonsense", "train ", "\n", "😀"))
    yield ["train", "--out", "made"]
    yield ["train", "copying", "--out", "made", "--resume", "--force"]
    yield ["train", "copying", "--out", "made", "--hidden", "1000000"]
    yield ["train", "copying", "--out", "made", "--T", "1000000000000"]
    yield ["train", "copying", "--out", "made", "--batch", "1000000000000"]
    yield ["explore", "copying-T100-sab", "--T", "100000"]
    yield ["sample", "copying-T100-sab", "--number", "1000000000000"]
    yield ["demo", "--csv", os.path.join("nowhere", "demo.csv")]
    yield ["bench", "--quick", "--csv", os.path.join("nowhere", "cost.csv")]
    yield ["reproduce", "copying", "--write", "README.md", "--data", "nowhere"]


def wrong(n, seed=0):
    """Counter of what came of up to `n` wrong invocations (all of them where n is larger), each in an empty folder."""
    every, counts, here = list(wrong_invocations()), Counter(), os.getcwd()
    random.Random(seed).shuffle(every)
    for arguments in every[:n]:
        with tempfile.TemporaryDirectory() as name:
            os.chdir(name)
            try:
                status, lines = said(arguments)
                shown = [argument[:40] for argument in arguments]
                if status != 2 or len(lines) != 1 or not lines[0].startswith("sab"):
                    counts[f"BAD {shown}: status {status}, {lines[:3]}"] += 1
                elif left := os.listdir():
                    counts[f"BAD {shown}: made {left}"] += 1
                elif "invalid " in lines[0] and " value: " in lines[0] or "Errno" in lines[0]:
                    counts[f"BAD {shown}: {lines}"] += 1
                else:
                    counts["one line, status 2, no file"] += 1
            except BaseException as error:
                counts[f"TRACEBACK {arguments}: {type(error).__name__}: {error}"] += 1
            finally:
                os.chdir(here)
    return counts


# a class


def hostile():
    """Counter of what a class of hostile submissions got in a sandbox, see coursework/test_hostile.py."""
    sys.path.append(str(Path(__file__).parent / "coursework"))
    import test_hostile

    with tempfile.TemporaryDirectory() as name:
        found = test_hostile.grade_them(Path(name), "bwrap")
    counts = Counter()
    for family, tried in found["tried"].items():
        counts["no point, a reason" if not found["points"][family] else f"POINTS NOT EARNED by {family}"] += tried
    for what in ("survivors", "connections", "without_row", "not_graded", "honest", "overwritten", "files", "forged"):
        if found[what]:
            counts[f"BAD {what}: {found[what]}"] += 1
    return counts


def bad(counts):
    """What must not be: in capitals."""
    return {
        what: n
        for what, n in counts.items()
        if any(
            word.isupper() and len(word) > 2 and not word.startswith("SIG") for word in what.replace("-", " ").split()
        )
    }


def keep(path, attack, tried, seed, counts):
    """Put the counts of an attack into a CSV, in place of those with the same seed."""
    rows = files.read_rows(path) if os.path.exists(path) else []
    about = {"date": time.strftime("%Y-%m-%d"), "version": __version__, "attack": attack, "seed": seed, "tried": tried}
    new = [{**about, "outcome": what, "count": n} for what, n in counts.most_common()]
    others = [row for row in rows if (row["attack"], row["seed"]) != (attack, str(seed))]
    files.write_rows(path, others + new)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("flips", "kills", "stops", "wrong"):
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=COMMANDS)
    parser.add_argument("--hostile", action="store_const", const=1000, default=0, help="a class, under bubblewrap")
    parser.add_argument("--csv", metavar="F", help="put the counts into this table")
    args, failed = parser.parse_args(), {}
    attacks = [
        ("flips and cuts", args.flips, lambda: flips(args.flips, args.seed)),
        ("SIGKILL", args.kills, lambda: signals(signal.SIGKILL, args.kills, args.seed, args.commands)),
        ("SIGTERM", args.stops, lambda: signals(signal.SIGTERM, args.stops, args.seed, args.commands)),
        ("hostile submissions", args.hostile, hostile),
        ("wrong invocations", args.wrong, lambda: wrong(args.wrong, args.seed)),
    ]
    for title, n, attack in attacks:
        if n:
            began, counts = time.perf_counter(), attack()
            print(f"{title}: {n} asked, {time.perf_counter() - began:.0f} s", flush=True)
            if title == "flips and cuts":
                print(__doc__.split("\n\n")[-1].strip(), flush=True)
            for what, count in sorted(counts.items(), key=lambda pair: -pair[1])[:40]:
                print(f"{count:8d}  {what[:300]}", flush=True)
            if args.csv:
                keep(args.csv, title, min(n, counts.total()), args.seed, counts)
            failed |= bad(counts)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
