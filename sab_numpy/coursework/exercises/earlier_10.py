"""What exercise 10 supplies: the earlier parts, and the loss with its gradients, made of them."""

import numpy as np

from .e02_lstm_step import reference as lstm_step  # noqa: F401
from .e03_lstm_step_backward import reference as lstm_step_backward  # noqa: F401
from .e04_dot_scores import reference as dot_scores  # noqa: F401
from .e05_select_and_renormalise import reference as select_and_renormalise  # noqa: F401
from .e06_recall_backward import reference as recall_backward  # noqa: F401
from .e08_the_whole_walk import forward
from .e08_the_whole_walk import reference as walk
from .e09_clipping import reference as clip_gradients  # noqa: F401


def loss_and_gradients(params, x, targets):
    """Mean cross-entropy of a SAB with K = 2, k_trunc = 4, k_att = 1, and the gradient of every parameter."""
    y, tape = forward(x, params, K=2, k_att=1)                 # (T, B, O)
    p = np.exp(y - y.max(axis=2, keepdims=True))               # (T, B, O)
    p /= p.sum(axis=2, keepdims=True)
    hit = np.arange(y.shape[2]) == targets[:, :, None]         # (T, B, O)
    loss = -np.log(p[hit]).mean()
    dy = (p - hit) / targets.size                              # (T, B, O)
    return loss, walk(dy, x, tape, params, 4, 1)[1]
