"""What a picture shows is what the CSV or the model says: the values are read back from the figure's artists."""

import re
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from told import by_hand, told, trained_here, walked

from sab_numpy import cli
from sab_numpy.cli import demo
from sab_numpy.core.config import Config
from sab_numpy.core.forward import forward
from sab_numpy.paper import recipes, results
from sab_numpy.plots.figures import FIGURES
from sab_numpy.plots.recalls import draw_recalls, recall_matrix, recalled
from sab_numpy.support import files
from sab_numpy.tasks import stream, task
from sab_numpy.training import checkpoints
from sab_numpy.training.checkpoints import load_run

DATA = Path(__file__).parents[1] / "figures" / "data"
BLUE, INK = "#0072B2", "#333333"
COLOURS = {"BPTT": "#009E73", "TBPTT": "#D55E00", "self-attention": "#CC79A7", "SAB": BLUE}  # everywhere the same
NOT_REACHED = "#e4e4e4"
WAIT, STEPS = 15, 35  # of the sequence whose credit is drawn step by step
LOOKS = {"BPTT": "LSTM", "TBPTT": "TBPTT", "self-attention": "self-attention", "SAB": "SAB"}  # of cost.csv


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """drawn(*words): the figures that a command saves, as Matplotlib holds them."""
    kept = []

    def keep(figure, file, **options):
        kept.append(figure)
        file.write(b"\x89PNG")

    def run(*words):
        kept.clear()
        assert cli.main([str(word) for word in words]) == 0
        return list(kept)

    monkeypatch.setattr(Figure, "savefig", keep)
    run.figure = lambda name: run("figures", name, "--data", DATA, "--out", tmp_path)[0]
    return run


def rows(name):
    return files.read_rows(DATA / name)


def lines(axes):
    """{label: (x, y)} of the lines that have a label."""
    return {line.get_label(): line.get_data() for line in axes.lines if line.get_label()[:1] not in ("", "_")}


def heading(figure):
    """The title above all panels (Matplotlib 3.7 has no get_suptitle)."""
    return figure._suptitle.get_text()


def near(found, expected, tolerance=1e-9):
    """Whether two mappings have the same keys and, nearly, the same values."""
    return found == pytest.approx(expected, rel=tolerance, abs=tolerance)


# ---- sequences as lines of steps


def arrows(axes, colour, arc=False):
    """[(from step, to step, the arrow)], arcs or straight; ways between steps 0.1 apart at most count as the same."""
    found = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    return [
        (*(round(float(end[0])) for end in arrow._posA_posB), arrow)
        for arrow in found
        if same_color(arrow.get_edgecolor()[:3], colour) and bool(arrow.get_connectionstyle().rad) == arc
    ]


def boxes(axes, height=0.0):
    """{step: its box} of the row at this height."""
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return {
        round(float(box.get_center()[0])): box
        for box in found
        if box.get_center()[1] == pytest.approx(height, abs=1e-9) and box.get_center()[0] > -0.5
    }


def texts(axes, height):
    """{step: what is written at this height}, without what is empty."""
    return {
        round(float(text.get_position()[0])): text.get_text()
        for text in axes.texts
        if text.get_position()[1] == pytest.approx(height) and text.get_text() and text.get_position()[0] > -0.5
    }


def symbols(values):
    return {t: str(value) for t, value in enumerate(values) if value}


def test_forward_pass_draws_what_the_model_reads_says_stores_and_recalls(drawn):
    ((axes,), real) = drawn.figure("forward_pass").axes, told(T=5)
    assert texts(axes, -0.02) == symbols(real.x) and texts(axes, -1.52) == symbols(real.says)
    stored = set(range(real.cfg.k_att - 1, 25, real.cfg.k_att))
    assert {*boxes(axes)} == {*range(25)} and {*boxes(axes, 2)} == stored
    assert {start for start, _, _ in arrows(axes, INK)} == stored
    cuts = [line.get_xdata()[0] + 0.5 for line in axes.lines]
    assert cuts == [*range(real.cfg.k_trunc, 25, real.cfg.k_trunc)]
    expected = {
        (m, t): weight
        for t, found in enumerate(real.recalls)
        for m, weight in found.items()
        if m != "empty" and weight >= 0.02
    }
    arcs = {(m, t): arrow for m, t, arrow in arrows(axes, BLUE, arc=True)}
    assert arcs.keys() == expected.keys() and len(arcs) > 5
    for shown in ([arcs[way].get_linewidth() for way in expected], [arcs[way].get_alpha() for way in expected]):
        assert np.corrcoef(shown, [*expected.values()])[0, 1] > 1 - 1e-9 and np.std(shown) > 0.1


