"""sab.check: right gradients pass, wrong ones are found and named, kinks are not called wrong."""

import csv
import json
import re

import numpy as np
import pytest

from sab_numpy.core.replay import choose, record, stop
from sab_numpy.gradcheck.causes import name_ratio
from sab_numpy.gradcheck.check import assert_gradients_close, check
from sab_numpy.gradcheck.report import FAIL, PASS, UNRESOLVED, Report, Row

T, B, D, H, CUT = 8, 3, 2, 4, 3


def make_rnn():
    """A vanilla RNN with credit cut every CUT steps: f(p, stop), params, backward(p, cut, bug)."""
    rng = np.random.default_rng(1)
    params = {
        "x": rng.standard_normal((T, B, D)),
        "W": rng.standard_normal((D, H)),
        "U": rng.standard_normal((H, H)),
        "b": rng.standard_normal(H),
        "v": rng.standard_normal(H),
    }
    weight = rng.standard_normal((T, B))

    def f(p, stop=stop):
        h, total = np.zeros((B, H)), 0.0
        for t in range(T):
            h = stop(f"h before {t}", h) if t and t % CUT == 0 else h
            h = np.tanh(p["x"][t] @ p["W"] + h @ p["U"] + p["b"])  # (B, H)
            total = total + (weight[t] * (h @ p["v"])).sum()
        return total

    def backward(p, cut=CUT, bug=None):
        hs = [np.zeros((B, H))]
        for t in range(T):
            hs.append(np.tanh(p["x"][t] @ p["W"] + hs[-1] @ p["U"] + p["b"]))
        grads, dh = {name: np.zeros_like(value) for name, value in p.items()}, np.zeros((B, H))
        for t in reversed(range(T)):
            dh = dh + weight[t][:, None] * p["v"]
            grads["v"] += weight[t] @ hs[t + 1]
            dz = dh * (1 - (hs[t] if bug == "old state" else hs[t + 1]) ** 2)  # (B, H)
            grads["x"][t] = dz @ p["W"].T
            grads["W"] += p["x"][t].T @ dz
            grads["U"] += hs[t + 1 if bug == "new state" else t].T @ dz
            grads["b"] += dz.sum(0) - (grads["b"] if bug == "= for +=" else 0)
            dh = dz @ (p["U"] if bug == "U for U.T" else p["U"].T) * (t % cut != 0)
        return grads

    return f, params, backward


def changed(grads, name, change):
    return {**grads, name: change(grads[name])}


def row_of(report, name):
    return next(row for row in report.rows if row.name == name)


@pytest.mark.parametrize("method, worst", [("auto", 1e-13), ("complex", 1e-13), ("central", 1e-9)])
def test_a_right_truncated_gradient_passes(method, worst):
    f, params, backward = make_rnn()
    report = check(f, params, backward, method=method, gates={"U": "ifgo"}, seed=3)
    assert report.ok and 0 < report.worst < worst and len(report.rows) == 8
    assert report.method.startswith("complex" if method == "auto" else method)


def test_truncation_bites_so_without_the_stops_the_same_gradient_is_wrong():
    f, params, backward = make_rnn()
    report = check(lambda p: f(p, lambda name, value: value), params, backward)
    assert report.verdict == FAIL and report.worst > 1e-2


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(cut=100), "credit passes every stop"),
        (dict(cut=2), "no cause found"),
        (dict(bug="old state"), "no cause found"),
        (dict(bug="new state"), "no cause found"),
        (dict(bug="U for U.T"), "no cause found"),
        (dict(bug="= for +="), "no cause found"),
    ],
)
@pytest.mark.parametrize("method", ["complex", "central"])
def test_bugs_inside_a_backward_are_found(options, words, method):
    f, params, backward = make_rnn()
    report = check(f, params, lambda p: backward(p, **options), method=method)
    assert report.verdict == FAIL and row_of(report, "v").verdict == PASS
    assert any(words in row.note for row in report.rows), report
    with pytest.raises(AssertionError, match="FAIL"):
        assert_gradients_close(f, params, lambda p: backward(p, **options), method=method)


