"""The tables of README and FINDINGS: written into a file between two marks, from the CSVs alone."""

import os
from statistics import mean, median

from sab_numpy import files
from sab_numpy.experiments import results, tables
from sab_numpy.experiments import rows as table

BEGIN = "<!-- from figures/data/copying.csv and transfer.csv -->"
END = "<!-- end: figures/data/copying.csv and transfer.csv -->"


def percent(values, middle=median):
    low, mid, high = (100 * value for value in (min(values), middle(values), max(values)))
    return f"{mid:.2f}" if len(values) == 1 else f"{mid:.2f} ({low:.2f} – {high:.2f})"


def line(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def copying(found):
    """Every cell that was run, in the order of the lengths and of rows.py."""
    yield line("method", "k_att", "T", "seeds", "accuracy %, median (worst – best)", "≥ 99.9 %",
               "updates, processor minutes to 99.9 %", "paper %")
    yield line(*["---"] * 8)
    for T in table.AT:
        for name, (title, _, _) in table.ROWS.items():
            run = table.cell(name, T, 0)
            rows, printed = tables.of(found, run), tables.paper("copying", T, run)
            if not rows or results.row_name(run) != name:     # another row may have the same recipe at this length
                continue
            accuracies = [float(row["accuracy"]) for row in rows]
            updates, minutes = (tables.middle(rows, f"{unit}_to_999") for unit in ("updates", "cpu_minutes"))
            yield line(title, "–" if run.k_top == 0 else run.k_att, T, len(rows), percent(accuracies),
                       f"{sum(a >= results.LEARNED for a in accuracies)} of {len(rows)}",
                       "–" if updates is None else f"{updates:,.0f}, {minutes:.1f}",
                       printed["accuracy"] if printed else "–")


def transfer(found, tested, trained_at=100):
    """Every row that was tested at other lengths than its own."""
    yield line("trained at T = 100, tested at", "seeds", *table.TRANSFER)
    yield line(*["---"] * (2 + len(table.TRANSFER)))
    for name, (title, _, _) in table.ROWS.items():
        run = table.cell(name, trained_at, 0)
        trained = {row["name"] for row in tables.of(found, run)}
        here = [[float(row["accuracy"]) for row in tested if row["name"] in trained and row["T"] == str(T)]
                for T in table.TRANSFER]
        if all(here):
            yield line(f"{title}: mean (worst – best)", len(here[0]), *(percent(values, mean) for values in here))
            printed = [tables.paper("transfer", T, run) for T in table.TRANSFER]
            if any(printed):
                yield line("the paper's", "", *(row["accuracy"] if row else "–" for row in printed))


def write(path, data):
    """Put both tables between the marks of the file at `path`. Raises ValueError where it has no marks."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{path}: expected the lines {BEGIN} and {END}, found none")
    files.write_atomic(path, "\n".join([before + begin, "", *lines(data), "", end + after]))


def lines(data):
    """Both tables of the CSVs in the folder `data`, as Markdown."""
    found = results.read(os.path.join(data, "copying.csv"))
    path = os.path.join(data, "transfer.csv")
    tested = files.read_rows(path) if os.path.exists(path) else []
    return [*copying(found), "", *transfer(found, tested)]
