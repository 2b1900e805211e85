"""How much a microstate M_n has to say to a query: three scores, each forward and backward.

    dot       a_n = (h_hat W_q) . M_n / sqrt(H)
    mlp       a_n = w_a . tanh(M_n W_m + h_hat W_q)                           (Ke et al. 2018)
    additive  a_n = w_q . tanh(h_hat) + w_m . tanh(M_n)                       (the authors' release)

Each is split the same way: key(M) once when a state is written, query(h_hat) once a step, score(query, keys) for
many slots. Sizes: queries (B, Q), keys (B, N, Q); Q is H, or 1 for additive.
query and query_backward take params that prepare() has seen. The gradients of the parameters are products over many
steps and slots at once: query_gradients, key_gradients.
"""


def key_width(cfg):
    """Q."""
    return 1 if cfg.score == "additive" else cfg.n_hidden


def key(xp, M, params, cfg):
    """(..., H) -> (..., Q). For dot the microstate is its own key."""
    if cfg.score == "dot":
        return M
    if cfg.score == "mlp":
        return M @ params["W_m"]
    return (xp.tanh(M) @ params["w_m"])[..., None]


def key_backward(xp, dkey, M, params, cfg):
    """dM (..., H) of key(M)."""
    if cfg.score == "dot":
        return dkey
    if cfg.score == "mlp":
        return dkey @ params["W_m"].T
    return dkey * params["w_m"] * (1 - xp.tanh(M) ** 2)


def key_gradients(xp, dkeys, M, cfg):
    """Gradients of the key's parameters, summed over all rows of dkeys (..., Q) and M (..., H)."""
    if cfg.score == "dot":
        return {}
    dkeys, M = dkeys.reshape(-1, dkeys.shape[-1]), M.reshape(-1, M.shape[-1])
    if cfg.score == "mlp":
        return {"W_m": M.T @ dkeys}
    return {"w_m": xp.tanh(M).T @ dkeys[:, 0]}


def prepare(params, cfg):
    """params, and query: W_q with dot's 1 / sqrt(H) taken in; query_T: the same transposed, for the way back."""
    if cfg.score == "additive":
        return params
    W = params["W_q"] * cfg.n_hidden ** -0.5 if cfg.score == "dot" else params["W_q"]
    return params | {"query": W, "query_T": W.T.copy()}


def query(xp, h_hat, params, cfg):
    """(..., H) -> (..., Q)."""
    if cfg.score == "additive":
        return (xp.tanh(h_hat) @ params["w_q"])[..., None]
    return h_hat @ params["query"]


def query_backward(xp, dquery, h_hat, params, cfg):
    """dh_hat (..., H) of query(h_hat)."""
    if cfg.score == "additive":
        return dquery * params["w_q"] * (1 - xp.tanh(h_hat) ** 2)
    return dquery @ params["query_T"]


def query_gradients(xp, dquery, h_hat, cfg):
    """Gradients of the query's parameters, summed over all rows of dquery (R, Q) and h_hat (R, H)."""
    if cfg.score == "dot":
        return {"W_q": h_hat.T @ dquery * cfg.n_hidden ** -0.5}
    if cfg.score == "mlp":
        return {"W_q": h_hat.T @ dquery}
    return {"w_q": xp.tanh(h_hat).T @ dquery[:, 0]}


def score(xp, q, keys, params, cfg):
    """q (B, Q), keys (B, N, Q) -> a (B, N)."""
    if cfg.score == "dot":
        return (keys @ q[:, :, None])[:, :, 0]
    if cfg.score == "mlp":
        return xp.tanh(keys + q[:, None]) @ params["w_a"]
    return keys[:, :, 0] + q


def score_backward(xp, da, q, keys, params, cfg):
    """da (B, K) of the selected slots -> dq (B, Q), dkeys (B, K, Q), and the gradient of w_a where there is one.

    Not for dot, whose keys are the microstates: backward.py makes both credits of a microstate in one product.
    """
    if cfg.score == "mlp":
        u = xp.tanh(keys + q[:, None])                                        # (B, K, Q)
        dkeys = da[:, :, None] * params["w_a"] * (1 - u * u)
        return dkeys.sum(1), dkeys, {"w_a": da.reshape(-1) @ u.reshape(-1, u.shape[-1])}
    return da.sum(1, keepdims=True), da[:, :, None], {}