def test_one_stop_let_through_is_named():
    f, params, backward = make_rnn()

    def leaky(p):  # credit passes the cut before step 6, not before step 3
        full, late = backward(p, cut=100), backward(p)
        return changed(late, "x", lambda dx: np.concatenate([late["x"][:3], full["x"][3:]]))

    assert "credit passes stop 'h before 6'" in row_of(check(f, params, leaky), "x").note


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("W", np.negative, "the sign is flipped"),
        ("U", lambda a: 2 * a, "counted twice"),
        ("b", lambda a: a / B, "divided by B once too often"),
        ("b", lambda a: a * T, "a division by T is missing"),
        ("W", lambda a: a / (B * T), "divided by B T once too often"),
        ("U", np.transpose, "transposed"),
        ("v", np.zeros_like, "never added"),
        ("U", lambda a: np.roll(a, 1, 1), "off by one along axis 1"),
        ("x", lambda a: a[::-1], "backwards along axis 0"),
        (
            "x",
            lambda a: a * (np.arange(T) >= CUT)[:, None, None],
            "only at 0 to 2 of axis 0 (before a cut?): it is zero",
        ),
        ("U", lambda a: a + 0.01 * np.eye(H)[2] * a, "only at 2 of axis 1: scaled by 1.01"),
        ("b", lambda a: np.where(np.arange(H) == 1, np.nan, a), "not finite"),
    ],
)
@pytest.mark.parametrize("method", ["complex", "central"])
def test_the_likely_cause_is_named(name, change, words, method):
    f, params, backward = make_rnn()
    report = check(f, params, changed(backward(params), name, change), method=method, sizes={"B": B, "T": T})
    assert [row.name for row in report.rows if row.verdict == FAIL] == [name]
    assert words in row_of(report, name).note, report


@pytest.mark.parametrize(
    "bug, words",
    [
        (lambda i, f, g, o: (i, f, -g, o), "the sign is flipped"),
        (lambda i, f, g, o: (i, f, i, o), "the values of gate i stand here"),
    ],
)
def test_a_wrong_gate_is_named(bug, words):
    rng = np.random.default_rng(2)
    params, weight = {"W": rng.standard_normal((3, 20)), "b": rng.standard_normal(20)}, rng.standard_normal((3, 20))

    def gradient(p):
        right = weight * (1 - np.tanh(p["W"] + p["b"]) ** 2)
        wrong = {"W": right, "b": right.sum(0)}
        return {name: np.concatenate(bug(*np.split(value, 4, -1)), -1) for name, value in wrong.items()}

    report = check(
        lambda p: (weight * np.tanh(p["W"] + p["b"])).sum(), params, gradient, gates={"W": "ifgo", "b": "ifgo"}
    )
    assert {row.name for row in report.rows if row.verdict == FAIL} == {"W.g", "b.g"}
    assert words in row_of(report, "W.g").note and "only gate g is wrong" in report.notes


