"""The page of `sab explore` in a real browser: what it draws, its controls and keys, its sizes and themes."""

import json
import re
import shutil
from functools import cache

import numpy as np
import pytest

from sab_numpy.core.forward import forward
from sab_numpy.explore import page as explorer
from sab_numpy.explore.sequence import loss_at, sequence
from sab_numpy.plots.credit import credit_at
from sab_numpy.tasks import task
from sab_numpy.training.checkpoints import trained

api = pytest.importorskip("playwright.sync_api", reason='no playwright: pip install ".[browser]"')
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium")]

QUIET = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
MODEL = "copying-T100-sab"
STEPS, LANES = 120, 5
LOSSES = {"the last answer": 119, "the ten answers": slice(110, 120), "every step": slice(None)}
BACKGROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 18, 18)"}


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        yield one
        one.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(explorer.page(explorer.explore(trained(MODEL))), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, file):
    """A function that opens the page, its clock in our hands; at the end it must have asked for nothing else."""
    contexts, asked, complaints = [], [], []

    def opening(width=1366, height=768, path=file, free=True, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.clock.install(time=0)
        page.goto(f"file://{path}")
        page.clock.pause_at(1)
        if free:
            page.keyboard.press("Escape")  # the guide
        return page

    yield opening
    assert not complaints and all(re.match("file://[^ ]*page.html$", url) for url in asked) and asked
    for context in contexts:
        context.close()


@cache
def told(number, label):
    """What backward itself says, of every lane: norms of dL/dh at every step, (T,), and the answers."""
    model = trained(MODEL)
    x, targets = sequence(model, 100, number)
    found = []
    for *_, params, cfg in explorer.lanes(model):
        y, tape = forward(params, x, cfg)
        _, dy = task("copying").loss(y, targets)
        dh = credit_at(loss_at(dy, LOSSES[label]), tape)  # (T, 1, H)
        found.append((np.sqrt((dh * dh).sum((1, 2))), y[:, 0].argmax(-1)))
    return found, x[:, 0], targets[:, 0]


def words(page):
    return page.inner_text("#number"), page.inner_text("#sentence")


def where(page):
    return page.inner_text("#where")


def drawn(page):
    """{step: (credit said, height drawn in pixels)} of every lane."""
    return page.eval_on_selector_all(
        ".lane",
        """lanes => lanes.map(lane => Object.fromEntries([...lane.querySelectorAll(".bar")].map(bar =>
           [bar.dataset.step, [Number(bar.dataset.credit), bar.getBoundingClientRect().height]])))""",
    )


def cell(page, lane, step):
    """The middle of a step's box in the window."""
    return page.evaluate(
        """([n, t]) => { const svg = document.querySelectorAll(".lane svg")[n], box = svg.getBoundingClientRect();
           return [box.left + middle(t), box.top + arcsOf(sequence.lanes[n]) + 30]; }""",
        [lane, step],
    )


def luminance(colour):
    r, g, b = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (r, g, b))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


# ---- what is drawn


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("label", LOSSES)
def test_the_bars_are_the_credit_that_backward_gives_to_each_step(label, number, opened):
    page = opened()
    page.select_option("#sequence", index=number)
    page.select_option("#loss", label)
    page.keyboard.press("End")
    expected, _, _ = told(number, label)
    for (norms, _), bars in zip(expected, drawn(page), strict=True):
        # a step that was visited and got exactly nothing has a bar of no height
        assert {int(t) for t, (credit, _) in bars.items() if credit > 0} == set(np.flatnonzero(norms))
        for t, (credit, _) in bars.items():
            assert credit == pytest.approx(norms[int(t)], rel=2e-3)
        tallest = max(height for _, height in bars.values())
        assert tallest > 20
        for t, (_, height) in bars.items():
            assert height / tallest == pytest.approx(norms[int(t)] / norms.max(), abs=2e-3)


