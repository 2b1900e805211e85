"""What a model recalls while it learns: one test sequence, looked at a few times during a training. Writes a CSV.

python -m sab_numpy.paper.recalls_while_learning --T 200 --out runs/moments
"""

import argparse
import os
import sys

from sab_numpy.core.forward import forward
from sab_numpy.paper import recipes
from sab_numpy.support import files
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import stream, task
from sab_numpy.training import loop

MOMENTS = (500, 2000, 3000, 4000, 6000, 7500)
COLUMNS = dict.fromkeys(("T", "update", "t", "recalled"), files.whole) | {
    "accuracy": files.share,
    "weight": files.share,
}
LEAST = 0.005  # smaller weights are not written


def look(run, state, accuracy):
    """Rows of one moment: which state step `t` of the first test sequence recalled, and its weight."""
    x, _ = task(run.task).sequences(run.T, 1, stream(run.seed, "test", run.T))
    _, tape = forward(state.params, x, run.config())
    for t in range(len(x)):
        for _, m, weight in tape.recalls(t):
            if m >= 0 and weight >= LEAST:
                yield {
                    "T": run.T,
                    "update": state.update,
                    "accuracy": accuracy,
                    "t": t,
                    "recalled": m,
                    "weight": f"{weight:.3f}",
                }


def write(path, rows, run):
    """All rows so far, whole or not at all."""
    files.write_rows(
        path, rows, head=f"# python -m sab_numpy.paper.recalls_while_learning --T {run.T} --seed {run.seed}\n"
    )


def record(run, out, path):
    """Train `run` in the folder `out`, or go on with it, and write what it recalls at the MOMENTS to `path`."""
    rows = files.read_rows(path, COLUMNS) if os.path.exists(path) else []

    def progress(state, row):
        if row and state.update in MOMENTS and str(state.update) not in {str(old["update"]) for old in rows}:
            rows.extend(look(run, state, f"{row['accuracy']:.4f}"))
            if rows:
                write(path, rows, run)
            print(f"update {state.update}: {100 * row['accuracy']:.1f} %", file=sys.stderr, flush=True)

    loop.train(run, out, resume=True, progress=progress)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--T", type=int, default=200, metavar="N", help="length (default: 200)")
    parser.add_argument("--seed", type=int, default=100, metavar="N", help="(default: 100)")
    parser.add_argument("--out", default="runs/moments", metavar="DIR", help="folder of the run")
    parser.add_argument("--csv", default="figures/data/moments.csv", metavar="FILE", help="the file to write")
    args = parser.parse_args(argv)
    one_thread()
    record(recipes.cell("sab-5-5-recipe", args.T, args.seed), args.out, args.csv)


if __name__ == "__main__":
    main()
