"""Text, character by character: what comes next? One stream that is cut into segments of T steps.

    ptb      Penn Treebank in Mikolov's split, 50 symbols, one newline a line (spaces around a line are dropped)
    text8    the first 100,000,000 characters of Wikipedia, a to z and space: 90 % training, 5 % validation, 5 % test
    text     any file text.txt, byte by byte, in the same shares

A batch reads B places of the text side by side. h and c go on from one segment to the next; the memory begins anew with
its empty slots, and no credit crosses the border. Microstates that were kept would be the largest there are: the dot
score finds them, h = h_hat + what is recalled is written again, and |h| grows with every segment.
All targets count; bits per character are the cross-entropy in nats divided by ln 2. text8 here may be a prefix: `about`
says so.
"""

from functools import lru_cache

import numpy as np

from sab_numpy.core.losses import softmax_cross_entropy
from sab_numpy.tasks import data

ROWS = 32  # places read side by side in a validation or a test
PTB = "\n #$&'*-./0123456789<>N\\abcdefghijklmnopqrstuvwxyz"


class Characters:
    """A task: one of the texts above."""

    METRICS = {"bpc": ("bits/char.", "cross-entropy in bits; right: the likeliest character")}

    def __init__(self, name, alphabet, files, size, source):
        self.name, self.alphabet, self.files, self.size, self.source = name, alphabet, files, size, source
        self.N_IN = self.N_OUT = len(alphabet)
        self.CHANCE = {"bpc": float(np.log2(len(alphabet)))}

    def steps(self, length):
        """Steps of a segment: `length`."""
        return length

    def about(self):
        """A line that says which data: what a result depends on."""
        sizes = [len(self.split(name)) for name in ("training", "validation", "test")]
        part = " (a prefix: not comparable with published numbers)" if self.name == "text8" and sum(sizes) < 1e8 else ""
        return f"{self.name}: {' / '.join(f'{n:,}' for n in sizes)} characters, {self.N_IN} symbols{part}"

    def split(self, name):
        """The characters of training, validation or test as whole numbers, (N,)."""
        return self.read(data.folder(), name)

    @lru_cache(maxsize=4)  # noqa: B019 (there are three, for ever)
    def read(self, here, name):
        """The same of the files in the folder `here`: an update reads a few characters, not all files again."""
        if len(self.files) == 3:
            which = ("training", "validation", "test").index(name)
            return self.encode(_lines(data.text(here, self.files[which], self.size[which], self.source)))
        found = next((file for file in self.files if data.find(here, file)), self.files[0])
        whole = data.text(here, found, self.size[0], self.source)
        a, b = len(whole) * 90 // 100, len(whole) * 95 // 100
        return self.encode(whole[{"training": slice(a), "validation": slice(a, b), "test": slice(b, None)}[name]])

    def encode(self, text):
        """Bytes -> whole numbers. ValueError for a character that is not in the alphabet."""
        number = np.full(256, -1, np.intp)
        number[[ord(letter) for letter in self.alphabet]] = np.arange(self.N_IN)
        found = number[text]
        if found.min() < 0:
            where = int(found.argmin())
            raise ValueError(
                f"{self.name}: character {where} is {chr(text[where])!r}, expected one of {self.alphabet!r}"
            )
        return found

    def decode(self, numbers):
        """Whole numbers -> text."""
        return "".join(self.alphabet[n] for n in numbers)

    def segment(self, number, length, batch):
        """Segment `number` of the training: x and targets (length, batch), and whether a pass begins with it."""
        text = self.split("training")
        row = (len(text) - 1) // batch  # characters of each of the places
        if row < length:
            raise ValueError(f"{self.name}: {len(text):,} characters are too few for {batch} rows of {length}")
        start = number % (row // length) * length
        places = start + np.arange(length)[:, None] + row * np.arange(batch)
        return text[places], text[places + 1], start == 0

    def batches(self, length, n, chunk, split):
        """A split, or its first n segments of `length`, in order, (steps, rows); target -1: no character."""
        text = self.split(split)
        text = text if n is None else text[: n * length + 1]
        count = len(text) - 1
        rows = min(ROWS, chunk, count)
        row = -(-count // rows)
        places = np.arange(row)[:, None] + row * np.arange(rows)  # (row, rows)
        there = places < count
        x, targets = text[np.where(there, places, 0)], np.where(there, text[np.where(there, places + 1, 0)], -1)
        for start in range(0, row, length):
            yield x[start : start + length], targets[start : start + length]

    @staticmethod
    def carried(tape):
        """The State that the next segment goes on from: h and c."""
        return tape.final_state._replace(memory=None)

    loss = staticmethod(softmax_cross_entropy)

    @staticmethod
    def metrics(y, targets):
        """Bits per character, and how often the likeliest character was right."""
        counted = targets >= 0
        nats, _ = softmax_cross_entropy(y.astype(np.float64), targets, counted)
        right = (y.argmax(-1) == targets)[counted]
        return {"accuracy": float(right.mean()), "bpc": float(nats / np.log(2))}


def _lines(text):
    """The lines without the spaces around them, a newline after each."""
    lines = text.tobytes().decode("latin-1").splitlines()
    return np.frombuffer("".join(line.strip() + "\n" for line in lines).encode("latin-1"), np.uint8)


BYTES = "".join(map(chr, range(256)))
ptb = Characters(
    "ptb",
    PTB,
    [f"ptb.{part}.txt" for part in ("train", "valid", "test")],
    [5.1, 0.4, 0.4],
    "Mikolov's simple-examples.tgz",
)
text8 = Characters(
    "text8", " abcdefghijklmnopqrstuvwxyz", ["text8", "text8.prefix"], [100], "http://mattmahoney.net/dc/text8.zip"
)
text = Characters("text", BYTES, ["text.txt"], [1], "wherever you like: any text")
