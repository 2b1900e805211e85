"""What the slides show is what the demo measured and what tutorial 00 works out, read back from their artists."""

import re
import runpy
from pathlib import Path
from statistics import median

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import same_color

from sab_numpy.cli import demo
from sab_numpy.plots import COLOURS
from sab_numpy.support import files
from sab_numpy.training import pretrained

ROOT = Path(__file__).parent.parent
NAMES = {"every step back": "bptt", "cut after two steps": "tbptt", "cut, and a recall of step 1": "sab"}


@pytest.fixture(scope="module")
def slides():
    """What figures/slides.py defines."""
    plt.switch_backend("Agg")
    yield runpy.run_path(str(ROOT / "figures" / "slides.py"))
    plt.close("all")


@pytest.fixture
def ax():
    yield plt.figure().add_subplot()
    plt.close("all")


def by_hand(cut, recall):
    """Credit of four steps, each of which keeps half: not from step 2 to step 1 where it is cut; step 3 recalls 1."""
    credit = [0, 0, 0, 1]
    for t in (2, 1, 0):
        credit[t] = (0 if cut and t == 1 else credit[t + 1] / 2) + (recall and t == 1)
    return credit


def test_the_credit_on_the_slide_of_the_tyre_is_that_of_tutorial_00(slides, ax):
    slides["tyre"](ax)
    said = {tuple(text.get_position()): text for text in ax.texts if text.get_text()}
    ways = by_hand(False, False), by_hand(True, False), by_hand(True, True)
    for row, (credit, (name, colour)) in enumerate(zip(ways, NAMES.items())):
        assert said[-0.55, -row].get_text() == name and same_color(said[-0.55, -row].get_color(), COLOURS[colour])
        assert [said[t, -row].get_text() for t in range(4)] == [f"{value:g}" for value in credit]
        faces = [said[t, -row].get_bbox_patch().get_facecolor() for t in range(4)]
        assert all(same_color(face, COLOURS[colour] if value else "white") for face, value in zip(faces, credit))
    assert [said[t, 0.62].get_text() for t in range(4)] == ["set off", "pop", "drive on", "which tyre?"]
    (arrow,) = (text for text in ax.texts if getattr(text, "arrow_patch", None))
    ends = [(round(x), round(y)) for x, y in (arrow.xyann, arrow.xy)]
    assert ends == [(3, -2), (1, -2)] and arrow.arrowprops["arrowstyle"] == "->"


def test_the_slide_of_the_control_has_every_seed_of_the_demo(slides, ax):
    slides["control"](ax)
    rows, sides = files.read_rows(ROOT / "figures" / "data" / "demo.csv"), ("tbptt", "constant", "sab")
    labels = dict(zip(ax.get_yticks(), (label.get_text() for label in ax.get_yticklabels())))
    assert labels == {0: "truncated BPTT", -1: "SAB 5/5, recalled states constant", -2: "SAB 5/5"}
    *dots, chance = ax.lines
    assert list(chance.get_xdata()) == [12.5, 12.5] and chance.get_linestyle() == ":"
    for place, (side, bar, found) in enumerate(zip(sides, ax.patches, dots, strict=True)):
        shares = [100 * float(row[f"{side}_accuracy"]) for row in rows]
        assert bar.get_width() == pytest.approx(median(shares)) and same_color(bar.get_facecolor(), COLOURS[side])
        assert bar.get_y() + bar.get_height() / 2 == pytest.approx(-place) and list(found.get_xdata()) == shares
        assert set(found.get_ydata()) == {-place}
        assert ax.texts[place].get_text() == f"{median(shares):.0f} %, {len(rows)} seeds"
        assert ax.texts[place].get_position()[1] == -place
    title, _, (line,) = slides["SLIDES"][6]  # TEACHING.md: slide 7
    assert title.startswith("Attention alone is not enough") and {row["T"] for row in rows} == {"20"}
    assert line.startswith(f"A wait of 20 steps, cut every {demo.BOTH['k_trunc']}.")


def test_a_slide_shows_the_picture_that_its_title_is_about(slides, monkeypatch):
    kept = [
        (title, picture if isinstance(picture, str) else picture.__name__) for title, picture, _ in slides["SLIDES"]
    ]
    words = {
        "Credit across a wait": "forward_pass",
        "A tyre pops": "tyre",
        "Why walking back": "credit_over_distance",
        "Forward: a state": "kink_of_selection",
        "Backward: three streams": "backward_pass",
        "One model, four algorithms": "algorithms",
        "Attention alone": "control",
        "What it recalls": "attention_longer",
        "How do you know": "error_over_step_size",
        "Some seeds learn": "works_or_not",
    }
    assert all(title.startswith(word) and shown == name for (title, shown), (word, name) in zip(kept, words.items()))
    (line,) = slides["SLIDES"][7][2]
    assert line.startswith(f"Trained at T = {pretrained.about('copying-T300-sab')['T']}, tested up to 1,000:")
    drawn = []
    monkeypatch.setitem(slides["main"].__globals__, "draw", lambda number, *_: drawn.append(number) or plt.figure())
    monkeypatch.setitem(slides["main"].__globals__, "PdfPages", Nowhere)
    slides["main"]("slides.pdf")
    assert drawn == [*range(1, 11)]


def test_a_slide_says_its_number_its_title_and_its_lines(slides):
    fig = slides["draw"](2, "Title", slides["tyre"], ("one", "two"))
    said = {text.get_text(): text.get_position() for text in fig.texts}
    assert [*said] == ["Title", "one", "two", "sab_numpy   2"]
    assert said["Title"][1] > said["one"][1] > said["two"][1] > fig.axes[0].get_position().y1


class Nowhere:
    """In the place of a PDF."""

    def __init__(self, path, metadata):
        assert metadata["Title"] == "Credit across a wait"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def savefig(self, fig, dpi):
        assert re.fullmatch(r"\d+", str(dpi))