def test_on_the_log_scale_a_fifth_of_the_height_is_a_power_of_ten(opened):
    page = opened()
    page.keyboard.press("l")
    for (norms, _), bars in zip(told(0, "the last answer")[0], drawn(page), strict=True):
        tallest = max(height for _, height in bars.values())
        for t, (_, height) in bars.items():
            expected = max(0, 1 + np.log10(norms[int(t)] / norms.max()) / 5)
            assert height / tallest == pytest.approx(expected, abs=5e-3)


def test_it_starts_linear_so_that_the_wait_is_low_where_its_credit_is(opened):
    page = opened()
    assert not page.is_checked("#log")
    bptt = {int(t): height for t, (_, height) in drawn(page)[2].items()}
    assert max(bptt[t] for t in range(20, 100)) < 0.02 * bptt[119]


def test_half_way_back_nothing_is_drawn_that_has_not_happened_yet(opened):
    page = opened()
    page.evaluate("go(T + 60)")  # credit at step 60
    walks = json.loads(page.inner_text("#data"))["sequences"][0]["lanes"]
    for lane, bars in zip(walks, drawn(page), strict=True):
        so_far = [
            row for row in lane["walks"]["the last answer"] if row[0] <= 2 and (row[2] if row[0] == 1 else row[1]) >= 60
        ]
        assert {int(t): credit for t, (credit, _) in bars.items()} == {row[2]: row[4] for row in so_far}


def test_a_grey_box_is_where_no_credit_came_and_a_thick_line_a_cut(opened):
    page = opened()
    boxes = page.eval_on_selector_all(
        ".lane",
        """lanes => lanes.map(lane => [
           [...lane.querySelectorAll(".unvisited")].map(box => [+box.dataset.from, +box.dataset.to]),
           [...lane.querySelectorAll(".cut")].map(line => +line.dataset.step)])""",
    )
    for (norms, _), (grey, cuts) in zip(told(0, "the last answer")[0], boxes, strict=True):
        assert {t for first, last in grey for t in range(first, last + 1)} == set(np.flatnonzero(norms == 0))
        assert len(grey) == (0 in norms)  # neighbouring blocks are one box: here each lane has one, or none
        cut = {t for t in range(5, STEPS, 5) if norms[t]} if 0 in norms else set()
        assert set(cuts) == cut
    text = page.inner_text("body")
    assert "not visited" in page.locator(".lane").nth(1).inner_text() and "skipped" not in text


def test_the_arcs_are_the_recalls_of_the_tape_and_the_skips_of_the_walk(opened):
    page, model = opened(), trained(MODEL)
    x, _ = sequence(model, 100, 0)
    _, tape = forward(model.params, x, model.cfg)
    recalled = {
        (t, int(tape.memory.step_of(slot))): weight
        for t in range(STEPS)
        for slot, weight in zip(tape.slots[t, 0], tape.weights[t, 0])
        if slot >= tape.memory.initial_slots and weight >= 0.1
    }
    arcs = page.eval_on_selector_all(
        ".lane:first-child .recall",
        "arcs => arcs.map(arc => [+arc.dataset.from, +arc.dataset.to, +arc.dataset.weight])",
    )
    assert {(a, b): w for a, b, w in arcs} == pytest.approx(recalled, rel=1e-3) and len(recalled) > 10
    skips = page.eval_on_selector_all(
        ".lane:first-child .skip", "arcs => arcs.map(arc => [+arc.dataset.from, +arc.dataset.to, +arc.dataset.norm])"
    )
    norms = told(0, "the last answer")[0][0][0]
    rows = [
        row for row in explorer.explore(model)["sequences"][0]["lanes"][0]["walks"]["the last answer"] if row[0] == 2
    ]
    assert skips == [[*row[1:3], row[3]] for row in rows if row[3] >= 0.01 * norms.max()]


