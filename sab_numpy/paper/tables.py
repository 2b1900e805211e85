"""The tables, beside what the paper prints: Markdown, on the screen and in the documents, from the CSVs alone."""

import os
from functools import partial
from statistics import mean, median

from sab_numpy.paper import recipes, results
from sab_numpy.paper.transfer import read as transfer_rows
from sab_numpy.support import files
from sab_numpy.support.text import table
from sab_numpy.tasks import task

PAPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "paper.csv")
BEGIN = "<!-- from figures/data/copying.csv and transfer.csv -->"
END = "<!-- end: figures/data/copying.csv and transfer.csv -->"
BEGIN_SIX = "<!-- six rows, from figures/data/copying.csv -->"
END_SIX = "<!-- end: six rows -->"
BEGIN_TASK, END_TASK = "<!-- from figures/data/{}.csv -->", "<!-- end: figures/data/{}.csv -->"
BEGIN_DEMO, END_DEMO = (mark.format("demo") for mark in (BEGIN_TASK, END_TASK))
BEGIN_SPEED, END_SPEED = (mark.format("cost") for mark in (BEGIN_TASK, END_TASK))
COPYING = (
    "method",
    "k_att",
    "T",
    "seeds",
    "right %, median (worst – best)",
    "≥ 99.9 % (share of seeds: 95 %)",
    "CE10",
    "updates, minutes",
    "paper: right %",
    "CE10",
)
SETTING = ("what", "T", "B", "H", "threads", "backend", "checkpoint")  # of a row of cost.csv: what its peers share
METRICS = {  # of a table: what its columns say
    "squared_error": "squared error, median (best – worst)",
    "bpc": "bits per character, median (best – worst)",
    "accuracy": "right %, median (worst – best)",
}
PIXELS = {"pmnist": "permuted MNIST", "cifar10": "CIFAR10"}  # what the paper calls a task of images
NOTES = {
    "adding": "right: within 0.04. Of this task no number of the paper could be had.",
    "images": "tested on the whole test split. The paper has 784 steps (permuted MNIST) and 1,024 (CIFAR10).",
    "characters": "tested on the whole test split. Of this task no number of the paper could be had.",
}


def paper(name, T, run):
    """The row that the paper prints for a model like `run` in its table `name` at T, or None."""
    if not run.mental_updates or run.dense_forward or run.budget:
        return None  # its tables are "with mental updates", sparse forward, every microstate kept
    if run.model == "transformer":
        return next(
            (row for row in files.read_rows(PAPER) if (row["table"], row["method"]) == (name, "Transformer")), None
        )
    ks = ["none" if k is None else str(k) for k in (run.k_trunc, run.k_top)]
    if name == "transfer" and run.k_top:
        ks = ["", ""]  # which SAB is not printed there
    return next(
        (
            row
            for row in files.read_rows(PAPER)
            if (row["table"], row["T"], row["k_trunc"], row["k_top"]) == (name, str(T), *ks)
            and row["k_att"] in ("", str(run.k_att))
        ),
        None,
    )


def k_att(run):
    """As a table has it: "–" of a model without a memory."""
    return "–" if run.k_top == 0 or "k_att" in run.foreign() else run.k_att


def of(found, run):
    """The rows of all seeds of a run's recipe: where it has fresh ones, of those alone."""
    rows = {other.seed: row for other, row in found if results.same(run, other)}
    return [row for seed, row in rows.items() if seed >= recipes.FRESH] or list(rows.values())


def chosen_on(rows):
    """Whether `rows`, from of(), are of seeds that the recipe was chosen on."""
    return any(int(row["seed"]) < recipes.FRESH for row in rows)


def spread(values, middle=median):
    """Percent: the median (or mean) and, of several, the range."""
    low, mid, high = (f"{100 * value:.2f}" for value in (min(values), middle(values), max(values)))
    return mid if len(values) == 1 else f"{mid} ({low} – {high})"


def middle(rows, column):
    """The median of a column over the rows that have it, or None."""
    values = [float(row[column]) for row in rows if row.get(column)]
    return median(values) if values else None


