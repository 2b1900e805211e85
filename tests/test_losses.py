"""Two losses: their values by hand, their gradients by complex step, what a mask counts, and what they refuse."""

import numpy as np
import pytest

import sab_numpy as sab

RNG = np.random.default_rng(0)
Y, SQUARES = RNG.standard_normal((2, 5, 3, 4))  # (T, B, O)
TARGETS = RNG.integers(0, 4, (5, 3))
STEPS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]])  # 6 of 15 count
ENTRIES = RNG.random((5, 3, 4)) < 0.4
A_LIST = "expected an array of NumPy or CuPy, found builtins.list"

CASES = [
    (lambda y, mask: sab.softmax_cross_entropy(y, TARGETS, mask), mask)
    for mask in (None, STEPS, STEPS > 0, 0.5 * STEPS)
]
CASES += [
    (lambda y, mask: sab.mean_squared_error(y, SQUARES, mask), mask) for mask in (None, STEPS, STEPS > 0, ENTRIES)
]


def test_cross_entropy_is_the_mean_of_minus_log_softmax_over_the_counted_steps():
    total = [-np.log(np.exp(Y[t, b, TARGETS[t, b]]) / np.exp(Y[t, b]).sum()) for t, b in np.argwhere(STEPS)]
    assert len(total) == 6
    assert sab.softmax_cross_entropy(Y, TARGETS, STEPS)[0] == pytest.approx(np.mean(total), rel=1e-13)
    assert sab.softmax_cross_entropy(0 * Y, TARGETS)[0] == pytest.approx(np.log(4), rel=1e-13)


def test_a_target_that_does_not_count_may_be_anything():
    loss, dy = sab.softmax_cross_entropy(Y, TARGETS, STEPS)
    padded, same = sab.softmax_cross_entropy(Y, np.where(STEPS, TARGETS, -100), STEPS)
    assert padded == loss and np.array_equal(same, dy)


def test_squared_error_is_the_mean_over_the_counted_entries():
    squares = (Y - SQUARES) ** 2
    for mask, counted in ((None, squares), (STEPS, squares[STEPS > 0]), (ENTRIES, squares[ENTRIES])):
        assert sab.mean_squared_error(Y, SQUARES, mask)[0] == pytest.approx(counted.mean(), rel=1e-13)


@pytest.mark.parametrize("call, mask", CASES)
def test_dy_is_the_derivative_of_the_loss_at_every_entry(call, mask):
    _, dy = call(Y, mask)
    for index in np.ndindex(Y.shape):
        moved = Y.astype(complex)
        moved[index] += 1e-30j
        assert call(moved, mask)[0].imag / 1e-30 == pytest.approx(dy[index], rel=1e-11, abs=1e-15)
    if mask is not None:
        counted = np.broadcast_to((mask if mask.ndim == 3 else mask[..., None]) != 0, Y.shape)
        assert not dy[~counted].any() and (dy[counted] != 0).all()


def test_large_outputs_neither_overflow_nor_lose_the_loss():
    loss, dy = sab.softmax_cross_entropy(np.array([[[1e4, 0.0, -1e4]]]), np.array([[1]]))
    assert loss == 1e4 and np.array_equal(dy, [[[1.0, -1.0, 0.0]]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_outputs_decide_the_dtype(dtype):
    y = Y.astype(dtype)
    for mask in (None, STEPS):
        assert sab.softmax_cross_entropy(y, TARGETS, mask)[1].dtype == dtype
        assert sab.mean_squared_error(y, SQUARES.astype(dtype), mask)[1].dtype == dtype


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: sab.softmax_cross_entropy(Y[0], TARGETS), r"y: expected \(T, B, n_out\), .* found shape \(3, 4\)"),
        (lambda: sab.softmax_cross_entropy(Y[:0], TARGETS[:0]), r"y: expected \(T, B, n_out\), each at least 1, found"),
        (
            lambda: sab.mean_squared_error(Y[:, :0], SQUARES[:, :0]),
            r"y: expected \(T, B, n_out\), each at least 1, found",
        ),
        (lambda: sab.softmax_cross_entropy(Y, TARGETS[:4]), r"targets: expected shape \(5, 3\), found \(4, 3\)"),
        (lambda: sab.softmax_cross_entropy(Y, TARGETS * 1.0), "targets: expected integers, found float64"),
        (lambda: sab.softmax_cross_entropy(Y, TARGETS + 1), "targets: expected classes 0..3, found 1..4"),
        (lambda: sab.softmax_cross_entropy(Y, TARGETS - 1), "targets: expected classes 0..3, found -1..2"),
        (lambda: sab.softmax_cross_entropy(Y, TARGETS, STEPS[:, :2]), r"mask: expected shape \(5, 3\), found \(5, 2\)"),
        (
            lambda: sab.softmax_cross_entropy(Y, TARGETS, 0 * STEPS),
            "mask: expected at least one counted step, found none",
        ),
        (lambda: sab.mean_squared_error(Y, SQUARES, 0 * STEPS), "mask: expected at least one counted step, found none"),
        (
            lambda: sab.mean_squared_error(Y, SQUARES[..., :1]),
            r"targets: expected shape \(5, 3, 4\), found \(5, 3, 1\)",
        ),
        (lambda: sab.mean_squared_error(Y, SQUARES, STEPS[:2]), r"mask: .* \(5, 3, 4\) or \(5, 3\), found \(2, 3\)"),
        (lambda: sab.mean_squared_error(Y, SQUARES * np.nan), "targets: expected finite numbers, found NaN"),
        (lambda: sab.mean_squared_error(Y, SQUARES + np.inf), "targets: expected finite numbers"),
        (lambda: sab.softmax_cross_entropy(Y.tolist(), TARGETS), A_LIST),
        (lambda: sab.softmax_cross_entropy(Y, TARGETS.tolist()), A_LIST),
        (lambda: sab.mean_squared_error(Y, SQUARES, STEPS.tolist()), A_LIST),
    ],
)
def test_bad_input_is_one_line_what_expected_found(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
