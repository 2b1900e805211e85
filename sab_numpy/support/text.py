"""Tables of text."""

import re

NUMBER = re.compile(r"[\d.,%+e-]*")


def table(head, lines, markdown=False):
    """Lines of a table, every column as wide as its widest cell; columns of numbers stand at the right.

    markdown: with bars, all at the left.
    """
    lines = [list(map(str, line)) for line in (head, *lines)]
    columns = list(zip(*lines))
    widths = [max(map(len, column)) for column in columns]
    if markdown:
        lines.insert(1, ["-" * width for width in widths])
        return ["| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths)) + " |" for line in lines]
    sides = [">" if all(map(NUMBER.fullmatch, column[1:])) else "<" for column in columns]
    cells = [[f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths)] for line in lines]
    return ["  ".join(line).rstrip() for line in cells]