def cells(found, names=tuple(recipes.ROWS), lengths=recipes.LENGTHS, quick=False, what="copying"):
    """{(row name, T): (its Run, seed 0, and the rows of all its seeds)}; `found` is results.read(its CSV)."""
    runs = {(name, T): recipes.cell(name, T, 0, quick, what) for name, T in recipes.pairs(what, names, lengths)}
    return {key: (run, of(found, run)) for key, run in runs.items()}


def copying(shown, all_cells=True, beside=True):
    """The copying table of `shown`, from cells(). all_cells: also those that were not run. beside: the paper's."""
    lines = []
    for (name, T), (run, rows) in shown.items():
        printed = paper("copying", T, run)
        if rows or all_cells:
            papers = [printed[key] or "–" if printed else "–" for key in ("accuracy", "ce10")]
            lines.append([recipes.ROWS[name][0], k_att(run), T, *measured(rows), *papers][: None if beside else -2])
    return table(COPYING[: None if beside else -2], lines, markdown=True)


def of_task(what, shown, all_cells=True):
    """The table of adding, images or characters of `shown`, from cells(), beside the paper's where it has a number."""
    metric, lines = recipes.EXPERIMENTS[what].metric, []
    for (name, T), (run, rows) in shown.items():
        if rows or all_cells:
            printed = paper(PIXELS.get(run.task, ""), "", run)
            accuracies = [float(row["accuracy"]) for row in rows]
            values = [float(row[metric]) for row in rows]
            middles = [] if metric == "accuracy" else [spread(accuracies) if rows else "–"]
            diverged = sum(row["status"] == "diverged" for row in rows)
            updates, seconds = middle(rows, "updates_done"), middle(rows, "cpu_seconds")
            lines.append(
                [
                    recipes.EXPERIMENTS[what].rows[name][0],
                    k_att(run),
                    T,
                    len(rows),
                    (spread(values) if metric == "accuracy" else plain(values)) if rows else "not run",
                    *middles,
                    f"({run.updates:,})" if not rows else "–" if updates is None else f"{updates:,.0f}",
                    "–" if seconds is None else f"{seconds / 60:.1f}",
                    *([printed["accuracy"] if printed else "–"] if what == "images" else []),
                ]
            )
            lines[-1][4] += f", {diverged} diverged" if diverged else ""
    head = ["method", "k_att", "T", "seeds", METRICS[metric]]
    head += [] if metric == "accuracy" else [METRICS["accuracy"]]
    head += ["updates", "minutes of a core", *(["paper: right %"] if what == "images" else [])]
    return table(head, lines, markdown=True)


def plain(values):
    """The median and, of several, the range."""
    low, mid, high = (f"{value:.5f}" for value in (min(values), median(values), max(values)))
    return mid if len(values) == 1 else f"{mid} ({low} – {high})"


def data_of(shown):
    """The lines that say which data the rows of `shown` were trained on."""
    return sorted({row["data"] for _, rows in shown.values() for row in rows if row.get("data")})


def hours(runs, found, what):
    """Processor hours that `runs` will take at most: of an update what rows of the same task, recipe, T took, or else
    what the experiment states."""
    total = 0.0
    for run in runs:
        known = [row for row in of(found, run) if float(row.get("updates_done") or 0) and row.get("cpu_seconds")]
        each = [float(row["cpu_seconds"]) / int(row["updates_done"]) for row in known]
        total += run.updates * (median(each) if each else task(run.task).steps(run.T) / recipes.EXPERIMENTS[what].steps)
    return total / 3600


def measured(rows):
    """The middle of a line of the copying table: from the seeds to the minutes of a processor, both to 99.9 %."""
    from scipy.stats import binomtest  # takes as long as all of NumPy

    if not rows:
        return [0, "not run", "–", "–", "–"]
    accuracies = [float(row["accuracy"]) for row in rows]
    reached = sum(accuracy >= results.LEARNED for accuracy in accuracies)
    diverged = sum(row["status"] == "diverged" for row in rows)
    low, high = binomtest(reached, len(rows)).proportion_ci()  # Clopper and Pearson's
    updates, minutes = middle(rows, "updates_to_999"), middle(rows, "cpu_minutes_to_999")
    return [
        len(rows),
        spread(accuracies) + (f", {diverged} diverged" if diverged else ""),
        f"{reached} of {len(rows)} ({100 * low:.0f} – {100 * high:.0f})",
        f"{middle(rows, 'ce10'):.4f}",
        "–" if None in (updates, minutes) else f"{updates:,.0f}, {minutes:.1f}",
    ]


