"""What the grader says: text, JSON, Gradescope."""

import json
import re
from collections import Counter
from dataclasses import replace

from sab_numpy.coursework import EXERCISE_SET, catalogue
from sab_numpy.coursework.grading import printable


def total(results):
    return round(sum(result.points for result in results), 1), sum(result.possible for result in results)


def standing(result):
    """right, wrong, not attempted (no file, or as it was handed out), does not run; or what the grader could not do."""
    blank = result.status == "missing" or result.feedback[:1] == [f"exercise {result.number}: not written yet"]
    return "not attempted" if blank else {"failed": "does not run"}.get(result.status, result.status)


def note(results):
    """For a class's table: every exercise that is not right."""
    return "; ".join(f"{r.number}: {standing(r)}" for r in results if r.status != "right")


LEVELS = ("place", "cause", "full")


def at_level(results, level):
    """The results with less feedback: where it is wrong alone, or why as well, or also by how much (full)."""
    kept = {"place": ("wrong: ",), "cause": ("exercise ", "also: ", "wrong: "), "full": ("",)}[level]
    return [replace(r, feedback=[line for line in r.feedback if line.startswith(kept)]) if r.status == "wrong" else r
            for r in results]


def printed(result, most=5, width=100):
    """The first lines of what a student's file printed."""
    lines = result.printed.splitlines()
    shown = [f"  it printed: {printable(line[:width])}" for line in lines[:most]]
    return shown + [f"  ... and {len(lines) - most} more lines"] * (len(lines) > most)


def class_summary(texts):
    """What a class got wrong, from its feedback: for each exercise the first lines that most students share."""
    said = {number: Counter() for number in catalogue.NUMBERS}
    for text in texts:
        for number, line in re.findall(r"^exercise (\d+), .*\n  (.*)", text, re.M):
            said[int(number)][line.removeprefix(f"exercise {number}: ")] += 1
    lines = []
    for number, counts in said.items():
        lines += [f"exercise {number}, {catalogue.title(number)}: {counts['right']} of {counts.total()} right"]
        lines += [f"  {count} x {line}" for line, count in counts.most_common(4) if line != "right"]
    return "\n".join(lines)


def checks(result):
    return f"{result.passed} of {result.ran} checks passed" if result.ran else standing(result)


def as_text(results, path, seed, limits):
    lines = [f"graded {path} with seed {seed} (each exercise: {limits})"]
    if all(result.status == "missing" for result in results):
        lines.append("no file of an exercise is there (expected names like exercise_03_....py, made by sab exercises)")
    for result in results:
        lines += ["", f"exercise {result.number}, {catalogue.title(result.number)}: {result.points:g} of "
                  f"{result.possible} points, {checks(result)}" + (f"   [{result.file}]" if result.file else "")]
        lines += [f"  {line}" for line in result.feedback or ["right"]]
        if result.status != "right":
            lines += printed(result)
    points, possible = total(results)
    ran = sum(result.ran for result in results)
    nothing = "nothing could be checked, see above"
    if all(standing(result) == "not attempted" for result in results):
        nothing = "no exercise was attempted"
    return "\n".join([*lines, "", f"total: {points:g} of {possible} points; {ran} checks ran" + ("" if ran else
                      f": {nothing}")]) + "\n"


def as_json(results, path, seed, limits):
    points, possible = total(results)
    rows = [dict(exercise=r.number, title=catalogue.title(r.number), file=r.file, status=r.status, points=r.points,
                 possible=r.possible, checks=r.ran, passed=r.passed, seconds=round(r.seconds, 2), feedback=r.feedback)
            for r in results]
    return json.dumps(dict(exercise_set=EXERCISE_SET, graded=str(path), seed=seed, limits=str(limits), points=points,
                           possible=possible, checks=sum(r.ran for r in results), exercises=rows), indent=1) + "\n"


def as_gradescope(results, path, seed, limits):
    """The results.json that a Gradescope autograder writes."""
    tests = [dict(name=f"{r.number}. {catalogue.title(r.number)}", number=str(r.number), score=r.points,
                  max_score=r.possible, status="passed" if r.status == "right" else "failed",
                  output="\n".join(r.feedback or ["right"]) + f"\n{checks(r)}", visibility="visible")
             for r in results]
    return json.dumps(dict(score=total(results)[0], output=f"exercise set {EXERCISE_SET}, seed {seed}", tests=tests),
                      indent=1) + "\n"


FORMATS = {"text": as_text, "json": as_json, "gradescope": as_gradescope}
