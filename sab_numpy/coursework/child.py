"""Runs one exercise of one student, in a process of its own. Stands alone: it imports NumPy and nothing of ours.

It reads job.json, cases.npz and the student's file from its folder, puts up a fence, calls the function and writes
plain arrays to results.npz. It knows no right answer, so there is nothing here to forge: the parent judges. The fence
(an audit hook, which Python cannot take down again) stops mistakes and mischief; it is no sandbox for hostile code.
"""

import builtins
import inspect
import io
import json
import os
import sys
import time
import traceback
import zipfile

REFUSED_MODULES = ("sab_numpy", "torch", "jax", "jaxlib", "autograd", "tensorflow", "cupy", "aesara", "pytensor")
REFUSED_EVENTS = ("os.", "subprocess.", "socket.", "ctypes.", "shutil.", "tempfile.", "winreg.", "fcntl.", "pty.",
                  "sqlite3.", "resource.", "signal.", "sys.remote_exec", "msvcrt.")
HARMLESS_EVENTS = ("os.listdir", "os.scandir", "os.walk")      # imports look into folders
LARGEST = 2**26                                                # bytes in one returned array
MODULES = ("__future__", "numpy", "math", "typing", "collections", "itertools", "functools", "dataclasses")
SLICED = ("x", "targets")                                      # a case with `calls` holds one of these for each call


def pack(tree, prefix=""):
    """A nested dict as a flat one: arrays as they are, the rest (numbers, strings, None) in one dict for JSON."""
    arrays, others = {}, {}
    for key, value in tree.items():
        if isinstance(value, dict):
            below = pack(value, f"{prefix}{key}|")
            arrays.update(below[0])
            others.update(below[1])
        elif hasattr(value, "dtype"):
            arrays[f"{prefix}{key}"] = value
        else:
            others[f"{prefix}{key}"] = value
    return arrays, others


def unpack(flat):
    tree = {}
    for name, value in flat.items():
        *path, last = name.split("|")
        branch = tree
        for key in path:
            branch = branch.setdefault(key, {})
        branch[last] = value
    return tree


def limit(megabytes, seconds):
    """Memory and processor time, where the system has such limits."""
    try:
        import resource
    except ImportError:                                        # Windows
        return
    for kind, most in (("RLIMIT_AS", megabytes * 2**20), ("RLIMIT_CPU", seconds), ("RLIMIT_CORE", 0),
                       ("RLIMIT_FSIZE", 2**27)):
        try:
            last = most + (kind == "RLIMIT_CPU")               # for time: a signal, a second later the end
            resource.setrlimit(getattr(resource, kind), (most, last))
        except (ValueError, OSError, AttributeError):
            continue                                           # macOS lacks some


def fence(allowed, readable, unreadable, violations):
    """Import numpy and the earlier parts only; read Python's own files only; write, start and connect to nothing."""
    real_import = builtins.__import__
    roots = [os.path.realpath(path) + os.sep for path in readable]
    closed = [os.path.realpath(path) + os.sep for path in unreadable]
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def student_import(name, globals=None, locals=None, fromlist=(), level=0):
        if level or name.partition(".")[0] not in allowed:
            raise ImportError(f"import of {name!r} refused: only {', '.join(allowed[1:])} may be imported")
        return real_import(name, globals, locals, fromlist, level)

    def refuse(what):
        violations.append(what)
        raise PermissionError(f"refused: {what}")

    def hook(event, args):
        if event == "import" and str(args[0]).partition(".")[0] in REFUSED_MODULES:
            raise ImportError(f"import of {args[0]!r} refused")
        elif event == "open":
            path, _, flags = args
            if isinstance(path, int) or (flags or 0) & writing:
                refuse(f"open {path!r} for writing")
            real = os.path.realpath(os.fsdecode(path)) + os.sep
            if any(real.startswith(root) for root in closed) or not any(real.startswith(root) for root in roots):
                refuse(f"read {path!r}")
        elif event.startswith(REFUSED_EVENTS) and event not in HARMLESS_EVENTS:
            refuse(event)

    sys.addaudithook(hook)
    return student_import


def plain(value, np):
    """A copy of a plain array or number; ValueError for everything else, subclasses included."""
    if type(value) in (float, int, bool) or isinstance(value, np.generic):
        value = np.asarray(value)
    if type(value) is not np.ndarray:
        raise ValueError(f"is {type(value).__name__}, expected a NumPy array")
    if value.dtype.kind not in "fiubc":
        raise ValueError(f"has dtype {value.dtype}, expected numbers")
    if value.nbytes > LARGEST:
        raise ValueError(f"has {value.nbytes:,} bytes: far too many")
    return np.array(value, order="C")


