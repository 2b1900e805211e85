"""The floor of a train step: its matrix products alone, each in the fastest form that was found, and nothing else.

No gates, no selection, no gathering, no softmax, no loss. The products are those that the mathematics asks for:

    forward    chunks   x W_x, h V_h, s V_s
               a step   h W_h;  query W_q, scores (written microstates . query), summary (weights . recalled ones)
    backward   a step   dz W_h^T;  ds . recalled, da . recalled, dquery W_q^T, (w, da)^T (ds, query) for the recalled
               chunks   dy V_h^T, dy V_s^T, and the weights' gradients x^T dz, h^T dz, h^T dquery, h^T dy, s^T dy

What stands after a semicolon, and all of V_s, is for models that recall. A chunk is 16 steps, and the
transposed weights are laid out once: of the forms that were timed, the fastest.
"""

import numpy as np

CHUNK = 16


class Floor:
    """`forward()` and `backward()` do the products of `steps` steps of `cfg` on batches of B, on random numbers."""

    def __init__(self, cfg, steps, B, rng):
        D, H, O = cfg.n_in, cfg.n_hidden, cfg.n_out
        self.cfg, self.steps, self.B = cfg, steps, B
        self.chunks = [(lo, min(lo + CHUNK, steps)) for lo in range(0, steps, CHUNK)]
        self.W = {
            name: self._random(rng, *shape)
            for name, shape in {"x": (D, 4 * H), "h": (H, 4 * H), "q": (H, H), "V": (H, O)}.items()
        }
        self.W_T = {name: np.ascontiguousarray(value.T) for name, value in self.W.items()}
        rows = min(CHUNK, steps) * B
        self.x, self.z, self.h, self.y = (self._random(rng, rows, width) for width in (D, 4 * H, H, O))
        self.new = {width: np.empty((rows, width), np.float32) for width in (4 * H, H, O)}
        self.step = {width: np.empty((B, width), np.float32) for width in (4 * H, H)}
        self.slots = 1 + steps // cfg.k_att if cfg.k_top != 0 else 0
        self.memory = self._random(rng, B, self.slots, H)
        widest = self.slots if cfg.k_top is None else min(cfg.k_top, self.slots)
        self.recalled = self._random(rng, B, widest, H)
        self.scores = np.empty((B, max(self.slots, 1), 1), np.float32)
        self.weights = self._random(rng, B, 2, widest)  # w and da
        self.pair = self._random(rng, B, 2, H)  # ds and the query
        self.drecalled = np.empty((B, widest, H), np.float32)

    @staticmethod
    def _random(rng, *shape):
        return rng.standard_normal(shape, dtype=np.float32)

    def read(self, t):
        """(microstates written before step t, how many of them step t recalls)."""
        written = t // self.cfg.k_att
        return written, min(written, written if self.cfg.k_top is None else self.cfg.k_top)

    def forward(self):
        H, O, W, B = self.cfg.n_hidden, self.cfg.n_out, self.W, self.B
        for lo, hi in self.chunks:
            n = (hi - lo) * B
            np.matmul(self.x[:n], W["x"], out=self.new[4 * H][:n])
            for t in range(lo, hi):
                np.matmul(self.h[:B], W["h"], out=self.step[4 * H])
                written, K = self.read(t) if self.slots else (0, 0)
                if K:
                    query = np.matmul(self.h[:B], W["q"], out=self.step[H])
                    np.matmul(self.memory[:, :written], query[:, :, None], out=self.scores[:, :written])
                    np.matmul(self.weights[:, :1, :K], self.recalled[:, :K])
            for _ in range(1 + bool(self.slots)):
                np.matmul(self.h[:n], W["V"], out=self.new[O][:n])

    def backward(self):
        H, W_T, B = self.cfg.n_hidden, self.W_T, self.B
        for lo, hi in reversed(self.chunks):
            n = (hi - lo) * B
            for _ in range(1 + bool(self.slots)):
                np.matmul(self.y[:n], W_T["V"], out=self.new[H][:n])
                np.matmul(self.h[:n].T, self.y[:n])
            for t in reversed(range(lo, hi)):
                np.matmul(self.z[:B], W_T["h"], out=self.step[H])
                K = self.read(t)[1] if self.slots else 0
                if K:
                    np.matmul(self.recalled[:, :K], self.pair[:, 0, :, None])
                    np.matmul(self.weights[:, 1:, :K], self.recalled[:, :K])
                    np.matmul(self.h[:B], W_T["q"], out=self.step[H])
                    np.matmul(self.weights[:, :, :K].transpose(0, 2, 1), self.pair, out=self.drecalled[:, :K])
            np.matmul(self.x[:n].T, self.z[:n])
            np.matmul(self.h[:n].T, self.z[:n])
            if self.slots:
                np.matmul(self.h[:n].T, self.h[:n])
