"""The Transformer: every gradient by hand equals the complex step, and it trains as the LSTM does."""

import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from small_models import complex_step, worst_error
from test_resume import Stop, contents

import sab_numpy as sab
from sab_numpy import cli
from sab_numpy.cli.train import wanted
from sab_numpy.core.optim import adam_init, adam_step
from sab_numpy.paper import recipes, results
from sab_numpy.tasks import copying
from sab_numpy.training import checkpoints, loop
from sab_numpy.training.run import Run
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


def test_what_is_not_said_is_what_sab_train_takes_and_float64():
    usual = Config(3, 8, 4, n_steps=9)
    assert (usual.n_layers, usual.n_heads) == (2, 4) == (Run().layers, Run().heads)
    assert {value.dtype for value in init_params(usual, 0).values()} == {np.dtype(np.float64)}


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
    "V credited without the norm's own scale": ("dy, norm.u, params", "dy, norm.h_hat, params"),
    "a layer with another layer's parameters": ("layer(params, l)", "layer(params, l - 1)"),
    "the residual around the thought forgotten": ('return dh + through, {"W_1"', 'return through, {"W_1"'),
    "the residual around the attention forgotten": ('return dh + through, {"W_qkv"', 'return through, {"W_qkv"'),
    "relu's slope forgotten": ("df * (f.real > 0)", "df * 1"),
    "b_1 before relu's slope": ("dz.sum(0)", "df.sum(0)"),
    "softmax: s.ds not subtracted": ("da -= (s * ds)", "da -= 0 * (s * ds)"),
    "softmax: the weight forgotten": ("da *= w", "da *= w > 0"),
    "softmax: s.ds of all heads together": ("(s * ds).sum(3, keepdims=True)", "(s * ds).sum((1, 3), keepdims=True)"),
    "1/sqrt(d) forgotten": ("@ k * root", "@ k"),
    "1/sqrt(d) doubled": ("@ q * root", "@ q * root ** 2"),
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
    "W_x credited with the first layer's norm": ("x.T @ dh", "x.T @ du"),
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
    assert worst_error(with_bug("@ k * root", "@ (root * k)")(dy, forward(params, x, CFG)[1]), numbers())[0] <= 1e-11


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
    for attention, _ in forward(params, x, CFG)[1].cache.layers:
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


# In training it is one of two models: what the loop, the folder and the commands do with it.