def answer_drawn(title):
    """The answer whose credit a picture shows: not the first step of a block, and recalling the input most."""
    real = told(T=WAIT)
    of_input = [sum(weight for m, weight in found.items() if m != "empty" and m < 10) for found in real.recalls]
    best = max((t for t in range(STEPS - 10, STEPS) if t % real.cfg.k_trunc), key=lambda t: of_input[t])
    assert re.search(r"step (\d+)", title).group(1) == str(best)
    return best


def check_credit_line(axes, events, colour=BLUE):
    """Boxes are coloured where credit came, arcs are the skips, each straight arrow is local credit."""
    credit = {event.end: event.total for event in events if event.kind in ("loss", "local", "skip")}
    row = boxes(axes)
    reached = {t for t, box in row.items() if not same_color(box.get_facecolor(), NOT_REACHED)}
    assert {*row} == {*range(STEPS)} and reached == {*credit}
    darkness = {t: -sum(row[t].get_facecolor()[:3]) for t in credit}
    assert same_color(row[max(credit, key=credit.get)].get_facecolor(), colour)
    order = sorted(credit, key=credit.get)
    assert all(darkness[a] <= darkness[b] + 1e-9 for a, b in zip(order, order[1:]))
    skips = {(event.start, event.end): event.norm for event in events if event.kind == "skip" and event.norm > 0}
    arcs = {(start, end): arrow.get_linewidth() for start, end, arrow in arrows(axes, colour, arc=True)}
    assert arcs.keys() == skips.keys()
    order = sorted(skips, key=skips.get)
    assert all(arcs[a] <= arcs[b] + 1e-9 for a, b in zip(order, order[1:]))
    ways = {(event.start, event.end) for event in events if event.kind in ("local", "loss")}
    assert {(start, end) for start, end, _ in arrows(axes, colour)} == ways


def test_backward_pass_draws_the_events_of_the_walk(drawn):
    (axes,) = drawn.figure("backward_pass").axes
    step = answer_drawn(axes.get_title(loc="left"))
    events = walked(told(T=WAIT).cfg, step, T=WAIT)
    check_credit_line(axes, events)
    said = {kind: [] for kind in ("cut", "not visited", "loss")}
    for text in axes.texts:
        if text.get_text() in said:
            said[text.get_text()].append(text.get_position()[0])
    assert said["cut"] == [event.end + 0.5 for event in events if event.kind == "cut"]
    assert said["not visited"] == [(e.start + e.end) / 2 for e in events if e.kind == "not visited"]
    assert said["loss"] == [step] and len(events) > 10


def four(cfg):
    """The four algorithms with the parameters of a softmax model."""
    return {
        "BPTT": replace(cfg, k_trunc=None, k_top=0),
        "TBPTT": replace(cfg, k_top=0),
        "self-attention": replace(cfg, k_trunc=None, k_top=None),
        "SAB": cfg,
    }


def test_algorithms_draws_the_walk_of_each_and_counts_it_in_the_title(drawn):
    figure = drawn.figure("algorithms")
    step = answer_drawn(heading(figure))
    for axes, (name, cfg) in zip(figure.axes, four(told(T=WAIT).cfg).items(), strict=True):
        events = walked(cfg, step, T=WAIT)
        check_credit_line(axes, events, COLOURS[name])
        steps = len({event.end for event in events if event.kind in ("loss", "local", "skip")})
        skips = sum(event.kind == "skip" for event in events)
        assert axes.get_title(loc="left") == f"{name}: {steps} of {STEPS} steps walked, {skips} skips"


def test_credit_over_distance_draws_the_norms_of_the_walk_and_errors_that_fit_them(drawn):
    left, right = map(lines, drawn.figure("credit_over_distance").axes)
    assert list(left) == list(right) == ["BPTT", "TBPTT", "self-attention", "SAB"]

    def norms(cfg):
        found = np.zeros(120)
        for event in walked(cfg, 119, T=100, n=16):
            if event.kind in ("loss", "local", "skip"):
                found[119 - event.end] = event.total
        return found

    for name, cfg in four(told(T=5).cfg).items():
        found, whole = norms(cfg), norms(replace(cfg, k_trunc=None))
        (distance, shown), (_, wrong) = left[name], right[name]
        assert (distance == np.arange(120)).all() and ((found > 0) == np.isfinite(shown)).all()
        np.testing.assert_allclose(shown[found > 0], (found / found[0])[found > 0], rtol=1e-9)
        assert (np.abs(found - whole) <= wrong * whole * (1 + 1e-9) + 1e-300).all()  # the triangle, from both sides
        assert (wrong * whole <= (found + whole) * (1 + 1e-9)).all()
        assert wrong[:5].max() < 1e-9 and (name in ("TBPTT", "SAB")) == (wrong[5:].max() > 0.1)


def test_a_box_of_credit_has_the_symbol_that_the_model_read_there(drawn):
    for name in ("backward_pass", "algorithms"):
        for axes in drawn.figure(name).axes:
            assert texts(axes, -0.02) == symbols(told(T=WAIT).x)


