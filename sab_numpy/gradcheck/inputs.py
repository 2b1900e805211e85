"""What a user hands over: parameters in any tree, an output of any shape, gradients for them."""

import inspect
from functools import cached_property

import numpy as np

from sab_numpy.gradcheck.derivative import noise

REPEATED = 1e-10, 1e-5  # two calls, of f or of the backward, may differ by so much, relatively: in float64, in float32


class Tree:
    """Parameters as a flat dict `point` of float64 arrays, and back; `index`: the entry of an output of `shape`."""

    def __init__(self, params, shape=(), index=None):
        self.like, self.cotangent, self.shape, self.weighed = params, None, shape, False
        if index is not None:
            self.cotangent = np.zeros(shape)
            self.cotangent[index] = 1.0
        self.point = {name: _as_float64(name, value) for name, value in self.leaves(params, "params").items()}
        if not self.point:
            raise ValueError("params holds no array: expected an array, a number, or a list, tuple or dict of them")

    def leaves(self, tree, what, like=None, name=""):
        """{name: leaf} of a tree that is built like params."""
        like = self.like if name == "" and like is None else like
        if isinstance(like, dict):
            if not isinstance(tree, dict):
                raise ValueError(f"{what} must give a dict like params, found {type(tree).__name__}")
            if odd := sorted(map(str, set(tree) ^ set(like))):
                where = "params" if odd[0] in map(str, like) else "grads"
                raise ValueError(f"params and grads must have the same names; only {where} has {odd[0]!r}")
            pairs = [(f"{name}.{key}" if name else str(key), tree[key], value) for key, value in like.items()]
        elif isinstance(like, (list, tuple)):
            if not isinstance(tree, (list, tuple)) or len(tree) != len(like):
                found = f"{len(tree)}" if isinstance(tree, (list, tuple)) else type(tree).__name__
                raise ValueError(f"{what} must give {len(like)} gradients, like params, found {found}")
            pairs = [(f"{name}[{k}]", one, value) for k, (one, value) in enumerate(zip(tree, like))]
        else:
            return {name or "params": tree}
        found = [leaf for at, one, value in pairs for leaf in self.leaves(one, what, value, at).items()]
        if len(leaves := dict(found)) < len(found):
            twice = next(key for k, (key, _) in enumerate(found) if key in dict(found[:k]))
            raise ValueError(f"params: two arrays are called {twice!r}: give one of them another name")
        return leaves

    def build(self, flat, like=None, name=""):
        """The tree of the user from a flat dict."""
        like = self.like if name == "" and like is None else like
        if isinstance(like, dict):
            return {key: self.build(flat, one, f"{name}.{key}" if name else str(key)) for key, one in like.items()}
        if isinstance(like, (list, tuple)):
            items = [self.build(flat, one, f"{name}[{k}]") for k, one in enumerate(like)]
            return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)
        return flat[name or "params"]

    def scalar(self, f, rng):
        """f of a flat dict; where it gives an array, the sum of it times a random cotangent."""

        def number(flat):
            y = f(self.build(flat))
            if not isinstance(y, (list, tuple)) and np.asarray(y).dtype.kind in "fc" and np.size(y) > 1:
                if self.cotangent is None:
                    self.shape, self.cotangent = np.shape(y), rng.standard_normal(np.shape(y))
                return (np.asarray(y) * self.cotangent).sum()
            return y

        number({name: value.copy() for name, value in self.point.items()})
        return number

    def flat(self, grads, what="grads"):
        """{name: array} of gradients; Jacobians are weighed with the cotangent."""
        if grads is None:
            verb = "give a dict like params" if "(" in what else "be a dict like params, or a function that gives one"
            raise ValueError(f"{what} must {verb}, found NoneType")
        leaves = {name: np.array(value) for name, value in self.leaves(grads, what).items()}
        if self.cotangent is not None and all(
            value.shape == self.shape + self.point[name].shape for name, value in leaves.items()
        ):
            self.weighed = True
            return {name: np.tensordot(self.cotangent, value, len(self.shape)) for name, value in leaves.items()}
        return leaves


