"""check_gradients and `sab gradcheck`: a right backward passes in every setting, planted bugs are caught and placed."""

import json
from functools import cache

import numpy as np
import pytest

import sab_numpy as sab
from sab_numpy.cli import main
from sab_numpy.cli.gradcheck import SETTINGS
from sab_numpy.gradcheck.report import FAIL
from sab_numpy.gradcheck.step_sizes import step_sizes

ALL = [
    (setting, score, normalise)
    for setting in SETTINGS
    for score in ("dot", "mlp", "additive")
    for normalise in ("softmax", "relu")
    if (setting, normalise) != ("attention", "relu")
]


def model(setting="sab", seed=0, T=7, B=2, **others):
    rng = np.random.default_rng(seed)
    cfg = sab.Config(2, 3, 2, **{**SETTINGS[setting], **others})
    params = {name: value + 0.4 * rng.standard_normal(value.shape) for name, value in sab.init_params(cfg, rng).items()}
    return params, rng.standard_normal((T, B, 2)), cfg, rng


@pytest.mark.parametrize("setting, score, normalise", ALL)
def test_every_entry_passes_by_complex_step(setting, score, normalise):
    params, x, cfg, rng = model(setting, score=score, normalise=normalise)
    report = sab.check_gradients(params, x, cfg, rng)
    assert report.ok and 0 < report.worst < 1e-11, report
    labels = [row.name for row in report.rows]
    assert labels[:12] == [f"{name}.{gate}" for name in ("W_x", "W_h", "b") for gate in "ifgo"]
    assert labels[12:] == list(params)[3:]


@cache
def central(setting="sab", score="dot"):
    """The report by central differences, which are dear: made once."""
    params, x, cfg, rng = model(setting, score=score)
    return sab.check_gradients(params, x, cfg, rng, method="central")


@pytest.mark.parametrize(
    "setting, score", [*((setting, "dot") for setting in SETTINGS), ("sab", "mlp"), ("sab", "additive")]
)
def test_every_entry_passes_by_central_differences(setting, score):
    report = central(setting, score)
    assert report.ok and report.worst < 1e-7, report


@pytest.mark.parametrize(
    "others",
    [
        dict(mental_updates=False),
        dict(dense_forward=True),
        dict(empty_slots=1),
        dict(k_att=1, k_top=1),
        dict(k_trunc=1),
    ],
)
def test_switches_pass_too(others):
    params, x, cfg, rng = model("sab", **others)
    assert sab.check_gradients(params, x, cfg, rng).ok


def test_symbols_as_input_pass():
    params, _, cfg, rng = model("sab")
    assert sab.check_gradients(params, rng.integers(0, 2, (7, 2)), cfg, rng).ok


def test_the_report_says_the_seed_that_was_given_and_counts_a_forward_for_every_entry():
    params, x, cfg, _ = model("sab")
    report = sab.check_gradients(params, x, cfg, 5)
    assert report.summary.endswith(", complex, seed 5") and json.loads(report.to_json())["seed"] == 5
    assert 0 <= report.evaluations - sum(value.size for value in params.values()) <= 2


def test_the_orders_of_forward_central_and_complex_differences_are_1_2_and_2():
    w = np.random.default_rng(0).standard_normal(5)
    sizes = step_sizes(lambda p: np.sin(p["w"]).sum(), {"w": w}, {"w": np.cos(w)})
    assert [sizes.order(kind) for kind in ("forward", "central", "complex")] == pytest.approx([1, 2, 2], abs=0.01)


def gate(name, k, change):
    """A bug in gate k of a stacked gradient."""

    def bug(grads):
        wrong = grads[name].copy()
        H = wrong.shape[-1] // 4
        wrong[..., k * H : (k + 1) * H] = change(wrong[..., k * H : (k + 1) * H])
        return {**grads, name: wrong}

    return bug


def entry(name, index, change):
    """A bug in one entry."""

    def bug(grads):
        wrong = grads[name].copy()
        wrong[index] = change(wrong[index])
        return {**grads, name: wrong}

    return bug


