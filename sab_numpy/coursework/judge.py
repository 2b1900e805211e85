"""Compares what a student's function returned with the reference: type, dtype, shape, values. Counts the checks."""

from dataclasses import dataclass

import numpy as np

from sab_numpy.coursework.child import pack

TOLERANCE = 1e-9


@dataclass
class Check:
    """One output of one case. `problem` is None where it is right; `got` is None where there is no array to compare."""

    case: int
    name: str
    want: np.ndarray
    got: np.ndarray | None = None
    problem: str | None = None
    share: float = 0.0                                         # 1: right; between: some gates of several are


def expected(module, case):
    """{name: array} of the reference; a dict among the outputs gives name[key]."""
    arrays = {}
    for name, value in zip(module.OUTPUTS, module.reference(**case)):
        arrays.update({f"{name}[{k}]": v for k, v in value.items()} if isinstance(value, dict) else {name: value})
    return {name: np.asarray(value) for name, value in arrays.items()}


def relative_error(got, want, largest):
    """max|got - want| / max(max|want|, 1e-3 of the largest number of all outputs of this case)."""
    return np.abs(got - want).max() / max(np.abs(want).max(), 1e-3 * largest)


def judge(module, cases, outcome):
    """One Check for each output of each case; a case with `calls` is judged by what was learned."""
    checks = []
    for number, case in enumerate(cases):
        if "calls" in case:
            checks.append(judge_learning(module, number, outcome))
            checks[-1].share = float(checks[-1].problem is None)
            continue
        want = expected(module, case)
        changed = changed_input(number, case, outcome)
        largest = max(np.abs(value).max() for value in want.values() if value.dtype.kind == "f")
        checks += [judge_output(number, name, value, outcome, changed, largest) for name, value in want.items()]
        for check in checks[-len(want):]:
            check.share = share(check, largest, getattr(module, "GATED", ())) if not changed else 0.0
    return checks


def share(check, largest, gated):
    """How much of a check is right: an output whose last axis is i f g o counts gate by gate."""
    if check.problem is None or check.got is None or check.name not in gated or not np.isfinite(check.got).all():
        return float(check.problem is None)
    parts = zip(np.split(check.got, 4, axis=-1), np.split(check.want, 4, axis=-1))
    return sum(relative_error(got, want, largest) <= TOLERANCE for got, want in parts) / 4


def judge_output(number, name, want, outcome, changed, largest):
    check = Check(number, name, want)
    wrong = outcome.notes["wrong"].get(number, {})
    got = outcome.array(f"{number}|out|{name}", "iu" if want.dtype.kind == "i" else "f", want.shape)
    if isinstance(got, str):
        check.problem = wrong.get("") or f"{name} {wrong.get(name, got)}"
        return check
    check.got = got
    if not np.isfinite(got).all():
        check.problem = f"{name} holds NaN or infinity"
    elif changed:
        check.problem = f"the function changes its input {changed} in place: work on a copy (x = x + y for x += y)"
    elif relative_error(got, want, largest) > TOLERANCE:
        check.problem = f"{name} has wrong values"
    return check


def changed_input(number, case, outcome):
    """The name of an input that is not what it was, or None."""
    for name, value in pack(case)[0].items():
        after = outcome.array(f"{number}|in|{name}", value.dtype.kind, value.shape)
        if isinstance(after, str) or not np.array_equal(after, value):
            return name.replace("|", "[") + "]" * name.count("|")
    return None


def judge_learning(module, number, outcome):
    """The loss of the parameters that came back, on sequences that the student's function never saw."""
    check = Check(number, "learned", np.float64(module.LEARNED))
    check.problem = outcome.notes["wrong"].get(number, {}).get("")
    if check.problem:
        return check
    params = {}
    for name, shape in module.learned_shapes().items():
        params[name] = outcome.array(f"{number}|out|params[{name}]", "f", shape)
        if isinstance(params[name], str) or not np.isfinite(params[name]).all():
            check.problem = f"after {module.UPDATES} steps params[{name}] is not what it should be"
            return check
    loss = module.test_loss(params)
    check.got = np.asarray(loss)
    if not loss <= module.LEARNED:
        check.problem = f"it does not learn: loss {loss:.3f} after {module.UPDATES} steps, not below {module.LEARNED}"
    return check
