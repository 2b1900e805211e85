"""What a tutorial prints and draws, beside what it has worked out: of each says_NN(v, output), draws_NN(v, axes).

v: the names of a tutorial that has run in quick mode.
"""

import re

import numpy as np
import pytest
from matplotlib.colors import same_color

import sab_numpy as sab
from sab_numpy.plots import COLOURS
from sab_numpy.tasks import adding
from sab_numpy.training import pretrained


def curves(ax):
    """{label: (x, y)} of the lines that have a label."""
    return {line.get_label(): line.get_xydata().T for line in ax.lines if line.get_label()[:1] not in ("", "_")}


def heights(ax):
    """The heights of the lines across an axes."""
    return [line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]]


def numbers(line, output):
    """The numbers of the line that begins so."""
    (found,) = re.findall(rf"^{re.escape(line)}(.*)$", output, re.M)
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?", found)]


def shares(curves, output):
    """Whether the rows of trainings have these shares, in percent."""
    found = re.findall(r"^.* update +(\d+) .*right +([\d.]+) %$", output, re.M)
    return found == [(str(update), f"{100 * share:.1f}") for curve in curves.values() for update, share in curve]


WAYS = {  # of the car: what the unit holds after each step, the credit of each, where the chain is cut
    "chain": ((2, 4, -2, 4), (0.125, 0.25, 0.5, 1), []),
    "chain and skip": ((2, 4, -2, 8), (0.625, 1.25, 0.5, 1), []),
    "cut": ((2, 4, -2, 4), (0, 0, 0.5, 1), [1.5]),
    "cut and skip (SAB)": ((2, 4, -2, 8), (0.5, 1, 0.5, 1), [1.5]),
}


def says_00(v, output):
    assert "\nthe unit holds 2.0 4.0 -2.0 4.0\n" in output and f"twenty steps back: {0.5**20}\n" in output
    for name, (held, credit, _) in WAYS.items():
        assert numbers(f"{name:20}", output) == [held[-1], *credit]


def draws_00(v, axes):
    for ax, (name, (held, credit, cut)) in zip(axes, WAYS.items(), strict=True):
        said = {text.get_position(): text for text in ax.texts}
        assert ax.get_title() == name and [line.get_xdata()[0] for line in ax.lines] == cut
        assert [said[t, 0].get_text() for t in range(4)] == [f"{value:g}" for value in held]
        assert [said[t, -0.85].get_text() for t in range(4)] == [f"{value:g}" for value in credit]
        assert all(same_color(said[t, -0.85].get_color(), "#D55E00" if credit[t] else "#999999") for t in range(4))
    events = {text.get_position(): text.get_text() for text in axes[0].texts}
    assert [events[t, 0.6] for t in range(4)] == ["set off", "pop", "drive on", "flat tyre"]


def says_01(v, output):
    for stretch in (0.9, 1.0, 1.1):
        powers = "  ".join(f"{stretch**n:.1e}" for n in (10, 50, 99))
        assert f"no tanh, stretch {stretch}: credit left after 10, 50, 99 steps  {powers}\n" in output
        left = "  ".join(f"{v.lengths(stretch)[n]:.1e}" for n in (10, 50, 99))
        assert f"\ntanh, stretch {stretch}:    credit left after 10, 50, 99 steps  {left}\n" in output
    for bias, found in v.lstm.items():
        left = [float(f"{found[n]:.1e}") for n in (10, 50, 99)]
        assert (
            numbers(
                f"LSTM, forget bias {bias}: credit of the input 10, 50, 99 steps back (the last one's is 1)", output
            )
            == left
        )
    assert numbers("forget bias 5: mean slope of tanh(c)", output) == [round(v.slopes[at], 2) for at in (0, -1)]


def draws_01(v, axes):
    drawn = curves(axes[0])
    for stretch in (0.9, 1.0, 1.1):
        np.testing.assert_allclose(drawn[f"no tanh, stretch {stretch}"], (range(100), stretch ** np.arange(100)))
        np.testing.assert_allclose(drawn[f"tanh, stretch {stretch}"], (range(100), v.lengths(stretch)))
    for bias, found in v.lstm.items():
        np.testing.assert_allclose(drawn[f"LSTM, forget bias {bias}"], (range(100), found))


def says_01a(v, output):
    assert f"guessing has log 3 = {np.log(3):.4f};" in output
    whole, cut = (v.lengths[k_trunc] for k_trunc in (None, 3))
    assert f"length of the gradient: BPTT {whole:.4f}, cut every 3 steps {cut:.4f}\n" in output


