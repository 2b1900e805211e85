"""Puts a name to the difference between a student's numbers and the right ones."""

import numpy as np


def diagnose(number, module, checks, cases):
    """At most ten lines; the first says what is wrong."""
    wrong = [check for check in checks if check.problem]
    return [f"exercise {number}: {wrong[0].problem}", *worst_entry(wrong)]


def worst_entry(wrong):
    """The entry that is furthest from right, of the first wrong output."""
    for check in wrong:
        if check.got is not None and check.got.ndim:
            index = np.unravel_index(np.abs(check.got - check.want).argmax(), check.want.shape)
            got, want = check.got[index], check.want[index]
            place = ", ".join(str(int(i)) for i in index)
            ratio = f", ratio {got / want:.4g}" if want else ""
            return [f"worst entry {check.name}[{place}] of case {check.case + 1}: yours {got:.6g}, expected {want:.6g}{ratio}"]
    return []
