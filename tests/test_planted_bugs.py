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


# fmt: off
DH = "dh = given.dh_loss + credit.dh_local "
CUT = "if cfg.k_trunc and t and t % cfg.k_trunc == 0:"
CUT_ZERO = "credit.dh_local, credit.dc_local = xp.zeros_like(dh), xp.zeros_like(dh)"
BUGS = [Bug(*bug) for bug in (
    # three streams of credit
    ("dh_local dropped", "backward", DH, "dh = given.dh_loss + 0 * credit.dh_local "),
    ("dh_local doubled", "backward", DH, "dh = given.dh_loss + 2 * credit.dh_local "),
    ("dh_local's sign flipped", "backward", DH, "dh = given.dh_loss - credit.dh_local "),
    ("dh_loss dropped", "backward", DH, "dh = 0 * given.dh_loss + credit.dh_local "),
    ("dh_loss doubled", "backward", DH, "dh = 2 * given.dh_loss + credit.dh_local "),
    ("dh_loss of the next step", "backward", "given.step(t - start)",
     "given.step(t - start)._replace(dh_loss=given.dh_loss[t - start - 1])"),
    ("dh_memory dropped", "backward", "dh += dh_memory", "dh += 0 * dh_memory"),
    ("dh_memory doubled", "backward", "dh += dh_memory", "dh += 2 * dh_memory"),
    ("dh_memory's sign flipped", "backward", "dh += dh_memory", "dh -= dh_memory"),
    ("dh_memory in place of the rest, not added to it", "backward", "dh += dh_memory", "dh = 1 * dh_memory"),
    ("dh_memory of the slot before", "backward", "credit.memory.of(xp, slot, tape",
     "credit.memory.of(xp, slot - 1, tape"),
    ("the loss's own credit to s dropped", "backward", "ds = dh + given.ds_loss", "ds = dh + 0 * given.ds_loss"),
    ("s credited by the loss alone, not through h", "backward", "ds = dh + given.ds_loss", "ds = 1 * given.ds_loss"),
    ("mental updates leak through the keys", "backward", "if slot is not None and cfg.mental_updates:",
     "if slot is not None:"),
    # the cut
    ("the cut one step late", "backward", CUT, "if cfg.k_trunc and t and (t + 1) % cfg.k_trunc == 0:"),
    ("the cut one step early", "backward", CUT, "if cfg.k_trunc and t and (t - 1) % cfg.k_trunc == 0:"),
    ("the cut forgotten", "backward", CUT, "if False:"),
    ("the first step of a sequence is cut too", "backward", CUT, "if cfg.k_trunc and t % cfg.k_trunc == 0:"),
    ("the cut spares the cell", "backward", CUT_ZERO, "credit.dh_local = xp.zeros_like(dh)"),
    ("the cut spares the hidden state", "backward", CUT_ZERO, "credit.dc_local = xp.zeros_like(dh)"),
    # one step of the LSTM
    ("W_h not transposed", "backward", 'xp.matmul(given.dz, credit.turned["W_h"],',
     'xp.matmul(given.dz, credit.turned["W_h"].swapaxes(1, 2),'),
    ("a gate's share of dh_local dropped", "backward", "credit.by_gate.sum(0)", "credit.by_gate[:3].sum(0)"),
    ("a gate's share of dh_local doubled", "backward", "credit.by_gate.sum(0)",
     "credit.by_gate.sum(0) + credit.by_gate[1]"),
    ("gates i and f swapped in dz", "lstm", "di, df, do, dg = dz", "df, di, do, dg = dz"),
    ("gates g and o swapped in dz", "lstm", "di, df, do, dg = dz", "di, df, dg, do = dz"),
    ("gates f and o swapped in what is read", "lstm", "gates\n    di,", "gates\n    f, o = o, f\n    di,"),
    ("the cell's carried credit dropped", "lstm", "dc = dc_local + (dh_hat", "dc = (dh_hat"),
    ("the cell's carried credit doubled", "lstm", "dc = dc_local + (dh_hat", "dc = 2 * dc_local + (dh_hat"),
    ("the forget gate does not weaken the carried credit", "lstm", "return dc * f", "return dc"),
    ("the input gate weakens the carried credit", "lstm", "return dc * f", "return dc * i"),
    ("tanh' of the cell forgotten", "lstm", "(dh_hat - do * tanh_c) * o", "dh_hat * o"),
    ("the output gate forgotten on the way to the cell", "lstm", "(dh_hat - do * tanh_c) * o",
     "(dh_hat - do * tanh_c)"),
    ("c for c_prev", "lstm", "xp.multiply(dc, c_prev, out=df)", "xp.multiply(dc, xp.arctanh(tanh_c), out=df)"),
    ("g's derivative as that of a sigmoid", "lstm", "xp.subtract(1, slopes[3], out=slopes[3])",
     "slopes[3] = g - slopes[3]"),
    ("sigmoid' forgotten for the output gate", "lstm", "dz *= slopes", "dz[:2] *= slopes[:2]\n    dz[3] *= slopes[3]"),
    ("a gate's half forgotten in the forward", "lstm", "stacked[:3] *= 0.5", "stacked[:2] *= 0.5"),
    ("the gates in the wrong order inside", "lstm", "for k in INSIDE], axis=1", "for k in (0, 1, 2, 3)], axis=1"),
    # the products over many steps
    ("W_h credited with the next step's state", "backward", "chunk.h_prev.reshape(R, H).T @ dz",
     "chunk.h.reshape(R, H).T @ dz"),
    ("the last chunk's W_h alone, not the sum", "backward", 'grads["W_h"] += chunk', 'grads["W_h"] = chunk'),
    ("the last chunk's W_x alone, not the sum", "backward", 'grads["W_x"] += x', 'grads["W_x"] = x'),
    ("V_h credited with h_(t-1)", "backward", "chunk.h.reshape(R, H).T @ dy", "chunk.h_prev.reshape(R, H).T @ dy"),
    ("V_h credited with h_hat", "backward", "chunk.h.reshape(R, H).T @ dy", "chunk.h_hat.reshape(R, H).T @ dy"),
    ("V_s credited with h_hat", "backward", "chunk.s.reshape(R, H).T @ dy", "chunk.h_hat.reshape(R, H).T @ dy"),
    ("b_y a mean, not a sum", "backward", "dy.sum(0)", "dy.mean(0)"),
    ("b a mean, not a sum", "backward", "xp.ones((1, R), dz.dtype) @ dz", "xp.ones((1, R), dz.dtype) @ dz / R"),
    ("dx without one gate", "backward", '["W_x"]).sum(1)', '["W_x"])[:, :3].sum(1)'),
    # recall
    ("s not subtracted", "sparsify", "slope * (dw - s_ds)", "slope * (dw - 0 * s_ds)"),
    ("the weights' slope forgotten", "sparsify", "slope * (dw - s_ds)", "slope ** 0 * (dw - s_ds)"),
    ("the threshold's gradient forgotten", "sparsify", "-da[:, :-1].sum(1)", "0 * da[:, :-1].sum(1)"),
    ("the threshold's gradient of the wrong sign", "sparsify", "-da[:, :-1].sum(1)", "da[:, :-1].sum(1)"),
    ("the threshold as one of the selected", "sparsify", "da[:, -1] = -da[:, :-1].sum(1)", "pass"),
    ("a microstate's credit as a value dropped", "memory", "return w[:, :, None] * ds[:, None], dkeys",
     "return 0 * w[:, :, None] * ds[:, None], dkeys"),
    ("a microstate's credit not weighted", "memory", "return w[:, :, None] * ds[:, None], dkeys",
     "return w[:, :, None] ** 0 * ds[:, None], dkeys"),
    ("a microstate's credit as its own key dropped", "memory", "dkeys.left[:, :, None]], axis=2)",
     "0 * dkeys.left[:, :, None]], axis=2)"),
    ("a microstate's credit as a value and as its own key swapped", "memory",
     "[w[:, :, None], dkeys.left[:, :, None]]", "[dkeys.left[:, :, None], w[:, :, None]]"),
    ("a microstate's credit through its key dropped", "memory", "return self.dM[slot] + project_backward(",
     "return self.dM[slot] + 0 * project_backward("),
    ("credit to a slot overwrites what it had", "memory", "[rows] += values", "[rows] = values"),
    ("credit to the slot before the selected", "memory", "[rows] += values", "[rows - B] += values"),
    ("the query's credit to h_hat dropped", "backward", "dh_hat = dh + dh_query", "dh_hat = dh + 0 * dh_query"),
    ("the query's credit to h_hat of the wrong sign", "backward", "dh_hat = dh + dh_query", "dh_hat = dh - dh_query"),
    ("w_a learns nothing", "backward", "credit.grads[score.weight] += dweight", "pass"),
    ("the query's parameters learn nothing", "backward", "grads[query] += project_gradient(", "project_gradient("),
    ("the key's parameters learn nothing", "memory", "return {name: project_gradient(",
     "return {name: 0 * project_gradient("),
    ("without mental updates the key's parameters learn nothing", "backward",
     "dM if cfg.mental_updates else None, dkeys)", "*((dM, dkeys) if cfg.mental_updates else (None, None)))"),
    # scores
    ("dot: 1/sqrt(H) forgotten on the way back", "scores", "dproduct = da * query.shape[1] ** -0.5", "dproduct = da"),
    ("dot: 1/sqrt(H) forgotten for the keys alone", "scores", "Outer(dproduct, query)",
     "Outer(da, query)"),
    ("dot: W_q not transposed", "backward", 'turned["W_q"] = params["W_q"].T', 'turned["W_q"] = params["W_q"]'),
    ("mlp: tanh' forgotten", "scores", "* (1 - u * u)", "* (1 - 0 * u)"),
    ("mlp: W_m not transposed", "scores", "dp @ (W.T if W_T", "dp @ (W if W_T"),
    ("mlp: W_m credited with the keys' own gradient", "scores", "v.T @ dp if", "dp.T @ v if"),
    ("additive: tanh' forgotten", "scores", "dp * W * (1 - xp.tanh(v) ** 2)", "dp * W"),
    ("additive: w_m credited without tanh", "scores", "xp.tanh(v).T @ dp[:, 0]", "v.T @ dp[:, 0]"),
    # which steps are walked
    ("a recalled block is not walked", "credit",
     "reached[memory.step_of(slots[slots >= memory.initial_slots])] = True", "pass"),
    ("a block is walked one step short", "credit", "walk[start:last + 1] = True", "walk[start:last] = True"),
    ("a block is walked to its first credited step", "credit",
     "last = start - 1 - int(reached[:start][::-1].argmax())", "last = int(reached[:start].argmax())"),
    ("the step before the recalled one is walked to", "credit",
     "memory.step_of(slots[slots >= memory.initial_slots])",
     "memory.step_of(slots[slots >= memory.initial_slots]) - 1"),
    # recomputation
    ("checkpoint: a chunk begins with an empty cell", "backward",
     "chunk.h_prev[0], chunk.c_prev[0] = tape.starts[start]",
     "chunk.h_prev[0], chunk.c_prev[0] = tape.starts[start][0], 0"),
    ("checkpoint: what was recalled is not summed again", "forward",
     "step.s[...] = (step.w[:, None] @ gather(xp, tape.memory.M, step.slots))[:, 0]", "step.s[...] = 0"),
    ("checkpoint: the query is not made again", "forward",
     "step.query[...] = project(xp, step.h_hat, tape.params.get(SCORES[tape.cfg.score].query))", "pass"),
    # what the forward stops, and what the replay repeats
    ("the hidden state passes the cut", "forward", 'stop(("h", t), h_prev)', "h_prev"),
    ("the cell passes the cut", "forward", 'stop(("c", t), c_prev)', "c_prev"),
    ("the forward cuts one step late", "forward", CUT, "if cfg.k_trunc and t > 1 and (t - 1) % cfg.k_trunc == 0:"),
    ("mental updates leak: microstates are not stopped", "memory",
     'h if self.cfg.mental_updates else stop(("slot", slot), h)', "h"),
    ("keys not replayed: they are made from the state that is not stopped", "memory",
     "project(xp, self.M[:, slot], W)", "project(xp, h, W)"),
    ("dense: the scores that are not selected are not stopped", "forward", 'stop(("scores", t), a)', "a"),
    ("dense: the microstates that are not selected are not stopped", "forward",
     'M_stopped = stop(("memory", t), M, copy=False)', "M_stopped = M"),
    ("dense: the selected microstates are stopped", "forward", " + w_sel[:, None] @ change",
     " + 0 * w_sel[:, None] @ change"),
    ("the replay stops nothing", "replay", "return _copied(kept) if copy else kept",
     "return kept if kept.dtype.kind == 'i' else value"),
)]
# fmt: on


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
        if where in ("forward", "memory", "replay") or not np.array_equal(outputs(k, model), y):
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
