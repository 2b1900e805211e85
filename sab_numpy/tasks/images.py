"""Images, pixel by pixel: which digit or thing was it? One step a pixel, one answer at the last step (Ke et al. 2018).

    mnist      784 steps of one grey value, row by row        pmnist      the same pixels in one fixed random order
    mnist14    196 steps: squares of 2 x 2 pixels are one      pmnist14    the same in one fixed random order
    cifar10    1,024 steps of red, green, blue

Values lie in 0..1. Chance is 10 %. The last tenth of the training images is the validation set. An update draws its
images at random, so an epoch is as many draws as there are images.
"""

import hashlib
from functools import cached_property

import numpy as np

from sab_numpy.core.backend import namespace
from sab_numpy.core.losses import softmax_cross_entropy
from sab_numpy.tasks import data

ORDER_SEED = 0  # of the fixed random order


class Images:
    """A task: one of the sets above. side: pixels of an edge; n_in: numbers a pixel."""

    N_OUT, ANSWERS = 10, 1
    CHANCE = {"accuracy": 1 / 10, "ce": float(np.log(10))}

    METRICS = {"ce": ("CE", "nats of the last step")}
    SHADES = " .:-=+*#%@"

    def __init__(self, name, read, side, n_in=1, permuted=False):
        self.name, self.read, self.side, self.N_IN, self.permuted = name, read, side, n_in, permuted
        self.LENGTH = side * side

    def steps(self, length):
        """Steps of a sequence. ValueError where `length` is not that of the images."""
        if length != self.LENGTH:
            raise ValueError(f"{self.name} has {self.LENGTH} steps, found T={length}")
        return length

    @cached_property
    def order(self):
        """The pixel that each step shows, (steps,)."""
        if not self.permuted:
            return np.arange(self.LENGTH)
        return np.random.default_rng(ORDER_SEED).permutation(self.LENGTH)

    def about(self):
        """A line that says which data and which order: what a result depends on."""
        images, _ = self.split("training")
        mark = hashlib.sha256(self.order.astype("<i8").tobytes()).hexdigest()[:12]
        order = f"in a fixed random order (seed {ORDER_SEED}, sha256 {mark})" if self.permuted else "row by row"
        return f"{self.name}: {len(images):,} training images, {self.LENGTH} steps, {order}"

    def split(self, name):
        """(images as bytes (N, H, W) or (N, H, W, 3), labels (N,)) of training, validation or test."""
        images, labels = self.read(data.folder(), "test" if name == "test" else "train")
        held = len(images) - max(1, len(images) // 10)
        part = {"training": slice(held), "validation": slice(held, None), "test": slice(None)}[name]
        return images[part], labels[part]

    def pixels(self, images):
        """Bytes (N, H, W[, 3]) -> x (steps, N, n_in), float32 in 0..1."""
        n, wide = len(images), images.shape[1]
        squares = images.reshape(n, self.side, wide // self.side, self.side, wide // self.side, self.N_IN)
        flat = squares.mean((2, 4), dtype=np.float32).reshape(n, self.LENGTH, self.N_IN) / np.float32(255)
        return np.ascontiguousarray(flat[:, self.order].swapaxes(0, 1))

    def sequences(self, length, batch, rng):
        """`batch` training images, drawn at random: x (steps, B, n_in) and targets (1, B)."""
        self.steps(length)
        images, labels = self.split("training")
        drawn = rng.integers(0, len(images), batch)
        return self.pixels(images[drawn]), labels[drawn][None]

    def count(self, split):
        """Images of a split."""
        return len(self.split(split)[1])

    def tell(self, x, y, targets):
        """Lines about one image, its pixels in their places: x (steps, 1, n_in), y (steps, 1, 10), targets (1, 1)."""
        grey = np.empty(self.LENGTH)
        grey[self.order] = x[:, 0].mean(-1)
        shades = np.minimum((grey * len(self.SHADES)).astype(int), len(self.SHADES) - 1).reshape(self.side, -1)
        rows = ["".join(2 * self.SHADES[n] for n in row) for row in shades]  # a letter is twice as high as wide
        return [*rows, f"should say {targets[0, 0]}", f"says       {y[-1, 0].argmax()}"]

    def batches(self, length, n, chunk, split):
        """The first n images of a split (None: all), a chunk at a time, as sequences() gives them."""
        self.steps(length)
        images, labels = self.split(split)
        for start in range(0, len(images[:n]), chunk):
            part = slice(start, min(start + chunk, len(images[:n])))
            yield self.pixels(images[part]), labels[part][None]

    def loss(self, y, targets):
        """Cross-entropy of the last step: (loss, dy), dy (T, B, 10) zero before it."""
        dy = namespace(y).zeros_like(y)
        value, dy[-1:] = softmax_cross_entropy(y[-1:], targets)
        return value, dy

    def metrics(self, y, targets):
        """Accuracy and cross-entropy of the last step."""
        value, _ = softmax_cross_entropy(y[-1:].astype(np.float64), targets)
        return {"accuracy": float((y[-1:].argmax(-1) == targets).mean()), "ce": float(value)}

    def recalls(self, slots, cfg, x):
        """Of the recalls at the last step, the share that went to empty slots and to states after a pixel with ink."""
        last = slots[-1]  # (B, K)
        there, empty = last >= 0, last < cfg.n_empty
        states = np.where(there & ~empty, cfg.written_at(last - cfg.n_empty), 0)
        ink = x[states, np.arange(x.shape[1])[:, None]].any(2) & there & ~empty
        return {"recalls_empty": float(empty[there].mean()), "recalls_input": float(ink[there].mean())}


mnist = Images("mnist", data.mnist, 28)
pmnist = Images("pmnist", data.mnist, 28, permuted=True)
mnist14 = Images("mnist14", data.mnist, 14)
pmnist14 = Images("pmnist14", data.mnist, 14, permuted=True)
cifar10 = Images("cifar10", data.cifar10, 32, n_in=3)