@pytest.mark.parametrize("method, evaluations", [("complex", 150), ("central", 1500)])
@pytest.mark.parametrize("seed", range(3))
def test_one_per_cent_in_one_median_entry_of_100_000_is_found(method, evaluations, seed):
    rng = np.random.default_rng(seed)
    W, weight = rng.standard_normal((250, 400)), rng.standard_normal((250, 400))
    dW = weight * (1 - np.tanh(W) ** 2)
    middle = np.unravel_index(np.argsort(np.abs(dW).ravel())[dW.size // 2], dW.shape)
    assert check(lambda p: (np.tanh(p["W"]) * weight).sum(), {"W": W}, {"W": dW}, method=method, seed=seed).ok
    dW[middle] *= 1.01
    report = check(lambda p: (np.tanh(p["W"]) * weight).sum(), {"W": W}, {"W": dW}, method=method, seed=seed)
    assert report.verdict == FAIL and report.rows[0].index == tuple(middle)
    assert report.rows[0].ratio == pytest.approx(1.01, rel=1e-6) and report.evaluations < evaluations


@pytest.mark.parametrize("seed", range(20))
def test_two_equal_errors_of_opposite_sign_do_not_hide_each_other(seed):
    W = np.random.default_rng(seed).standard_normal(50)
    dW = 2 * W
    dW[[3, 30]] += (1e-3, -1e-3)
    assert check(lambda p: (p["W"] ** 2).sum(), {"W": W}, {"W": dW}, seed=seed).verdict == FAIL


# --- kinks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope_at_zero", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("method", ["auto", "central"])
def test_a_right_gradient_at_a_kink_is_not_called_wrong(slope_at_zero, method):
    rng = np.random.default_rng(4)
    z, weight = rng.standard_normal((5, 6)), rng.standard_normal((5, 6))
    z[2, 3] = z[4, 1] = 0
    dz = weight * np.where(z == 0, slope_at_zero, z > 0)
    report = check(lambda p: (weight * np.maximum(p["z"], 0)).sum(), {"z": z}, {"z": dz}, method=method)
    assert report.verdict == PASS
    assert slope_at_zero != 0 or "kink at [" in report.rows[0].note  # (the complex step has slope 1, a central one 1/2)


@pytest.mark.parametrize("wrong", [(0, 0), (2, 3)])
def test_a_wrong_gradient_at_a_kink_is_still_wrong(wrong):
    rng = np.random.default_rng(4)
    z, weight = rng.standard_normal((5, 6)), rng.uniform(0.5, 1, (5, 6))
    z[2, 3] = 0
    dz = weight * (z > 0)
    dz[wrong] = -0.3
    report = check(lambda p: (weight * np.maximum(p["z"], 0)).sum(), {"z": z}, {"z": dz})
    assert report.verdict == FAIL and report.rows[0].index == wrong


def top_2(p):
    """The sum of the squares of the two largest scores: which two is a choice."""
    chosen = choose("top 2", np.argsort(-p["scores"].real, -1)[:, :2])  # (B, 2)
    return (np.take_along_axis(p["scores"], chosen, -1) ** 2).sum()


def test_a_choice_that_changes_nearby_is_named_and_the_recorded_one_is_checked():
    scores = np.array([[3.0, 2.0, 2.0 - 1e-9, 0.1], [1.0, 5.0, 2.0, 0.0]])
    kept = np.array([[1, 1, 0, 0], [0, 1, 1, 0]])
    report = check(top_2, {"scores": scores}, {"scores": 2 * scores * kept})
    assert report.ok and "top 2" in report.notes[-1]
    other = check(top_2, {"scores": scores}, {"scores": 2 * scores * [[1, 0, 1, 0], [0, 1, 1, 0]]})
    assert other.verdict == FAIL


def test_a_wrong_zero_and_a_right_zero_are_told_apart():
    params = {"used": np.array([1.0, 2.0]), "unused": np.ones(3)}
    zeros = {name: np.zeros_like(value) for name, value in params.items()}
    report = check(lambda p: (p["used"] ** 3).sum(), params, zeros)
    assert row_of(report, "unused").note == "identically zero on both sides"
    assert row_of(report, "unused").verdict == PASS
    assert row_of(report, "used").verdict == FAIL


def test_a_network_with_60000_relus_raises_no_false_alarm():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 50))
    params = {"W": rng.standard_normal((50, 300)) * 0.2, "v": rng.standard_normal((300, 1))}

    def f(p):
        return np.abs(np.maximum(x @ p["W"], 0) @ p["v"]).mean()

    def backward(p):
        h = np.maximum(x @ p["W"], 0)
        d = np.sign(h @ p["v"]) / 200
        return {"v": h.T @ d, "W": x.T @ (d @ p["v"].T * (h > 0))}

    assert check(f, params, backward).ok
    assert check(f, params, lambda p: changed(backward(p), "W", lambda a: 1.001 * a)).verdict == FAIL


