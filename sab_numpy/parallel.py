"""Several cores: the batch in parts, one thread a part. NumPy lets go of Python's lock while it computes.

BLAS should have one thread (OPENBLAS_NUM_THREADS=1): the parts are the parallelism.
"""

from concurrent.futures import ThreadPoolExecutor

from sab_numpy.backend import namespace
from sab_numpy.backward import backward
from sab_numpy.forward import forward
from sab_numpy.losses import softmax_cross_entropy


def loss_and_gradients(params, x, targets, cfg, threads=2, loss=softmax_cross_entropy, reuse=None):
    """The same loss and gradients as forward, loss, backward over the whole batch, to rounding.

    x (T, B, n_in) or (T, B), targets as `loss` wants them; both are split along B. Returns (loss, grads, tapes);
    `reuse` takes the tapes of an earlier call. Raises ValueError for fewer sequences than threads.
    """
    xp, B = namespace(x), x.shape[1]
    if not 1 <= threads <= B:
        raise ValueError(f"threads: expected 1..{B}, the sequences of the batch, found {threads}")
    ends = [B * i // threads for i in range(threads + 1)]
    parts = [slice(*pair) for pair in zip(ends, ends[1:])]
    with ThreadPoolExecutor(threads) as pool:
        runs = list(pool.map(lambda part, old: forward(params, x[:, part], cfg, reuse=old), parts,
                             reuse or [None] * threads))
        tapes = [tape for _, tape in runs]
        value, dy = loss(xp.concatenate([y for y, _ in runs], axis=1), targets)
        grads = list(pool.map(lambda part, tape: backward(dy[:, part], tape), parts, tapes))
    return value, {name: sum(g[name] for g in grads) for name in params}, tapes