def others(found, shown):
    """How many rows of the CSV no cell of `shown` has: they follow other recipes."""
    recipes_shown = [run for run, rows in shown.values() if rows]
    return sum(not any(results.same(run, other) for other in recipes_shown) for run, _ in found)


def transfer(shown, tested, lengths, all_cells=True):
    """What `shown`, cells() at one length, do at other lengths; `tested` are the rows of transfer.csv."""
    lines, (_, trained_at) = [], next(iter(shown))
    for (name, _), (run, rows) in shown.items():
        what, trained = recipes.experiment(run.task), {row["name"] for row in rows}
        column = "accuracy" if what == "copying" else recipes.EXPERIMENTS[what].metric
        values = [
            [float(row[column]) for row in tested if row["name"] in trained and row["T"] == str(T)] for T in lengths
        ]
        if any(values) or all_cells:
            said = [plain(v) if v and column != "accuracy" else spread(v, mean) if v else "not run" for v in values]
            lines.append([recipes.EXPERIMENTS[what].rows[name][0], max(map(len, values)), *said])
            beside = what == "copying" and trained_at == 100  # the paper's were
            printed = [paper("transfer", T, run) for T in lengths] if beside else []
            papers = ["the paper's", "", *(row["accuracy"] if row else "–" for row in printed)]
            if papers in lines:
                lines.remove(papers)  # it stands once, below those that it is compared with
            if any(printed):
                lines.append(papers)
    return table([f"trained at T = {trained_at}, tested at", "seeds", *lengths], lines, markdown=True)


def document(data):
    """The tables of the CSVs in the folder `data`: what was run of the recipe; the earlier rows are counted."""
    found = results.read(os.path.join(data, "copying.csv"))
    if not found:
        raise ValueError(f"{data}: expected the folder of copying.csv, found no run there")
    shown, changed = cells(found, tuple(recipes.TABLE)), cells(found, ("sab-5-5-recipe", *recipes.ABLATION))
    budgets = cells(found, ("sab-5-5-recipe", *recipes.MEMORY), (300,))
    longer = {key: cell for key, cell in (shown | changed).items() if key[1] == 100}
    kept = copying(budgets, all_cells=False, beside=False)
    from_300 = transfer(budgets, transfer_rows(data), (1000, 5000), all_cells=False)
    return [
        *copying(shown, all_cells=False),
        "",
        "A part left out, and one setting changed at a time:",
        "",
        *copying(changed, all_cells=False),
        "",
        *(["A budget of microstates, written evenly or as they surprise:", "", *kept, ""] if kept[2:] else []),
        "At other lengths, the mean (worst – best) of the right answers, %:",
        "",
        *([*from_300, ""] if from_300[2:] else []),
        "",
        *transfer(longer, transfer_rows(data), recipes.TRANSFER, all_cells=False),
        "",
        "The same at odd waits, from the shortest that was trained:",
        "",
        *transfer(longer, transfer_rows(data), recipes.ODD, all_cells=False),
        "",
        f"{others(found, shown | changed | budgets)} more runs in copying.csv follow earlier recipes: "
        "`sab reproduce copying --table --rows ROW`.",
    ]


def document_of(what, data):
    """The table of one experiment but copying: what was run, and on which data."""
    experiment = recipes.EXPERIMENTS[what]
    shown = cells(results.read(results.table_of(data, what)), experiment.rows, experiment.lengths, what=what)
    lines = [*of_task(what, shown, all_cells=False), "", " ".join([NOTES[what], *(f"{d}." for d in data_of(shown))])]
    for T in experiment.trained:
        at = {key: cell for key, cell in shown.items() if key[1] == T}
        longer = transfer(at, transfer_rows(data), experiment.tested, all_cells=False)
        lines += ["", *longer] if longer[2:] else []
    return lines


