"""What a gradient check says: one row a tensor or gate, a verdict for each, and a table that a person can read."""

import csv
import io
import json
import platform
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sab_numpy.support.text import table

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
    known: float = 0.0  # an error smaller than this, relative to the part where it is, would not have been seen
    gate: str | None = None

    @property
    def ratio(self):
        """analytic / numeric, None where the numeric value is zero."""
        return self.analytic / self.numeric if self.numeric else None


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

    def add(self, where, other, wanted=lambda row: True):
        """Take in the rows of another check that do not pass, its problems and evaluations."""
        found = [row for row in other.rows if row.verdict != PASS and wanted(row)]
        self.rows += [row._replace(name=f"{row.name} ({where})") for row in found]
        self.problems += [f"{where}: {problem}" for problem in other.problems]
        self.evaluations += other.evaluations

    @property
    def ok(self):
        return bool(self.rows) and not self.problems and all(row.verdict == PASS for row in self.rows)

    @property
    def worst(self):
        return max((row.error for row in self.rows), default=0.0)

    @property
    def summary(self):
        """The last line of the table."""
        held = f" (tolerance {self.tolerance:.0e})" if self.tolerance else ""
        if not self.rows:
            return f"{self.verdict}: not judged, {len(self.problems)} problems, seed {self.seed}"
        passed = sum(row.verdict == PASS for row in self.rows)
        return (
            f"{self.verdict}: {passed} of {len(self.rows)} pass, worst error {self.worst:.1e}{held}, "
            f"{self.method}, seed {self.seed}"
        )

    @property
    def verdict(self):
        """FAIL, UNRESOLVED or PASS: the gravest of all rows."""
        found = {row.verdict for row in self.rows}
        return FAIL if self.problems or FAIL in found or not found else UNRESOLVED if UNRESOLVED in found else PASS

    def __str__(self):
        order, lines = (FAIL, UNRESOLVED, PASS), []
        for row in sorted(self.rows, key=lambda row: (order.index(row.verdict), -row.error * (row.verdict == FAIL))):
            where = str(list(row.index)) if row.index is not None else "direction" if row.numeric else "-"
            numbers = f"{row.analytic:.7g}", f"{row.numeric:.7g}", _told(row.ratio)
            told = ": ".join(filter(None, (row.verdict, row.note)))
            lines.append((row.name, f"{row.error:.1e}", f"{min(row.known, 1.0):.0e}", where, *numbers, told))
        head = "", "error", "known to", "where", "analytic", "numeric", "ratio", "verdict"
        return "\n".join(table(head, lines) + self.problems + self.notes + [self.summary])

    def origin(self):
        """What is needed to repeat the check."""
        names = ("command", "seed", "method", "tolerance", "evaluations")
        return {
            **{name: getattr(self, name) for name in names},
            "python": platform.python_version(),
            "numpy": np.__version__,
        }

    def to_json(self):
        """The report as JSON text (numbers that are not finite become null)."""
        rows = [{**row._asdict(), "ratio": row.ratio} for row in self.rows]
        content = dict(ok=self.ok, verdict=self.verdict, worst=self.worst, **self.origin())
        content |= dict(rows=rows, problems=self.problems, notes=self.notes)
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


def _told(ratio):
    """A ratio in digits that show how far from 1 it is."""
    if ratio is None:
        return "-"
    return f"1{ratio - 1:+.1e}" if 0 < abs(ratio - 1) < 1e-4 else f"{ratio:.6g}"


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