@pytest.mark.parametrize("size", [1e-8, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("scaled", [True, False])
def test_tiny_and_huge_parameters_are_checked(size, scaled):
    a, unit = size * np.random.default_rng(1).standard_normal(20), size if scaled else 1.0
    for method in ("complex", "central"):
        report = check(lambda p: np.sin(p["a"] / unit).sum(), {"a": a}, {"a": np.cos(a / unit) / unit}, method=method)
        assert report.verdict in ((PASS,) if scaled or method == "complex" else (PASS, UNRESOLVED))


# --- what f and the backward may be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f, words",
    [
        (lambda p: np.linalg.norm(p["w"]), "suspects: abs, norm"),
        (lambda p: np.sqrt(sum(float(v) ** 2 for v in p["w"])), "suspects: abs, norm"),
        (lambda p: np.sqrt((np.abs(p["w"]) ** 2).sum() + 0j * p["w"][0]), "disagree"),
    ],
)
def test_where_the_complex_step_fails_the_suspects_are_named_and_central_differences_take_over(f, words):
    w = np.random.default_rng(5).standard_normal(7)
    real = lambda p: np.real_if_close(f(p)) if np.isrealobj(p["w"]) else f(p)  # noqa: E731
    report = check(real, {"w": w}, {"w": w / np.linalg.norm(w)})
    assert report.ok and report.method.startswith("central") and words in report.notes[0]
    with pytest.raises(ValueError, match="use method='central'"):
        check(real, {"w": w}, {"w": w / np.linalg.norm(w)}, method="complex")


def test_a_float_buffer_is_a_suspect():
    def f(p):
        buffer = np.zeros(3)
        buffer[:] = p["w"] ** 2
        return buffer.sum()

    report = check(f, {"w": np.arange(3.0)}, {"w": 2 * np.arange(3.0)})
    assert report.ok and "float buffer" in report.notes[0]


def test_an_imaginary_part_that_is_lost_in_a_tensor_of_no_weight_is_found():
    """Beside w, of which f depends 10^8 times as much, it would not be seen in one direction through all tensors."""
    rng = np.random.default_rng(0)
    params = {"w": rng.standard_normal(5), "tiny": rng.standard_normal(4)}

    def f(p):
        return (p["w"] ** 2).sum() + 1e-8 * (np.abs(p["tiny"]) ** 2).sum()

    right = {"w": 2 * params["w"], "tiny": 2e-8 * params["tiny"]}
    report = check(f, params, right)
    assert report.ok and "along tiny" in report.notes[0]
    assert not check(f, params, changed(right, "tiny", lambda a: 0 * a)).ok


def test_a_function_that_computes_in_float32_is_judged_with_a_tolerance_of_its_own():
    f, params, backward = make_rnn()
    single = lambda p: f({name: value.astype(np.float32) for name, value in p.items()})  # noqa: E731
    report = check(single, params, backward)
    assert report.verdict in (PASS, UNRESOLVED) and report.tolerance == 1e-3
    assert check(single, params, changed(backward(params), "U", lambda a: 1.01 * a)).verdict == FAIL


def test_a_row_that_is_too_small_to_judge_says_so():
    params = {"w": np.arange(1.0, 4), "tiny": np.arange(1.0, 3)}
    report = check(
        lambda p: (p["w"] ** 2).sum() + 1e-20 * p["tiny"].sum(),
        params,
        {"w": 2 * params["w"], "tiny": np.full(2, 7e-20)},
    )
    assert [row.verdict for row in report.rows] == [PASS, UNRESOLVED]
    assert report.rows[1].note.startswith("lost in rounding: ")


@pytest.mark.parametrize("factor, verdict", [(1 + 5e-4, PASS), (1.02, UNRESOLVED)])
def test_entries_of_nothing_but_rounding_pass_where_they_agree(factor, verdict):
    """Right entries of 1e-18 beside ones of 1: a backward's dy = p - 1 has lost most of their digits."""
    w, size = np.arange(1.0, 7), np.repeat([1.0, 1e-18], 3)
    given = 2 * size * w * np.where(size < 1, factor, 1)
    report = check(lambda p: (size * p["w"] ** 2).sum(), {"w": w}, {"w": given})
    assert report.verdict == verdict and (report.rows[0].known <= 1e-2) == report.ok


@pytest.mark.parametrize(
    "f, grads, words",
    [
        (lambda p: (p["w"].sum(), p["w"]), {"w": np.ones(3)}, "f must return one number, found tuple"),
        (lambda p: None, {"w": np.ones(3)}, "f must return one number, found NoneType"),
        (lambda p: p["w"], {"w": np.ones(3)}, r"f gives an array of shape \(3,\): grads must be a function"),
        (lambda p: p["w"].sum(), None, "grads must be a dict like params"),
        (lambda p: p["w"].sum(), lambda p: None, r"grads\(params\) must give a dict"),
    ],
)
def test_what_is_no_number_and_no_dict_is_refused(f, grads, words):
    with pytest.raises(ValueError, match=words):
        check(f, {"w": np.arange(3.0)}, grads)


def test_float32_gradients_are_checked_against_float64_numbers():
    f, params, backward = make_rnn()
    single = {name: value.astype(np.float32) for name, value in backward(params).items()}
    report = check(f, params, single)
    assert report.ok and report.tolerance == 1e-4 and report.worst > 1e-10
    assert check(f, params, changed(single, "U", lambda a: a * np.float32(1.01))).verdict == FAIL
    mixed = {**backward(params), "W": single["W"]}  # each tensor is held to its own precision
    assert check(f, params, changed(mixed, "U", lambda a: a * (1 + 1e-6))).verdict == FAIL


def test_a_value_too_uncertain_to_judge_is_unresolved():
    w = np.array([0.3, 0.4])
    noisy = lambda p: 1e14 + (np.abs(p["w"]) ** 2).sum()  # noqa: E731
    report = check(noisy, {"w": w}, {"w": 2.002 * w})
    assert report.verdict == UNRESOLVED and not report.ok


def test_a_gradient_of_nothing_but_rounding_is_not_called_wrong():
    def f(p):  # the sum of a softmax is 1, whatever p
        e = np.exp(p["a"] - p["a"].real.max())
        return (e / e.sum()).sum()

    w = np.exp(np.array([0.3, -1.0, 2.0])) / np.exp(np.array([0.3, -1.0, 2.0])).sum()
    report = check(f, {"a": np.array([0.3, -1.0, 2.0])}, {"a": w * (1.0 - w.sum()) + 1e-17})
    assert report.verdict in (PASS, UNRESOLVED)


def test_a_backward_that_remembers_or_spoils_its_input_is_reported():
    f, params, backward = make_rnn()
    kept = dict.fromkeys(params, 0.0)

    def remembers(p):
        for name, value in backward(p).items():
            kept[name] = kept[name] + value
        return kept

    def spoils(p):
        grads = backward(p)
        p["W"] *= 2
        return grads

    assert "backward twice" in check(f, params, remembers).problems[0]
    report = check(f, params, spoils)
    assert "changes params['W']" in report.problems[0] and not report.ok and "changes params['W']" in str(report)


def test_an_f_that_draws_or_spoils_is_reported_and_a_stopped_draw_is_fine():
    rng = np.random.default_rng(6)
    w = {"w": np.ones(3)}
    assert "two values" in check(lambda p: (p["w"] * rng.standard_normal(3)).sum(), w, w).problems[0]
    dropped = lambda p: (p["w"] ** 2 * stop("mask", rng.integers(0, 2, 3))).sum()  # noqa: E731
    with record() as tape:
        dropped(w)
    assert check(dropped, w, {"w": 2.0 * tape["mask"]}, tape).ok

    def spoils(p):
        p["w"] += 1
        return (p["w"] ** 2).sum()

    assert "changes params['w']" in check(spoils, w, {"w": 4 * np.ones(3)}).problems[0]
    assert (w["w"] == 1).all()


@pytest.mark.parametrize(
    "params, grads, words",
    [
        ({"w": np.ones(2)}, {}, "only params has 'w'"),
        ({"w": np.ones(2)}, {"w": np.ones(2), "b": 1.0}, "only grads has 'b'"),
        ({"w": np.ones((2, 3))}, {"w": np.ones((3, 2))}, "transposed"),
        ({"w": np.ones(2, int)}, {"w": np.ones(2)}, "floating-point"),
        ({"w": np.array([1, np.nan])}, {"w": np.ones(2)}, "finite"),
        ({"w": np.ones(2)}, {"w": np.ones(2, complex)}, "float32 or float64, found complex128"),
        ({"w": np.ones((0, 3))}, {"w": np.ones((0, 3))}, "found none"),
    ],
)
def test_names_shapes_and_values_are_refused_in_one_line(params, grads, words):
    with pytest.raises(ValueError, match=words) as caught:
        check(lambda p: p["w"].sum(), params, grads)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(method="forward"), "method must be"),
        (dict(directions=0), "at least 1"),
        (dict(tolerance=0.0), "above 0"),
        (dict(gates={"w": "abc"}), "divides by 3"),
        (dict(gates={"z": "ab"}), "must be a parameter"),
        (dict(gates={"w": ""}), "must be a parameter .* found gates ''"),
    ],
)
def test_options_are_refused_in_one_line(options, words):
    with pytest.raises(ValueError, match=words):
        check(lambda p: p["w"].sum(), {"w": np.ones(2)}, {"w": np.ones(2)}, **options)


