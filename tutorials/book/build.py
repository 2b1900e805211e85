"""The book, a static site in book/ that opens from the file system:  make book

Every tutorial is run, ten minutes a cell and half an hour in all at most (SAB_QUICK=1: on less). A cell that fails, a
link that leads nowhere and a formula that cannot be set end the build; nothing in the pages is loaded from elsewhere.
It is made of the pages beside this file, the tutorials as notebooks, the glossary, the figures and the explorer.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SECONDS = 1800                                   # for all tutorials, at most
TEXTS = ("GLOSSARY.md", "tutorials/README.md", "figures/README.md")


def linked(text, place, pages):
    """Markdown with its links to files led to the pages of the book; where there is no such page the words remain.

    place: the folder of the text, seen from the root; pages: {path of a source: path of its page}, from the root.
    """
    def page(found):
        words, path, anchor = found.groups()
        target = pages.get(os.path.normpath(os.path.join(place, path)))
        return words[1:-1] if target is None else f"{words}({os.path.relpath(target, place or '.')}{anchor or ''})"
    return re.sub(r"(?<!!)(\[[^]\n]*(?:\n[^]\n]*)?\])\((?![a-z]+:|#)([^)#\s]+)(#[\w-]+)?\)", page, text)


def gather(source):
    """Write all that Sphinx reads into the folder `source`. Returns {path: notebook}, not yet run."""
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("build.py", "__pycache__"))
    scripts = sorted((ROOT / "tutorials").glob("[0-9]*.py"))
    pages = {f"tutorials/{path.name}": f"tutorials/{path.stem}.ipynb" for path in scripts} | dict(zip(TEXTS, TEXTS))
    pages["tutorials/sab_in_one_file.py"] = "one_file.md"
    for name in TEXTS:
        text = linked((ROOT / name).read_text(encoding="utf-8"), os.path.dirname(name), pages)
        text = re.sub(r'<a id="([\w-]+)"></a>\*\*(.+?)\*\*', r"[**\2**]{#\1}", text)      # as MyST knows it
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    notebooks = {}
    for path in scripts:
        text = linked(path.read_text(encoding="utf-8"), "tutorials", pages)
        text = text.replace("# # ", f"# # {path.stem.split('_')[0]} ", 1)                # the number into the heading
        notebooks[source / "tutorials" / f"{path.stem}.ipynb"] = jupytext.reads(text, "py:percent")
    for path in (ROOT / "figures").glob("*.png"):
        shutil.copy(path, source / "figures")
    shutil.copy(ROOT / "tutorials" / "sab_in_one_file.py", source)
    (source / "extra").mkdir()
    explore = ["explore", "copying-T100-sab", "--out", str(source / "extra" / "explorer.html")]
    subprocess.run([sys.executable, "-m", "sab_numpy", *explore], check=True, stdout=subprocess.DEVNULL)
    return notebooks


def run(notebooks, folder):
    """Run the notebooks in this folder, and write them with what they print and draw. Ends where a cell fails."""
    began, place = time.monotonic(), {"metadata": {"path": folder}}
    for path, notebook in notebooks.items():
        start = time.monotonic()
        try:
            NotebookClient(notebook, timeout=600, resources=place, extra_arguments=["--log-level=ERROR"]).execute()
        except (CellExecutionError, CellTimeoutError) as error:
            sys.exit(f"{error}\nmake book: a cell of tutorials/{path.stem}.py failed, as above")
        nbformat.write(notebook, path)
        print(f"{path.stem:32s} {time.monotonic() - start:5.0f} s", flush=True)
        if time.monotonic() - began > SECONDS:
            sys.exit(f"make book: the tutorials took more than {SECONDS} seconds")


def main(out):
    os.environ.pop("MPLBACKEND", None)           # pictures belong into the cells
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "book"
        run(gather(source), source)
        pages = Path(folder) / "pages"           # a neighbour of it gets copies of the pictures
        sphinx = ["-W", "--keep-going", "-q", "-E", "-b", "html", str(source), str(pages)]
        if subprocess.run([sys.executable, "-m", "sphinx", *sphinx]).returncode:
            sys.exit("make book: not built, for the reasons above")
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(pages, out)
    print(f"the book is in {os.path.relpath(out)}: open {os.path.relpath(out / 'index.html')} in a browser")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT / "book")
