"""Runs one exercise of one student, in a process of its own. Stands alone: it imports NumPy and nothing of ours.

It reads its job (what to call, the student's file, the inputs) from standard input, puts up a fence, calls the function
and writes plain arrays to what was its standard output. It knows no right answer, so there is nothing here to forge:
the parent judges. The fence (an audit hook, which Python cannot take down again) stops mistakes and mischief; what it
does not stop is for the sandbox around the process (isolate.py).
"""

import builtins
import inspect
import io
import json
import os
import sys
import threading
import tokenize
import traceback
import types

REFUSED_EVENTS = ("os.", "subprocess.", "socket.", "ctypes.", "shutil.", "tempfile.", "winreg.", "fcntl.", "pty.",
                  "sqlite3.", "resource.", "signal.", "sys.remote_exec", "msvcrt.")
HARMLESS_EVENTS = ("os.listdir", "os.scandir", "os.walk")      # imports look into folders
LARGEST = 2**22                                                # bytes in one returned array, and in a head
MODULES = ("__future__", "numpy", "math", "typing", "collections", "itertools", "functools", "dataclasses")
SLICED = ("x", "targets")                                      # a case with `calls` holds one of these for each call
NUMBERS = "?bhilqBHILQefdgFDG"                                 # the types of numbers that travel
READY = b"ready\n"                                             # from here on what happens is the student's doing


def dump(notes, arrays):
    """Notes (JSON) and arrays of numbers as bytes: the length of a head, the head, the numbers."""
    described = [[name, value.dtype.str, value.shape] for name, value in arrays.items()]
    head = json.dumps({"notes": notes, "arrays": described}).encode()
    return b"%d\n%b" % (len(head), head) + b"".join(value.tobytes() for value in arrays.values())


def load(data, np):
    """(notes, arrays) of what dump wrote; other bytes raise any exception. Nothing is unpickled, no size believed."""
    types_of_numbers = {np.dtype(code).str: np.dtype(code) for code in NUMBERS}
    start = data.index(b"\n", 0, 20) + 1
    at = start + min(int(data[:start]), LARGEST)
    head, arrays = json.loads(data[start:at]), {}
    for name, kind, shape in head["arrays"]:
        view = np.ndarray(tuple(shape), types_of_numbers[kind], data, at)
        arrays[name], at = view.copy(), at + view.nbytes
    return head["notes"], arrays


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


def limit(megabytes, seconds, user):
    """Memory, processor time and no further process, where the system has such limits; `user`: who to be from here on,
    as nothing limits root."""
    try:
        import resource
    except ImportError:                                        # Windows
        return
    for kind, most in (("RLIMIT_AS", megabytes * 2**20), ("RLIMIT_CPU", seconds), ("RLIMIT_CORE", 0),
                       ("RLIMIT_FSIZE", 2**27), ("RLIMIT_NPROC", 0)):
        try:
            last = most + (kind == "RLIMIT_CPU")               # for time: a signal, a second later the end
            resource.setrlimit(getattr(resource, kind), (most, last))
        except (ValueError, OSError, AttributeError):
            continue                                           # macOS lacks some
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)


def fence(allowed, readable, violations, own):
    """Import numpy and the earlier parts only; read Python's own files only; write, start and connect to nothing."""
    real_import = builtins.__import__
    roots = [os.path.realpath(path) + os.sep for path in readable]
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def student_import(name, globals=None, locals=None, fromlist=(), level=0):
        if level or name.partition(".")[0] not in allowed:
            raise ImportError(f"import of {name!r} refused: only {', '.join(allowed[1:])} may be imported")
        return real_import(name, globals, locals, fromlist, level)

    def refuse(what):
        violations.append(what)
        raise PermissionError(f"refused: {what}")

    def hook(event, args):
        if event == "open":
            path, _, flags = args
            if path == own:                                    # Python looks for the line of a syntax error
                raise FileNotFoundError(own)
            if isinstance(path, int) or (flags or 0) & writing:
                refuse(f"open {path!r} for writing")
            real = os.path.realpath(os.fsdecode(path)) + os.sep
            root = max((root for root in roots if real.startswith(root)), key=len, default=None)
            if root is None or "-packages" in real[len(root):]:         # installed beside Python
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


class Unusable(Exception):
    """A file that is no Python, or has no function of the name and arguments that are asked for."""