def test_a_dashed_line_stands_before_every_block_where_credit_is_cut_and_nowhere_else(drawn):
    shown = [[line.get_xdata()[0] + 0.5 for line in axes.lines] for axes in drawn.figure("algorithms").axes]
    cuts = [*range(told(T=WAIT).cfg.k_trunc, STEPS, told(T=WAIT).cfg.k_trunc)]
    assert shown == [[], cuts, [], cuts]  # BPTT, TBPTT, self-attention, SAB
    (axes,) = drawn.figure("backward_pass").axes
    assert [line.get_xdata()[0] + 0.5 for line in axes.lines] == cuts


def test_forward_pass_names_its_rows_counts_its_empty_slots_and_pales_the_ways_that_will_be_cut(drawn):
    ((axes,), cfg) = drawn.figure("forward_pass").axes, told(T=5).cfg
    left = [(text.get_position()[1], text.get_text()) for text in axes.texts if text.get_position()[0] < -0.5]
    assert left.count((1.98, "0")) == cfg.n_empty
    assert {(0, "reads, state h"), (-1.5, "says"), (1.25, "memory")} <= {*left}
    ways = {(start, end) for start, end, _ in arrows(axes, "black")}
    assert ways == {(t - 1, t) for t in range(1, 25) if t % cfg.k_trunc}


# ---- maps of recalls


def map_expected(recalls):
    """(T, T+1): the weight of every state, and in the last column that of the empty slots."""
    expected = np.zeros((len(recalls), len(recalls) + 1))
    for t, found in enumerate(recalls):
        for m, weight in found.items():
            expected[t, -1 if m == "empty" else m] = weight
    return expected


def check_recalls(axes, expected, answers, numbers=True, below=None):
    """Every weight of the rows (n, T+1) stands in its cell, as colour and as digits; to what is left out no answer
    gives 1 %. below: the axes whose labels name the columns."""
    (image,) = axes.images
    columns = [label.get_text() for label in (below or axes).get_xticklabels()]
    states = [int(name) for name in columns[1:]]
    assert columns[0] == "empty" and states == sorted(states)
    shown, wanted = np.asarray(image.get_array()), expected[:, [-1, *states]]
    np.testing.assert_allclose(shown, wanted, atol=1e-6)
    assert image.get_clim() == (0, 1)
    left_out = [m for m in range(expected.shape[1] - 1) if m not in states]
    assert answers[:, left_out].max(initial=0) < 0.01
    digits = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    assert digits == ({at: f"{w:.2f}" for at, w in np.ndenumerate(shown) if w >= 0.01} if numbers else {})
    lines_at = {line.get_xdata()[0] for line in axes.lines}
    assert lines_at == {0.5, 0.5 + sum(state < 10 for state in states)}  # around the input
    return states


def check_map(figure, expected):
    before, answers = figure.axes
    mean = expected[:-10].mean(0, keepdims=True)
    check_recalls(before, mean, expected[-10:], below=answers)
    states = check_recalls(answers, expected[-10:], expected[-10:])
    assert all(expected[-10:, state].max() >= 0.01 for state in states)
    assert [label.get_text() for label in answers.get_yticklabels()] == [str(n) for n in range(1, 11)]
    assert before.get_yticklabels()[0].get_text() == f"before (mean of {len(expected) - 10})"


def test_attention_map_has_the_weight_of_every_recall_of_the_answers_in_its_place(drawn):
    expected = map_expected(told(T=100).recalls)
    assert ((expected > 0.01) & (expected < 0.99)).sum() > 10 and expected[-10:, :10].max() > 0.5
    check_map(drawn.figure("attention_map"), expected)


def test_attention_longer_has_the_weights_of_the_ten_answers(drawn):
    for axes, T in zip(drawn.figure("attention_longer").axes, (100, 300, 1000), strict=True):
        answers = map_expected(told(T=T).recalls)[-10:]
        check_recalls(axes, answers, answers)
        assert axes.get_title() == f"T = {T}"


def test_attention_while_learning_has_the_weights_of_its_csv(drawn):
    written = rows("moments.csv")
    T, moments = int(written[0]["T"]), sorted({int(row["update"]) for row in written})
    panels = [axes for axes in drawn.figure("attention_while_learning").axes if axes.get_title()]
    for axes, moment in zip(panels, moments, strict=True):
        own = [row for row in written if int(row["update"]) == moment]
        expected = np.zeros((T + 20, T + 21))
        for row in own:
            expected[int(row["t"]), int(row["recalled"])] = float(row["weight"])
        expected[:, -1] = np.maximum(0, 1 - expected.sum(1))  # the CSV has no empty slots
        check_recalls(axes, expected[-10:], expected[-10:], numbers=False)
        assert axes.get_title() == f"update {moment}: {100 * float(own[0]['accuracy']):.0f} % right"


