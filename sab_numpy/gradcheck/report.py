"""What a gradient check says: one row a tensor or gate, a verdict for each, and a table that a person can read."""

import csv
import io
import json
import platform
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

PASS, FAIL, UNRESOLVED = "PASS", "FAIL", "UNRESOLVED"


class Row(NamedTuple):
    """One tensor, or one gate of a stacked tensor ("W_x.f"), at its worst entry or direction."""

    name: str
    verdict: str  # PASS, FAIL, or UNRESOLVED: the numbers are not good enough to tell
    error: float  # largest |analytic - numeric| / scale
    index: tuple | None  # where, in the whole tensor; None: along a random direction
    analytic: float
    numeric: float
    uncertainty: float  # of the numeric value, in the units of error
    note: str = ""

    @property
    def ratio(self):
        """analytic / numeric, None where the numeric value is zero."""
        return self.analytic / self.numeric if self.numeric else None


def judge(name, analytic, numeric, uncertainty, scale, tolerance, places=None):
    """The Row of one tensor from arrays of equal shape; `scale` is what an error is measured against.

    FAIL where the two differ by more than the tolerance and the uncertainty together allow; UNRESOLVED where the
    uncertainty alone exceeds the tolerance. `places[k]` is the index of the k-th entry in its whole tensor.
    """
    a, n, u = (np.ravel(np.asarray(values, np.float64)) for values in (analytic, numeric, uncertainty))
    if not (a.any() or n.any()):
        return Row(name, PASS, 0.0, None, 0.0, 0.0, 0.0, "identically zero on both sides")
    scale = max(float(scale), np.finfo(float).tiny)
    if not a.any() and (np.abs(n) <= u).all() and (u <= tolerance * scale).all():
        k = int(np.argmax(np.abs(n)))
        where = None if places is None else tuple(int(i) for i in places[k])
        return Row(
            name,
            PASS,
            float(abs(n[k]) / scale),
            where,
            0.0,
            float(n[k]),
            float(u[k] / scale),
            "zero on both sides, the numeric one up to rounding",
        )
    bad = ~np.isfinite(a)
    unknown = ~(np.isfinite(n) & np.isfinite(u))
    noise = np.where(bad, 0, np.where(unknown, np.inf, u / scale))
    excess = np.where(bad, np.inf, np.where(unknown, 0, np.abs(a - n) / scale))
    k = int(np.argmax(excess - noise))
    if excess[k] - noise[k] > tolerance:
        verdict, note = FAIL, "not finite" if bad[k] else ""
    elif (noise > tolerance).any():
        k = int(np.argmax(noise))
        verdict, note = UNRESOLVED, f"numeric value known to {noise[k]:.0e} only"
    else:
        k = int(np.argmax(excess))
        small = max(np.abs(a).max(), np.abs(n).max()) <= tolerance * scale
        verdict, note = PASS, "too small beside the largest tensor's to be told from zero" if small else ""
    where = None if places is None else tuple(int(i) for i in places[k])
    return Row(name, verdict, float(excess[k]), where, float(a[k]), float(n[k]), float(noise[k]), note)


def versions():
    """The versions that a result depends on."""
    return {"python": platform.python_version(), "numpy": np.__version__}


@dataclass
class Report:
    """Rows and how they were obtained; `str(report)` is the table.

    ok: every row is PASS and nothing else went wrong (`problems`).  worst: the largest relative error.
    """

    rows: list
    method: str
    tolerance: float | None
    seed: object = None
    command: str = ""
    notes: list = field(default_factory=list)  # worth knowing
    problems: list = field(default_factory=list)  # wrong, though no row says so
    evaluations: int = 0

    @property
    def ok(self):
        return bool(self.rows) and not self.problems and all(row.verdict == PASS for row in self.rows)

    @property
    def worst(self):
        return max((row.error for row in self.rows), default=0.0)

    @property
    def verdict(self):
        """FAIL, UNRESOLVED or PASS: the gravest of all rows."""
        found = {row.verdict for row in self.rows}
        return FAIL if self.problems or FAIL in found or not found else UNRESOLVED if UNRESOLVED in found else PASS

    def __str__(self):
        lines = [f"{'':<12} {'error':>8}  {'where':<12} {'analytic':>14} {'numeric':>14} {'ratio':>12}  verdict"]
        for row in self.rows:
            where = str(list(row.index)) if row.index is not None else "direction" if row.numeric else "-"
            ratio = "-" if row.ratio is None else f"{row.ratio:.6g}"
            lines.append(
                f"{row.name:<12} {row.error:>8.1e}  {where:<12} {row.analytic:>14.7g} {row.numeric:>14.7g} "
                f"{ratio:>12}  {row.verdict}{': ' if row.note else ''}{row.note}"
            )
        lines += self.problems + self.notes
        passed = sum(row.verdict == PASS for row in self.rows)
        held = f" (tolerance {self.tolerance:.0e})" if self.tolerance else ""
        lines.append(
            f"{self.verdict}: {passed} of {len(self.rows)} pass, worst error {self.worst:.1e}{held}, "
            f"{self.method}, seed {self.seed}"
        )
        return "\n".join(lines)

    def origin(self):
        """What is needed to repeat the check."""
        return {
            "command": self.command,
            "seed": self.seed,
            "method": self.method,
            "tolerance": self.tolerance,
            "evaluations": self.evaluations,
            **versions(),
        }

    def to_json(self):
        """The report as JSON text (numbers that are not finite become null)."""
        rows = [{**row._asdict(), "ratio": row.ratio} for row in self.rows]
        content = {
            "ok": self.ok,
            "verdict": self.verdict,
            "worst": self.worst,
            **self.origin(),
            "rows": rows,
            "problems": self.problems,
            "notes": self.notes,
        }
        return json.dumps(_finite(content), indent=1, default=str, allow_nan=False)

    def to_csv(self):
        """One row a tensor, under comment lines that say how to repeat the check."""
        text = io.StringIO()
        for key, value in self.origin().items():
            text.write(f"# {key}: {' '.join(str(value).split())}\n")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*Row._fields, "ratio"])
        writer.writerows([*row, row.ratio] for row in self.rows)
        return text.getvalue()


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