BUGS = [
    (gate("W_x", 0, np.negative), "W_x.i", None),
    (gate("W_h", 1, lambda a: 2 * a), "W_h.f", None),
    (gate("b", 2, np.zeros_like), "b.g", None),
    (gate("W_h", 3, np.transpose), "W_h.o", None),
    (entry("W_x", (1, 10), lambda a: a * (1 + 1e-6)), "W_x.o", (1, 10)),
    (entry("b", (7,), lambda a: a + 1e-6), "b.g", (7,)),
    (entry("V_s", (2, 1), lambda a: -a), "V_s", (2, 1)),
    (entry("W_q", (0, 2), lambda a: np.nan), "W_q", (0, 2)),
    (entry("b_y", (1,), lambda a: np.inf), "b_y", (1,)),
]


@pytest.mark.parametrize(
    "bug, row, index, method", [(*bug, "complex") for bug in BUGS] + [(*bug, "central") for bug in BUGS[::4]]
)
def test_a_planted_bug_is_caught_at_its_place_and_nowhere_else(bug, row, index, method):
    params, x, cfg, rng = model("sab")
    report = sab.check_gradients(params, x, cfg, rng, method, backward=lambda dy, tape: bug(sab.backward(dy, tape)))
    failing = [found for found in report.rows if found.verdict == FAIL]
    assert [found.name for found in failing] == [row] and index in (None, failing[0].index), report
    assert not report.ok


@pytest.mark.parametrize(
    "other", [dict(k_trunc=4), dict(k_trunc=None), dict(k_top=1), dict(mental_updates=False), dict(k_att=3)]
)
def test_the_backward_of_another_configuration_is_caught(other):
    params, x, cfg, rng = model("sab")
    wrong = sab.Config(**{**cfg.__dict__, **other})

    def backward(dy, tape):
        return sab.backward(dy, sab.forward(params, x, wrong)[1])

    assert sab.check_gradients(params, x, cfg, rng, backward=backward).verdict == FAIL


def test_differences_of_the_unfrozen_loss_disagree_by_more_than_one_per_cent():
    params, x, cfg, rng = model("sab")
    y, tape = sab.forward(params, x, cfg)
    cotangent = rng.standard_normal(y.shape)
    grads = sab.backward(cotangent, tape)
    report = sab.check(lambda p: _unfrozen(p, x, cfg, cotangent), params, grads, method="central", explain=0)
    assert report.verdict == FAIL and report.worst > 1e-2
    assert sab.check(lambda p: (sab.forward(p, x, cfg)[0] * cotangent).sum(), params, grads).ok


def _unfrozen(p, x, cfg, cotangent):
    """The loss with nothing held: a forward that records for itself, whatever surrounds it."""
    from contextvars import Context

    return Context().run(lambda: (sab.forward(p, x, cfg)[0] * cotangent).sum())


def test_a_gradient_identically_zero_is_named():
    params, x, cfg, rng = model("tbptt")
    for report in (sab.check_gradients(params, x, cfg, rng), central("tbptt")):
        notes = {row.name: row.note for row in report.rows}
        assert notes["W_q"] == notes["V_s"] == "identically zero on both sides" and notes["V_h"] == ""


def test_a_gradient_that_is_zero_but_should_not_be_is_caught():
    params, x, cfg, rng = model("sab")
    report = sab.check_gradients(
        params, x, cfg, rng, backward=lambda dy, tape: {name: np.zeros_like(value) for name, value in params.items()}
    )
    assert all(row.verdict == FAIL for row in report.rows)


def test_a_selection_that_changes_within_the_step_is_named_as_a_kink_and_still_right():
    params, x, cfg, rng = model("sab")
    near, far = 0.0, 1.0  # W_q moves until a selection changes, to 1e-7

    def moved(step):
        return {**params, "W_q": params["W_q"] - 5 * step * np.eye(3)}

    def slots(step):
        return sab.forward(moved(step), x, cfg)[1].slots

    while far - near > 1e-7:
        middle = (near + far) / 2
        near, far = (middle, far) if (slots(middle) == slots(0.0)).all() else (near, middle)
    assert (slots(near) != slots(far)).any()
    report = sab.check_gradients(moved(near), x, cfg, rng, method="central")
    assert report.ok and any("kink: ('recall'" in row.note for row in report.rows), report
    assert all("kink" not in row.note for row in central().rows)


