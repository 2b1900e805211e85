"""Files that are never half-written, and arrays that are never pickled."""

import contextlib
import csv
import errno
import hashlib
import io
import json
import math
import os
import platform
import stat
import tempfile
import time
import zipfile
from glob import escape, glob

import numpy as np

LONGEST_WRITE = 60.0  # seconds: a temporary name that is older belongs to a process that was killed
SHOWN = 60  # characters of a file's name in that of its temporary one, which must not be too long (255 bytes)


def write_atomic(path, content, mode=0o644, before=None):
    """Write text or bytes to a temporary name beside `path`, flush it to the disk, rename it.

    A device or a pipe is written as it is.
    mode    of a new file; one that is there keeps its own
    before  the name that the file which is there now will have
    Raises OSError, which names `path`, where nothing can be written.
    """
    path, data = os.fspath(path), content.encode() if isinstance(content, str) else content
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                file.write(data)
        else:
            _write_and_rename(os.path.realpath(path), data, mode, before)
    except OSError as error:
        raise unwritable(path, error.errno) from None


def unwritable(path, number):
    """The OSError of a `path` that cannot be written, for the reason of this number."""
    folder = os.path.dirname(path) or "."
    why = os.strerror(number) if os.path.isdir(folder) else f"there is no folder {folder}: make it first"
    return OSError(number, f"cannot be written ({why})", path)


def check_place(path):
    """Before any work: OSError, as of write_atomic, where no file can be written at `path`."""
    if os.path.isdir(path):
        raise unwritable(path, errno.EISDIR)
    device = os.path.exists(path) and not os.path.isfile(path)
    place = path if device else os.path.dirname(os.path.realpath(path))
    if not os.path.exists(place):
        raise unwritable(path, errno.ENOENT)
    if not os.access(place, os.W_OK):
        raise unwritable(path, errno.EACCES)


def check_folder(path):
    """Before any work: ValueError where a file stands in the way of the folder `path`."""
    place = os.path.abspath(path)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise ValueError(f"expected a folder, found the file {os.path.relpath(place)}")


def _write_and_rename(path, data, mode, before):
    folder, name = os.path.split(path)
    sweep(folder, name, LONGEST_WRITE)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".tmp-{name[:SHOWN]}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        there = os.path.exists(path)
        os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode) if there else mode)
        if there and before:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(before)
            try:
                os.link(path, before)  # a second name, so that the first is there at any moment
            except OSError:  # a file system without links
                os.replace(path, before)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def sweep(folder, name="", age=0.0):
    """Remove what killed writers of `name` (or of any name) left in the folder, if it is older than `age` seconds."""
    for path in glob(os.path.join(escape(folder), f".tmp-{escape(name[:SHOWN])}*")):
        with contextlib.suppress(OSError):
            if time.time() - os.stat(path).st_mtime >= age:
                os.unlink(path)


class Damaged(ValueError):
    """A file that is not there, or that is not what was written."""


def said(error):
    """What an exception says, in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


@contextlib.contextmanager
def judged(path, expected, kind=ValueError):
    """Whatever goes wrong with what `path` holds is one ValueError (of this kind), in one line."""
    try:
        yield
    except Exception as error:
        raise kind(f"{path}: {expected} ({said(error)[:200]})") from None


def save_arrays(path, arrays, meta, before=None):
    """Arrays (a dict) and `meta` (JSON) in one .npz. It ends, as the comment of the zip, in the SHA-256 of the rest."""
    buffer = io.BytesIO()
    np.savez(buffer, __meta__=np.array(json.dumps(meta)), **arrays)
    data = buffer.getvalue()[:-2] + b"\x40\0"  # a comment of 64 bytes
    write_atomic(path, data + hashlib.sha256(data).hexdigest().encode(), before=before)


def load_arrays(path):
    """What save_arrays wrote: (arrays, meta). Raises Damaged, in one line, for whatever else there may be.

    A file of an earlier version has no checksum: the CRC of its members has to do. All numbers must be finite.
    """
    if not os.path.isfile(path):
        raise Damaged(f"{path}: no such file")
    with judged(path, "damaged, or not a file that sab_numpy wrote", Damaged):
        with open(path, "rb") as file:
            data = file.read()
        earlier = data[-22:-18] == b"PK\5\6" and data[-2:] == b"\0\0"  # the end of a zip without a comment
        if not earlier and hashlib.sha256(data[:-64]).hexdigest().encode() != data[-64:]:
            raise ValueError("its checksum is another")
        arrays = dict(_members(data))
        return arrays, json.loads(str(arrays.pop("__meta__")))


def _members(data):
    """(name, array) of each member of an .npz."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        for member in file.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError("its members are compressed")
            stream = io.BytesIO(file.read(member))
            array = np.lib.format.read_array(stream, allow_pickle=False)
            if stream.read(1) or array.dtype.kind not in "fciuU":
                raise ValueError(f"{member.filename} is no array of numbers")
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                raise ValueError(f"{member.filename} holds NaN or infinity")
            yield member.filename.removesuffix(".npy"), array


