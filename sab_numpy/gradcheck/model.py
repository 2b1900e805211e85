"""The proof of the backward: every entry of every parameter against numbers, at the frozen replay of one forward.

Truncated credit is the derivative of the replay, so that is what is differentiated: complex step, judged at 1e-11, or
central differences, judged at 1e-7 (derivative.py). The loss is sum(y * cotangent) with a random cotangent: the
gradient of a plain sum is blind to normalised attention.
Error of a tensor = max|a - n| / max(max|n|, 1e-3 x the largest |n| of all tensors).
"""

import numpy as np

from sab_numpy.core.backward import backward as backward_by_hand
from sab_numpy.core.forward import forward
from sab_numpy.gradcheck.blocks import split
from sab_numpy.gradcheck.frozen import FrozenFunction
from sab_numpy.gradcheck.inputs import Gradients, Tree
from sab_numpy.gradcheck.report import FAIL, PASS, UNRESOLVED, Report, Row

GATES = dict.fromkeys(("W_x", "W_h", "b"), "ifgo")
TOLERANCE = {"complex": 1e-11, "central": 1e-7}


def check_gradients(params, x, cfg, rng, method="complex", backward=backward_by_hand):
    """Check `backward` at every entry of every parameter; returns a Report, a row a parameter or gate.

    The parameters are taken as float64; x as `forward` takes it; rng is a numpy.random.Generator, or a seed;
    `backward(dy, tape)` may be your own. A row that is UNRESOLVED has a numeric value that is less certain than the
    tolerance (relu near a tie). Raises ValueError for an unknown method, and for gradients whose names or shapes are
    not those of params.
    """
    if method not in TOLERANCE:
        raise ValueError(f"method must be complex or central, found {method!r}")
    rng = np.random.default_rng(rng)
    tree = Tree(params)
    params = tree.point
    y, tape = forward(params, x, cfg)
    cotangent = rng.standard_normal(y.shape)  # (T, B, O)
    analytic = Gradients(backward(cotangent, tape), tree).values  # refuses other names and shapes
    frozen = FrozenFunction(lambda p: (forward(p, x, cfg)[0] * cotangent).sum(), params, tape)
    found = {block: _every_entry(frozen, block, method) for block in split(params, GATES)}
    largest = max(np.abs(numeric).max() for numeric, _, _ in found.values())
    rows = []
    for block, (numeric, uncertainty, kinks) in found.items():
        given = block.part(analytic)
        scale = max(np.abs(numeric).max(), 1e-3 * largest, np.finfo(float).tiny)
        row = judge_entries(block, given, numeric, uncertainty / scale, scale, TOLERANCE[method])
        note = f"kink: {', '.join(sorted(map(str, kinks)))} would change within a step; held" if kinks else ""
        rows.append(row._replace(note="; ".join(filter(None, (row.note, note)))))
    command = f"sab.check_gradients(params, x, {cfg}, rng, {method!r})"
    return Report(rows, method, TOLERANCE[method], seed_of(rng), command, evaluations=frozen.evaluations)


def judge_entries(block, given, numeric, noise, scale, tolerance):
    """The Row of a block at its worst entry; `noise` is the uncertainty in units of `scale`."""
    if not (given.any() or numeric.any()):
        return Row(block.label, PASS, 0.0, None, 0.0, 0.0, 0.0, "identically zero on both sides", gate=block.gate)
    with np.errstate(invalid="ignore"):
        error = np.where(np.isfinite(given), np.abs(given - numeric) / scale, np.inf)
    excess, note = error - noise, ""
    if (excess > tolerance).any():
        verdict, worst = FAIL, np.unravel_index(np.argmax(excess), given.shape)
        note = "" if np.isfinite(given[worst]) else "not finite"
    elif not given.any() and (np.abs(numeric) <= noise * scale).all() and (noise <= tolerance).all():
        verdict, worst = PASS, np.unravel_index(np.argmax(error), given.shape)
        note = "zero on both sides, the numeric one up to rounding"
    elif (noise > tolerance).any():
        verdict, worst = UNRESOLVED, np.unravel_index(np.argmax(noise), given.shape)
        note = f"numeric value known to {noise[worst]:.0e} only"
    else:
        verdict, worst = PASS, np.unravel_index(np.argmax(error), given.shape)
    index, values = block.whole(worst), (float(given[worst]), float(numeric[worst]))
    known = max(tolerance, float(noise.max()))
    return Row(block.label, verdict, float(error[worst]), index, *values, float(noise[worst]), note, known, block.gate)


def _every_entry(frozen, block, method):
    """(derivatives, uncertainties, choices that would be others near by) of a block, entry by entry."""
    v = np.zeros_like(block.part(frozen.point))
    numeric, uncertainty, kinks = np.empty(v.shape), np.empty(v.shape), set()
    for index in np.ndindex(v.shape):
        v[index] = 1
        found = frozen.derivative(block.moves(frozen.point, v), method)
        numeric[index], uncertainty[index] = found.value, found.uncertainty
        if method == "central":
            kinks.update(frozen.choices_that_change(block.moves(frozen.point, v)))
        v[index] = 0
    return numeric, uncertainty, kinks


def seed_of(rng):
    """The seed that rng was made from, if it can be told."""
    sequence = getattr(rng.bit_generator, "seed_seq", None)
    return getattr(sequence, "entropy", None)
