"""How much a microstate M_n has to say to the provisional state h_hat: three scores.

    dot       a_n = (h_hat W_q) . M_n / sqrt(H)
    mlp       a_n = w_a . tanh(M_n W_m + h_hat W_q)                        (Ke et al. 2018)
    additive  a_n = w_q . tanh(h_hat) + w_m . tanh(M_n)                    (the authors' release)

All are split the same way: a key of each microstate, once, when it is written; a query of h_hat,
once a step; then the query is compared with many keys. Keys and queries are both projections of a
state, so a score is a row of the table SCORES: the names of its weights, and how it compares.

Sizes: query (B, Q), keys (B, N, Q), scores a (B, N); Q is H, or 1 for additive.
"""

from typing import Any, NamedTuple

# ---- projections of a state v (..., H) to (..., Q)


def project(xp, v, W):
    """v W for a matrix W (H, H), tanh(v) . W for a vector W (H,), v itself where W is None."""
    if W is None:
        return v
    return v @ W if W.ndim == 2 else (xp.tanh(v) @ W)[..., None]


def project_backward(xp, dp, v, W, W_T=None):
    """dv (..., H). W_T: a transposed W, laid out for a faster product."""
    if W is None:
        return dp
    if W.ndim == 2:
        return dp @ (W.T if W_T is None else W_T)
    return dp * W * (1 - xp.tanh(v) ** 2)


def project_gradient(xp, dp, v, W):
    """dW, summed over all rows of dp (..., Q) and v (..., H)."""
    dp, v = dp.reshape(-1, dp.shape[-1]), v.reshape(-1, v.shape[-1])
    return v.T @ dp if W.ndim == 2 else xp.tanh(v).T @ dp[:, 0]


# ---- comparisons: f(xp, query, keys, weight) -> a, and f_backward(xp, da, query, keys, weight) for
# ---- K selected keys, da (B, K) -> dquery (B, Q), dkeys (B, K, Q), dweight (None without a weight)


class Outer(NamedTuple):
    """The array left[:, :, None] * right[:, None], (B, K, Q), not yet multiplied out."""

    left: Any                  # (B, K)
    right: Any                 # (B, Q)


def dot(xp, query, keys, weight):
    return (keys @ (query * query.shape[1] ** -0.5)[:, :, None])[:, :, 0]


def dot_backward(xp, da, query, keys, weight):
    dproduct = da * query.shape[1] ** -0.5                                 # query . keys
    return (dproduct[:, None] @ keys)[:, 0], Outer(dproduct, query), None


def mlp(xp, query, keys, weight):
    return xp.tanh(keys + query[:, None]) @ weight


def mlp_backward(xp, da, query, keys, weight):
    u = xp.tanh(keys + query[:, None])                                     # (B, K, Q)
    dkeys = da[:, :, None] * weight * (1 - u * u)
    return dkeys.sum(1), dkeys, da.reshape(-1) @ u.reshape(-1, u.shape[-1])


def add(xp, query, keys, weight):
    return keys[:, :, 0] + query


def add_backward(xp, da, query, keys, weight):
    return da.sum(1, keepdims=True), da[:, :, None], None


class Score(NamedTuple):
    """The weights of query and key (None: the state itself), the comparison and its own weight."""

    query: str | None
    key: str | None
    weight: str | None
    compare: Any
    compare_backward: Any

    def shapes(self, H):
        """Shapes of its weights by name: W_... is a matrix, w_... a vector."""
        names = [name for name in (self.key, self.query, self.weight) if name]
        return {name: (H, H) if name.startswith("W") else (H,) for name in names}

    def width(self, H):
        """Q, the size of a key."""
        return 1 if (self.query or "W").startswith("w") else H


SCORES = {  # name: Score(query, key, weight, compare, compare_backward)
    "dot": Score("W_q", None, None, dot, dot_backward),
    "mlp": Score("W_q", "W_m", "w_a", mlp, mlp_backward),
    "additive": Score("w_q", "w_m", None, add, add_backward),
}