def find(names, job):
    """The student's function; Unusable where none of that name takes these arguments."""
    function = names.get(job["function"])
    try:
        inspect.signature(function).bind(**dict.fromkeys(job["arguments"]))
        return function
    except TypeError:                                          # other arguments, or nothing that can be called
        there = {name: f"{name}({', '.join(inspect.signature(value).parameters)})" for name, value in names.items()
                 if type(value) is type(find) and value.__module__ == names["__name__"]}
    found = there.get(job["function"]) or ", ".join(there.values()) or "no function"
    raise Unusable(f"expected the function {job['function']}({', '.join(job['arguments'])}), found {found[:200]}: keep "
                   "the name and the arguments that the exercise gives it")


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
    """What one case gave: the arrays returned (out|...) and the inputs after the call (in|...), what is wrong by name,
    and the error, if the function raised one.
    """
    chained = "calls" in inputs
    try:
        given, wrong = named(call(function, inputs, job["outputs"]), job["outputs"], np)
    except (NotImplementedError, MemoryError):
        raise
    except Exception as error:                                 # the other cases may work
        told = explain(error, job["file"])
        return {}, {"": told}, told
    arrays = {f"out|{name}": value for name, value in given.items()}
    return {**arrays, **({} if chained else pack(inputs, "in|")[0])}, wrong, None


def compiled(data, file_name):
    """The code of a student's file; Unusable, in one line, where there is none."""
    try:
        data.decode(tokenize.detect_encoding(io.BytesIO(data).readline)[0])
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise Unusable("expected a file in UTF-8, or with its encoding in the first line "
                       f"(# -*- coding: latin-1 -*-), found neither ({error}): save it as UTF-8") from None
    try:
        return compile(data, file_name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Unusable(f"Python cannot read the file: {error.msg} (line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unusable(f"Python cannot read the file ({type(error).__name__})") from None


def answer(source, job, cases, student_import=None, np=None):
    """Run every case; returns (arrays, notes) where notes has error, and wrong[case][name]."""
    np = np or sys.modules["numpy"]
    arrays, notes = {}, {"error": None, "wrong": {}, "raised": {}}
    names = {"__name__": "student", "__builtins__": dict(vars(builtins))}
    if student_import:
        names["__builtins__"]["__import__"] = student_import
    try:
        exec(compiled(source, job["file"]), names)
        function = find(names, job)
        for number, inputs in enumerate(cases):
            given, notes["wrong"][number], raised = answer_case(function, inputs, job, np)
            notes["raised"].update({number: raised} if raised else {})
            arrays.update({f"{number}|{name}": value for name, value in given.items()})
    except BaseException as error:                             # SystemExit and KeyboardInterrupt, too
        notes["error"] = str(error) if isinstance(error, Unusable) else explain(error, job["file"])
    return arrays, notes


def end_with_the_grader():
    """Standard input is open as long as the grader lives."""
    os.read(0, 1)
    os._exit(1)


def main(numpy_folder):
    results = open(os.dup(1), "wb")
    os.dup2(2, 1)                                              # what a student prints
    standard = list(sys.path)                                  # Python's own modules
    sys.path.append(numpy_folder)
    import numpy as np
    sys.path.remove(numpy_folder)                              # what else is installed there cannot be imported
    job, arrays = load(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())), np)
    source = arrays.pop("source").tobytes()
    by_number = unpack({**arrays, **job["others"]})
    cases = [by_number[number] for number in sorted(by_number, key=int)]
    allowed, violations = [*MODULES], []
    if job["earlier"]:
        name, text = job["earlier"]
        allowed.append(name)
        sys.modules[name] = types.ModuleType(name)
        exec(compile(text, name, "exec"), vars(sys.modules[name]))
    threading.Thread(target=end_with_the_grader, daemon=True).start()
    limit(job["megabytes"], job["seconds"], job["user"])
    student_import = fence(allowed, [*standard, os.path.dirname(np.__file__)], violations, job["file"])
    results.write(READY)
    results.flush()
    arrays, notes = answer(source, job, cases, student_import, np)
    results.write(dump({**notes, "violations": violations}, arrays))
    results.flush()
    os._exit(0)                                                # nothing that a student left behind runs now


if __name__ == "__main__":
    main(sys.argv[1])
