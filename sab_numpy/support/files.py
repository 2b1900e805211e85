"""Files that are never half-written, and arrays that are never pickled."""

import contextlib
import csv
import io
import json
import os
import stat
import tempfile
import zipfile

import numpy as np


def write_atomic(path, content, mode=0o644):
    """Write text or bytes to a temporary name beside `path`, flush it to the disk, rename it.

    A device or a pipe is written as it is.
    mode    of a new file; one that is there keeps its own
    Raises OSError, which names `path`, where nothing can be written.
    """
    path = os.fspath(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                file.write(data)
        else:
            _write_and_rename(os.path.realpath(path), data, mode)
    except OSError as error:
        folder = os.path.dirname(path) or "."
        why = error.strerror if os.path.isdir(folder) else f"there is no folder {folder}: make it first"
        raise OSError(error.errno, f"cannot be written ({why})", path) from None


def _write_and_rename(path, data, mode):
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".tmp-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode) if os.path.exists(path) else mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def save_arrays(path, arrays, meta):
    """Arrays (a dict) and `meta` (JSON) in one .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, __meta__=np.array(json.dumps(meta)), **arrays)
    write_atomic(path, buffer.getvalue())


def load_arrays(path):
    """What save_arrays wrote: (arrays, meta). ValueError for a truncated or foreign file."""
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(str(arrays.pop("__meta__")))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, AttributeError, TypeError, OSError) as error:
        raise ValueError(
            f"{path}: not a file that sab_numpy wrote, or cut short ({str(error)[:80]}); "
            "delete it and run the command again"
        ) from None


class Taken(ValueError):
    """Another process holds the lock."""


@contextlib.contextmanager
def lock(path, wait=True):
    """One process at a time holds `path`; yields the handle of path.lock, which a child process may inherit.

    wait: until the other lets go; else Taken at once. Raises ValueError when the lock file cannot be written.
    """
    name = f"{os.fspath(path)}.lock"
    try:
        handle = os.open(name, os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise ValueError(f"{name}: cannot be written ({error.strerror})") from None
    try:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except ImportError:  # Windows
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    except OSError:
        os.close(handle)
        if wait:
            raise
        raise Taken(f"{path}: another process is at work on it; try again when it is done") from None
    try:
        yield handle
    finally:
        os.close(handle)


def write_rows(path, rows, columns=None, head="", mode=0o644):
    """Write dicts as a CSV under the comment lines `head`; columns: by default every name, as they first appear."""
    text = io.StringIO()
    text.write(head)
    writer = csv.DictWriter(
        text, columns or list(dict.fromkeys(name for row in rows for name in row)), restval="", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue(), mode)


def append_row(path, row):
    """Append one row (a dict) to a CSV, under a lock, whole or not at all; a new column widens the file."""
    with lock(path):
        write_rows(path, [*(read_rows(path) if os.path.exists(path) else []), row])


def read_rows(path):
    """The rows of a CSV as dicts of strings; lines that begin with # are comments."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
