"""Make a notebook of every tutorial:  python tutorials/build_notebooks.py [--execute]

The scripts are the source; a notebook (tutorials/NN_name.ipynb) is built from its script and not
kept in the repository. Without --execute this needs nothing installed; with it, also run every
notebook and keep what it prints and draws: pip install -e ".[notebooks]" first.
"""

import json
import sys
from pathlib import Path


def cells(text):
    """(kind, source) of every cell of a percent script; kind is markdown or code."""
    found = []
    for part in ("\n" + text).split("\n# %%")[1:]:
        head, _, body = part.partition("\n")
        if head.strip() == "[markdown]":
            lines = body.strip("\n").split("\n")
            body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines)
            found.append(("markdown", body))
        else:
            found.append(("code", body.strip("\n")))
    return found


def notebook(text):
    """The script as a notebook, JSON text (nbformat 4.5)."""
    made = []
    for n, (kind, source) in enumerate(cells(text)):
        cell = {"cell_type": kind, "id": f"cell-{n}", "metadata": {},
                "source": source.splitlines(keepends=True)}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1) + "\n"


def execute(path, root):
    """Run a notebook in place, in the folder `root`, ten minutes a cell at most. Raises where a
    cell fails."""
    import nbformat
    from nbclient import NotebookClient
    opened = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": root}}
    NotebookClient(opened, timeout=600, resources=resources,
                   extra_arguments=["--log-level=ERROR"]).execute()
    nbformat.write(opened, path)


def main(arguments):
    if set(arguments) - {"--execute"}:
        print(f"build_notebooks: expected --execute or nothing, found {' '.join(arguments)}",
              file=sys.stderr)
        return 2
    folder = Path(sys.argv[0]).resolve().parent
    scripts = sorted(folder.glob("[0-9]*.py"))
    if not scripts:
        print(f"build_notebooks: no tutorials in {folder}", file=sys.stderr)
        return 2
    for script in scripts:
        path = script.with_suffix(".ipynb")
        path.write_text(notebook(script.read_text(encoding="utf-8")), encoding="utf-8")
        if "--execute" in arguments:
            try:
                execute(path, folder.parent)
            except ImportError as missing:
                print(f"build_notebooks: --execute needs {missing.name} ([notebooks])",
                      file=sys.stderr)
                return 2
        print(path.name, "built and executed" if "--execute" in arguments else "built", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
