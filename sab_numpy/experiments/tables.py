"""The tables on the screen: what was measured, beside what the paper prints."""

import os
from statistics import mean, median

from sab_numpy import files
from sab_numpy.experiments import results
from sab_numpy.experiments import rows as table

PAPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "paper.csv")
HEAD = ("method                                      k_att     T  seeds  accuracy %                >=99.9     CE10        CE  "
        "updates minutes   paper: accuracy, CE10, CE")
PRINTED = ("accuracy", "ce10", "ce")


def paper(name, T, run):
    """The row that the paper prints for a model like `run` in its table `name` at T, or None."""
    if not run.mental_updates or run.dense_forward:
        return None                                            # its tables are "with mental updates", sparse forward
    ks = ["none" if k is None else str(k) for k in (run.k_trunc, run.k_top)]
    if name == "transfer" and run.k_top:
        ks = ["", ""]                                          # which SAB is not printed there
    return next((row for row in files.read_rows(PAPER)
                 if (row["table"], row["T"], row["k_trunc"], row["k_top"]) == (name, str(T), *ks)), None)


def of(found, run):
    """The rows of all seeds of a run's recipe."""
    return [row for other, row in found if results.same(run, other)]


def spread(values, middle=median):
    """Percent: the median (or mean) and the range."""
    low, mid, high = (100 * value for value in (min(values), middle(values), max(values)))
    return f"{mid:6.2f} ({low:.2f} - {high:.2f})"


def middle(rows, column):
    """The median of a column over the rows that have it, or None."""
    values = [float(row[column]) for row in rows if row[column] != ""]
    return median(values) if values else None


def copying(found, names, lengths, quick=False):
    """Lines of the copying table; `found` is results.read(copying.csv)."""
    yield ("last parameters on test sequences never trained on: the median seed (worst - best); updates and processor "
           "minutes to 99.9 % on validation")
    yield HEAD
    for name in names:
        for T in lengths:
            run = table.cell(name, T, 0, quick)
            if not quick and results.row_name(run) != name:
                continue                                       # at this length another row has the same recipe
            rows, printed = of(found, run), paper("copying", T, run)
            k_att = run.k_att if run.k_top != 0 else "-"
            line = f"{table.ROWS[name][0]:43s} {k_att:>5} {T:5d}  "
            line += f"{measured(rows):85s}" if rows else f"{'not run':85s}"
            yield line + "   " + (", ".join(printed[key] or "-" for key in PRINTED) if printed else "-")


def others(found, names, lengths, quick=False):
    """How many rows of the CSV the table does not show: they follow other recipes."""
    shown = [table.cell(name, T, 0, quick) for name in names for T in lengths]
    return sum(not any(results.same(run, cell) for cell in shown) for run, _ in found)


def measured(rows):
    """The middle of a line of the copying table."""
    accuracies = [float(row["accuracy"]) for row in rows]
    reached = sum(accuracy >= results.LEARNED for accuracy in accuracies)
    diverged = sum(row["status"] == "diverged" for row in rows)
    updates, minutes = middle(rows, "updates_to_999"), middle(rows, "cpu_minutes_to_999")
    to = "      -       -" if updates is None else f"{updates:7,.0f} {minutes:7.1f}"
    return (f"{len(rows):5d}  {spread(accuracies):25s} {f'{reached}/{len(rows)}':>6s} {middle(rows, 'ce10'):8.4f} "
            f"{middle(rows, 'ce'):9.5f}  {to}" + (f" ({diverged} diverged)" if diverged else ""))


def transfer(found, tested, names, trained_at, lengths, quick=False):
    """Lines of the transfer table; `tested` are the rows of transfer.csv."""
    yield f"trained at T={trained_at}: mean over all seeds (worst - best)"
    yield "method                                      tested at T  seeds  accuracy %                 paper"
    for name in names:
        run = table.cell(name, trained_at, 0, quick)
        trained = {row["name"] for row in of(found, run)}
        for T in lengths:
            values = [float(row["accuracy"]) for row in tested if row["name"] in trained and row["T"] == str(T)]
            printed = paper("transfer", T, run)
            cell = f"{len(values):5d}  {spread(values, mean):25s}" if values else f"{'not run':32s}"
            yield f"{table.ROWS[name][0]:43s} {T:11d}  {cell}  {printed['accuracy'] if printed else '-'}"