def draws_01a(v, axes):
    reached = {name: np.flatnonzero(y).tolist() for name, (_, y) in curves(axes[0]).items()}
    assert reached == {"BPTT": [*range(8)], "cut every 3": [6, 7]}


def says_02(v, output):
    for name in ("x", "h_prev", "c_prev", "W_x", "W_h", "b"):
        found = v.credit[name]
        shape = str(found.shape)
        assert f"\n{name:8}{shape:>10}{found.size:>9}{abs(found).max():>16.3f}{v.worst[name]:>13.0e}\n" in output
    assert "is gone after 2.2 steps (bias 1) or 103 steps (bias 5)\n" in output


def draws_02(v, axes):
    for bias in (0, 1, 3, 5):
        f = 1 / (1 + np.exp(-bias))
        np.testing.assert_allclose(curves(axes[0])[f"forget bias {bias}: f = {f:.3f}"][1], f ** np.arange(51))


def says_03(v, output):
    assert "  ".join(f"step {t} {v.whole[t]:.1e}" for t in (29, 28, 27, 20, 15, 9, 5, 0)) in output
    for k in (1, 2, 3, 5, 10, 15, 20, 30):
        cut = v.gradient(sab.Config.truncated_bptt(10, 24, 10, k_trunc=k))
        ratio = np.linalg.norm(cut) / np.linalg.norm(v.g)
        assert f"\n{k:2d}   {v.cosines[v.blocks.index(k)]:6.3f}   {ratio:6.3f}\n" in output


def draws_03(v, axes):
    credit, bias = (curves(ax) for ax in axes)
    np.testing.assert_array_equal(credit["BPTT"], (range(30), v.whole))
    np.testing.assert_array_equal(credit["truncated, k = 5"], (range(25, 30), v.short[25:]))
    assert [line[0, 0] for line in axes[0].collections[0].get_segments()] == [4.5, 9.5, 14.5, 19.5, 24.5]
    np.testing.assert_array_equal(bias["cosine with the whole gradient"], (v.blocks, v.cosines))
    np.testing.assert_array_equal(bias["length, whole gradient = 1"], (v.blocks, v.ratios))


def says_04(v, output):
    assert (
        f"after it: {100 * v.first:.0f} %; off the last state, 19 steps later: {100 * v.last:.0f} % (chance" in output
    )
    for kind, slots in v.selected.items():
        assert numbers(f"{kind:9} different selections:", output)[0] == len({tuple(row) for row in slots.tolist()})


def draws_04(v, axes):
    corner, choice = axes
    assert [line.get_xdata()[0] for line in corner.lines if list(line.get_ydata()) == [0, 1]] == [1, 0.4, 0]
    for line, (kind, colour) in zip(corner.lines, (("softmax", "#0072B2"), ("relu", "#D55E00"))):
        assert line.get_label() == kind and same_color(line.get_color(), colour)
        np.testing.assert_array_equal(line.get_xydata().T, (v.moving, v.curves[kind]))
    for kind, slots in v.selected.items():
        drawn = {tuple(point) for point in curves(choice)[kind].T}
        assert drawn == {(moment, slot) for moment in range(25) for slot in slots[moment]}


def says_05(v, output):
    for event in v.events:
        ends = {"loss": "to step {1}", "cut": "between {0} and {1}"}.get(event.kind, "from {0} to {1}")
        line = f"{event.kind:14}{ends.format(event.start, event.end):20}"
        assert line in output and (
            not event.total or f" credit {event.norm:.1e}, now {event.total:.1e} there" in output
        )
    lengths = {"by h": v.by_h, "by V_s": v.by_s, "together": v.by_h + v.by_s}
    words = ", ".join(f"{name} {np.linalg.norm(part):.1e}" for name, part in lengths.items())
    assert f"credit of s at the last step: {words}\n" in output
    for name, (sizes, _) in v.ways.items():
        assert f"\n{name:12}{(sizes > 0).sum():>14}{sizes[1]:>19.1e} " in output
    assert f"{v.x[1, 0]} popped, answer {v.says[0]}; had {v.other[0, 0]} popped first: {v.says[1]}." in output
    assert f"after 40 updates {100 * v.right:.0f} % name the right tyre" in output


def draws_05(v, axes):
    steps = axes[0].collections[0]
    assert [width > 1 for width in steps.get_linewidths()] == [t in (2, 5, 8, 11) for t in range(12)]
    assert all(same_color(face, "white") for face in steps.get_facecolors())  # credit comes to all of them
    assert [line.get_xdata()[0] for line in axes[0].lines if list(line.get_ydata()) == [0, 1]] == [8.5, 5.5, 2.5]
    for name, (sizes, _) in v.ways.items():
        np.testing.assert_array_equal(curves(axes[1])[name], (range(12), sizes))