SMALL = Run(
    T=5,
    updates=30,
    batch=8,
    hidden=8,
    warmup=5,
    schedule="cosine",
    validate_every=8,
    checkpoint_every=3,
    validation_sequences=10,
    model="transformer",
    layers=1,
    heads=2,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    loop.train(SMALL, folder)
    return folder


@pytest.mark.parametrize("stops", [[1], [7, 16], [29]])
def test_a_run_that_is_stopped_and_goes_on_has_the_same_bits(tmp_path, whole, stops):
    for update in stops:
        with pytest.raises(KeyboardInterrupt):
            loop.train(SMALL, tmp_path, resume=True, progress=Stop(update))
    loop.train(SMALL, tmp_path, resume=True)
    assert contents(tmp_path) == contents(whole)


def test_an_update_is_its_forward_and_backward_and_adam(whole):
    params, x, targets = (
        checkpoints.first_parameters(SMALL),
        *loop.batch(SMALL, copying, checkpoints.first_state(SMALL))[:2],
    )
    y, tape = forward(params, x, SMALL.config())
    params, _, _ = adam_step(
        params, right.backward(copying.loss(y, targets)[1], tape), adam_init(params), 1e-3 / 5, clip=1.0
    )
    state = loop.advance(SMALL, checkpoints.first_state(SMALL), loop.team_for(SMALL))
    assert all((params[name] == state.params[name]).all() for name in params)


def test_two_processes_do_the_same_to_rounding(tmp_path):
    run = replace(SMALL, updates=4, dtype="float64")
    one, two = (loop.train(run, tmp_path / str(n), processes=n) for n in (1, 2))
    for name, value in one.params.items():
        np.testing.assert_allclose(value, two.params[name], rtol=1e-6, atol=1e-9)


def test_it_learns_to_copy_what_it_reads_in_a_few_seconds(tmp_path):
    easy = replace(
        SMALL,
        T=2,
        min_length=None,
        updates=150,
        hidden=32,
        layers=2,
        heads=4,
        batch=16,
        lr=3e-3,
        validate_every=50,
        schedule="constant",
    )
    assert loop.train(easy, tmp_path).best > 0.9  # chance is 0.125


def test_its_images_have_their_own_first_values_and_answer(tmp_path):
    cfg = replace(SMALL, task="mnist14", T=196, min_length=None, layers=2).config()
    assert (cfg.n_in, cfg.n_out, cfg.n_steps, cfg.n_layers, cfg.n_heads) == (1, 10, 196, 2, 2)


def test_it_is_evaluated_at_its_own_length_and_refused_at_longer_ones(whole, capsys):
    assert cli.main(["evaluate", str(whole), "--T", "5", "2", "--sequences", "20"]) == 0
    assert len([line for line in capsys.readouterr().out.splitlines() if line.split()[0] in ("5", "2")]) == 2
    assert cli.main(["evaluate", str(whole), "--T", "6", "--sequences", "20"]) == 2
    said = capsys.readouterr().err
    assert "expected at most 25 steps" in said and said.count("\n") == 1


@pytest.mark.parametrize("command", [["walk"], ["explore", "--out", "page.html"], ["sample"]])
def test_commands_that_tell_of_recalls_refuse_it(whole, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert cli.main([command[0], str(whole), *command[1:]]) == 2
    said = capsys.readouterr().err
    assert "expected a model that recalls, found a Transformer" in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options, said",
    [
        (
            ["copying", "--model", "transformer", "--k-top", "3"],
            "k_top is of the model lstm: .* found with transformer",
        ),
        (["copying", "--model", "transformer", "--algorithm", "bptt"], "k_top is of the model lstm"),
        (["copying", "--model", "transformer", "--init", "chrono"], "init is of the model lstm"),
        (["copying", "--heads", "2"], "heads is of the model transformer: .* found with lstm"),
        (["copying", "--model", "transformer", "--hidden", "30"], "multiple of n_heads, found 30 and 4"),
        (["copying", "--model", "gru"], "model must be one of lstm, transformer, found 'gru'"),
        (["ptb", "--model", "transformer"], "ptb goes on from segment to segment: expected the model lstm"),
    ],
)
def test_what_does_not_fit_together_is_one_line(tmp_path, capsys, options, said):
    assert cli.main(["train", *options, "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert re.search(said, told) and told.count("\n") == 1 and not (tmp_path / "run").exists()


def test_the_command_that_it_tells_makes_the_same_run_and_the_usual_one_is_the_row(tmp_path):
    for run in (
        SMALL,
        recipes.cell("transformer", 100, 100),
        recipes.cell("pmnist14-transformer", 196, 0, what="images"),
    ):
        args = cli.parse(run.command("x")[1:], "train")
        assert wanted(args) == run
    assert results.row_name(
        wanted(cli.parse(["train", "copying", "--model", "transformer", "--out", "x"], "train"))
    ) == ("transformer")


def test_a_run_of_a_table_keeps_its_name_whatever_an_lstm_would_do():
    row = recipes.cell("transformer", 100, 100)
    assert results.name_of(row).startswith("T100-transformer-") and results.name_of(row).endswith("-seed100")
    assert replace(row, k_top=3, k_att=9, init="chrono") == row
    assert results.name_of(replace(row, heads=2)) != results.name_of(row)
    lstm = recipes.cell("sab-5-5-recipe", 100, 100)
    assert replace(lstm, heads=2) == lstm


def test_the_table_trains_it_and_reads_it_again(tmp_path, capsys):
    where = ["--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs")]
    for _ in range(2):
        assert cli.main(["reproduce", "copying", "--rows", "transformer", "--quick", "--seeds", "1", *where]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if "Transformer" in line)
        assert [cell.strip() for cell in line.strip("|").split("|")][1:4] == ["–", "5", "1"]
    (run, row), *others = results.read(tmp_path / "data" / "copying.csv")
    assert (
        not others
        and run.model == "transformer"
        and row["status"] == "finished"
        and "--model transformer" in row["command"]
    )


def test_the_first_values_are_as_large_as_the_rows_of_a_weight_ask():
    found = init_params(Config(10, 64, 10, 30), 0)
    for name, rows in {"W_x": 10, "P": 64, "W_qkv": 64, "W_o": 64, "W_1": 64, "W_2": 256, "V": 64}.items():
        assert abs(found[name]).max() == pytest.approx(rows**-0.5, rel=0.02), name