def test_a_map_tells_the_last_empty_slot_and_the_last_input_from_what_comes_after_them():
    cfg = Config(10, 4, 10, k_top=2)  # 3 empty slots, then the state of every step
    recalls = [{"empty": 1.0}] * 22 + [{"empty": 0.75, 0: 0.25}, {9: 0.75, 10: 0.25}]
    slots = np.array([[1, 2]] * 22 + [[2, 3], [12, 13]])
    matrix = recall_matrix(slots, np.array([[0.75, 0.25]] * 24), cfg)
    axes = Figure().subplots()
    draw_recalls(axes, matrix[-10:], recalled(matrix), range(10))
    expected = map_expected(recalls)[-10:]
    assert check_recalls(axes, expected, expected, numbers=False) == [0, 9, 10]


def test_the_rows_of_a_map_of_answers_are_named_one_to_ten(drawn):
    for name in ("attention_longer", "attention_while_learning"):
        labels = drawn.figure(name).axes[0].get_yticklabels()
        assert [label.get_text() for label in labels] == [str(n) for n in range(1, 11)]


# ---- derivatives


def test_kink_of_selection_draws_the_weight_that_the_formula_gives(drawn):
    panels = {axes.get_title(loc="left").split(":")[0]: lines(axes) for axes in drawn.figure("kink_of_selection").axes}
    score = next(iter(panels["softmax"].values()))[0]
    weight = {
        "softmax": np.exp(score) / (np.exp(score) + np.e),  # beside the score 1
        "relu": (score - 0.5) / (score - 0.5 + 0.5 + 1e-6),  # the threshold is the score 0.5
    }
    for name, expected in weight.items():
        (x, frozen), (_, true) = panels[name].values()  # the replay keeps the selection
        assert (x == score).all() and score.min() < 0.45 and score.max() > 1.5
        np.testing.assert_allclose(frozen, expected, atol=1e-9)
        missing = np.isnan(true)
        assert missing.sum() <= (name == "softmax")
        np.testing.assert_allclose(true[~missing], np.where(score > 0.5, expected, 0)[~missing], atol=1e-9)


def test_kink_of_selection_marks_the_score_where_the_slot_is_selected_and_says_which_line_is_which(drawn):
    for axes, words in zip(drawn.figure("kink_of_selection").axes, ("softmax: it jumps", "relu: it has a kink")):
        assert axes.get_title(loc="left") == words
        assert [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == ":"] == [[0.5, 0.5]]
        at = {label: y[x < 0.45] for label, (x, y) in lines(axes).items()}
        assert (at["selection made anew"] == 0).all()
        assert (at["frozen replay: the selection made at score 1"] != 0).all()


def test_error_over_step_size_has_the_central_error_of_the_complex_one_while_both_are_of_the_formula(drawn):
    """Both errors are h^2 f'''/6 to leading order, of opposite sign; the loss itself has another derivative."""
    found = lines(drawn.figure("error_over_step_size").axes[0])
    of = {next(word for word in ("complex", "loss", "central") if word in label): found[label] for label in found}
    h, (complex_error, central, loss) = of["complex"][0], (of[word][1] for word in ("complex", "central", "loss"))
    middle = (h < 2e-3) & (h > 2e-5)
    np.testing.assert_allclose(central[middle] / complex_error[middle], 1.0, rtol=0.02)
    np.testing.assert_allclose(np.diff(np.log(central[middle])) / np.diff(np.log(h[middle])), 2.0, rtol=0.02)
    assert complex_error[h < 1e-8].max() < 1e-12 and loss.min() > 1e-3


def test_the_picture_of_sab_gradcheck_has_the_errors_of_a_cube(drawn, tmp_path):
    """f = p^3: forward is off by |h/p + h^2/3p^2| (or with -h), central and complex by h^2/3p^2."""
    (tmp_path / "cube.py").write_text(
        "import numpy as np\nparams = {'p': np.array([2.0])}\n"
        "f = lambda p: (p['p'] ** 3).sum()\ngrads = lambda p: {'p': 3 * p['p'] ** 2}\n"
    )
    (figure,) = drawn("gradcheck", "--module", tmp_path / "cube.py", "--picture", tmp_path / "cube.png")
    found = {label.split(",")[0]: data for label, data in lines(figure.axes[0]).items()}
    h, central = found["central"]
    some = (h < 0.5) & (h > 1e-3)
    np.testing.assert_allclose(central[some], h[some] ** 2 / 12, rtol=1e-6)
    np.testing.assert_allclose(found["complex"][1][some], h[some] ** 2 / 12, rtol=1e-6)
    forward = found["forward"][1][some]
    assert np.allclose(forward, h[some] / 2 + h[some] ** 2 / 12) or np.allclose(
        forward, h[some] / 2 - h[some] ** 2 / 12
    )


# ---- CSV files


