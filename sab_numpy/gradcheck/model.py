"""The proof of the backward: every entry of every parameter against numbers, at the frozen replay of one forward.

Truncated credit is the derivative of the replay (see tape.py), so that is what is differentiated here:

    complex    Im L(p + i h) / h, h = 1e-30: exact to rounding              judged at 1e-11
    central    (L(p + h) - L(p - h)) / 2h, extrapolated from two steps      judged at 1e-7

L = sum(y * cotangent), with a random cotangent: the gradient of a plain sum is blind to normalised attention.
Error of a tensor = max|a - n| / max(max|n|, 1e-3 x the largest |n| of all tensors).
"""

import numpy as np

from sab_numpy.core.backward import backward as backward_by_hand
from sab_numpy.core.forward import forward
from sab_numpy.gradcheck.blocks import part, split, whole_index
from sab_numpy.gradcheck.report import Report, judge

GATES = dict.fromkeys(("W_x", "W_h", "b"), "ifgo")
TOLERANCE = {"complex": 1e-11, "central": 1e-7}
COMPLEX_H, CENTRAL_H = 1e-30, 3e-5


def check_gradients(params, x, cfg, rng, method="complex", backward=backward_by_hand):
    """Check `backward` at every entry of every parameter; returns a Report, a row a parameter or gate.

    The parameters are taken as float64; x as `forward` takes it; rng is a numpy.random.Generator, or a seed;
    `backward(dy, tape)` may be your own. A row that is
    UNRESOLVED has a numeric value that is less certain than the tolerance (relu near a tie). Raises ValueError for an
    unknown method, and for gradients whose names or shapes are not those of params.
    """
    if method not in TOLERANCE:
        raise ValueError(f"method must be complex or central, found {method!r}")
    rng = np.random.default_rng(rng)
    params = {name: np.asarray(value, np.float64) for name, value in params.items()}
    y, tape = forward(params, x, cfg)
    cotangent = rng.standard_normal(y.shape)  # (T, B, O)
    analytic = backward(cotangent, tape)
    check_names_and_shapes(params, analytic)

    def loss(moved):
        y, replayed = forward(moved, x, cfg, frozen=tape)
        return (y * cotangent).sum(), replayed.changed

    numeric, uncertainty, kinks = {"complex": complex_step, "central": central_differences}[method](loss, params)
    largest = max(np.abs(n).max() for n in numeric.values())
    rows = []
    for block in split(params, GATES):
        a, n, u = (part(np.asarray(tree[block.name]), block) for tree in (analytic, numeric, uncertainty))
        places = [whole_index(block, index) for index in np.ndindex(a.shape)]
        row = judge(block.label, a, n, u, max(np.abs(n).max(), 1e-3 * largest), TOLERANCE[method], places)
        kinked = {choice for place in places for choice in kinks.get((block.name, place), ())}
        note = f"kink: {', '.join(map(str, sorted(kinked)))} would change within a step; held" if kinked else ""
        rows.append(row._replace(note="; ".join(filter(None, (row.note, note)))))
    command = f"sab.check_gradients(params, x, {cfg}, rng, {method!r})"
    return Report(rows, method, TOLERANCE[method], seed_of(rng), command)


def complex_step(loss, params):
    """(derivatives, uncertainties, kinks) of every entry: no subtraction, so nothing is lost; no step, so no kink."""
    moved = {name: value.astype(np.complex128) for name, value in params.items()}
    numeric = {name: np.zeros(value.shape) for name, value in params.items()}
    for name, value in params.items():
        for index in np.ndindex(value.shape):
            moved[name][index] += 1j * COMPLEX_H
            numeric[name][index] = loss(moved)[0].imag / COMPLEX_H
            moved[name][index] = value[index]
    return numeric, {name: np.zeros(value.shape) for name, value in params.items()}, {}


def central_differences(loss, params):
    """(derivatives, uncertainties, kinks) of every entry: steps h and h/2, extrapolated to 0.

    kinks[name, index]: the choices that a step of h would change; the replay holds them.
    """
    moved = {name: value.copy() for name, value in params.items()}
    numeric = {name: np.zeros(value.shape) for name, value in params.items()}
    uncertainty, kinks = {name: np.zeros(value.shape) for name, value in params.items()}, {}
    for name, value in params.items():
        for index in np.ndindex(value.shape):
            h, slopes = CENTRAL_H * max(1.0, abs(value[index])), []
            for step in (h, h / 2):
                moved[name][index] = value[index] + step
                plus, changed_plus = loss(moved)
                moved[name][index] = value[index] - step
                minus, changed_minus = loss(moved)
                slopes.append((plus - minus) / (2 * step))
                if step == h and (changed_plus or changed_minus):
                    kinks[name, index] = [*changed_plus, *changed_minus]
            moved[name][index] = value[index]
            best = (4 * slopes[1] - slopes[0]) / 3
            numeric[name][index] = best
            uncertainty[name][index] = abs(best - slopes[1]) + 4 * np.finfo(float).eps * abs(plus) / h
    return numeric, uncertainty, kinks


def check_names_and_shapes(params, grads):
    if extra := sorted(set(grads) - set(params)):
        raise ValueError(f"gradients of {', '.join(extra)}: expected those of {', '.join(params)} alone")
    for name in params:
        found = np.shape(grads[name]) if name in grads else "nothing"
        if found != params[name].shape:
            raise ValueError(f"the gradient of {name} must have shape {params[name].shape}, found {found}")
        if np.asarray(grads[name]).dtype.kind != "f":
            raise ValueError(f"the gradient of {name} must be real numbers, found {np.asarray(grads[name]).dtype}")


def seed_of(rng):
    """The seed that rng was made from, if it can be told."""
    sequence = getattr(rng.bit_generator, "seed_seq", None)
    return getattr(sequence, "entropy", None)