class Gradients:
    """The gradients under test, {name: array}, and how they were made: a dict, or a function that is called twice."""

    def __init__(self, grads, tree, nondet_tol=None):
        self.tree, self.function, self.problems = tree, grads if callable(grads) else None, []
        self.values = tree.flat(grads) if self.function is None else self._called_twice(nondet_tol)
        if self.function is None:
            self.scatter = dict.fromkeys(self.values, 0.0)  # how much two calls differ
        if tree.cotangent is not None and not tree.weighed and not self.takes_dy():
            raise ValueError(
                f"f gives an array of shape {tree.shape}: grads must be a function params, dy -> gradients, or "
                "Jacobians of that shape + the parameter's"
            )
        for name, value in self.values.items():
            expected = tree.point[name].shape
            if value.dtype not in (np.float32, np.float64):
                raise ValueError(f"grads[{name!r}] must be float32 or float64, found {value.dtype}")
            if value.shape != expected:
                transposed = " (transposed?)" if value.shape == expected[::-1] else ""
                raise ValueError(
                    f"grads[{name!r}] must have the shape of params[{name!r}], {expected}, found "
                    f"{value.shape}{transposed}"
                )

    def takes_dy(self):
        """Whether grads is a function params, dy -> gradients."""
        if self.tree.cotangent is None or self.function is None:
            return False
        try:
            inspect.signature(self.function).bind(None, None)
            return True
        except TypeError:
            return False

    def at(self, point):
        """What the function gives at a point, {name: array}."""
        more = (self.tree.cotangent,) if self.takes_dy() else ()
        return self.tree.flat(self.function(self.tree.build(point), *more), "grads(params)")

    @cached_property
    def _nearby(self):
        """The function's values at seven points in a row, a millionth (float32: a thousandth) of the point apart."""
        rng, tree = np.random.default_rng(0), self.tree
        step = 1e-3 if any(value.dtype == np.float32 for value in self.values.values()) else 1e-6
        v = {name: step * value * rng.choice((-1.0, 1.0), value.shape) for name, value in tree.point.items()}
        return [self.at({name: value + k * v[name] for name, value in tree.point.items()}) for k in range(-3, 4)]

    def rounding(self, weigh):
        """The noise of weigh(values), a number, as far as a function can show it."""
        return noise([weigh(values) for values in self._nearby]) if self.function else 0.0

    def _called_twice(self, nondet_tol):
        """What the function gives, and whether it spoils params or remembers the call before."""
        point = self.tree.point
        given = {name: value.copy() for name, value in point.items()}
        first, self.scatter = self.at(point), {}
        self.problems += [
            f"the backward changes params[{name!r}]" for name in point if not np.array_equal(given[name], point[name])
        ]
        second = self.at({name: value.copy() for name, value in point.items()})
        for name, value in first.items():
            self.scatter[name] = 0.0
            if value.shape != second[name].shape or not np.array_equal(
                value, second[name], equal_nan=value.dtype.kind == "f"
            ):
                with np.errstate(invalid="ignore"):
                    apart = float(np.abs(value - second[name]).max()) if value.shape == second[name].shape else np.inf
                allowed = REPEATED[value.dtype == np.float32] if nondet_tol is None else nondet_tol
                if not apart <= allowed * np.abs(value).max():
                    self.problems.append(
                        f"backward twice gives two values of {name!r}: something is kept between the calls"
                    )
                self.scatter[name] = apart
        return first


def _as_float64(name, value):
    value = np.asarray(value)
    if value.dtype.kind != "f" or not value.size or not np.isfinite(value).all():
        found = str(value.dtype) if value.dtype.kind != "f" else "NaN or infinity" if value.size else "none"
        found += ": check its real and its imaginary part" * (value.dtype.kind == "c")
        raise ValueError(f"params[{name!r}] must hold finite floating-point numbers, found {found}")
    return np.array(value, np.float64)