def test_every_lane_shows_the_input_and_what_its_model_says(opened):
    page = opened()
    texts = page.eval_on_selector_all(
        ".lane",
        """lanes => lanes.map(lane => [...lane.querySelectorAll("text[data-step]")].map(text =>
           [+text.dataset.step, text.textContent, text.classList.contains("wrong")]))""",
    )
    found, x, targets = told(0, "the last answer")
    for (_, says), shown in zip(found, texts, strict=True):
        assert [symbol for t, symbol, _ in shown if t < 10] == [str(s) for s in x[:10]]
        assert [(int(symbol), wrong) for t, symbol, wrong in shown if t >= 110] == [
            (says[t], says[t] != targets[t]) for t in range(110, 120)
        ]
    heads = page.locator(".lane h2").all_inner_texts()
    assert [head.split()[0] for head in heads] == ["SAB", "TBPTT", "BPTT", "BPTT", "self-attention"]
    assert (
        "trained with BPTT: parameters of copying-T100-bptt" in heads[2]
        and "SAB's parameters without recall" in heads[3]
    )


def test_the_count_of_a_lane_is_that_of_its_bars_and_skips(opened):
    page = opened()
    counts = page.locator(".lane .count").all_inner_texts()
    lanes = json.loads(page.inner_text("#data"))["sequences"][0]["lanes"]
    found, _, targets = told(0, "the last answer")
    for (norms, says), lane, count in zip(found, lanes, counts, strict=True):
        right, visited, skips = map(int, re.findall(r"(\d+) (?:of|skips)", count))
        assert right == sum(says[110:] == targets[110:])
        assert visited == np.count_nonzero(norms)
        assert skips == sum(row[0] == 2 for row in lane["walks"]["the last answer"])
        assert float(count.split()[-2]) == pytest.approx(100 * norms[:10].max() / norms_of_loss(lane), rel=0.06)


def norms_of_loss(lane):
    return max(row[3] for row in lane["walks"]["the last answer"] if row[0] == 0)


# ---- the guide


def test_it_opens_with_three_sentences_in_thirty_seconds_and_then_is_free(opened):
    page = opened(free=False)
    said, began, ends = [], [], 0
    for half_second in range(70):
        if page.inner_text("#guide") == "Guide":
            ends = ends or half_second / 2
        elif words(page) not in said:
            said.append(words(page))
            began.append(where(page))
        page.clock.run_for(500)
    assert [number for number, _ in said] == ["guide 1/3", "guide 2/3", "guide 3/3"] and 29 <= ends <= 31
    assert (
        began[1] == "forward: step 119 of 119" and 109 <= int(began[2].removeprefix("backward: credit at step ")) <= 115
    )
    assert where(page) == "backward: credit at step 0" and page.inner_text("#play") == "Play"
    assert "the 7 at step 119: it was read 110 steps before" in said[0][1]
    way = "Step 119 recalled the state of step 19, step 19 that of step 9, so SAB's credit gets there in 2 skips"
    assert way in said[1][1] and "cut at step 115" in said[1][1]
    (sab, _), _, (bptt, _), *_ = told(0, "the last answer")[0]
    visits, arrives, of_bptt = re.search(
        r"visits (\d+) of 120 steps, and credit (\d+) % .* all 120: credit (\S+) %", said[2][1]
    ).groups()
    assert int(visits) == np.count_nonzero(sab)
    lanes = json.loads(page.inner_text("#data"))["sequences"][0]["lanes"]
    assert int(arrives) == round(100 * sab[9] / norms_of_loss(lanes[0]))
    assert float(of_bptt) == pytest.approx(100 * bptt[9] / norms_of_loss(lanes[2]), rel=0.02)


def test_the_guide_tells_a_long_way_in_short(opened, tmp_path):
    path = tmp_path / "page.html"  # not trained to recall the input: its credit goes there block by block
    path.write_text(explorer.page(explorer.explore(trained(explorer.BPTT))), encoding="utf-8")
    page = opened(path=path, free=False)
    page.evaluate("guided = 12000, say()")
    steps = "Step 119 recalled the state of step 114, step 114 that of step 109, and so on, step 14 that of step 9, so"
    assert f"{steps} SAB's credit gets there in 22 skips" in words(page)[1]