@pytest.mark.parametrize(
    "method, grads, words",
    [
        ("forward", None, "method must be complex or central"),
        ("complex", lambda dy, tape: {}, "params and grads must have the same names; only params has 'V_h'"),
        (
            "complex",
            lambda dy, tape: {n: v[..., :1] for n, v in sab.backward(dy, tape).items()},
            r"grads\[.W_x.\] must have the shape of params\[.W_x.\], \(2, 12\), found",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(method, grads, words):
    params, x, cfg, rng = model("sab")
    with pytest.raises(ValueError, match=words) as caught:
        sab.check_gradients(params, x, cfg, rng, method, backward=grads or sab.backward)
    assert "\n" not in str(caught.value)


def test_the_full_model_is_checked_by_direction_in_under_ten_seconds():
    import time

    rng = np.random.default_rng(0)
    cfg = sab.Config.sab(10, 128, 10, k_trunc=5, k_top=5, k_att=2)
    params, x = sab.init_params(cfg, rng), rng.standard_normal((33, 3, 10))
    y, tape = sab.forward(params, x, cfg)
    cotangent = rng.standard_normal(y.shape)
    grads, start = sab.backward(cotangent, tape), time.process_time()
    report = sab.check(
        lambda p: (sab.forward(p, x, cfg)[0] * cotangent).sum(),
        params,
        grads,
        gates={"W_x": "ifgo", "W_h": "ifgo", "b": "ifgo"},
    )
    assert report.ok and len(report.rows) == 16 and report.method.startswith("complex"), report
    assert report.evaluations <= 160
    assert time.process_time() - start < 10


# --- the command ---------------------------------------------------------------------------------------------------


FORGETFUL = """
from dataclasses import replace
import sab_numpy as sab
def backward(dy, tape):
    _, other = sab.forward(tape.params, tape.x, replace(tape.cfg, mental_updates=False))
    return sab.backward(dy, other)
"""


@pytest.mark.parametrize("setting", SETTINGS)
def test_edges_of_the_model_are_right(setting, capsys):
    assert main(["gradcheck", "--edges", "--setting", setting]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "every family of credit is right"
    assert ("skip values           0.0%" in out) == (setting in ("bptt", "tbptt"))


def test_edges_name_the_family_that_a_file_forgets(tmp_path, capsys):
    (tmp_path / "forgetful.py").write_text(FORGETFUL)
    assert main(["gradcheck", "--edges", "--module", str(tmp_path / "forgetful.py")]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "skip values and skip scores: credit is missing"


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_command_prints_the_table_and_ends_with_0(setting, capsys):
    assert main(["gradcheck", "--setting", setting]) == 0
    out = capsys.readouterr().out
    assert "W_h.f" in out and out.splitlines()[-1].startswith("PASS: 16 of 16")


def test_the_command_writes_json_csv_and_the_picture(tmp_path, capsys):
    names = [str(tmp_path / name) for name in ("r.json", "r.csv", "r.png")]
    assert (
        main(
            [
                "gradcheck",
                "--score",
                "mlp",
                "--normalise",
                "relu",
                "--seed",
                "3",
                "--json",
                names[0],
                "--csv",
                names[1],
                "--picture",
                names[2],
            ]
        )
        == 0
    )
    command = "sab gradcheck --setting sab --score mlp --normalise relu --seed 3"
    assert json.loads((tmp_path / "r.json").read_text())["command"] == command
    assert f"# command: {command}" in (tmp_path / "r.csv").read_text()
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.json", "r.png"]


MINE = """
import numpy as np
from sab_numpy import stop
params = {"w": np.array([0.5, -1.0, 2.0])}
def f(p):
    return (np.tanh(p["w"]) * stop("scale", p["w"] ** 2)).sum()
def grads(p):
    return {"w": FACTOR * (1 - np.tanh(p["w"]) ** 2) * p["w"] ** 2}
"""


@pytest.mark.parametrize("factor, status, words", [("1", 0, "PASS: 1 of 1"), ("2", 1, "twice too large")])
def test_a_file_of_ones_own_is_checked(factor, status, words, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(MINE.replace("FACTOR", factor))
    assert main(["gradcheck", "--module", str(tmp_path / "mine.py"), "--picture", str(tmp_path / "p.svg")]) == status
    assert words in capsys.readouterr().out and b"<svg" in (tmp_path / "p.svg").read_bytes()


MAKE = """
import numpy as np
sizes, points = {"D": 2}, 2
def make(rng, B, D):
    x = rng.standard_normal((B, D))
    f = lambda p: np.tanh(x @ p[0]).sum() / B
    return f, [rng.standard_normal(D)], lambda p: [(1 - np.tanh(x @ p[0]) ** 2) @ x / LENGTH]
"""


@pytest.mark.parametrize("length, status, row", [("B", 0, "PASS"), ("(B if D > 1 else 2 * B)", 1, "[0] (D=1)")])
def test_a_file_may_make_its_functions_at_several_lengths_and_points(length, status, row, tmp_path, capsys):
    path, picture = tmp_path / "mine.py", tmp_path / "p.svg"
    path.write_text(MAKE.replace("LENGTH", length))
    assert main(["gradcheck", "--module", str(path), "--picture", str(picture)]) == status
    said = capsys.readouterr().out
    assert row in said and "point 2 D=1: " in said and "B=1: 1 of 1 pass" in said and picture.exists()


@pytest.mark.parametrize(
    "text, words",
    [
        (None, "no such file"),
        ("make = 3", "expected make to be a function"),
        ("\ndef make(rng, B):\n    return B", "make must return (f, params, grads), found int"),
        (MINE.replace("FACTOR", "1") + "points = 0", "points must be at least 1"),
        ("params = {}", "f, grads missing"),
        ("x = 1 +", "SyntaxError"),
        ("\n\nimport nothing_of_this_name", "line 3: ModuleNotFoundError"),
        ("params = {'w': 1}\nf = 2\ngrads = {}", "expected f to be a function"),
        (MINE.replace("FACTOR", "1").replace("0.5", "np.nan"), "finite"),
        (MINE.replace("FACTOR", "1").replace("* stop", "* undefined"), "line 6: NameError"),
    ],
)
def test_a_bad_file_is_one_line_and_status_2(text, words, tmp_path, capsys):
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    assert main(["gradcheck", "--module", str(tmp_path / "mine.py"), "--json", str(tmp_path / "r.json")]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1 and words in captured.err
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--setting", "attention", "--normalise", "relu"], "threshold"),
        (["--seed", "-1"], "--seed"),
        (["--json", "/no/such/folder/r.json"], "folder"),
        (["--edges", "--json", "r.json"], "leave out --json"),
        (["--edges", "--module", "none.py"], "no such file"),
    ],
)
def test_refused_arguments_are_one_line_and_status_2(arguments, words, capsys):
    assert main(["gradcheck", *arguments]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and words in err


@pytest.mark.parametrize(
    "extra, said",
    [
        ({"dx": np.zeros(3)}, "only grads has 'dx'"),
        ({"b_y": np.zeros(2) * 1j}, "must be float32 or float64, found complex"),
    ],
    ids=["a name too many", "complex numbers"],
)
def test_gradients_of_other_names_or_of_complex_numbers_are_refused(extra, said):
    cfg = sab.Config.full_bptt(3, 4, 2)
    params, x = sab.init_params(cfg, np.random.default_rng(0)), np.random.default_rng(1).standard_normal((4, 2, 3))
    with pytest.raises(ValueError, match=said):
        sab.check_gradients(
            params, x, cfg, np.random.default_rng(2), backward=lambda dy, tape: sab.backward(dy, tape) | extra
        )


@pytest.mark.parametrize("seed", [0, 1, 2, 4])
def test_the_command_proves_gradients_that_are_not_all_zero(seed, capsys):
    """With relu and mlp many a first draw recalls empty slots alone, and the scores have no gradient."""
    assert main(["gradcheck", "--score", "mlp", "--normalise", "relu", "--seed", str(seed)]) == 0
    assert "identically zero" not in capsys.readouterr().out
