"""Adam (Kingma and Ba 2015), the gradient's global norm clipped first; pure: new parameters."""

from sab_numpy.core.backend import namespace


def global_norm(grads):
    """sqrt of the sum of the squares of all entries, a 0-d array (no synchronisation on a GPU).

    Squares of float32 overflow from 1.8e19 on, which relu's slopes reach: then the entries are
    divided by the largest.
    """
    xp = namespace(*grads.values())
    norm = xp.sqrt(sum((g * g).sum() for g in grads.values()))
    largest = xp.stack([abs(g).max() for g in grads.values()]).max() + 1e-30
    large = largest * xp.sqrt(sum(((g / largest) ** 2).sum() for g in grads.values()))
    return xp.where(xp.isfinite(norm), norm, large)


def clip_gradients(grads, clip):
    """Scaled so that the global norm is at most `clip`, above 0; returns (grads, norm before)."""
    if not 0 < clip < float("inf"):
        raise ValueError(f"clip must be above 0 and finite (None: no clipping), found {clip}")
    norm = global_norm(grads)
    scale = clip / namespace(*grads.values()).maximum(norm, clip)
    return {name: g * scale for name, g in grads.items()}, norm


def adam_init(params):
    """Moments of zero: a dict of arrays m_NAME, v_NAME, and step, a whole number."""
    return {"step": 0} | {f"{m}_{name}": 0 * value for m in "mv" for name, value in params.items()}


def adam_step(params, grads, state, lr, clip=None, betas=(0.9, 0.999), eps=1e-8):
    """One update. Returns (params, state, norm of the gradient before clipping)."""
    if clip is None:
        norm = global_norm(grads)
    else:
        grads, norm = clip_gradients(grads, clip)
    step = state["step"] + 1
    rate = lr * (1 - betas[1] ** step) ** 0.5 / (1 - betas[0] ** step)     # moments begin at 0
    eps = eps * (1 - betas[1] ** step) ** 0.5
    new_params, new_state = {}, {"step": step}
    for name, g in grads.items():
        m = new_state[f"m_{name}"] = betas[0] * state[f"m_{name}"] + (1 - betas[0]) * g
        v = new_state[f"v_{name}"] = betas[1] * state[f"v_{name}"] + (1 - betas[1]) * (g * g)
        new_params[name] = params[name] - rate * m / (v ** 0.5 + eps)
    return new_params, new_state, norm