def named(returned, outputs, np):
    """({name: array}, {name: what is wrong}) of what a student's function returned; a dict gives name[key]."""
    if not isinstance(returned, (tuple, list)) or len(returned) != len(outputs):
        many = f"{len(returned)} values" if isinstance(returned, (tuple, list)) else type(returned).__name__
        return {}, {"": f"it returned {many}, expected {len(outputs)} values: {', '.join(outputs)}"}
    arrays, wrong, flat = {}, {}, {}
    for name, value in zip(outputs, returned):
        several = isinstance(value, dict)
        flat.update({f"{name}[{key}]": part for key, part in value.items()} if several else {name: value})
    for name, value in flat.items():
        try:
            arrays[name] = plain(value, np)
        except ValueError as error:
            wrong[name] = str(error)
    return arrays, wrong


def find(names, job):
    """The student's function; or a sentence, where none of that name takes these arguments."""
    function = names.get(job["function"])
    try:
        inspect.signature(function).bind(**dict.fromkeys(job["arguments"]))
        return function
    except TypeError:                                          # other arguments, or nothing that can be called
        there = {name: f"{name}({', '.join(inspect.signature(value).parameters)})" for name, value in names.items()
                 if type(value) is type(find) and value.__module__ == names["__name__"]}
    found = there.get(job["function"]) or ", ".join(there.values()) or "no function"
    return (f"expected the function {job['function']}({', '.join(job['arguments'])}), found {found[:200]}: keep the "
            "name and the arguments that the exercise gives it")


def call(function, inputs, outputs):
    """One call; or, where a case asks for many calls, each fed with what the last one returned under the same name."""
    calls = inputs.pop("calls", None)
    if calls is None:
        return function(**inputs)
    many = {name: inputs.pop(name) for name in SLICED}
    for number in range(calls):
        returned = function(**inputs, **{name: value[number] for name, value in many.items()})
        inputs.update({name: value for name, value in zip(outputs, returned) if name in inputs})
    return returned


def explain(error, file_name):
    """One line: the error, and the last line of the student's file that it passed."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file_name]
    where = f" (line {lines[-1].lineno})" if lines else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{where}"


def answer_case(function, inputs, job, np):
    """What one case gave: the arrays returned (out|...), the inputs after the call (in|...), what is wrong by name."""
    chained = "calls" in inputs
    try:
        given, wrong = named(call(function, inputs, job["outputs"]), job["outputs"], np)
    except (NotImplementedError, MemoryError):
        raise
    except Exception as error:                                 # the other cases may work
        return {}, {"": explain(error, job["file"])}
    arrays = {f"out|{name}": value for name, value in given.items()}
    return {**arrays, **({} if chained else pack(inputs, "in|")[0])}, wrong


def answer(source, job, cases, student_import=None, np=None):
    """Run every case; returns (arrays, notes) where notes has error, and wrong[case][name]."""
    np = np or sys.modules["numpy"]
    arrays, notes = {}, {"error": None, "wrong": {}}
    names = {"__name__": "student", "__builtins__": dict(vars(builtins))}
    if student_import:
        names["__builtins__"]["__import__"] = student_import
    try:
        exec(compile(source, job["file"], "exec", dont_inherit=True), names)
        function = find(names, job)
        if isinstance(function, str):
            return arrays, {**notes, "error": function}
        for number, inputs in enumerate(cases):
            given, notes["wrong"][number] = answer_case(function, inputs, job, np)
            arrays.update({f"{number}|{name}": value for name, value in given.items()})
    except BaseException as error:                             # SystemExit and KeyboardInterrupt, too
        notes["error"] = explain(error, job["file"])
    return arrays, notes


def main(folder):
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    limit(job["megabytes"], job["seconds"])
    standard = list(sys.path)                                  # Python's own modules
    sys.path.append(job["numpy_folder"])
    import numpy as np
    with np.load(os.path.join(folder, "cases.npz"), allow_pickle=False) as file:
        flat = {name: file[name] for name in file.files}
    by_number = unpack({**flat, **job["others"]})
    cases = [by_number[number] for number in sorted(by_number, key=int)]
    with open(os.path.join(folder, "student.py"), encoding="utf-8-sig") as file:
        source = file.read()
    allowed = [*MODULES]
    if job["earlier"]:
        sys.path.insert(0, folder)
        allowed.append(job["earlier"])
    violations = []
    with open(os.path.join(folder, "results.npz"), "wb") as results:
        readable = [*standard, job["numpy_folder"], folder]
        student_import = fence(allowed, readable, job["unreadable"], violations)
        started = time.perf_counter()
        arrays, notes = answer(source, job, cases, student_import, np)
        notes.update(violations=violations, seconds=time.perf_counter() - started)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for name, value in arrays.items():
                part = io.BytesIO()
                np.lib.format.write_array(part, value, allow_pickle=False)
                file.writestr(f"{name}.npy", part.getvalue())
            file.writestr("notes.json", json.dumps(notes))
        results.write(buffer.getvalue())
    os._exit(0)                                                # nothing that a student left behind runs now


if __name__ == "__main__":
    main(sys.argv[1])