def test_cost_over_length_has_the_columns_of_its_csv_over_their_divisors(drawn):
    figure = drawn.figure("cost_over_length")
    B, H, threads, backend = re.search(
        r"of (\d+) sequences, H = (\d+), (\d+) threads?, (\w+)", heading(figure)
    ).groups()
    own = [
        row
        for row in rows("cost.csv")
        if (row["B"], row["H"], row["threads"], row["backend"], row["checkpoint"]) == (B, H, threads, backend, "none")
        and row["what"] in ("speed", "growth")
    ]
    columns = {
        "steps that credit walks\nbefore it is cut": lambda row: (
            float(row["steps_walked"]) / int(row["blocks_visited"])
        ),
        "skips a sequence": lambda row: float(row["skips"]) / int(row["B"]),
        "seconds a train step": lambda row: float(row["step_ms"]) / 1000,
        "peak memory (MB)": lambda row: float(row["peak_mb"]),
    }
    assert [axes.get_title() for axes in figure.axes] == list(columns)
    reach = {label: max(int(row["T"]) for row in own if row["model"] == model) for label, model in LOOKS.items()}
    early = [label for label in LOOKS if reach[label] < max(reach.values())]
    assert early and figure._supxlabel.get_text().startswith(f"{' and '.join(early)} end earlier")
    for axes, value in zip(figure.axes, columns.values()):
        shown = lines(axes)
        assert set(shown) >= {"SAB", "self-attention"}
        for label, (x, y) in shown.items():
            expected = {}
            for row in own:
                if row["model"] == LOOKS[label]:
                    expected.setdefault(int(row["T"]) + 20, []).append(value(row))
            assert list(x) == sorted(expected)
            assert all(any(drawn == pytest.approx(one) for one in expected[at]) for at, drawn in zip(x, y))


@pytest.fixture(scope="module")
def trained():
    """{name of a row of the table: {T: rows of copying.csv, those of fresh seeds where there are some}}."""
    found = {}
    for run, row in results.read(DATA / "copying.csv"):
        found.setdefault(results.row_name(run), {}).setdefault(run.T, []).append(row)
    for lengths in found.values():
        for T, rows in lengths.items():
            fresh = [row for row in rows if int(row["seed"]) >= 100]
            lengths[T] = fresh or rows
    return found


SIX = {  # the rows of a method, the first that was run at a length
    "full BPTT": ("#009E73", "bptt-20k", "bptt-recipe"),
    "TBPTT 20": ("#D55E00", "tbptt-20-recipe"),
    "self-attention": ("#CC79A7", "attention-recipe"),
    "SAB 5/5": (BLUE, "sab-5-5-recipe"),
    "SAB 5/5, the paper's cell": ("#000000", "sab-5-5-cell-chrono"),
    "no mental updates": ("#56B4E9", "sab-5-5-recipe-constant"),
}


def of_method(trained, method, T):
    """(its colour, the rows of all its seeds)."""
    colour, *names = SIX[method]
    return colour, next((trained[name][T] for name in names if T in trained.get(name, {})), [])


def paper(table, T, k_trunc, k_top):
    """What paper.csv prints."""
    path = Path(recipes.__file__).with_name("paper.csv")
    wanted = (table, str(T), k_trunc, k_top)
    found = [r for r in files.read_rows(path) if (r["table"], r["T"], r["k_trunc"], r["k_top"]) == wanted]
    return found[0]["accuracy"] if found else None