def says_06(v, output):
    for name, cost in v.cost.items():
        far, line = 100 * v.distant[name], f"{cost.steps:>7}{cost.skips:>7}{v.found_cosine[name]:>8.3f}"
        assert re.search(rf"^{name:30}.*{re.escape(line)}{far:>5.0f} %$", output, re.M)
    kinds = dict(re.findall(r"^(\S.*?) +((?:-|sparse|dense) +(?:-|sparse|dense|none)) +\d+ ", output, re.M))
    assert {name: words.split() for name, words in kinds.items()} == {
        "BPTT": ["-", "-"],
        "truncated BPTT": ["-", "-"],
        "self-attention": ["dense", "dense"],
        "SAB": ["sparse", "sparse"],
        "dense and sparse": ["dense", "sparse"],
        "SAB without mental updates": ["sparse", "none"],
    }
    pairs = int((v.maps["SAB"] > 0).sum())
    assert numbers("pairs with credit: BPTT", output) == [120 * 121 / 2, 24 * 15, pairs, pairs - 24 * 15]


def draws_06(v, axes):
    for ax, (name, found), key in zip(axes, v.maps.items(), ("bptt", "tbptt", "attention", "sab")):
        shown = ax.images[0].get_array()
        assert ax.get_title() == name and same_color(ax.title.get_color(), COLOURS[key])
        assert ax.get_xlabel() == "input of step s" and (shown.max(1) == 0).all()  # of every answer the largest
        assert np.array_equal(~np.ma.getmaskarray(shown) & np.isfinite(shown.filled(np.nan)), found > 0)
    assert axes[0].get_ylabel() == "answer at step t"


def says_07(v, output):
    assert shares(v.curves, output)
    x, targets = v.sequences(15, 200, np.random.default_rng(99))
    for name, cfg in v.configs.items():
        y, _ = sab.forward(v.trained[name], x, cfg)
        assert v.final[name] == (y.argmax(2) == targets)[-5:].mean()
    rounded = np.round(v.mean, 2).tolist()
    assert f"answers: {dict(zip(['nothing', 4, 9, 14, 19, 24], rounded, strict=True))}\n" in output


def draws_07(v, axes):
    for line, (name, curve), key in zip(axes[0].lines, v.curves.items(), ("sab", "constant", "tbptt")):
        assert line.get_label() == name and same_color(line.get_color(), COLOURS[key])
        np.testing.assert_allclose(line.get_xydata(), [(update, 100 * share) for update, share in curve])
    assert heights(axes[0]) == [12.5] and heights(axes[1]) == [19.5]  # chance; the first answer is step 20
    labels = [label.get_text() for label in axes[1].get_xticklabels()]
    assert labels == ["none", "4", "9", "14", "19", "24"] and np.array_equal(axes[1].images[0].get_array(), v.weights)


def says_08(v, output):
    wrong = dict(re.findall(r"^(\w.*): FAIL, wrong are (.*)$", output, re.M))
    assert wrong == dict.fromkeys(v.bugs, "W, U, b") | {"the bias has the wrong sign": "b"}
    assert re.search("against a plain sum: +UNRESOLVED\n.* randomly weighted sum: +FAIL\n", output)


def draws_08(v, axes):
    bars = {label.get_text(): bar for label, bar in zip(axes[0].get_yticklabels(), axes[0].patches, strict=True)}
    worst = {name: report.worst for name, report in v.found.items()} | {"gates f and o swapped (SAB)": v.wrong.worst}
    assert bars["no bug"].get_width() < 1e-10 and same_color(bars["no bug"].get_facecolor(), "#009E73")
    for name, error in worst.items():
        assert bars[name].get_width() == error and same_color(bars[name].get_facecolor(), "#D55E00")
    assert len(bars) == 1 + len(worst) and list(axes[0].lines[0].get_xdata()) == [1e-10] * 2


def says_09(v, output):
    about = pretrained.about("copying-T100-sab")
    said = "seed {seed} (rank {rank} of {seeds}), {updates} updates, ".format(**about)
    assert f"copying-T100-sab: {said}{100 * about['accuracy']:.2f} % right at T = 100\n" in output
    for wait, share in v.found.items():
        assert numbers(f"{wait:6d} ", output) == [8, round(100 * share, 1)]
    empty = v.weights[:, : v.cfg.n_empty].sum(1)
    two = v.weights[:, v.slot_of[4]], v.weights[:, v.slot_of[9]]
    columns = np.stack([*two, empty, 1 - empty - sum(two)])  # (4, T)
    np.testing.assert_allclose(v.table.T, columns[:, -10:], atol=1e-5)
    assert numbers("mean of the wait", output) == pytest.approx(columns[:, 20:109].mean(1), abs=0.006)