def test_two_arrays_of_one_name_are_refused():
    clash = {"a.b": np.ones(2), "a": {"b": np.ones(2)}}
    with pytest.raises(ValueError, match="params: two arrays are called 'a.b'"):
        check(lambda p: p["a"]["b"].sum(), clash, {"a.b": 99 * np.ones(2), "a": {"b": np.ones(2)}})


@pytest.mark.parametrize(
    "f, words", [(lambda p: p["w"], "f gives an array"), (lambda p: p["w"].sum() * np.inf, "finite")]
)
def test_an_f_that_is_not_a_finite_number_is_refused(f, words):
    with pytest.raises(ValueError, match=words):
        check(f, {"w": np.ones(2)}, {"w": np.ones(2)})


@pytest.mark.parametrize("method", ["auto", "central"])
def test_params_may_be_a_tree_and_the_output_an_array(method):
    rng = np.random.default_rng(8)
    params = {"layers": [{"W": rng.standard_normal((3, 2))}, (rng.standard_normal(2), 0.5)]}

    def f(p):
        return np.tanh(p["layers"][0]["W"] * p["layers"][1][0]) * p["layers"][1][1]  # (3, 2)

    def grads(p, dy, wrong=1.0):
        W, (v, s) = p["layers"][0]["W"], p["layers"][1]
        y = np.tanh(W * v)
        d = dy * s * (1 - y**2)
        return {"layers": [{"W": d * v}, ((d * W).sum(0) * wrong, (dy * y).sum())]}

    report = check(f, params, grads, method=method)
    assert report.ok and [row.name for row in report.rows] == ["layers[0].W", "layers[1][0]", "layers[1][1]"], report
    report = check(f, params, lambda p, dy: grads(p, dy, 2.0), method=method)
    assert [row.verdict for row in report.rows] == [PASS, FAIL, PASS] and "twice" in report.rows[1].note


