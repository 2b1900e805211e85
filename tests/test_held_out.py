"""sab.check on cases that were written before it was changed: bugs, awkward right gradients, wrong ones at the limits.

python tests/test_held_out.py prints the counts.
"""

import re
from collections import Counter

import held_out_bugs
import held_out_limits
import numpy as np
import pytest

from sab_numpy.gradcheck.check import check

UNNAMED = ("", "no cause found", "a term is missing or wrong")


def named(report, words):
    """ "named", "none" or "misleading": what the notes of the failing rows say."""
    notes = [row.note for row in report.rows if row.verdict == "FAIL"]
    notes += [note for note in report.notes if not note.startswith(("central", "kinks"))] + report.problems
    if words is not None and any(re.search(words, note) for note in notes):
        return "named"
    empty = all(not note or "no cause found" in note or "is missing or wrong" in note for note in notes)
    return "none" if empty or any("constant ratio" in note for note in notes) else "misleading"


def verdict(f, params, grads, options):
    try:
        return check(f, params, grads, **options).verdict
    except ValueError as error:
        return f"refused: {error}"


BUGS = {label: case for label, *case in held_out_bugs.bugs()}
LIMITS = [(f"{label} ({k})", case) for k, (label, *case) in enumerate(held_out_limits.wrong_near_the_limits())]


@pytest.mark.parametrize("label", BUGS)
def test_a_bug_is_detected_and_its_cause_named_or_left_open(label):
    f, params, grads, options, words = BUGS[label]
    report = check(f, params, grads, **options)
    assert report.verdict == "FAIL" and named(report, words) == ("none" if words is None else "named"), report


@pytest.mark.parametrize("label, case", LIMITS, ids=[label for label, _ in LIMITS])
def test_a_wrong_gradient_near_the_limits_does_not_pass(label, case):
    assert verdict(*case) in ("FAIL", "UNRESOLVED")


@pytest.mark.parametrize("seeds", [1, pytest.param(held_out_limits.SEEDS, marks=pytest.mark.slow)])
def test_a_right_gradient_of_an_awkward_function_does_not_fail(seeds):
    found = {label: verdict(*case) for label, *case in held_out_limits.right(seeds)}
    assert [label for label, said in found.items() if said not in ("PASS", "UNRESOLVED")] == []
    assert Counter(found.values())["PASS"] >= 0.75 * len(found)


def main():
    counts, details = Counter(), []
    for label, (f, params, grads, options, words) in BUGS.items():
        report = check(f, params, grads, **options)
        said = named(report, words)
        counts[report.verdict] += 1
        counts["could be named, " * (words is not None) + said] += 1
        if report.verdict != "FAIL" or (said == "misleading") or (words and said != "named"):
            notes = [row.note for row in report.rows if row.verdict == "FAIL"] + report.notes
            details.append(f"{label}: {report.verdict}, {said}: {notes}")
    print(len(BUGS), "bugs:", dict(counts), *details, sep="\n  ")
    for name, cases in (
        ("right", list(held_out_limits.right())),
        ("wrong near the limits", [(label, *case) for label, case in LIMITS]),
    ):
        found = [(label, verdict(*case)) for label, *case in cases]
        print(len(found), name, dict(Counter(said[:7] for _, said in found)))
        bad = Counter()
        for label, said in found:
            if said != ("PASS" if name == "right" else "FAIL"):
                bad[f"{re.sub(r' [0-9]+$', '', label)}: {said[:70]}"] += 1
        print(*(f"  {count} x {line}" for line, count in bad.items()), sep="\n")


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