def draws_09(v, axes):
    recalled, transplant = axes
    colours = {"state of step 4": "#0072B2", "state of step 9": "#E69F00", "empty slots": "#DDDDDD"}
    bottom = np.zeros(10)
    for bars, column in zip(recalled.containers, v.table.T, strict=True):
        assert same_color(bars[0].get_facecolor(), colours.get(bars.get_label(), "#777777"))
        np.testing.assert_allclose([bar.get_y() for bar in bars], bottom, atol=1e-12)
        np.testing.assert_allclose([bar.get_height() for bar in bars], column)
        bottom += column
    assert [bars.get_label() for bars in recalled.containers] == [*colours, "others: the wait"]
    assert [label.get_text() for label in transplant.get_yticklabels()] == [*v.results]
    diamonds = [line.get_xydata() for line in transplant.lines if line.get_marker() == "D"]
    for row, (own, others) in enumerate(v.results.values()):
        bars = sorted(transplant.containers[row], key=lambda bar: bar.get_y())  # the upper is that of the first five
        np.testing.assert_allclose([bar.get_width() for bar in bars], 100 * own)
        np.testing.assert_allclose(diamonds[row], np.column_stack([100 * others, [row - 0.2, row + 0.2]]))
    assert [line.get_xdata()[0] for line in transplant.lines if line.get_linestyle() == ":"] == [12.5]


def says_10(v, output):
    assert f"\nloss {v.losses[0]:.3f} before, {v.losses[-1]:.3f} after 5 updates\n" in output
    for row, batch in enumerate(v.batches):
        assert numbers(f"{batch:>6} ", output) == [float(f"{speed[row]:.0f}") for speed in v.speed.values()]


def draws_10(v, axes):
    drawn = curves(axes[0])
    for name, speed in v.speed.items():
        np.testing.assert_array_equal(drawn[name], (v.batches, speed))
    alone = v.speed["numpy"][0]
    np.testing.assert_allclose(
        drawn["fixed prices only (work for nothing)"], (v.batches, [alone * batch for batch in v.batches])
    )


def says_11(v, output):
    x, targets = adding.sequences(8, 1, np.random.default_rng(3))
    assert numbers("value", output) == pytest.approx(x[:, 0, 0], abs=0.0051)
    assert numbers("flag", output) == list(x[:, 0, 1])
    assert numbers("answer", output) == pytest.approx(targets[0, 0], abs=5.1e-4)
    flagged = empty = 0
    for steps, weights, marks, hit in zip(v.steps, v.weights, v.x[:, :, 1].T, v.hit):
        kept = {next(step for step in range(4, 100, 5) if step >= mark) for mark in np.flatnonzero(marks)}
        assert hit.tolist() == [step in kept for step in steps]
        flagged += weights[hit].sum()
        empty += weights[steps < 0].sum()
    parts = [100 * part / v.weights.sum() for part in (flagged, empty)]
    assert numbers("of the last step's weight", output) == pytest.approx(parts, abs=0.51)
    for name, tape in (("SAB", v.one), ("truncated BPTT", v.plain)):
        sizes = sorted(np.linalg.norm(sab.backward(v.dy, tape, inputs=True)["dx"][:, 0], axis=1), reverse=True)
        half = next(n for n in range(101) if sum(sizes[:n]) >= sum(sizes) / 2)
        assert numbers(f"{name}: credit visits", output) == [v.visited[name], 100, half]


def draws_11(v, axes):
    for line, (name, curve), key in zip(axes[0].lines, v.curves.items(), ("sab", "constant", "tbptt")):
        assert line.get_label() == name and same_color(line.get_color(), COLOURS[key])
        np.testing.assert_array_equal(line.get_xydata(), curve)
    assert heights(axes[0]) == [1 / 24] and axes[0].get_ylabel() == "squared error"