class Taken(ValueError):
    """Another process holds the lock."""

    def __init__(self, message, holder):
        super().__init__(message)
        self.holder = holder


@contextlib.contextmanager
def lock(path, wait=True):
    """One process at a time holds `path`; yields the handle of path.lock, which a child process may inherit.

    wait: until the other lets go; else Taken at once. Raises OSError when the lock file cannot be written.
    """
    name = f"{os.path.realpath(path)}.lock"  # one, by whatever name the file is called
    with os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
        try:
            _claim(file.fileno(), wait)
        except OSError:
            if wait:
                raise
            holder = _holder(file)
            raise Taken(
                f"{path}: another process is at work on it{holder}; try again when it is done", holder
            ) from None
        with contextlib.suppress(OSError):  # a full disk: nobody can be told who we are
            file.truncate(0)
            file.write(f"\n{os.getpid()} {platform.node()}\n".encode())
        try:
            yield file.fileno()
        finally:
            with contextlib.suppress(OSError):
                file.truncate(0)


def _holder(file):
    """Who wrote its number into a lock file: " (process 4711)", or nothing."""
    with contextlib.suppress(OSError, ValueError):
        file.seek(1)  # Windows locks the first byte for reading, too
        number, _, host = file.read(300).decode().partition(" ")
        there = "" if host.strip() == platform.node() else f" on {host.strip()}"
        return f" (process {int(number)}{there})"
    return ""


def _claim(handle, wait):
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


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


def append_rows(path, rows, columns=(), key=None, head=""):
    """Append rows (dicts) to a CSV, under a lock, all or none; a new column widens the file, comments stay.

    columns  what a file that is there must have, see read_rows
    key      a function of a row: a new row replaces one that has the same
    head     comment lines of a new file
    """
    with lock(path):
        old, head = _read(path, columns) if os.path.isfile(path) else ([], head)
        kept = {key(row) if key else number: row for number, row in enumerate([*old, *rows])}
        write_rows(path, list(kept.values()), head=head)


def check_table(path, columns):
    """Before any work: ValueError or OSError where no rows with these columns could be put into a CSV at `path`."""
    if os.path.isfile(path) or os.path.isdir(path):
        read_rows(path, columns)
    check_place(path)


def read_rows(path, columns=()):
    """The rows of a CSV as dicts of strings; lines above the head that begin with #, and "# " below, are comments.

    columns  {name: what makes a value of the text of a cell}, the columns that must be there (but for those of maybe)
    Raises ValueError, with the line, for a file that is cut short, a row that is not as long as the head, a column
    that is not there, and a cell of which no value can be made.
    """
    return _read(path, columns)[0]


def _read(path, columns):
    """(rows, comment lines)."""
    with judged(path, "not a table"), open(path, newline="", encoding="utf-8") as file:
        lines = list(file)
        if lines and not lines[-1].endswith("\n"):
            raise ValueError(f"line {len(lines)} is cut short")
    head, rows, comments = None, [], ""
    for number, line in enumerate(lines, 1):
        if line.startswith("# " if head else "#"):
            comments += line
            continue
        with judged(f"{path}, line {number}", "not a row of this table" if head else "not the head of this table"):
            cells = next(csv.reader([line], strict=True))
            if any('"' in cell and '"' + cell.replace('"', '""') + '"' not in line for cell in cells):
                raise ValueError("a quote stands in a cell that is not in quotes")
            if head is None:
                head = cells
                if lacking := [name for name in columns if name not in head and columns[name] is not maybe]:
                    raise ValueError(f"expected a column {lacking[0]}, found {','.join(head)}")
                if len(set(head)) < len(head):
                    raise ValueError("two columns have one name")
                continue
            if len(cells) != len(head):
                raise ValueError(f"expected {len(head)} cells, found {len(cells)}")
            rows.append(dict(zip(head, cells)))
            for name in rows[-1].keys() & columns:
                with judged(name, f"{rows[-1][name]!r:.40}"):
                    columns[name](rows[-1][name])
    if head is None:
        raise ValueError(f"{path}: not a table (it has no head line)")
    return rows, comments


def whole(text):
    """A whole number of at least 0."""
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("expected a whole number")
    return int(text)


def number(text, least=-math.inf, most=math.inf):
    """A finite number."""
    value = float(text)
    if not (least <= value <= most and math.isfinite(value)):
        raise ValueError(f"expected a number of {least:g} to {most:g}")
    return value


def share(text):
    return number(text, 0, 1)


def maybe(text):
    """A number, or None for nothing."""
    return number(text) if text else None