def test_the_guide_can_pause_be_ended_and_be_seen_again(opened):
    page = opened(free=False)
    page.clock.run_for(3000)
    page.keyboard.press(" ")
    before = where(page)
    page.clock.run_for(5000)
    assert where(page) == before and words(page)[0] == "guide 1/3"
    page.keyboard.press(" ")
    page.clock.run_for(9000)
    assert words(page)[0] == "guide 2/3"
    page.click("#guide")
    assert page.inner_text("#guide") == "Guide" and where(page) == "backward: credit at step 0"
    page.click("#guide")
    page.clock.run_for(1000)
    assert words(page)[0] == "guide 1/3" and where(page).startswith("forward")
    page.keyboard.press("ArrowRight")  # whoever steps is free
    page.clock.run_for(5000)
    assert page.inner_text("#guide") == "Guide" and where(page) == "forward: step 13 of 119"


def test_it_does_not_move_by_itself_where_motion_is_unwelcome(opened):
    page = opened(free=False, reduced_motion="reduce")
    page.clock.run_for(20000)
    assert where(page) == "before the first step" and words(page)[0] == "guide 1/3"
    assert words(page)[1].endswith("(Paused: Space or Play goes on.)")
    page.keyboard.press(" ")
    assert "Paused" not in words(page)[1]


# ---- controls and keys


def test_every_button_goes_where_it_says(opened):
    page = opened()
    for button, expected in [
        ("#first", "before the first step"),
        ("#next", "forward: step 0 of 119"),
        ("#next", "forward: step 1 of 119"),
        ("#back", "forward: step 0 of 119"),
        ("#turn", "backward: credit at step 119"),
        ("#next", "backward: credit at step 118"),
        ("#last", "backward: credit at step 0"),
    ]:
        page.click(button)
        assert where(page) == expected, button
    page.locator("#position").fill("60")
    assert where(page) == "forward: step 59 of 119"
    assert page.get_attribute("#position", "aria-valuetext") == "forward: step 59 of 119"


def test_every_key_goes_where_the_page_says(opened):
    page = opened()
    for key, expected in [
        ("Home", "before the first step"),
        ("ArrowRight", "forward: step 0 of 119"),
        ("b", "backward: credit at step 119"),
        ("ArrowLeft", "forward: step 119 of 119"),
        ("End", "backward: credit at step 0"),
    ]:
        page.keyboard.press(key)
        assert where(page) == expected, key
    page.keyboard.press("l")
    assert page.is_checked("#log")
    page.keyboard.press("g")
    assert page.inner_text("#guide") == "End guide"
    page.keyboard.press("Control+ArrowRight")  # the browser's own
    assert page.inner_text("#guide") == "End guide"


def test_play_runs_pauses_begins_again_and_has_three_speeds(opened):
    page, moved = opened(), []
    page.keyboard.press("Home")
    for speed in ("slow", "middle", "fast"):
        page.select_option("#speed", label=speed)
        page.locator("#speed").blur()
        before = int(page.input_value("#position"))
        page.keyboard.press(" ")
        assert page.inner_text("#play") == "Pause" and page.get_attribute("#play", "aria-pressed") is None
        page.clock.run_for(1200)
        page.click("#play")
        moved.append(int(page.input_value("#position")) - before)
        page.clock.run_for(1200)
        assert int(page.input_value("#position")) == before + moved[-1]
    assert moved == [3, 10, 40]
    page.keyboard.press("End")
    page.keyboard.press(" ")
    page.clock.run_for(300)
    assert where(page) == "forward: step 9 of 119"
    page.clock.run_for(10000)
    assert where(page) == "backward: credit at step 0" and page.inner_text("#play") == "Play"


def test_another_sequence_and_another_loss_are_shown_where_one_is(opened):
    page = opened()
    options = page.locator("#sequence option").all_inner_texts()
    assert len(options) == 4
    for number in range(4):
        page.select_option("#sequence", index=number)
        x, targets = sequence(trained(MODEL), 100, number)
        assert options[number] == f"{number}: " + " ".join(map(str, x[:10, 0]))
        shown = page.locator(".lane").nth(4).locator("text[data-step]").all_text_contents()
        assert shown[:10] == [str(s) for s in targets[-10:, 0]]
        assert where(page) == "backward: credit at step 0"
    before = drawn(page)[0]
    page.select_option("#loss", "the ten answers")
    assert drawn(page)[0] != before