def test_copying_table_has_a_dot_for_every_seed_the_medians_and_the_papers_numbers(drawn, trained):
    panels = drawn.figure("copying_table").axes
    assert [axes.get_title() for axes in panels] == ["T = 100", "T = 200", "T = 300"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == list(SIX)
    for axes, T in zip(panels, (100, 200, 300)):
        words = {round(text.get_position()[1]): text.get_text() for text in axes.texts}
        clouds = [child for child in axes.collections if isinstance(child, PathCollection)]
        papers = {int(line.get_ydata()[0]): line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"}
        for y, (method, cloud) in enumerate(zip(SIX, clouds, strict=True)):
            colour, own = of_method(trained, method, T)
            right = sorted(100 * float(row["accuracy"]) for row in own)
            at = np.asarray(cloud.get_offsets()).reshape(-1, 2)
            assert sorted(at[:, 0]) == pytest.approx(right) and (np.abs(at[:, 1] - y) <= 0.4).all()
            assert len({tuple(spot) for spot in at}) == len(right)  # none hides another
            assert not right or same_color(cloud.get_facecolor()[0], colour)
            seeds = f"{median(right):.2f}\n{len(right)} seed" + "s" * (len(right) > 1) if right else "not run"
            assert words[y] == seeds + " *" * any(int(row["seed"]) < 100 for row in own)  # a seed that was chosen on
        printed = {
            0: paper("copying", T, "none", "0"),
            1: paper("copying", T, "20", "0"),
            2: paper("copying", T, "none", "none"),
            3: paper("copying", T, "5", "5"),
            4: paper("copying", T, "5", "5"),
        }
        assert near(papers, {y: float(value) for y, value in printed.items() if value})


def curve(row):
    history = files.read_rows(DATA / "curves" / f"{row['name']}.csv")
    return {name: np.array([float(line[name] or "nan") for line in history]) for name in history[0]}


def same_curves(found, expected):
    """Whether two lists hold the same lines, in any order."""
    found, expected = (sorted(np.asarray(line, float).tolist() for line in lines) for lines in (found, expected))
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other)


def test_learning_curves_are_those_of_the_csvs(drawn, trained):
    count = 0
    for axes, method in zip(drawn.figure("learning_curves").axes, SIX, strict=True):
        assert axes.get_title(loc="left") == method
        for T, dashes in ((100, "-"), (200, "--"), (300, ":")):
            colour, own = of_method(trained, method, T)
            shown = [line for line in axes.lines if line.get_label() == f"T = {T}"]
            assert all(same_color(line.get_color(), colour) and line.get_linestyle() == dashes for line in shown)
            curves = [(found["update"], 100 * found["accuracy"]) for found in map(curve, own)]
            if curves or shown:
                same_curves([line.get_data() for line in shown], curves)
            count += len(shown)
    assert count >= 30


def test_transfer_has_a_line_a_seed_of_its_csv_and_the_papers_points(drawn, trained):
    tested = {}
    for row in rows("transfer.csv"):
        tested.setdefault(row["name"], {})[int(row["T"])] = 100 * float(row["accuracy"])
    sab, none = ("", ""), ("not", "there")  # the paper tests no TBPTT and no control
    ks = {"full BPTT": ("none", "0"), "self-attention": ("none", "none"), "TBPTT 20": none, "no mental updates": none}
    panels = {axes.get_title(loc="left"): axes for axes in drawn.figure("transfer").axes}
    assert set(panels) >= {"full BPTT", "self-attention", "SAB 5/5"}
    for method, axes in panels.items():
        colour, *names = SIX[method]
        seeds = [[tested[row["name"]] for row in trained.get(name, {}).get(100, []) if row["name"] in tested]
                 for name in names]  # fmt: skip
        seeds = next(found for found in seeds if found)  # that were tested
        ours = [line for line in axes.lines if line.get_marker() == "o"]
        assert all(same_color(line.get_color(), colour) for line in ours)
        same_curves([line.get_data() for line in ours], [tuple(zip(*sorted(one.items()))) for one in seeds])
        theirs = {T: y for line in axes.lines if line.get_marker() == "D" for T, y in zip(*line.get_data())}
        printed = {T: paper("transfer", T, *ks.get(method, sab)) for T in (100, 200, 300, 400, 2000, 5000)}
        assert near(theirs, {T: float(value) for T, value in printed.items() if value and value[0].isdigit()})
        middle = median(one[5000] for one in seeds)
        said = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}, median at 5000: {middle:.1f} %"
        assert said in [text.get_text() for text in axes.texts]


def test_works_or_not_has_the_curves_of_the_two_seeds_that_it_names(drawn, trained):
    figure = drawn.figure("works_or_not")
    label, T = re.match(r"(.*), copying T = (\d+)", heading(figure)).groups()
    (name,) = (name for name, (words, _) in recipes.ROWS.items() if words == label)
    own = sorted(trained[name][int(T)], key=lambda row: float(row["accuracy"]))
    scales = {"accuracy": 100, "max_abs_h": 1, "recalls_input": 100, "recalls_empty": 100}
    for axes, (column, scale) in zip(figure.axes, scales.items(), strict=True):
        (best_label, best), (worst_label, worst) = lines(axes).items()
        for which, said, data, row in (("best", best_label, best, own[-1]), ("worst", worst_label, worst, own[0])):
            right = 100 * float(row["accuracy"])
            expected = f"{which} of {len(own)} seeds (seed {row['seed']}): {right:.1f} % right at the end"
            assert said == expected
            np.testing.assert_allclose(data, (curve(row)["update"], scale * curve(row)[column]))
    titles = [axes.get_title() for axes in figure.axes]
    assert ["accuracy" in titles[0] or "Right" in titles[0], "|h|" in titles[1], "input" in titles[2]] == [True] * 3
    assert "empty" in titles[3]


def test_every_figure_has_its_test_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FIGURES if f'"{name}"' not in text] == []


# ---- the demo


