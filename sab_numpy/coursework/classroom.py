"""Grades a class: one row a student in a CSV that is whole after every student, so nothing is lost when it stops."""

import hashlib
import secrets
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from sab_numpy.coursework import EXERCISE_SET, catalogue, feedback, isolate
from sab_numpy.coursework.grading import NOT_GRADED, NothingThere, Refused, contents, find, grade, line, printable
from sab_numpy.support import progress
from sab_numpy.support.files import lock, read_rows, write_atomic, write_rows

LOOSE = (".py", ".zip", ".gz", ".tar", ".7z", ".rar", ".ipynb")
POINTS = [f"exercise_{number:02}" for number in catalogue.NUMBERS]
COLUMNS = ["student", "points", "possible", *POINTS, "checks", "note", "feedback", "seed", "limits", "exercise_set",
           "digest", "seconds"]
PRIVATE = 0o600                                                # the mode of a new file
LONGEST_FEEDBACK = 4096                                        # bytes


def students(folder):
    """The folders of a class, by name. ValueError where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    folders = [path for path in folder.iterdir() if path.is_dir() or path.is_symlink() and not path.is_file()]
    hidden = [path for path in folders if path.name.startswith(".") and not digest(path)]
    found = sorted(path for path in folders if path not in hidden)
    if not found:
        raise ValueError(f"{folder}: expected one folder for each student, found none")
    loose = [path for path in folder.iterdir() if path.is_file() and path.suffix in LOOSE]
    if loose := sorted(printable(path.name) for path in loose + hidden):
        print(f"not graded, as it is no student's folder: {', '.join(loose)}", file=sys.stderr)
    return found


def handed_in(folder):
    """{number: file} of a student's folder. Refused where there is none."""
    if folder.is_symlink():
        raise Refused(f"{folder.name} is a link: hand in the folder itself")
    return find(folder)


def nothing_in(folder):
    """Why there is nothing to grade in a student's folder; empty where there is. Refused as above."""
    try:
        handed_in(folder)
    except NothingThere as error:
        return line(error)
    return ""


def digest(folder):
    """Changes when a file of the student's does; empty where there is nothing to grade."""
    total = hashlib.sha256()
    try:
        for number, file in sorted(handed_in(folder).items()):
            total.update(f"{number} {file.name} ".encode("utf-8", "backslashreplace") + contents(file))
        return total.hexdigest()[:16]
    except (ValueError, OSError):
        return ""


def cell(text):
    """Text for a cell: no formula for a spreadsheet, no comment for read_rows, one line that shows itself."""
    text = printable(text)
    return f"'{text}" if text.startswith(tuple("=+-@#'")) else text


def name_of(folder):
    """The student's name in the table; no two folders have the same."""
    return cell(folder.name.replace("\\", "\\\\"))


def options(seed, limits):
    """What decides the points of every row, as text."""
    return {"seed": "" if seed is None else str(seed), "limits": str(limits), "exercise_set": str(EXERCISE_SET)}


def feedback_file(out, folder):
    return str(Path(out, f"{folder.name}.txt")) if out else ""


def grade_student(folder, seed, limits, out=None, level="full"):
    """One student's row; the feedback goes to a file in `out`. Never an exception.

    A folder that is wrong is a note, and 0 points. What the grader could not do is a note, and no points.
    """
    started, row = time.perf_counter(), dict.fromkeys(COLUMNS, "")
    row.update(student=name_of(folder), points=0, checks=0, feedback=cell(feedback_file(out, folder)),
               digest=digest(folder), **options(seed, limits), **dict.fromkeys(POINTS, 0))
    row["possible"] = sum(catalogue.exercise(number).POINTS for number in catalogue.NUMBERS)
    try:
        why = nothing_in(folder)
        results = grade(folder, seed=seed, limits=limits)
        if not why:
            row["points"] = feedback.total(results)[0]
            row.update({POINTS[result.number - 1]: result.points for result in results})
        row["checks"] = sum(result.ran for result in results)
        row["note"] = why or feedback.note(results)
        text = feedback.as_text(feedback.at_level(results, level), printable(folder), seed, limits)
        for result in results:
            if result.status == NOT_GRADED:
                not_graded(row, result.feedback[0], POINTS[result.number - 1])
    except Refused as error:
        row["note"] = text = line(error)
    except Exception as error:                                 # no failure of ours may cost a student the grade
        text = not_graded(row, f"{NOT_GRADED}: {type(error).__name__}: {error}")
    try:
        if out:
            write_atomic(feedback_file(out, folder), short(text), PRIVATE)
    except OSError as error:
        not_graded(row, f"{NOT_GRADED}: the feedback {error.strerror}")
    row["note"], row["seconds"] = cell(row["note"]), round(time.perf_counter() - started, 1)
    return row


