"""Blocks: whole tensors, or the gates of stacked ones."""

from typing import NamedTuple

import numpy as np


class Block(NamedTuple):
    """One tensor, or columns `start` to `stop` of its last axis."""

    label: str
    name: str
    gate: str | None = None
    start: int | None = None
    stop: int | None = None


def split(point, gates):
    """The Blocks of a dict of arrays; gates, such as {"W_x": "ifgo"}, names the equal parts of a last axis."""
    for name, parts in gates.items():
        if name not in point or point[name].ndim == 0 or point[name].shape[-1] % len(parts):
            raise ValueError(f"gates: {name!r} must be a parameter whose last axis divides by {len(parts)}")
    blocks = []
    for name, value in point.items():
        if name not in gates:
            blocks.append(Block(name, name))
            continue
        width = value.shape[-1] // len(gates[name])
        blocks += [
            Block(f"{name}.{gate}", name, gate, k * width, (k + 1) * width) for k, gate in enumerate(gates[name])
        ]
    return blocks


def part(value, block):
    """The view of an array that a block stands for."""
    return value if block.gate is None else value[..., block.start : block.stop]


def whole_index(block, index):
    """An index within the block as an index of the whole tensor."""
    return tuple(index) if block.gate is None else (*index[:-1], index[-1] + block.start)


def moves(point, block, v):
    """{name: array} that moves the block along v and leaves the rest of its tensor where it is."""
    if block.gate is None:
        return {block.name: v}
    move = np.zeros_like(point[block.name])
    part(move, block)[...] = v
    return {block.name: move}