def test_the_demo_draws_all_histories_and_what_sab_recalled(drawn, tmp_path, monkeypatch):
    small = {"T": 5, "min_length": 2, "updates": 40, "hidden": 16, "validate_every": 10, "batch": 8}
    monkeypatch.setattr(demo, "TINY", small)
    monkeypatch.setattr(demo, "train", trained_here)
    curves, attention = drawn("demo", "--tiny", "--quiet", "--out", tmp_path)
    shown = lines(curves.axes[0])
    for side, label in (("sab", "SAB"), ("tbptt", "truncated BPTT"), ("constant", "recall without credit")):
        history = files.read_rows(tmp_path / "seed0" / side / "history.csv")
        np.testing.assert_allclose(shown[label][0], [int(row["update"]) for row in history])
        np.testing.assert_allclose(shown[label][1], [100 * float(row["accuracy"]) for row in history])
    np.testing.assert_allclose(shown["chance"][1], 12.5)
    run, state = load_run(tmp_path / "seed0" / "sab")
    x, _ = task("copying").sequences(5, 1, stream(0, "test", 5))
    _, recalls = by_hand(state.params, run.config(), x[:, 0])
    check_map(attention, map_expected(recalls))


@pytest.mark.parametrize("what", ["adding", "images", "characters"])
def test_a_task_s_figure_draws_the_metric_of_the_curves(drawn, what):
    if not (DATA / f"{what}.csv").exists():
        pytest.skip(f"figures/data has no {what}.csv")
    experiment, expected = recipes.EXPERIMENTS[what], {}
    figure, scale = drawn.figure(what), 100 if experiment.metric == "accuracy" else 1
    there = results.read(DATA / f"{what}.csv")
    for run, row in there:
        fresh = any(results.same(run, other) and other.seed >= recipes.FRESH for other, _ in there)
        if results.row_name(run) == "other" or fresh and run.seed < recipes.FRESH:
            continue
        history = rows(f"curves/{row['name']}.csv")
        line = [[float(one["update"]) for one in history], [scale * float(one[experiment.metric]) for one in history]]
        words = experiment.rows[results.row_name(run)][0].removeprefix(f"{run.task}: ")
        if words.startswith("earlier: "):  # in the table alone
            continue
        panel = f"T = {run.T}" if what == "adding" else f"{run.task}, {run.T} steps"
        expected.setdefault((panel, words), []).append(line)
    for ax in figure.axes:
        problem = task("adding" if what == "adding" else ax.get_title().partition(",")[0])
        for (panel, words), own in list(expected.items()):
            if panel == ax.get_title() and len(own) > 1:  # bold: the median of its seeds
                expected[panel, words] = [*own, [own[0][0], np.median([line[1] for line in own], axis=0).tolist()]]
                (bold,) = (line for line in ax.lines if line.get_label() == words)
                assert np.allclose(bold.get_ydata(), expected[panel, words][-1][1]) and bold.get_linewidth() == 2
        for line in ax.lines:
            words = line.get_label().lstrip("_")
            if words == "guessing":
                assert line.get_ydata() == pytest.approx([scale * problem.CHANCE[experiment.metric]] * 2)
                continue
            own = [list(map(float, data)) for data in line.get_data()]
            found = next(one for one in expected[ax.get_title(), words] if np.allclose(one, own))
            expected[ax.get_title(), words].remove(found)
            looks = {"SAB": "SAB", "full": "BPTT", "TBPTT": "TBPTT", "self-attention": "self-attention"}
            kind = next((COLOURS[look] for word, look in looks.items() if word in words), "#E69F00")
            assert same_color(line.get_color(), kind)
        looks = {line.get_label().lstrip("_"): (line.get_color(), line._unscaled_dash_pattern) for line in ax.lines}
        assert len({str(look) for look in looks.values()}) == len(looks)  # a look of its own for every row
    assert not any(expected.values())
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    assert 0 <= legend.x0 and legend.x1 <= figure.bbox.x1  # none of it is cut off