def test_the_keyboard_reaches_every_control_and_every_step(opened):
    page = opened()
    reached = []
    for _ in range(22):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid" or reached[-1] == "BODY", reached[-1]
    controls = "sequence loss log theme guide first back play next turn last speed position".split()
    assert [one for one in reached if one != "BODY"][:19] == [*controls, *LANES * ["lane"], "SUMMARY"]
    page.locator(".lane").nth(0).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Home")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    assert words(page)[1].startswith("SAB, step 9 (reads 7): credit ")
    page.keyboard.press("ArrowDown")
    assert words(page)[1].startswith("TBPTT, step 9 was not visited")
    page.keyboard.press("End")
    assert words(page)[1].startswith("TBPTT, step 119 (reads a blank): credit ")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert where(page) == "backward: credit at step 118"


# ---- a number and a sentence


def test_pointing_at_a_step_gives_its_number_and_a_sentence(opened):
    page = opened()
    lanes = json.loads(page.inner_text("#data"))["sequences"][0]["lanes"]
    for n, (norms, _) in enumerate(told(0, "the last answer")[0]):
        for t in (0, 9, 50, 115, 119):
            page.mouse.move(*cell(page, n, t))
            number, sentence = words(page)
            assert sentence.startswith(f"{lanes[n]['name']}, step {t} ")
            credit = float(re.fullmatch("credit (.*) %", number)[1])
            assert credit == pytest.approx(100 * norms[t] / norms_of_loss(lanes[n]), rel=0.06)
            assert ("not visited" in sentence) == (norms[t] == 0)
    page.mouse.move(*cell(page, 0, 9))
    assert "by a skip from step 19 (weight 0.98)" in words(page)[1]
    page.mouse.move(*cell(page, 0, 115))
    assert words(page)[1].endswith("Cut here: nothing passes to step 114.")
    page.mouse.move(5, 5)
    assert words(page)[0] == "credit 129 %"
    assert words(page)[1].startswith("at a step of the input, in SAB's lane, after visits to 45 of 120 steps.")


def test_forwards_the_sentence_tells_what_is_read_recalled_and_said(opened):
    page = opened()
    page.evaluate("go(T)")
    page.mouse.move(*cell(page, 0, 110))
    assert words(page) == ("weight 1.00", "SAB, step 110: reads a blank, recalls step 4 (weight 1.00), "
                           "4 more of weight below 0.01, says 4, which is right.")  # fmt: skip
    page.mouse.move(*cell(page, 1, 119))
    assert words(page) == ("says 3", "TBPTT, step 119: reads a blank, says 3, but should say 7.")
    page.keyboard.press("Home")
    page.mouse.move(*cell(page, 1, 118))
    assert words(page) == ("", "TBPTT, step 118 has not been read yet.")


def every_word(page, check):
    """What check is, once each, over what the page says: of every step of every lane, at six positions; the guide."""
    return page.evaluate(
        """check => { const found = new Set(), one = () => { say(); found.add(eval(check)); };
             for (const at of [0, 60, T, T + 1, T + 5, 2 * T])
               for (let n = 0; n < sequence.lanes.length; n++)
                 for (let t = 0; t < T; t++) { position = at; point = [n, t]; one(); }
             point = null; one();
             for (guided of [5000, 12000, 25000]) one();
             return [...found]; }""",
        check,
    )


def test_every_big_number_has_its_name(opened):
    kinds = {re.sub(r"\d[\d.e-]*", "0", number) for number in every_word(opened(), '$("number").textContent')}
    assert kinds == {"", "weight 0", "says 0", "says a blank", "credit 0 %", "guide 0/0"}


def test_the_axis_names_the_credit_and_a_dashed_line_is_100_percent(opened):
    page = opened()
    for _ in ("linear", "log"):
        tops = page.eval_on_selector_all(
            ".lane",
            """lanes => lanes.map(lane => [lane.querySelector(".whole"), lane.querySelector(".bar[data-step='119']")]
               .map(one => one.getBoundingClientRect().top))""",
        )
        for line, last in tops:  # the loss is at the last step: its credit is 100 %
            assert line == pytest.approx(last, abs=0.5)
        page.keyboard.press("l")
    for lane in page.locator(".lane svg").all():
        assert lane.locator("text.quiet").all_text_contents()[1:3] == ["credit", "0"]


