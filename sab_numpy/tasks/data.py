"""Data files in their official layouts, gzipped or not: found, read whole, checked. Nothing is downloaded."""

import gzip
import os
from functools import lru_cache

import numpy as np

from sab_numpy.support.files import judged


def folder():
    """Where the data lies: --data-dir of a command, or SAB_DATA. Raises ValueError where neither says so."""
    found = os.environ.get("SAB_DATA")
    if not found:
        raise ValueError("this task needs data: expected --data-dir DIR or the variable SAB_DATA, found neither")
    return found


def find(here, name):
    """The path of `name`, or of name.gz, in the folder `here` or one level below it; None where there is none."""
    below = sorted(entry.path for entry in os.scandir(here) if entry.is_dir()) if os.path.isdir(here) else []
    paths = (os.path.join(place, name + end) for place in (here, *below) for end in ("", ".gz"))
    return next(filter(os.path.isfile, paths), None)


def contents(here, name, size, source):
    """(bytes, path) of a data file, unpacked. ValueError where it is missing: its size in MB, where it is published."""
    path = find(here, name)
    if path is None:
        raise ValueError(f"{name} or {name}.gz is not in {here}: {size} MB, published at {source}")
    with judged(path, "cannot be read as a whole"), (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        return file.read(), path


def idx(here, name, dimensions, size):
    """(array of bytes, path) of an IDX file of so many dimensions (MNIST: big-endian sizes, then bytes)."""
    data, path = contents(here, name, size, "http://yann.lecun.com/exdb/mnist and its mirrors")
    head = 4 + 4 * dimensions
    if len(data) < head or data[:4] != bytes([0, 0, 8, dimensions]):
        raise ValueError(
            f"{path}: expected an IDX file of bytes, beginning 00 00 08 {dimensions:02x}, "
            f"found {data[:4].hex(' ') or 'nothing'} in {len(data)} bytes"
        )
    shape = [int.from_bytes(data[start : start + 4], "big") for start in range(4, head, 4)]
    count = int(np.prod(shape, dtype=object))
    if len(data) - head != count or not count:
        raise ValueError(f"{path}: its header promises {shape}, {count} bytes; found {len(data) - head}")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape), path


def classes(labels, path):
    """Labels as whole numbers 0..9. ValueError where one is not."""
    if labels.max() > 9:
        where = int(np.argmax(labels > 9))
        raise ValueError(f"{path}: label {where} is {labels[where]}, expected 0..9")
    return labels.astype(np.intp)


@lru_cache(maxsize=4)
def mnist(here, split):
    """Images (N, 28, 28) of bytes and labels (N,) of "train" or "test", from the IDX files in `here`."""
    name, *sizes = {"train": ("train", 47.0, 0.06), "test": ("t10k", 7.8, 0.01)}[split]
    images, path = idx(here, f"{name}-images-idx3-ubyte", 3, sizes[0])
    labels, beside = idx(here, f"{name}-labels-idx1-ubyte", 1, sizes[1])
    if images.shape[1:] != (28, 28):
        raise ValueError(f"{path}: expected images of 28 x 28, found {images.shape[1:]}")
    if len(images) != len(labels):
        raise ValueError(f"{beside}: expected a label for each of {len(images)} images, found {len(labels)}")
    return images, classes(labels, beside)


@lru_cache(maxsize=4)
def cifar10(here, split):
    """Images (N, 32, 32, 3) of bytes and labels (N,) of "train" (those of its five files that are there) or "test"."""
    every = [f"data_batch_{n}.bin" for n in range(1, 6)] if split == "train" else ["test_batch.bin"]
    images, labels = [], []
    for name in [name for name in every if find(here, name)] or every[:1]:
        data, path = contents(here, name, 30.7, "https://www.cs.toronto.edu/~kriz/cifar.html (binary version)")
        if not data or len(data) % 3073:
            raise ValueError(f"{path}: expected records of 3,073 bytes, found {len(data)} bytes")
        rows = np.frombuffer(data, np.uint8).reshape(-1, 3073)
        images.append(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.append(classes(rows[:, 0], path))
    return np.concatenate(images), np.concatenate(labels)


@lru_cache(maxsize=4)
def text(here, name, size, source):
    """The bytes of a text file, as an array of whole numbers 0..255."""
    data, path = contents(here, name, size, source)
    if not data:
        raise ValueError(f"{path}: expected text, found an empty file")
    return np.frombuffer(data, np.uint8)