def test_an_array_or_a_number_alone_and_a_jacobian():
    w = np.array([0.5, -1.0, 2.0])
    assert check(lambda w: np.sin(w).sum(), w, np.cos(w)).ok
    assert check(np.sin, 0.3, np.cos(0.3)).ok and not check(np.sin, 0.3, 1.1).ok
    assert check(np.sin, w, np.diag(np.cos(w))).ok and not check(np.sin, w, np.diag(np.cos(w) + [0, 1e-6, 0])).ok


def test_a_jacobian_may_be_a_function_and_a_small_output_is_tested_entry_by_entry():
    w, size = np.array([0.5, -1.0, 2.0]), np.array([1.0, 1e-14, 1.0])  # a random sum of all hides the second
    M, flip = np.arange(1.0, 10).reshape(3, 3), np.array([[1.0], [-1.0], [1.0]])
    f, jacobian = lambda w: size * (M @ np.sin(w)), lambda w: size[:, None] * M * np.cos(w)
    assert check(f, w, jacobian).ok and check(f, w, lambda w, dy: dy @ jacobian(w)).ok
    for grads in (flip * jacobian(w), lambda w: flip * jacobian(w), lambda w, dy: dy @ (flip * jacobian(w))):
        report = check(f, w, grads)
        assert [(row.name, row.verdict) for row in report.rows] == [("params", PASS), ("params (output [1])", FAIL)]
        assert report.rows[1].note == "the sign is flipped" and not report.ok
    noisy = check(lambda w: w * np.random.default_rng().random(), w, jacobian)
    assert len(noisy.problems) == 1 and noisy.problems[0].startswith("f gives two values")  # and not four times
    with pytest.raises(ValueError, match="f gives an array of shape .3,.: grads must be a function params, dy"):
        check(f, w, lambda w: w)