def six(data):
    """The README's table: six methods by the paper's lengths, beside the paper's. *: a seed that was chosen on."""
    found, lines = results.read(os.path.join(data, "copying.csv")), []
    for method, names in recipes.SIX.items():
        shown, line = cells(found, names), [method]
        for T in recipes.LENGTHS:
            name = next((name for name in names if shown[name, T][1]), names[0])
            run, rows = shown[name, T]
            words = f", {len(rows)} seed{'s' * (len(rows) > 1)}{' *' * chosen_on(rows)}"
            printed = paper("copying", T, run)
            line += [
                spread([float(row["accuracy"]) for row in rows]) + words if rows else "not run",
                (printed and printed["accuracy"]) or "–",
            ]
        lines.append(line)
    heads = [head for T in recipes.LENGTHS for head in (f"T = {T}", "paper")]
    return table(["right answers, %: median (worst – best)", *heads], lines, markdown=True)


def demo(data):
    """What `sab demo` came to, a line a seed."""
    sides = {"SAB": "sab", "the same forward, no credit to what is recalled": "constant", "truncated BPTT": "tbptt"}
    columns = {"seed": files.whole, **{f"{side}_accuracy": files.share for side in sides.values()}}
    rows = files.read_rows(os.path.join(data, "demo.csv"), columns)
    lines = [[row["seed"], *(f"{100 * float(row[f'{side}_accuracy']):.2f}" for side in sides.values())] for row in rows]
    return table(["right answers, %: seed", *sides], lines, markdown=True)


def speed(data):
    """A train step of ours that `sab bench --peers` timed beside PyTorch's, by task, T and cores."""
    columns = {"what": str, "model": str, "T": files.whole, "threads": files.whole}
    columns |= dict.fromkeys(("step_ms", "step_over_floor", "times_its_speed", "start_mb", "peak_mb"), files.maybe)
    rows, lines = files.read_rows(os.path.join(data, "cost.csv"), columns), []
    for row in sorted(rows, key=lambda row: (int(row["T"]), int(row["threads"]), row["model"])):
        name, *sab = row["what"].split()
        if not row["times_its_speed"] or name == "growth" or row["backend"] != "numpy":
            continue
        same = [one for one in rows if all(one[key] == row[key] for key in SETTING)]
        peers = [one for one in same if one["model"] != row["model"] and row["model"] in one["model"]]
        times = [", ".join(f"{float(one['step_ms']):.1f}" for one in each) for each in ([row], peers)]
        memory = [
            ", ".join(f"{float(one['peak_mb']) - float(one['start_mb']):.0f}" for one in each if one["start_mb"])
            for each in ([row], peers)
            if row["threads"] == "1"  # that of one process was measured
        ] or ["", ""]
        model = f"SAB {'/'.join(sab or ['5', '5', '2'])}" if row["model"] == "SAB" else "LSTM, full BPTT"
        ratios = [f"{float(row[key]):.2f}" for key in ("step_over_floor", "times_its_speed")]
        task_name = "copying" if name == "speed" else name
        lines.append([task_name, row["T"], row["threads"], model, times[0], ratios[0], times[1], ratios[1], *memory])
    heads = ["task", "T", "cores", "model", "ms", "over its floor", "PyTorch, ms", "times the faster"]
    return table([*heads, "MB", "PyTorch, MB"], lines, markdown=True)


BLOCKS = (
    (BEGIN, END, document),
    (BEGIN_SIX, END_SIX, six),
    (BEGIN_DEMO, END_DEMO, demo),
    *((BEGIN_TASK.format(what), END_TASK.format(what), partial(document_of, what)) for what in NOTES),
    (BEGIN_SPEED, END_SPEED, speed),
)


def write(path, data):
    """Put the tables between the marks of the file at `path`. Raises ValueError where it has none."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    wanted = [block for block in BLOCKS if block[1] in text.partition(block[0])[2]]
    if not wanted:
        raise ValueError(f"{path}: expected the lines {BEGIN} and {END}, or those of the six rows, found none")
    for begin, end, lines in wanted:
        before, _, rest = text.partition(begin)
        text = "\n".join([before + begin, "", *lines(data), "", end + rest.partition(end)[2]])
    files.write_atomic(path, text)