def test_recalls_are_told_from_skips_without_colours(opened):
    page = opened()

    def dashes(arcs):
        return set(page.eval_on_selector_all(arcs, "all => all.map(one => getComputedStyle(one).strokeDasharray)"))

    assert dashes(".skip") == {"none"} and "none" not in dashes(".recall")
    page.evaluate("go(T)")
    assert dashes(".recall") == {"none"}


def test_a_tap_on_a_step_tells_of_it(opened):
    page = opened(width=390, height=844, has_touch=True, is_mobile=True)
    page.evaluate("scrollTo(0, 300)")
    page.touchscreen.tap(*cell(page, 0, 9))
    assert words(page)[0] == "credit 129 %" and words(page)[1].startswith(
        "SAB, step 9 (reads 7): credit is a slope of "
    )


def test_a_click_on_a_step_goes_there(opened):
    page = opened()
    page.mouse.click(*cell(page, 2, 40))
    assert where(page) == "backward: credit at step 40"
    page.keyboard.press("Home")
    page.mouse.click(*cell(page, 0, 40))
    assert where(page) == "forward: step 40 of 119"


# ---- sizes and themes


def test_all_lanes_and_the_words_fit_a_window_of_1366_by_768(opened):
    page = opened()
    assert page.evaluate("document.documentElement.scrollWidth") == 1366
    assert page.evaluate("document.documentElement.scrollHeight") <= 768
    stage = page.locator("#stage")
    assert stage.evaluate("one => one.scrollWidth - one.clientWidth") == 0
    for text in (*page.locator(".lane h2").all(), page.locator("#words"), stage):
        box = text.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 1366 and box["y"] + box["height"] <= 768


