"""The proof of the proofs: one line of the core is made wrong, and the complex step of the replay notices, every time.

The wrong line is planted in a copy of the core (planted.py). A bug is caught when a gradient by hand differs from the
derivative of the replay by more than 1e-6 in some model of the battery, on which the right core stays below 1e-11.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from planted import NAME, planted
from small_models import Model, complex_step, draw, worst_error


class Bug(NamedTuple):
    name: str
    where: str  # the module
    old: str
    new: str


SUM_OF_GATES = "xp.add(room[0], room[1], out=dh_local)"
BUGS = [
    Bug(*bug)
    for bug in (
        # three streams of credit
        ("dh_local dropped", "backward", "dh = dh_loss[j] + dh_local ", "dh = dh_loss[j] + 0 * dh_local "),
        ("dh_local doubled", "backward", "dh = dh_loss[j] + dh_local ", "dh = dh_loss[j] + 2 * dh_local "),
        ("dh_local's sign flipped", "backward", "dh = dh_loss[j] + dh_local ", "dh = dh_loss[j] - dh_local "),
        ("dh_loss dropped", "backward", "dh = dh_loss[j] + dh_local ", "dh = 0 * dh_loss[j] + dh_local "),
        ("dh_loss doubled", "backward", "dh = dh_loss[j] + dh_local ", "dh = 2 * dh_loss[j] + dh_local "),
        ("dh_loss of the next step", "backward", "dh = dh_loss[j] + dh_local ", "dh = dh_loss[j - 1] + dh_local "),
        ("dh_memory dropped", "backward", "dh += dh_memory", "dh += 0 * dh_memory"),
        ("dh_memory doubled", "backward", "dh += dh_memory", "dh += 2 * dh_memory"),
        ("dh_memory's sign flipped", "backward", "dh += dh_memory", "dh -= dh_memory"),
        ("dh_memory in place of the rest, not added to it", "backward", "dh += dh_memory", "dh = 1 * dh_memory"),
        (
            "dh_memory of the slot before",
            "backward",
            "dh_memory = memory_credit(xp, tape, flow, slot)",
            "dh_memory = memory_credit(xp, tape, flow, slot - 1)",
        ),
        ("the loss's own credit to s dropped", "backward", "dh + ds_loss[j], dh, tape", "1 * dh, dh, tape"),
        (
            "s credited by the loss alone, not through h",
            "backward",
            "dh + ds_loss[j], dh, tape",
            "ds_loss[j], dh, tape",
        ),
        (
            "mental updates leak through the keys",
            "backward",
            "if slot is not None and cfg.mental_updates:",
            "if slot is not None:",
        ),
        # the cut
        (
            "the cut one step late",
            "backward",
            "if cfg.k_trunc and t and t % cfg.k_trunc == 0:",
            "if cfg.k_trunc and t and (t + 1) % cfg.k_trunc == 0:",
        ),
        (
            "the cut one step early",
            "backward",
            "if cfg.k_trunc and t and t % cfg.k_trunc == 0:",
            "if cfg.k_trunc and t and (t - 1) % cfg.k_trunc == 0:",
        ),
        ("the cut forgotten", "backward", "if cfg.k_trunc and t and t % cfg.k_trunc == 0:", "if False:"),
        (
            "the first step of a sequence is cut too",
            "backward",
            "if cfg.k_trunc and t and t % cfg.k_trunc == 0:",
            "if cfg.k_trunc and t % cfg.k_trunc == 0:",
        ),
        ("the cut spares the cell", "backward", "dh_local[...] = dc[...] = 0", "dh_local[...] = 0"),
        ("the cut spares the hidden state", "backward", "dh_local[...] = dc[...] = 0", "dc[...] = 0"),
        # one step of the LSTM
        ("W_h not transposed", "backward", "xp.matmul(dz[:, j], W_h_T,", "xp.matmul(dz[:, j], W_h_T.swapaxes(1, 2),"),
        ("a gate's share of dh_local dropped", "backward", "dh_local += room[3]", "dh_local += 0 * room[3]"),
        ("a gate's share of dh_local doubled", "backward", SUM_OF_GATES, SUM_OF_GATES.replace("room[0]", "room[1]")),
        ("gates i and f swapped in dz", "lstm", "di, df, dg, do = dz", "df, di, dg, do = dz"),
        ("gates g and o swapped in dz", "lstm", "di, df, dg, do = dz", "di, df, do, dg = dz"),
        ("gates f and o swapped in what is read", "lstm", "i, f, g, o = gates", "i, o, g, f = gates"),
        ("the cell's carried credit dropped", "lstm", "dc += di", "dc[...] = di"),
        ("the cell's carried credit doubled", "lstm", "dc += di", "dc += dc + di"),
        ("the forget gate does not weaken the carried credit", "lstm", "    dc *= f\n", ""),
        ("the input gate weakens the carried credit", "lstm", "dc *= f", "dc *= i"),
        ("tanh' of the cell forgotten", "lstm", "xp.subtract(dh_hat, di, out=di)", "di[...] = dh_hat"),
        ("the output gate forgotten on the way to the cell", "lstm", "    di *= o\n", ""),
        ("c for c_prev", "lstm", "xp.multiply(dc, c_prev, out=df)", "xp.multiply(dc, xp.arctanh(tanh_c), out=df)"),
        (
            "g's derivative as that of a sigmoid",
            "lstm",
            "for gate in (slice(I, G), slice(O, None)):",
            "room[G] = 1 - room[G]\n    for gate in (slice(I, None),):",
        ),
        ("sigmoid' forgotten for the output gate", "lstm", "dz *= room", "dz[:O] *= room[:O]"),
        (
            "a gate's half forgotten in the forward",
            "lstm",
            "HALF = (0.5, 0.5, 1.0, 0.5)",
            "HALF = (0.5, 0.5, 0.5, 0.5)",
        ),
        # the products over many steps
        (
            "W_h, W_x and b credited with the next step's input",
            "backward",
            "part.hx1[:-1].reshape(S * B, -1)",
            "part.hx1[1:].reshape(S * B, -1)",
        ),
        ("the last chunk's W alone, not the sum", "backward", "flow.dW[...] += part", "flow.dW[...] = part"),
        (
            "V_h credited with h_(t-1)",
            "backward",
            "part.h[1:].reshape(S * B, H).T @ rows",
            "part.h[:-1].reshape(S * B, H).T @ rows",
        ),
        (
            "V_h credited with h_hat",
            "backward",
            "part.h[1:].reshape(S * B, H).T @ rows",
            "part.h_hat.reshape(S * B, H).T @ rows",
        ),
        (
            "V_s credited with h_hat",
            "backward",
            "part.s.reshape(S * B, H).T @ rows",
            "part.h_hat.reshape(S * B, H).T @ rows",
        ),
        ("b_y a mean, not a sum", "backward", "rows.sum(0)", "rows.mean(0)"),
        ("dx without one gate", "backward", "@ W_x_T[:, None]).sum(0)", "@ W_x_T[:, None])[:3].sum(0)"),
        ("W_h and W_x in the wrong order", "backward", "dW[:H], dW[H:-1]", "dW[-H - 1:-1], dW[:-H - 1]"),
        # recall
        ("s not subtracted", "sparsify", "slope * (dw - s_ds)", "slope * (dw - 0 * s_ds)"),
        ("the weights' slope forgotten", "sparsify", "slope * (dw - s_ds)", "slope ** 0 * (dw - s_ds)"),
        ("the threshold's gradient forgotten", "sparsify", "-da[:, :-1].sum(1)", "0 * da[:, :-1].sum(1)"),
        ("the threshold's gradient of the wrong sign", "sparsify", "-da[:, :-1].sum(1)", "da[:, :-1].sum(1)"),
        ("the threshold as one of the selected", "sparsify", "da[:, -1] = -da[:, :-1].sum(1)", "pass"),
        (
            "a microstate's credit as a value dropped",
            "backward",
            "dM_sel = w[:, :, None] * ds[:, None]",
            "dM_sel = 0 * w[:, :, None] * ds[:, None]",
        ),
        (
            "a microstate's credit not weighted",
            "backward",
            "dM_sel = w[:, :, None] * ds[:, None]",
            "dM_sel = w[:, :, None] ** 0 * ds[:, None]",
        ),
        (
            "a microstate's credit as its own key dropped",
            "backward",
            "da[:, :, None]], axis=2)",
            "0 * da[:, :, None]], axis=2)",
        ),
        (
            "a microstate's credit as a value and as its own key swapped",
            "backward",
            "[w[:, :, None], da[:, :, None]]",
            "[da[:, :, None], w[:, :, None]]",
        ),
        (
            "a microstate's credit through its key dropped",
            "backward",
            "return flow.dM[slot] + dkey",
            "return flow.dM[slot] + 0 * dkey",
        ),
        ("credit to a slot overwrites what it had", "backward", "[rows] += values", "[rows] = values"),
        ("credit to the slot before the selected", "backward", "[rows] += values", "[rows - B] += values"),
        (
            "the query's credit to h_hat dropped",
            "backward",
            "dh_hat += scores.query_backward(",
            "dh_hat += 0 * scores.query_backward(",
        ),
        (
            "the query's credit to h_hat of the wrong sign",
            "backward",
            "dh_hat += scores.query_backward(",
            "dh_hat -= scores.query_backward(",
        ),
        ("w_a learns nothing", "backward", "        _add(flow.grads, others)\n", ""),
        (
            "the query's parameters learn nothing",
            "backward",
            "_add(grads, scores.query_gradients(",
            "len(scores.query_gradients(",
        ),
        (
            "the key's parameters learn nothing",
            "backward",
            "_add(grads, scores.key_gradients(",
            "len(scores.key_gradients(",
        ),
        # scores
        ("dot: 1/sqrt(H) forgotten on the way to h_hat", "scores", '"query_T": W.T', '"query_T": params["W_q"].T'),
        ("dot: 1/sqrt(H) forgotten in W_q", "scores", "h_hat.T @ dquery * cfg.n_hidden ** -0.5", "h_hat.T @ dquery"),
        ("dot: W_q not transposed", "scores", '"query_T": W.T', '"query_T": W'),
        ("mlp: tanh' forgotten", "scores", "* (1 - u * u)", "* (1 - 0 * u)"),
        ("mlp: W_m not transposed", "scores", 'dkey @ params["W_m"].T', 'dkey @ params["W_m"]'),
        ("mlp: W_m credited with the keys' own gradient", "scores", '{"W_m": M.T @ dkeys}', '{"W_m": dkeys.T @ M}'),
        ("additive: tanh' forgotten", "scores", 'dkey * params["w_m"] * (1 - xp.tanh(M) ** 2)', 'dkey * params["w_m"]'),
        ("additive: w_m credited without tanh", "scores", "xp.tanh(M).T @ dkeys", "M.T @ dkeys"),
        # which steps are walked
        (
            "a recalled block is not walked",
            "credit",
            "reached[tape.step_of(slots[slots >= tape.n_given])] = True",
            "pass",
        ),
        ("a block is walked one step short", "credit", "walk[start:last + 1] = True", "walk[start:last] = True"),
        (
            "a block is walked to its first credited step",
            "credit",
            "last = start - 1 - int(reached[:start][::-1].argmax())",
            "last = int(reached[:start].argmax())",
        ),
        (
            "the step before the recalled one is walked to",
            "credit",
            "tape.step_of(slots[slots >= tape.n_given])",
            "tape.step_of(slots[slots >= tape.n_given]) - 1",
        ),
        # recomputation
        (
            "checkpoint: a chunk begins with an empty cell",
            "backward",
            "part.h[0], part.c[0] = tape.starts[start]",
            "part.h[0], part.c[0] = tape.starts[start][0], 0",
        ),
        # what the forward stops, and what the replay repeats
        ("the hidden state passes the cut", "forward", 'stop(("h", t), part.h[j])', "part.h[j]"),
        ("the cell passes the cut", "forward", 'stop(("c", t), c)', "c"),
        (
            "the forward cuts one step late",
            "forward",
            "if cfg.k_trunc and t and t % cfg.k_trunc == 0:",
            "if cfg.k_trunc and t > 1 and (t - 1) % cfg.k_trunc == 0:",
        ),
        (
            "mental updates leak: microstates are not stopped",
            "forward",
            'h if tape.cfg.mental_updates else stop(("slot", slot), h)',
            "h",
        ),
        (
            "keys not replayed: they are made from the state that is not stopped",
            "forward",
            "scores.key(xp, tape.memory[:, slot], tape",
            "scores.key(xp, h, tape",
        ),
        ("dense: the scores that are not selected are not stopped", "forward", 'stop(("scores", t), a)', "a"),
        (
            "dense: the microstates that are not selected are not stopped",
            "forward",
            'M_stopped = stop(("memory", t), M, copy=False)',
            "M_stopped = M",
        ),
        (
            "dense: the selected microstates are stopped",
            "forward",
            " + w_sel[:, None] @ (M_sel - M_stopped[rows, slots])",
            " + 0 * w_sel[:, None] @ M_sel",
        ),
        (
            "the replay stops nothing",
            "tape",
            "        self.met.add(name)\n        return kept",
            "        self.met.add(name)\n        return kept if kept.dtype.kind == 'i' else value",
        ),
    )
]


@cache
def battery():
    """Small models in which every line of the core that can be wrong has something to do."""
    problems = []
    for seed, (read, score, normalise, mental, more) in enumerate(
        [
            ("sparse", "dot", "softmax", True, dict(k_att=2)),
            ("sparse", "mlp", "relu", True, dict(k_att=1)),
            ("sparse", "mlp", "softmax", False, dict(k_att=2)),
            ("sparse", "additive", "relu", True, dict(k_att=2)),
            ("dense", "mlp", "softmax", True, dict(k_att=1)),
            ("all", "dot", "softmax", True, dict(k_att=2)),
            ("none", "dot", "softmax", True, {}),
        ]
    ):
        p = draw(
            seed,
            read,
            score,
            normalise,
            mental,
            True,
            steps=(8,),
            k_trunc=3,
            empty_slots=1,
            **{"k_top": 2, **more} if read in ("sparse", "dense") else more,
        )
        rng = np.random.default_rng(seed)
        H, B = p.cfg.n_hidden, p.x.shape[1]
        p = p._replace(
            x=rng.standard_normal((8, B, p.cfg.n_in)),
            cotangent=rng.standard_normal(p.cotangent.shape),
            checkpoint="blocks" if seed % 2 else None,
            chunk=5,
        )
        if seed == 0:  # a loss at two steps of the last block alone
            p.cotangent[[0, 1, 2, 3, 5, 6]] = 0
            p = p._replace(cfg=type(p.cfg)(**{**vars(p.cfg), "k_trunc": 4, "k_top": 1}))
        if read == "none":
            p = p._replace(state=type(p.state)(*rng.standard_normal((2, B, H))) if p.state else None)
        problems.append(p)
    return problems


def outputs(k, model):
    p = battery()[k]
    return model.forward(p.params, p.x, p.cfg, state=p.state)[0]


@cache
def of_the_right_core(k):
    """Its outputs, and the derivative of its replay."""
    p, model = battery()[k], Model()
    return outputs(k, model), model.numeric(p, model.analytic(p)[1], complex_step)


def error(k, model, where=""):
    """Of the gradients by hand, against the replay of the same core (not computed again where it cannot differ)."""
    p, (y, numeric) = battery()[k], of_the_right_core(k)
    with np.errstate(all="ignore"):
        analytic, tape = model.analytic(p)
        if where in ("forward", "tape") or not np.array_equal(outputs(k, model), y):
            numeric = model.numeric(p, tape, complex_step)
        worst, _ = worst_error(analytic, numeric)
    return worst if np.isfinite(worst) else np.inf


@pytest.mark.parametrize("k", range(7))
def test_the_right_core_passes_the_battery(k, monkeypatch):
    model = Model()
    model.set_chunk(5, monkeypatch)
    assert error(k, model) < 1e-11


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_a_planted_bug_is_caught(bug, monkeypatch):
    with planted(bug.where, bug.old, bug.new):
        model = Model(NAME)
        model.set_chunk(5, monkeypatch)
        assert any(error(k, model, bug.where) > 1e-6 for k in range(len(battery())))


def test_there_are_many_bugs_and_all_are_different():
    assert len({bug.name for bug in BUGS}) == len({bug[1:] for bug in BUGS}) == len(BUGS) >= 25


def test_a_copy_without_a_bug_passes_and_leaves_nothing_behind():
    import sys

    with planted("backward", "dh += dh_memory", "dh += 1 * dh_memory"):
        assert all(error(k, Model(NAME)) < 1e-11 for k in range(7))
    assert not any(name.startswith(NAME) for name in sys.modules)


@pytest.mark.parametrize("old, new", [("no such line", ""), ("dh", "dx"), ("dh += dh_memory", "dh += dh_memory")])
def test_a_substitution_that_changes_nothing_is_refused(old, new):
    with pytest.raises(ValueError, match="expected .* once"), planted("backward", old, new):
        pass
