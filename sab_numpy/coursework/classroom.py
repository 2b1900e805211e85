"""Grades a class: one row a student in a CSV that is whole after every student, so nothing is lost when it stops."""

import hashlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from sab_numpy.coursework import EXERCISE_SET, catalogue, report
from sab_numpy.coursework.grading import LARGEST_FILE, find, grade
from sab_numpy.support.files import read_rows, write_atomic, write_rows
from sab_numpy.support.progress import clock

LOOSE = (".py", ".zip", ".gz", ".tar", ".7z", ".rar", ".ipynb")
POINTS = [f"exercise_{number:02}" for number in catalogue.NUMBERS]
COLUMNS = ["student", "points", "possible", *POINTS, "checks", "note", "feedback", "seed", "limits", "exercise_set",
           "digest", "seconds"]


def students(folder):
    """The folders of a class, by name. ValueError where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise ValueError(f"{folder}: expected one folder for each student, found none")
    if loose := sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix in LOOSE):
        print(f"not graded, as it lies in no student's folder: {', '.join(loose)}", file=sys.stderr)
    return found


def digest(folder):
    """Changes when a file of the student's does; empty where there is nothing to grade."""
    try:
        files = find(folder)
        total = hashlib.sha256()
        for number, file in sorted(files.items()):
            small = file.stat().st_size <= LARGEST_FILE
            name = f"{number} {file.name} {file.stat().st_size}".encode("utf-8", "backslashreplace")
            total.update(name + (file.read_bytes() if small else b""))
        return total.hexdigest()[:16]
    except (ValueError, OSError):
        return ""


def cell(text):
    """Text for a cell: no formula for a spreadsheet, no comment for read_rows, and nothing that cannot be written."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text.startswith(tuple("=+-@#'\t\r")) else text


def options(seed, limits):
    """What decides the points of every row, as text."""
    return {"seed": str(seed), "limits": str(limits), "exercise_set": str(EXERCISE_SET)}


def feedback_file(out, folder):
    return str(Path(out, f"{folder.name}.txt")) if out else ""


def grade_student(folder, seed, limits, out=None, feedback="full"):
    """One student's row; the feedback goes to a file in `out`. A folder that is wrong is a note, and 0 points."""
    started, row = time.perf_counter(), dict.fromkeys(COLUMNS, "")
    row.update(student=cell(folder.name), points=0, checks=0, feedback=cell(feedback_file(out, folder)),
               digest=digest(folder), **options(seed, limits), **dict.fromkeys(POINTS, 0))
    row["possible"] = sum(catalogue.exercise(number).POINTS for number in catalogue.NUMBERS)
    try:
        results = grade(folder, seed=seed, limits=limits)
        row["points"] = report.total(results)[0]
        row.update({POINTS[result.number - 1]: result.points for result in results})
        row["checks"] = sum(result.ran for result in results)
        row["note"] = report.note(results)
        text = report.as_text(report.at_level(results, feedback), folder, seed, limits)
    except (ValueError, OSError) as error:
        row["note"] = text = " ".join(str(error).split())
    if out:
        write_atomic(feedback_file(out, folder), f"{text}\n".encode("utf-8", "backslashreplace"))
    row["note"], row["seconds"] = cell(row["note"]), round(time.perf_counter() - started, 1)
    return row


def kept_rows(path, resume, folders, seed, limits, out):
    """{student: row} of an earlier run, without those whose files changed or whose feedback is not in `out`.

    ValueError where the table was made with other options: the points of one class are comparable.
    """
    if not path.exists():
        return {}
    if not resume:
        raise ValueError(f"{path} exists: --resume goes on with it; otherwise choose another name")
    rows = read_rows(path)
    if rows and list(rows[0]) != COLUMNS:
        raise ValueError(f"{path}: expected the columns that sab grade writes, found others: choose another name")
    for name, value in options(seed, limits).items():
        if other := {str(row[name]) for row in rows} - {value}:
            raise ValueError(f"{path} was made with {name.replace('_', ' ')} {min(other)}, found {value}: --resume "
                             "goes on with the same; choose another name for a table with other options")
    rows = {row["student"]: row for row in rows}
    for folder in folders:
        row, file = rows.get(cell(folder.name)), feedback_file(out, folder)
        told = not out or row and row["feedback"] == cell(file) and Path(file).exists()
        if row and not (told and row["digest"] == digest(folder)):
            del rows[row["student"]]
    return rows


def write_table(path, rows):
    write_rows(path, [rows[name] for name in sorted(rows)], COLUMNS)


def grade_class(args, limits):
    """`sab grade --class`; returns 0 when every student has a row."""
    if not args.csv:
        raise ValueError("--class needs --csv FILE for the table of grades")
    if args.path or args.exercise or args.format != "text":
        raise ValueError("--class grades every exercise of every folder: no FILE_OR_FOLDER, --exercise or --format")
    folders, path = students(args.students), Path(args.csv)
    rows = kept_rows(path, args.resume, folders, args.seed, limits, args.out)
    left = [folder for folder in folders if cell(folder.name) not in rows]
    before = len(folders) - len(left)
    print(f"{len(folders)} students, {before} graded before; each exercise: {limits}", file=sys.stderr)
    write_table(path, rows)                                    # an unwritable place is found now, not after an hour
    if args.out:
        Path(args.out).mkdir(parents=True, exist_ok=True)
    started, pool = time.perf_counter(), ThreadPoolExecutor(args.jobs)
    try:
        waiting = [pool.submit(grade_student, folder, args.seed, limits, args.out, args.feedback) for folder in left]
        for done, future in enumerate(as_completed(waiting), 1):
            row = future.result()
            rows[row["student"]] = row
            write_table(path, rows)
            ahead = (time.perf_counter() - started) / done * (len(left) - done)
            print(f"{done} of {len(left)}  {row['student']}  {row['points']:g} of {row['possible']} points  "
                  f"left {clock(ahead)}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\nstopped: {len(rows)} rows are in {path}; --resume goes on", file=sys.stderr)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    print(f"{len(rows)} rows in {path}")
    if args.out:
        texts = [Path(feedback_file(args.out, folder)) for folder in folders]
        print(report.class_summary(text.read_text("utf-8", "replace") for text in texts if text.exists()))
    return 0