@pytest.mark.parametrize("width", [1920, 1366, 800])
def test_the_whole_sequence_fits_the_window(width, opened):
    page = opened(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    (first, _), (last, _) = cell(page, 0, 0), cell(page, 0, 119)
    assert 0 < first < 0.15 * width and 0.95 * width < last < width


@pytest.mark.parametrize("width", [320, 390])
def test_the_whole_sequence_fits_a_telephone_and_its_symbols_can_be_read(width, opened):
    page = opened(width=width, height=844)
    assert page.locator("#stage").evaluate("one => one.scrollWidth - one.clientWidth") == 0
    assert 0 < cell(page, 0, 0)[0] < cell(page, 0, 119)[0] < width
    sizes = page.eval_on_selector_all("text[data-step]", "all => all.map(one => one.getBoundingClientRect().height)")
    assert min(sizes) >= (8 if width == 390 else 6)


@pytest.mark.parametrize("width", [1366, 1280, 800, 390])
def test_no_sentence_is_longer_than_its_place(width, opened):
    page = opened(width=width)
    height = page.locator("#words").evaluate("box => parseFloat(getComputedStyle(box).minHeight)")
    assert every_word(page, '$("words").offsetHeight') == [pytest.approx(height, abs=0.6)]  # the lanes do not jump
    assert every_word(page, '$("sentence").offsetHeight > $("words").clientHeight') == [False]


@pytest.mark.parametrize("width", [1280, 800, 390, 320])
def test_nothing_overflows_and_no_text_is_cut(width, opened):
    page = opened(width=width, free=False)
    page.locator("summary").click()
    for script in ("draw()", "go(T)", "guided = 12000, go(2 * T)", "guided = 25000, say()", "free()"):
        page.evaluate(script)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for text in page.locator("h1, #intro, label, button, #words, #number, #sentence, #where, h2 span, p").all():
            box = text.bounding_box()
            if box["width"]:
                assert box["x"] >= 0 and box["x"] + box["width"] <= width, text.inner_text()
                assert text.evaluate("one => getComputedStyle(one).overflow") == "visible" or text.evaluate(
                    "one => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight"
                )


@pytest.mark.parametrize("width", [1366, 1280, 390])
def test_the_lanes_stay_where_they_are_while_it_plays(width, opened):
    page, places = opened(width=width, free=False), set()
    for script in ("go(0)", "go(T)", "go(T + 3)", "guided = 12000, go(T + 40)", "guided = 25000, go(2 * T)", "free()"):
        page.evaluate(script)
        tops = page.eval_on_selector_all(".lane svg", "all => all.map(one => one.getBoundingClientRect().top)")
        places.add(tuple(tops))
    assert len(places) == 1


@pytest.mark.parametrize("width, height", [(1280, 720), (390, 844)])
def test_the_first_screen_says_what_sab_and_credit_are(width, height, opened):
    page = opened(width=width, height=height, free=False)
    intro, first = page.locator("#intro"), page.locator(".lane h2").first.bounding_box()
    for text in ("SAB (Sparse Attentive Backtracking): ", "BPTT (backpropagation through time)", "TBPTT (truncated)"):
        assert text in intro.inner_text()
    box = intro.bounding_box()
    assert box["y"] > 0 and box["y"] + box["height"] < first["y"] and first["y"] + first["height"] <= height


def test_on_a_low_window_the_controls_do_not_stay_over_the_lanes(opened):
    page = opened(width=844, height=390)
    assert page.locator("#bar").evaluate("one => getComputedStyle(one).position") == "static"


def test_at_800_pixels_the_names_of_the_lanes_stay_in_sight(opened, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(explorer.page(explorer.explore(trained(MODEL), 300)), encoding="utf-8")
    page = opened(width=800, path=path)
    wide = page.locator("#stage").evaluate("one => one.scrollWidth - one.clientWidth")
    assert wide > 100  # 320 steps do not fit: one scrolls
    for left in (0, wide):
        page.locator("#stage").evaluate("(one, left) => one.scrollLeft = left", left)
        for name in (*page.locator(".lane h2 b").all(), *page.locator(".lane .count").all()):
            box = name.bounding_box()
            assert 0 <= box["x"] and box["x"] + box["width"] <= 800
    assert page.evaluate("document.documentElement.scrollWidth") == 800


@pytest.mark.parametrize("theme", BACKGROUND)
def test_the_theme_is_that_of_the_system_until_one_switches_it(theme, opened):
    other = ({*BACKGROUND} - {theme}).pop()
    page = opened(color_scheme=theme)

    def background():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert background() == BACKGROUND[theme]
    page.click("#theme")
    assert background() == BACKGROUND[other] and page.inner_text("#theme").lower() == theme
    page.keyboard.press("d")
    assert background() == BACKGROUND[theme]
    page.emulate_media(color_scheme=other)
    api.expect(page.locator("body")).to_have_css("background-color", BACKGROUND[other])  # in a moment


@pytest.mark.parametrize("theme", BACKGROUND)
def test_words_and_colours_stand_out_from_the_page(theme, opened):
    page = opened(color_scheme=theme)
    page.evaluate("go(T + 60)")
    colours = page.eval_on_selector_all(
        ".lane svg text:not(.wrong), .lane .bar, .lane h2 span, #sentence, #number, #where, #model",
        """all => all.map(one => [one.tagName === "rect",
                                  getComputedStyle(one)[one.ownerSVGElement ? "fill" : "color"]])""",
    )
    assert len({colour for bar, colour in colours if bar}) == 4
    for bar, colour in colours:
        assert contrast(colour, BACKGROUND[theme]) >= (3 if bar else 4.5), colour
    wrong = page.locator(".wrong").first.evaluate("one => getComputedStyle(one).fill")
    quiet = page.locator(".lane h2 .quiet").first.evaluate("one => getComputedStyle(one).color")
    assert wrong == BACKGROUND[theme] and contrast(wrong, quiet) >= 4.5  # the box of a wrong answer
    for variable in ("--none", "--mark"):  # letters stand on these too
        behind = page.evaluate(
            """name => { const one = document.body.appendChild(document.createElement("i"));
               one.style.color = `var(${name})`; return getComputedStyle(one).color; }""",
            variable,
        )
        text = page.evaluate("getComputedStyle(document.body).color")
        assert contrast(text, behind) >= 4.5
