"""Blocks: whole tensors, or the gates of stacked ones."""

from typing import NamedTuple

import numpy as np


class Block(NamedTuple):
    """One tensor, or columns `start` to `stop` of its last axis: a gate."""

    label: str
    name: str
    gate: str | None = None
    start: int | None = None
    stop: int | None = None

    def part(self, arrays):
        """The view of arrays[name] that the block stands for."""
        value = arrays[self.name]
        return value if self.gate is None else value[..., self.start : self.stop]

    def whole(self, index):
        """An index within the block as one of the whole tensor, in plain numbers."""
        index = [int(i) for i in index]
        return tuple(index if self.gate is None else [*index[:-1], index[-1] + self.start])

    def moves(self, point, v):
        """{name: array} that moves the block along v and leaves the rest of its tensor where it is."""
        if self.gate is None:
            return {self.name: v}
        move = {self.name: np.zeros_like(point[self.name])}
        self.part(move)[...] = v
        return move


def split(point, gates):
    """The Blocks of a dict of arrays; gates, such as {"W_x": "ifgo"}, names the equal parts of a last axis."""
    for name, parts in gates.items():
        if not parts or name not in point or point[name].ndim == 0 or point[name].shape[-1] % len(parts):
            raise ValueError(
                f"gates: {name!r} must be a parameter whose last axis divides by {len(parts)}, found gates {parts!r}"
            )
    blocks = []
    for name, value in point.items():
        parts = gates.get(name, ())
        width = value.shape[-1] // len(parts) if parts else 0
        blocks += [Block(f"{name}.{gate}", name, gate, k * width, (k + 1) * width) for k, gate in enumerate(parts)]
        blocks += [] if parts else [Block(name, name)]
    return blocks