def test_the_picture_of_recalled_pixels_puts_them_back_in_their_places(drawn):
    figure, images = drawn.figure("recalls_of_images"), {}
    for row in rows("recalls_of_images.csv"):
        images.setdefault(row["image"], []).append(row)
    kept = max(len([row for row in steps if float(row["weight"])]) for steps in images.values())
    assert len(images) == 10 and kept == 5
    columns = np.array(figure.axes).reshape(3, 10).T
    for (picture, looks, bars), steps in zip(columns, images.values()):
        weights = [float(row["weight"]) for row in steps]
        assert [bar.get_height() for bar in bars.patches] == pytest.approx(weights)
        right = steps[0]["label"] == steps[0]["says"]
        assert picture.get_title() == f"a {steps[0]['label']}" + ("" if right else f", says {steps[0]['says']}")
        for step, row in enumerate(steps):
            place = divmod(int(row["pixel"]), 14)
            assert picture.images[0].get_array()[place] == pytest.approx(float(row["grey"]))
            microstate = 20 * (step // 20) + 19  # the first that has read this pixel
            assert looks.images[0].get_array()[place] == pytest.approx((weights + [0] * 20)[microstate])


def test_the_picture_of_what_is_kept_has_a_line_for_every_state_as_long_as_it_can_be_recalled(drawn):
    found = checkpoints.trained("copying-T300-budget")
    budget, k_att = found.cfg.budget, found.cfg.k_att
    x, _ = task("copying").sequences(300, 1, stream(found.seed, "test", 300))
    evenly, surprising = drawn.figure("what_is_kept").axes
    assert budget == 5  # five are five lines, all to be recalled by every answer
    assert [tuple(line.get_xdata()) for line in evenly.lines] == [(step, 319) for step in (53, 107, 161, 215, 269)]
    assert all(same_color(line.get_color(), "#999999") for line in evenly.lines)
    _, tape = forward(found.params, x, found.cfg)
    ends = {}
    for t in range(320):
        for slot in tape.memory.kept[t // k_att, 0, : min(1 + budget, 1 + t // k_att)]:
            ends[int(slot) * k_att - 1] = t
    del ends[-1]  # the empty slot
    lines_of = {int(line.get_ydata()[0]): line for line in surprising.lines}
    assert {step: tuple(line.get_xdata()) for step, line in lines_of.items()} == {s: (s, t) for s, t in ends.items()}
    for step, line in lines_of.items():  # 309: the marker
        assert same_color(line.get_color(), BLUE if step < 10 else "#999999" if step < 309 else "#D55E00")
    assert ends[4] == ends[9] == 319


def test_the_legend_of_what_is_kept_has_the_colours_of_its_lines(drawn):
    (legend,) = drawn.figure("what_is_kept").legends
    said = {text.get_text(): line.get_color() for text, line in zip(legend.get_texts(), legend.get_lines())}
    words = ("a state of the input", "a state of the wait", "a state of the marker or an answer")
    assert said == dict(zip(words, (BLUE, "#999999", "#D55E00")))


def test_chance_is_drawn_at_one_of_eight(drawn):
    for axes in drawn.figure("copying_table").axes:
        assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [12.5]


@pytest.mark.parametrize("name", ["learning_curves", "works_or_not", "transfer"])
def test_chance_lies_at_one_of_eight_in_the_curves_too(drawn, name):
    panels = drawn.figure(name).axes[: 1 if name == "works_or_not" else None]  # of four panels the first has a share
    for axes in panels:
        (chance,) = (line for line in axes.lines if list(line.get_xdata()) == [0, 1])  # across the whole panel
        assert list(chance.get_ydata()) == [12.5, 12.5]


def test_a_dot_ends_every_learning_curve_and_the_pale_lines_are_those_of_the_other_panels(drawn):
    panels, curves, pale = drawn.figure("learning_curves").axes, [], []
    for axes in panels:
        curves.append([line.get_xydata() for line in axes.lines if line.get_label().startswith("T = ")])
        pale.append([line.get_xydata() for line in axes.lines if same_color(line.get_color(), "#ececec")])
        dots = [line.get_xydata() for line in axes.lines if line.get_marker() == "o"]
        assert [dot.tolist() for dot in dots] == [line[-1:].tolist() for line in curves[-1]]
    for at, found in enumerate(pale):
        expected = [line for other, own in enumerate(curves) if other != at for line in own]
        assert len(found) == len(expected) and all(map(np.array_equal, found, expected))


def test_what_is_written_evenly_says_every_how_many_steps(drawn):
    evenly, surprising = drawn.figure("what_is_kept").axes
    first, second = (line.get_xdata()[0] for line in evenly.lines[:2])
    assert evenly.get_title() == f"{len(evenly.lines)} written evenly, every {second - first} steps"
    assert surprising.get_title() == f"the {len(evenly.lines)} most surprising"


def test_the_rows_of_recalled_pixels_say_what_they_are_and_one_blue_is_one_weight_under_every_digit(drawn):
    columns = np.array(drawn.figure("recalls_of_images").axes).reshape(3, 10)
    assert [ax.get_ylabel() for ax in columns[:, 0]] == ["what it is", "where the last\nstep looks", "weight"]
    assert {ax.images[0].get_clim() for ax in columns[:2].flat} == {(0, 1)}
    assert {ax.get_ylim() for ax in columns[2]} == {(0, 1)}


@pytest.mark.parametrize(
    "what, words", [("adding", "squared error"), ("images", "right answers (%)"), ("characters", "bits per character")]
)
def test_the_axis_of_a_task_s_figure_names_its_metric(drawn, what, words):
    assert drawn.figure(what).axes[0].get_ylabel() == f"{words} on validation"


def test_the_legend_of_the_table_tells_a_seed_from_the_paper_and_from_chance(drawn):
    (legend,) = drawn.figure("copying_table").legends
    looks = {text.get_text(): line for text, line in zip(legend.get_texts(), legend.get_lines())}
    assert [looks[words].get_marker() for words in ("a seed", "the paper")] == ["o", "D"]
    assert looks["chance, 12.5 %"].get_linestyle() == ":" and len(looks) == 3