def says_12(v, output):
    assert shares(v.curves, output) and f"\nis a {v.targets[0, 0]}\n" in output
    tape, weights = v.tapes["SAB"], np.zeros(8)
    for slot, weight in zip(tape.slots[-1].ravel(), tape.weights[-1].ravel()):
        weights[slot - 1] += weight / tape.slots.shape[1]  # slot 0 is empty: the last; then the end of rows 0, 1, ...
    assert numbers("weight of the state at the end of a row:", output) == pytest.approx(weights, abs=0.0051)
    for name in v.configs:
        lost = [round(100 * share) for share in v.lost[name]]
        assert numbers(f"{name:14} right answers lost without a row, %:", output) == lost
    covered = v.x.reshape(7, 7, 500, 1).copy()
    covered[6] = v.x.min()
    y, _ = sab.forward(v.trained["truncated BPTT"], covered.reshape(v.x.shape), v.configs["truncated BPTT"])
    assert v.lost["truncated BPTT"][6] == v.final["truncated BPTT"] - (y[-1].argmax(1) == v.targets[0]).mean()
    most = max(range(7), key=lambda row: weights[row]), max(range(7), key=lambda row: v.lost["SAB"][row])
    assert numbers("most weight: the end of row", output) == [*most]


def draws_12(v, axes):
    for number, ax in enumerate(axes[:5]):
        assert ax.get_title() == f"a {v.targets[0, number]}"
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], 3 * v.look[number], rtol=1e-5)  # float32
        np.testing.assert_array_equal(ax.images[0].get_array().ravel(), v.x[:, number, 0])
    for bars, (words, found) in zip(
        axes[5].containers, {"weight": v.look.mean(0), "lost without it": v.lost["SAB"]}.items()
    ):
        assert bars.get_label() == words and [bar.get_width() for bar in bars] == pytest.approx(
            found.tolist(), rel=1e-5
        )
    assert axes[5].get_ylim() == (6.5, -0.5)  # row 0 is above, as in the pictures


def says_13(v, output):
    for name, credit in (("space", v.space), ("time", v.time)):
        assert f"\n{name}: the first step gets {credit[0] / credit[-2]:.0e} of what" in output
    pairs = 2 * 4 * sum(range(1, 121))  # layers, heads, and of each step those up to itself
    assert f"\n120 steps: the Transformer weighs {pairs:,} pairs, SAB recalls 600\n" in output
    assert (
        f"{100 * v.source[v.layer, v.head]:.0f} % of its weight to the step of its own symbol (evenly: 2 %)" in output
    )
    assert re.findall(r"^update .* right +([\d.]+) %$", output, re.M)[-1] == f"{100 * v.right:.1f}"


def draws_13(v, axes):
    space, time = axes[:2]
    assert space.get_title() == f"Space: layer {v.layer}, head {v.head}, at its ten answers"
    assert np.array_equal(space.images[0].get_array(), v.heads[v.layer, v.head])
    np.testing.assert_array_equal(curves(time)["space: Transformer"][1], v.space)
    np.testing.assert_array_equal(curves(time)["time: LSTM, BPTT"][1], v.time)


def says_14(v, output):
    states = v.memory.step_of(v.memory.readable(110))  # step 110 is the first answer, 109 the marker
    for row in (0, 1):
        assert numbers(f"sequence {row}: the states of steps", output) == sorted(states[row][states[row] >= 0])
    surprise = dict(zip(range(4, 120, 5), v.memory.surprise[0, v.memory.initial_slots :]))
    for words, steps in (
        ("surprise of the states of steps 4 and 9:", (4, 9)),
        ("of eight states of the wait:", range(44, 84, 5)),
        ("of the state of step 109, the marker:", (109,)),
    ):
        assert numbers(words, output) == [float(f"{surprise[step]:.1f}") for step in steps]
    assert numbers("written evenly: the states of steps", output) == [20, 41, 62, 83, 104]
    for wait, answers, written in ((100, 1000, 24), (1000, 100, 204)):  # and the empty slot: 128 units of 4 bytes each
        words = f"of {answers} answers right; what can be recalled: {6 * 512:,} bytes a sequence; all that SAB writes: "
        assert re.search(rf"^wait {wait:5d}: +[\d.]+ % {words}{(written + 1) * 512:,}$", output, re.M)


def draws_14(v, axes):
    for ax, (title, steps) in zip(
        axes, {"written evenly": {20, 41, 62, 83, 104}, "the most surprising": {4, 9, 109}}.items()
    ):
        drawn = {(step, line.get_color()) for line in ax.lines for step in line.get_ydata()}
        assert ax.get_title() == f"5 states, {title}" and steps <= {step for step, _ in drawn}
        for step, colour in drawn:
            assert same_color(colour, "#0072B2" if step < 10 else "#999999" if step < 109 else "#D55E00")
    assert steps != {step for step, _ in drawn} and not {4, 9} & {
        step for line in axes[0].lines for step in line.get_ydata()
    }
