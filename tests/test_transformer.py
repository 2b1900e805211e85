"""The Transformer: every gradient by hand equals the complex step, and it does in training what the other models do."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from small_models import complex_step, worst_error

import sab_numpy as sab
from sab_numpy.transformer import backward as right
from sab_numpy.transformer.forward import forward
from sab_numpy.transformer.params import Config, init_params, shapes

CFG = Config(n_in=3, n_hidden=6, n_out=4, n_steps=9, n_layers=2, n_heads=3)
T, B = 7, 3


def material(symbols=False, cfg=CFG):
    """params that are far from their first values, x, and a random cotangent."""
    rng = np.random.default_rng(1)
    params = {name: value + 0.5 * rng.standard_normal(value.shape) for name, value in init_params(cfg, rng).items()}
    x = rng.integers(0, cfg.n_in, (T, B)) if symbols else rng.standard_normal((T, B, cfg.n_in))
    return params, x, rng.standard_normal((T, B, cfg.n_out))


def by_numbers(params, x, dy, cfg=CFG):
    return complex_step(lambda moved: (forward(moved, x, cfg)[0] * dy).sum(), params)


@pytest.mark.parametrize("symbols", [False, True])
def test_every_entry_equals_the_complex_step(symbols):
    params, x, dy = material(symbols)
    grads = right.backward(dy, forward(params, x, CFG)[1])
    error, where = worst_error(grads, by_numbers(params, x, dy))
    assert error <= 1e-11, where
    assert all(np.abs(grads[name]).max() > 1e-3 for name in params)  # none is right because it is zero


def test_one_layer_and_one_head_too():
    cfg = Config(3, 5, 2, n_steps=T, n_layers=1, n_heads=1)
    params, x, dy = material(cfg=cfg)
    assert worst_error(right.backward(dy, forward(params, x, cfg)[1]), by_numbers(params, x, dy, cfg))[0] <= 1e-11


def test_sab_check_proves_it():
    params, x, _ = material()
    report = sab.check(
        lambda params: forward(params, x, CFG)[0],
        params,
        lambda params, dy: right.backward(dy, forward(params, x, CFG)[1]),
        tolerance=1e-11,
    )
    assert report.ok and {row.name for row in report.rows} == set(params), str(report)


BUGS = {
    "the output's bias a mean": ("dy.sum(0)", "dy.mean(0)"),
    "V credited without the norm's own scale": ("tape.norm.u, params", "tape.norm.h_hat, params"),
    "a layer with another layer's parameters": ("layer(params, l)", "layer(params, l - 1)"),
    "the residual around the thought forgotten": ('return dh + through, {"W_1"', 'return through, {"W_1"'),
    "the residual around the attention forgotten": ('return dh + through, {"W_qkv"', 'return through, {"W_qkv"'),
    "relu's slope forgotten": ("df * (f.real > 0)", "df * 1"),
    "b_1 before relu's slope": ("dz.sum(0)", "df.sum(0)"),
    "softmax: s.ds not subtracted": ("dw - (s * ds)", "dw - 0 * (s * ds)"),
    "softmax: the weight forgotten": ("da = w * (dw", "da = (w > 0) * (dw"),
    "softmax: s.ds of all heads together": ("(s * ds).sum(3, keepdims=True)", "(s * ds).sum((1, 3), keepdims=True)"),
    "1/sqrt(d) forgotten": ("da *= root", "da *= 1"),
    "1/sqrt(H) for 1/sqrt(d)": ("q.shape[3] ** -0.5", "dh.shape[1] ** -0.5"),
    "q and k swapped": ("dq, dk, dv = split", "dk, dq, dv = split"),
    "k and v swapped": ("dq, dk, dv = split", "dq, dv, dk = split"),
    "dk not transposed": ("da.swapaxes(2, 3) @ q", "da @ q"),
    "dv not transposed": ("w.swapaxes(2, 3) @ ds", "w @ ds"),
    "the heads transposed": ("split(ds, 1, T, N)[0]", "split(ds, 1, T, N)[0][:, ::-1]"),
    "W_o credited with what is attended from": ("dh, s, W[", "dh, norm.u, W["),
    "norm: the mean's term forgotten": ("dh_hat - dh_hat.mean(1, keepdims=True) - h", "dh_hat - h"),
    "norm: the variance's term forgotten": (" - h_hat * along", " - 0 * along"),
    "norm: the variance's term a sum": ("(dh_hat * h_hat).mean(1", "(dh_hat * h_hat).sum(1"),
    "norm: 1 / standard deviation forgotten": ("dh = scale * ", "dh = 1 * "),
    "norm: its gain forgotten": ("dh_hat = du * gain", "dh_hat = 1 * du"),
    "norm: the gain credited with u": ("(du * h_hat).sum(0)", "(du * norm.u).sum(0)"),
    "a position that of the last sequence alone": ("dh.reshape(T, B, H).sum(1)", "dh.reshape(T, B, H)[:, -1]"),
    "a position a mean over the sequences": ("dh.reshape(T, B, H).sum(1)", "dh.reshape(T, B, H).mean(1)"),
    "W_x credited with the first layer's norm": ("tape.x.T @ dh", "tape.x.T @ du"),
}


def with_bug(old, new):
    """backward of a copy of the module in which `new` stands for `old`, which is there once."""
    text = Path(right.__file__).read_text(encoding="utf-8")
    assert text.count(old) == 1 and old != new, old
    module = ModuleType("planted")
    exec(compile(text.replace(old, new), "planted.py", "exec"), vars(module))
    return module.backward


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name):
    params, x, dy = material()
    error, _ = worst_error(with_bug(*BUGS[name])(dy, forward(params, x, CFG)[1]), numbers())
    assert error > 1e-3


def test_a_copy_without_a_bug_passes():
    params, x, dy = material()
    assert worst_error(with_bug("da *= root", "da = da * root")(dy, forward(params, x, CFG)[1]), numbers())[0] <= 1e-11


def numbers(kept=[]):  # noqa: B006 (worked out once)
    kept[:] = kept or [by_numbers(*material())]
    return kept[0]


def test_a_step_sees_itself_and_what_was_before_it():
    params, x, _ = material()
    y, later = forward(params, x, CFG)[0], x.copy()
    later[4] += 1
    moved = forward(params, later, CFG)[0]
    assert (moved[:4] == y[:4]).all() and (moved[4:] != y[4:]).any((1, 2)).all()
    short = forward(params, x[:5], CFG)[0]
    np.testing.assert_allclose(short, y[:5], rtol=1e-12)


def test_weights_sum_to_one_and_are_zero_for_later_steps():
    params, x, _ = material()
    for attention, _ in forward(params, x, CFG)[1].layers:
        assert attention.w.shape == (B, CFG.n_heads, T, T)
        np.testing.assert_allclose(attention.w.sum(3), 1)
        assert (np.triu(attention.w, 1) == 0).all() and (attention.w[..., 0] > 0).all()


def test_attention_written_as_loops_gives_the_same_output():
    """A sequence, a step, a head at a time; nothing but the equations at the top of forward.py."""

    def norm(h, gain, shift):
        return (h - h.mean()) / np.sqrt(h.var() + 1e-5) * gain + shift

    params, x, _ = material()
    d = CFG.n_hidden // CFG.n_heads
    for row in range(B):
        h = [x[t, row] @ params["W_x"] + params["P"][t] for t in range(T)]
        for l in range(CFG.n_layers):
            W = {name: value[l] for name, value in params.items() if len(value) == CFG.n_layers}
            parts = [np.split(norm(h[t], W["gain_1"], W["shift_1"]) @ W["W_qkv"], 3) for t in range(T)]
            for t in range(T):
                read = []
                for head in (slice(start, start + d) for start in range(0, CFG.n_hidden, d)):
                    e = np.exp([parts[t][0][head] @ parts[n][1][head] / np.sqrt(d) for n in range(t + 1)])
                    read.append(sum(e[n] / e.sum() * parts[n][2][head] for n in range(t + 1)))
                h[t] = h[t] + np.concatenate(read) @ W["W_o"]
                u = norm(h[t], W["gain_2"], W["shift_2"])
                h[t] = h[t] + np.maximum(u @ W["W_1"] + W["b_1"], 0) @ W["W_2"] + W["b_2"]
        y = [norm(h[t], params["gain"], params["shift"]) @ params["V"] + params["b_y"] for t in range(T)]
        np.testing.assert_allclose(forward(params, x, CFG)[0][:, row], y, rtol=1e-10)


def test_float32_stays_float32_and_near():
    params, x, dy = material()
    single = {name: value.astype(np.float32) for name, value in params.items()}
    y, tape = forward(single, x, CFG)
    grads = right.backward(dy, tape)
    assert {value.dtype for value in (y, *grads.values())} == {np.dtype(np.float32)}
    np.testing.assert_allclose(y, forward(params, x, CFG)[0], rtol=1e-4, atol=1e-4)
    assert worst_error(grads, numbers())[0] < 1e-4


def test_forward_and_backward_change_nothing_and_repeat():
    params, x, dy = material()
    kept = {name: value.copy() for name, value in params.items()}
    _, tape = forward(params, x, CFG)
    first = right.backward(dy, tape)
    forward(params, x[:4], CFG)
    again = right.backward(dy, tape)
    assert all((params[name] == kept[name]).all() and (first[name] == again[name]).all() for name in params)
    assert {name: value.shape for name, value in first.items()} == shapes(CFG)


@pytest.mark.parametrize(
    "change, said",
    [
        (dict(n_heads=4), "n_hidden must be a multiple of n_heads, found 6 and 4"),
        (dict(n_layers=0), "n_layers must be a whole number of at least 1, found 0"),
    ],
)
def test_sizes_that_cannot_be_are_one_line(change, said):
    with pytest.raises(ValueError, match=said):
        Config(**{**vars(CFG), **change})


def test_wrong_inputs_are_one_line():
    params, x, dy = material()
    with pytest.raises(ValueError, match="x: expected at most 9 steps, .* found 10"):
        forward(params, np.zeros((10, B, 3)), CFG)
    with pytest.raises(ValueError, match="x: expected symbols 0..2, found 0..3"):
        forward(params, np.array([[0, 3]]), CFG)
    with pytest.raises(ValueError, match=r"params\['P'\]: expected shape \(9, 6\), found \(8, 6\)"):
        forward(params | {"P": params["P"][1:]}, x, CFG)
    with pytest.raises(ValueError, match=r"dy: expected shape \(7, 3, 4\), found \(7, 3, 3\)"):
        right.backward(dy[..., 1:], forward(params, x, CFG)[1])
