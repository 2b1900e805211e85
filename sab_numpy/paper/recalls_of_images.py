"""Where in a picture a trained model looks back to: what the last step of a few test images recalls. Writes a CSV.

SAB_DATA=mnist python -m sab_numpy.paper.recalls_of_images runs/images/T196-20-5-20-8e0224-seed103
"""

import argparse

from sab_numpy.core.forward import forward
from sab_numpy.support import files
from sab_numpy.support.threads import one_thread
from sab_numpy.tasks import task
from sab_numpy.training.checkpoints import trained

COLUMNS = dict.fromkeys(("image", "label", "says", "step", "pixel"), files.whole) | {
    "grey": files.share,
    "weight": files.share,
}


def look(model, images=10):
    """Rows of the first test image of every label: a row a step, and the weight that its state has in the end."""
    problem = task(model.task)
    x, targets = next(problem.batches(problem.LENGTH, 200, 200, "test"))
    first = [targets[0].tolist().index(label) for label in range(images)]
    x, targets = x[:, first], targets[:, first]
    y, tape = forward(model.params, x, model.cfg)
    for n in range(images):
        weights = {step: weight for _, step, weight in tape.recalls(len(x) - 1, n)}
        for step, pixel in enumerate(problem.order):
            yield {
                "image": first[n],
                "label": targets[0, n],
                "says": y[-1, n].argmax(),
                "step": step,
                "pixel": pixel,
                "grey": f"{x[step, n].mean():.3f}",
                "weight": f"{weights.get(step, 0):.3f}",
            }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="folder of a run of sab train")
    parser.add_argument("--csv", default="figures/data/recalls_of_images.csv", metavar="FILE", help="the file to write")
    args = parser.parse_args(argv)
    one_thread()
    model = trained(args.run)
    head = f"# python -m sab_numpy.paper.recalls_of_images RUN, a run of {model.task}, seed {model.seed}\n"
    files.write_rows(args.csv, list(look(model)), head=head)


if __name__ == "__main__":
    main()