def test_a_factor_is_named_where_numbers_are_uncertain():
    w = np.array([0.5, -1.0, 2.0])
    f = lambda p: (p["a"] ** 2).sum() + 1e-11 * (p["c"] ** 2).sum()  # noqa: E731
    report = check(f, {"a": w, "c": w}, {"a": 2 * w, "c": -2e-11 * w}, method="central")
    assert report.rows[1].note == "the sign is flipped" and report.rows[1].uncertainty > 1e-4, report


def test_a_failing_assertion_begins_with_the_verdict():
    with pytest.raises(AssertionError, match="^FAIL: 0 of 1 pass.*\n.*ratio.*\nparams .*FAIL: twice"):
        assert_gradients_close(lambda w: np.sin(w).sum(), np.arange(1.0, 4), 2 * np.cos(np.arange(1.0, 4)))


@pytest.mark.parametrize("many", [5, 40])
def test_two_stops_let_through_are_named_among_many(many):
    rng = np.random.default_rng(0)
    w, c = rng.standard_normal(6), rng.standard_normal((many, 6))

    def f(p):
        return sum((c[k] * np.tanh(p["w"]) * stop(f"part {k}", p["w"] ** 2)).sum() for k in range(many))

    right = c.sum(0) * (1 - np.tanh(w) ** 2) * w**2
    leaks = 2 * c * np.tanh(w) * w
    report = check(f, {"w": w}, {"w": right + leaks[1] + leaks[many - 2]})
    assert report.rows[0].note == f"credit passes stop 'part 1' and stop 'part {many - 2}'", report


def test_every_failing_row_is_explained_when_asked():
    params = {f"w{k}": np.arange(1.0, 4) + k for k in range(7)}
    wrong = {name: 3 * value**2 * (2 if k % 2 else -1) for k, (name, value) in enumerate(params.items())}
    f = lambda p: sum((value**3).sum() for value in p.values())  # noqa: E731
    said = [[row.note for row in check(f, params, wrong, **options).rows] for options in ({}, dict(explain="all"))]
    assert [sum(map(bool, notes)) for notes in said] == [4, 7]
    with pytest.raises(ValueError, match="explain must be a number of rows or 'all', found 'every'"):
        check(f, params, wrong, explain="every")
    assert all(("twice" if k % 2 else "sign") in note for k, note in enumerate(said[1]))


def test_all_explanations_of_one_factor_are_shown():
    w = np.arange(1.0, 6)
    report = check(lambda p: (p["w"] ** 3).sum(), {"w": w}, {"w": 0.6 * w**2}, sizes={"B": 5, "temperature": 0.2})
    assert "divided by B once too often" in report.rows[0].note, report
    assert "a division by temperature is missing" in report.rows[0].note and " or " in report.rows[0].note


@pytest.mark.parametrize(
    "ratio, words",
    [
        (1 / 3, "3 times too small: divided by B once too often"),
        (3, "3 times too large: a division by B is missing"),
        (3**0.5, "1.732 times too large: a division by sqrt(B) is missing"),
        (-2, "the sign is flipped and it is twice too large"),
        (1 + 2e-6, "scaled by 1+2.0e-06: an epsilon, or a constant of few digits, that f and backward do not share?"),
    ],
)
def test_a_factor_is_told_with_its_size_and_its_direction(ratio, words):
    assert name_ratio(ratio, {"B": 3, "T": 7}) == words


