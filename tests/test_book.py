"""The book (make book): links lead somewhere, nothing is loaded from elsewhere, every tutorial has its picture."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import sab_numpy as sab

ROOT = Path(__file__).parent.parent
TUTORIALS = sorted(path.stem for path in (ROOT / "tutorials").glob("[0-9]*.py"))
pytestmark = pytest.mark.slow


def build(root, out):
    """Build the book of the tree at `root` on little data; the finished process."""
    for name in ("furo", "myst_nb", "sphinx"):
        pytest.importorskip(name, reason="needs pip install -e '.[book]'")
    environment = os.environ | {"SAB_QUICK": "1", "PYTHONPATH": str(ROOT)}
    program = [sys.executable, str(root / "tutorials" / "book" / "build.py"), str(out)]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=1500)


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that a link may name."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.pictures, self.places = [], [], [], set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.places |= {found.get("id"), found.get("name")}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        loaded = found.get("src") or (found.get("href") if tag in ("link", "use") else None)
        if loaded and not loaded.startswith(("data:", "#")):
            self.loads.append(loaded)
            self.pictures += [loaded] * (tag == "img")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """{path in the book: its Page}, and the folder."""
    out = tmp_path_factory.mktemp("book") / "book"
    done = build(ROOT, out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, {path.relative_to(out).as_posix(): Page(path) for path in out.rglob("*.html")}


def test_every_link_leads_to_a_page_and_a_place_in_it(book):
    out, pages = book
    count = 0
    for name, page in pages.items():
        for link in page.links + page.loads:
            scheme, host, path, _, place = urlsplit(link)
            if scheme or host:
                continue
            target = (out / name).parent / unquote(path) if path else out / name
            assert target.is_file(), f"{name}: {link}"
            if place and target.suffix == ".html":
                assert unquote(place) in pages[target.resolve().relative_to(out).as_posix()].places, f"{name}: {link}"
            count += 1
    assert count > 500 and pages["tutorials/05_sab_backward.html"].links.count("../GLOSSARY.html#skip") >= 1


def test_nothing_is_loaded_from_elsewhere(book):
    out, pages = book
    assert [(name, load) for name, page in pages.items() for load in page.loads if urlsplit(load).netloc] == []
    for path in out.rglob("*.css"):
        assert not re.search(r"(url\(\s*|@import\s+)[\"']?(https?:)?//", path.read_text(encoding="utf-8")), path
    assert "MathJax" not in "".join(page.text for page in pages.values())


def test_every_tutorial_has_its_picture_what_it_prints_and_its_neighbours(book):
    out, pages = book
    for stem, after in zip(TUTORIALS, [*TUTORIALS[1:], "../one_file"], strict=True):
        page = pages[f"tutorials/{stem}.html"]
        pictures = [out / "tutorials" / picture for picture in page.pictures]
        assert pictures and all(picture.stat().st_size > 5000 for picture in pictures), stem
        assert "output stream" in page.text and f'class="next-page" href="{after}.html"' in page.text
        assert f"tutorials/{stem}.html" in pages["index.html"].links and f"<h1>{stem.split('_')[0]} " in page.text


def test_formulas_are_set(book):
    _, pages = book
    for stem in TUTORIALS:
        source = (ROOT / "tutorials" / f"{stem}.py").read_text(encoding="utf-8")
        formulas = re.findall(r"^# .*?\$[^$\n]+\$", source, re.MULTILINE)
        assert bool(formulas) <= ("<math" in pages[f"tutorials/{stem}.html"].text), stem


def test_the_api_has_every_public_name_with_its_docstring(book):
    _, pages = book
    for name in sab.__all__:
        if not name.startswith("_"):
            assert f"sab_numpy.{name}" in pages["api.html"].places, name
    assert "a state becomes a microstate every k_att steps" in pages["api.html"].text


def test_the_explorer_is_in_it_and_the_search_and_the_dark_theme(book):
    out, pages = book
    assert "explorer.html" in pages["explore.html"].loads and (out / "searchindex.js").stat().st_size > 10_000
    assert "theme-toggle" in pages["index.html"].text


def test_a_cell_that_fails_ends_the_build(tmp_path):
    for name in ("tutorials/book", "figures"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("data"))
    for name in ("GLOSSARY.md", "tutorials/README.md", "tutorials/sab_in_one_file.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "tutorials" / "00_wrong.py").write_text("# %% [markdown]\n# # Wrong\n\n# %%\nassert 1 + 1 == 3\n")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode == 1 and "a cell of tutorials/00_wrong.py failed" in done.stderr
    assert "assert 1 + 1 == 3" in done.stderr and not (tmp_path / "out").exists()
