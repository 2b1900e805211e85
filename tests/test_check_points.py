"""sab.check at several points and shapes; stops in loops, in functions called twice and in other threads."""

import contextvars
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sab_numpy.core.replay import choose, stop
from sab_numpy.gradcheck.check import check


def tanh_layer(rng, B, D, bug=None):
    """The mean over B of the sum of tanh(x W)."""
    x, W = rng.standard_normal((B, D)), rng.standard_normal((D, 2))

    def grads(p):
        y = np.tanh((x.squeeze() if bug == "squeeze" else x) @ p["W"])
        mean = B - 1 if bug == "unbiased" and B > 1 else x.shape[bug == "mean over D"]
        return {"W": x.T @ (1 - y**2) / mean}

    return lambda p: np.tanh(x @ p["W"]).sum(1).mean(), {"W": W}, grads


def test_make_is_tried_at_lengths_of_one():
    report = check(make=tanh_layer_right)
    assert report.ok and [note[:17] for note in report.notes] == ["B=1: 1 of 1 pass,", "D=1: 1 of 1 pass,"]
    with_points = check(make=tanh_layer_right, points=3)
    assert with_points.ok and len(with_points.notes) == 3 * 3 - 1 and with_points.notes[-1].startswith("point 3 D=1")


def tanh_layer_right(rng, B, D):
    return tanh_layer(rng, B, D)


def test_a_bug_that_only_a_length_of_one_shows_is_found():
    squeezed = check(make=lambda rng, B, D: tanh_layer(rng, B, D, "squeeze"))  # right where no length is 1
    assert squeezed.verdict == "FAIL" and [row.verdict for row in squeezed.rows] == ["PASS"]
    assert [problem[:4] for problem in squeezed.problems] == ["B=1:", "D=1:"]
    square = dict(sizes={"B": 4, "D": 4})
    mean = check(make=lambda rng, B, D: tanh_layer(rng, B, D, "mean over D"), **square)  # right where B = D
    assert [(row.name, row.verdict) for row in mean.rows] == [("W", "PASS"), ("W (B=1)", "FAIL"), ("W (D=1)", "FAIL")]
    assert "PASS" not in mean.summary and mean.verdict == "FAIL"


def test_the_lengths_that_make_was_called_with_name_a_factor():
    def mean_forgotten(rng, B, D):
        f, params, grads = tanh_layer(rng, B, D)
        return lambda p: f(p) / B, params, grads

    report = check(make=mean_forgotten)
    assert "a division by B is missing" in report.rows[0].note and "B=3" not in report.summary


def test_a_bug_that_the_first_point_hides_is_found_at_another():
    w = np.array([1.0, 1.0, 2.0])  # w[0] and w[1] are alike here, and nowhere else
    f = lambda p: p["w"][0] ** 2 * p["w"][2] + p["w"][1] ** 3  # noqa: E731
    grads = lambda p: {"w": np.array([2 * p["w"][1] * p["w"][2], 3 * p["w"][1] ** 2, p["w"][0] ** 2])}  # noqa: E731
    assert check(f, {"w": w}, grads).ok
    report = check(f, {"w": w}, grads, points=4)
    points = [f"point {k}" for k in (2, 3, 4)]
    assert [row.name for row in report.rows] == ["w", *(f"w ({point})" for point in points)]
    errors = [row.error for row in report.rows[1:]]  # the last is not the largest: each is told of its own point
    assert max(errors) > 2 * errors[2] and report.rows[1].index == (0,)
    assert report.notes == [f"{p}: 0 of 1 pass, worst error {e:.1e}" for p, e in zip(points, errors, strict=True)]
    assert check(f, {"w": w}, lambda p: {"w": grads(p)["w"] * [p["w"][0] / p["w"][1], 1, 1]}, points=3).ok


def test_an_entry_that_is_zero_moves_to_another_point_too():
    w = np.array([1.0, 0.0])
    f = lambda p: p["w"][0] ** 2 + p["w"][0] * p["w"][1] ** 2  # noqa: E731
    report = check(f, {"w": w}, lambda p: {"w": np.array([2 * p["w"][0], 0.0])}, points=2)  # right where w[1] = 0
    assert [row.name for row in report.rows if row.verdict == "FAIL"] == ["w (point 2)"], report


def test_a_note_of_another_length_counts_its_own_rows_and_says_their_error():
    report = check(make=lambda rng, B, D: tanh_layer(rng, B, D, "mean over D"), sizes={"B": 4, "D": 4})
    told = [f"{at}=1: 0 of 1 pass, worst error {row.error:.1e}" for at, row in zip("BD", report.rows[1:], strict=True)]
    assert report.notes == told and report.rows[0].error < 1e-10


def test_the_evaluations_of_all_points_are_counted():
    f, grads = lambda p: (p["w"] ** 3).sum(), lambda p: {"w": 3 * p["w"] ** 2}
    one, three = (check(f, {"w": np.arange(1.0, 5)}, grads, points=points).evaluations for points in (1, 3))
    assert three == 3 * one > 0


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(params=np.ones(2), f=np.sum, grads=np.ones(2), points=2), "grads must be a function"),
        (dict(params=np.ones(2), f=np.sum, grads=np.ones, points=0), "points must be at least 1"),
        (dict(make=lambda rng: 1), "make must take rng and lengths"),
        (dict(make=lambda rng, B: 1), "make must return"),
        (dict(make=lambda rng, B: 1, f=np.sum), "make stands in place of f"),
    ],
)
def test_what_cannot_be_tried_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        check(**options)


def weighed(x):
    """x times its own value, held: the same name at every call."""
    return x * stop("weight", x)


def test_a_stop_in_a_loop_or_a_function_called_twice_needs_no_name_of_its_own():
    p, c = {"a": np.array([0.5, -1.0]), "b": np.array([2.0, 3.0])}, np.array([[1.0, 2], [3, 5], [7, 4]])

    def f(p):
        total = 0.0
        for k in range(3):
            mask = choose("mask", (p["a"] > 0).real.astype(float))
            total = total + (c[k] * (weighed(p["a"]) * mask + weighed(p["b"]))).sum()
        return total

    right = {"a": c.sum(0) * p["a"] * (p["a"] > 0), "b": c.sum(0) * p["b"]}
    assert check(f, p, right).ok
    leaky = {**right, "b": right["b"] + c[1] * p["b"]}  # credit passes the second time round, at b
    report = check(f, p, leaky)
    assert report.verdict == "FAIL" and "credit passes stop ('weight', 4)" in report.rows[1].note, report


def test_a_stop_in_another_thread_is_refused_or_seen_where_the_context_is_handed_on():
    p = {"w": np.array([1.0, 2.0])}

    def f(p, run):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(*run, lambda: (p["w"] * stop("kept", p["w"])).sum()).result()

    report = check(lambda p: f(p, ()), p, {"w": p["w"]})
    assert report.problems == [
        "stop 'kept' is in another thread, where it is not seen: run f in one, or start that one with "
        "contextvars.copy_context().run"
    ]
    assert check(lambda p: f(p, (contextvars.copy_context().run,)), p, {"w": p["w"]}).ok