def not_graded(row, why, *columns):
    """No points, and --resume tries again."""
    row.update(dict.fromkeys(("points", *columns), ""), digest=NOT_GRADED, note=line(why))
    return row["note"]


def short(text):
    """The bytes of a feedback file: where there are too many, the last line and much of the beginning."""
    data = f"{text.rstrip()}\n".encode("utf-8", "backslashreplace")
    if len(data) > LONGEST_FEEDBACK:
        last = b"\n(cut short: sab grade FOLDER says the rest)\n" + data.rstrip().rpartition(b"\n")[2][-300:] + b"\n"
        data = data[:LONGEST_FEEDBACK - len(last)].decode("utf-8", "ignore").encode() + last
    return data


def kept_rows(path, resume, folders, seed, limits, out):
    """{student: row} of an earlier run, without those whose files changed or whose feedback is not in `out`.

    ValueError where the table was made with other options: the points of one class are comparable.
    """
    if not path.exists():
        return {}
    if not resume:
        raise ValueError(f"{path} exists: --resume goes on with it; otherwise choose another name")
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    if lines[:1] != [",".join(COLUMNS)] or any(text.startswith("#") for text in lines):
        raise ValueError(f"{path}: expected a table that sab grade wrote, found another: choose another name")
    rows = read_rows(path)
    for name, value in options(seed, limits).items():
        if value and (other := {str(row[name]) for row in rows} - {value}):
            raise ValueError(f"{path} was made with {name.replace('_', ' ')} {min(other)}, found {value}: --resume "
                             "goes on with the same; choose another name for a table with other options")
    rows = {row["student"]: row for row in rows}
    for folder in folders:
        row, file = rows.get(name_of(folder)), feedback_file(out, folder)
        told = not out or row and row["feedback"] == cell(file) and Path(file).exists()
        if row and not (told and row["digest"] == digest(folder)):
            del rows[row["student"]]
    return rows


def write_table(path, rows):
    write_rows(path, [rows[name] for name in sorted(rows)], COLUMNS, mode=PRIVATE)


def grade_class(args, limits):
    """`sab grade --class`; returns 0 when every student was graded."""
    if not args.csv:
        raise ValueError("--class needs --csv FILE for the table of grades")
    if args.path or args.exercise or args.format != "text":
        raise ValueError("--class grades every exercise of every folder: no FILE_OR_FOLDER, --exercise or --format")
    folders, path = students(args.students), Path(args.csv)
    with lock(path, wait=False):
        return grade_folders(folders, path, args, limits)


def grade_folders(folders, path, args, limits):
    rows = kept_rows(path, args.resume, folders, args.seed, limits, args.out)
    seed = args.seed
    if seed is None:                                           # that of the table, or one that nobody knows beforehand
        seed = int(next(iter(rows.values()))["seed"]) if rows else secrets.randbelow(10**9)
    left = [folder for folder in folders if name_of(folder) not in rows]
    before = len(folders) - len(left)
    print(f"{len(folders)} students, {before} graded before; seed {seed}; each exercise: {limits}", file=sys.stderr)
    write_table(path, rows)                                    # an unwritable place is found now, not after an hour
    if args.out:
        Path(args.out).mkdir(parents=True, exist_ok=True)
    started, pool = time.perf_counter(), ThreadPoolExecutor(args.jobs)
    isolate.stopped.clear()
    try:
        waiting = [pool.submit(grade_student, folder, seed, limits, args.out, args.feedback) for folder in left]
        for done, future in enumerate(as_completed(waiting), 1):
            row = future.result()
            rows[row["student"]] = row
            write_table(path, rows)
            ahead = progress.left(done, len(left), time.perf_counter() - started)
            said = f"{row['points']:g} of {row['possible']} points" if row["points"] != "" else row["note"]
            print(f"{done} of {len(left)}  {row['student']}  {said}  left {ahead}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\nstopped: {len(rows)} rows are in {path}; --resume goes on", file=sys.stderr)
        raise
    finally:
        if sys.exc_info()[0]:
            isolate.stop()
        pool.shutdown(cancel_futures=True)
    if args.out:
        texts = [Path(feedback_file(args.out, folder)) for folder in folders]
        print(feedback.class_summary(text.read_text("utf-8", "replace") for text in texts if text.exists()))
    again = [name for name in map(name_of, folders) if rows[name]["digest"] == NOT_GRADED]
    print(f"{len(rows)} rows in {path}; seed {seed}, {isolate.FENCES[limits.sandbox]}"
          + (f"; {len(again)} not graded, --resume tries again: {', '.join(again)}" if again else ""))
    return 1 if again else 0
