"""What the grader says: text, JSON, Gradescope."""

import json

from sab_numpy.coursework import EXERCISE_SET, catalogue


def total(results):
    return round(sum(result.points for result in results), 1), sum(result.possible for result in results)


def checks(result):
    return f"{result.passed} of {result.ran} checks passed" if result.ran else "no check ran"


def as_text(results, path, seed, limits):
    lines = [f"graded {path} with seed {seed} (each exercise: {limits})"]
    for result in results:
        lines += ["", f"exercise {result.number}, {catalogue.title(result.number)}: {result.points:g} of "
                  f"{result.possible} points, {checks(result)}" + (f"   [{result.file}]" if result.file else "")]
        lines += [f"  {line}" for line in result.feedback or ["right"]]
        if result.printed and result.status != "right":
            lines.append(f"  it printed: {result.printed.strip()[:200]!r}")
    points, possible = total(results)
    ran = sum(result.ran for result in results)
    return "\n".join([*lines, "", f"total: {points:g} of {possible} points; {ran} checks ran" + ("" if ran else
                      ": nothing could be checked, see above")]) + "\n"


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