def test_values_that_are_not_finite_are_counted_and_the_first_is_shown():
    f, params, backward = make_rnn()
    places = np.array([False, True, False, False])
    wrong = changed(backward(params), "b", lambda a: np.where(places, np.nan, a))
    row = row_of(check(f, params, wrong), "b")
    assert (row.note, row.index) == ("1 values are not finite", (1,)) and not np.isfinite(row.analytic)


def test_the_entries_that_are_lost_in_rounding_are_told_by_their_size():
    w, size = np.arange(1.0, 7), np.repeat([1.0, 1e-18], 3)
    given = 2 * size * w * np.where(size < 1, 1.02, 1)
    (row,) = check(lambda p: (size * p["w"] ** 2).sum(), {"w": w}, {"w": given}).rows
    share = float(re.match("entries of (.*) of the largest are lost in rounding: ", row.note).group(1))
    assert 1e-18 < share < 1e-17 and row.index is None


# --- the report ----------------------------------------------------------------------------------------------------


def test_the_report_is_a_table_json_and_csv_that_say_how_to_repeat_it():
    f, params, backward = make_rnn()
    wrong = changed(backward(params), "W", lambda a: a * np.where(np.arange(H) == 0, np.inf, 1))
    report = check(f, params, wrong, seed=7)
    content = json.loads(report.to_json(), parse_constant=pytest.fail)
    assert not content["ok"] and content["seed"] == 7 and "seed=7" in content["command"] and content["numpy"]
    assert [row["name"] for row in content["rows"]] == list(params)
    lines = report.to_csv().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert any("seed=7" in line for line in lines if line.startswith("#")) and rows[1]["verdict"] == FAIL
    assert len(str(report).splitlines()) == len(params) + 2
    again = check(f, params, wrong, seed=7)
    assert str(again) == str(report)


def test_the_table_has_the_worst_failing_row_first_and_all_numbers_of_a_row():
    near = Row("near", FAIL, 2e-6, (3, 1), 1 - 2e-6, 1.0, 3e-8, "", 1e-9)
    far, sure = Row("far", FAIL, 0.75, (0,), 1.0, 4.0, 0.0, "cut", 1e-7), Row("sure", PASS, 0.0, None, 4.0, 4.0, 0.0)
    *lines, last = str(Report([sure, near, far], "complex step", 1e-10, seed=5)).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["far", "7.5e-01", "1e-07", "[0]", "1", "4", "0.25", "FAIL:", "cut"],
        ["near", "2.0e-06", "1e-09", "[3,", "1]", "0.999998", "1", "1-2.0e-06", "FAIL"],
        ["sure", "0.0e+00", "0e+00", "direction", "4", "4", "1", "PASS"],
    ]
    assert last == "FAIL: 1 of 3 pass, worst error 7.5e-01 (tolerance 1e-10), complex step, seed 5"


def test_scipy_agrees():
    from scipy.optimize import approx_fprime, check_grad
    from scipy.optimize._numdiff import approx_derivative

    f, params, backward = make_rnn()
    flat = lambda u: f({**params, "U": u.reshape(H, H)}, lambda name, value: value)  # noqa: E731
    full = lambda u: backward({**params, "U": u.reshape(H, H)}, cut=100)["U"].ravel()  # noqa: E731
    U = params["U"].ravel()
    scale = np.abs(full(U)).max()
    assert check_grad(flat, full, U) < 1e-5 * scale
    np.testing.assert_allclose(approx_fprime(U, flat), full(U), atol=1e-5 * scale)
    np.testing.assert_allclose(approx_derivative(flat, U, method="cs"), full(U), rtol=1e-10)
    open_f = lambda p: f(p, lambda name, value: value)  # noqa: E731
    assert check(open_f, params, lambda p: backward(p, cut=100)).ok
    assert not check(open_f, params, backward).ok
    assert check_grad(flat, lambda u: backward(params)["U"].ravel(), U) > 1e-2
