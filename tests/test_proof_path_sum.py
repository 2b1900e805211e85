"""Proof 3: the gradient is the sum over every path of credit of the product of the Jacobians along it.

A path begins where a step uses the parameters, goes forward in time along local edges (t-1 to t, none across a cut)
and skip edges (a stored state to a step that recalled it), and ends at an output. Every path is enumerated. The
Jacobian of each edge is taken by numbers from a second forward (plain_sab.py): nothing here knows backward.py.
"""

import numpy as np
import plain_sab
import pytest
from small_models import COMPLEX_H, READS, Model, draw, worst_error

CASES = [(*setting, seed % 3 > 0, seed) for seed, setting in enumerate(READS + READS)]


def jacobian(f, point):
    """Of f(dict) -> (m,), by every entry of every array of `point`, by complex step: a dict of (m, *shape)."""
    moved = {name: value.astype(complex) for name, value in point.items()}
    found = {name: np.zeros((len(f(point)), *value.shape)) for name, value in point.items()}
    for name, value in point.items():
        for index in np.ndindex(value.shape):
            moved[name][index] += 1j * COMPLEX_H
            found[name][(slice(None), *index)] = f(moved).imag / COMPLEX_H
            moved[name][index] = value[index]
    return found


class Graph:
    """Who hands credit to whom in one sequence. A node is what step t makes: u_t = (h_t, c_t, s_t), 3H numbers."""

    def __init__(self, p, row):
        cfg, H = p.cfg, p.cfg.n_hidden
        x = p.x[:, row] if p.x.ndim == 3 else np.eye(cfg.n_in)[p.x[:, row]]
        h, c = (np.zeros(H), np.zeros(H)) if p.state is None else (p.state.h[row], p.state.c[row])
        M = plain_sab.empty_memory(cfg) if p.state is None else list(p.state.memory[:, row])
        given = len(M)
        self.y, steps = plain_sab.run(p.params, cfg, x, h, c, M)
        self.direct, self.edges = [], []
        for t, (_, _, _, slots, a) in enumerate(steps):
            inputs = {"h": h, "c": c, "dx": x[t], **{n: M[n] for n in slots}}

            def f(moved):
                read = [moved.get(n, M[n]) for n in range(len(a))]
                made = plain_sab.step(moved, cfg, moved["dx"], moved["h"], moved["c"], read, slots, a)
                return np.concatenate(made[:3])

            used = {name: value for name, value in p.params.items() if name not in ("V_h", "V_s", "b_y")}
            J = jacobian(f, used | inputs)
            self.direct.append({name: J[name] for name in (*used, "dx")})
            edges = []
            if t and not (cfg.k_trunc and t % cfg.k_trunc == 0):
                edges.append((t - 1, np.hstack([J["h"], J["c"], np.zeros((3 * H, H))])))
            if t == 0:
                self.direct[0] |= {"dh0": J["h"], "dc0": J["c"]}
            if cfg.mental_updates:
                edges += [
                    ((n - given + 1) * cfg.k_att - 1, np.hstack([J[n], np.zeros((3 * H, 2 * H))]))
                    for n in slots
                    if n >= given
                ]
            self.edges.append(edges)
            h, c = steps[t][:2]
        self.u = [np.concatenate(step[:3]) for step in steps]

    def paths(self, t):
        """Every path that ends in u_t: (its first step, the Jacobians of its edges, last edge first)."""
        yield t, ()
        for source, J in self.edges[t]:
            for start, earlier in self.paths(source):
                yield start, (J, *earlier)


def path_sum(p):
    """(y, gradients, number of paths)."""
    H, total, ys, n_paths = p.cfg.n_hidden, {}, [], 0
    from_u = np.vstack([p.params["V_h"], np.zeros((H, p.cfg.n_out)), p.params["V_s"]])  # (3H, O), u to y
    for row in range(p.x.shape[1]):
        graph = Graph(p, row)
        ys.append(graph.y)
        grads = {name: np.zeros(value.shape) for name, value in p.params.items()} | {
            "dx": np.zeros((len(p.x), p.cfg.n_in)),
            "dh0": np.zeros(H),
            "dc0": np.zeros(H),
        }
        for t, dy in enumerate(p.cotangent[:, row]):
            h, _, s = np.split(graph.u[t], 3)
            for name, value in (("V_h", np.outer(h, dy)), ("V_s", np.outer(s, dy)), ("b_y", dy)):
                grads[name] += value
            for start, jacobians in graph.paths(t):
                n_paths += 1
                credit = from_u @ dy
                for J in jacobians:
                    credit = credit @ J
                for name, D in graph.direct[start].items():
                    where = grads[name][start] if name == "dx" else grads[name]
                    where += np.tensordot(credit, D, 1)
        for name, value in grads.items():
            total.setdefault(name, []).append(value)
    for name in p.params:
        total[name] = sum(total[name])
    return (
        np.stack(ys, 1),
        total | {"dx": np.stack(total["dx"], 1), "dh0": np.array(total["dh0"]), "dc0": np.array(total["dc0"])},
        n_paths,
    )


@pytest.mark.parametrize("read, score, normalise, mental, cut, seed", CASES)
def test_the_gradient_is_the_sum_over_all_paths_of_credit(read, score, normalise, mental, cut, seed):
    p, model = draw(seed, read, score, normalise, mental, cut, steps=(4, 5, 6)), Model()
    analytic, tape = model.analytic(p)
    y, expected, n_paths = path_sum(p)
    np.testing.assert_allclose(model.forward(p.params, p.x, p.cfg, state=p.state)[0], y, rtol=0, atol=1e-12)
    error, where = worst_error(analytic, {name: expected[name] for name in analytic})
    assert error <= 1e-11, (where, n_paths, p)


@pytest.mark.parametrize(
    "others, expected",
    [
        (dict(k_top=0), 10),  # T = 4, one row: 1 + 2 + 3 + 4 chains
        (dict(k_top=0, k_trunc=2), 6),  # two blocks of 1 + 2
        (dict(k_top=None), 33),  # n(t) = 1 + n(t-1) + n(0) + ... + n(t-1): 1 3 8 21
        (dict(k_top=None, k_trunc=1), 15),  # skips alone: 1 2 4 8
        (dict(k_top=None, mental_updates=False), 10),
    ],
)
def test_the_enumeration_finds_as_many_paths_as_can_be_counted_by_hand(others, expected):
    p = draw(0, "none", "dot", "softmax", True, False, steps=(4,), k_att=1, **others)
    p = p._replace(
        x=p.x[:, :1],
        cotangent=p.cotangent[:, :1],
        state=p.state and p.state._replace(**{n: v[..., :1, :] for n, v in p.state._asdict().items()}),
    )
    assert path_sum(p)[2] == expected


@pytest.mark.parametrize("lost", ["a local edge", "a skip edge"])
def test_one_path_less_is_noticed(lost, monkeypatch):
    p, model = draw(3, "sparse", "dot", "softmax", True, True, steps=(6,), k_trunc=4, k_att=1), Model()
    analytic, _ = model.analytic(p)
    init = Graph.__init__

    def cripple(self, *args):
        init(self, *args)
        self.edges[5] = self.edges[5][1:] if lost == "a local edge" else self.edges[5][:1]

    monkeypatch.setattr(Graph, "__init__", cripple)
    expected = path_sum(p)[1]
    assert worst_error(analytic, {name: expected[name] for name in analytic})[0] > 1e-6
