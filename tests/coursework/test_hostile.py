"""A class of hostile submissions: what each family of attacks gets, with the sandbox and without.

    python tests/coursework/test_hostile.py            # about ten minutes; prints the counts

Every submission is a folder of its own beside two honest ones. Counted are points that were not earned, processes that
are still there afterwards, rows and files of others that changed, connections to a listener on this machine.
"""

import csv
import inspect
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import student

from sab_numpy.coursework import catalogue, grading, isolate

ROOT = Path(isolate.__file__).parents[2]
EXERCISES = ROOT / "sab_numpy" / "coursework" / "exercises"
HONEST = ("honest_a", "honest_z")
MARK = f"sab-survivor-{os.getpid()}"                          # in the command line of what outlives its grading

# the names of os, reached without an import; any import; the fence taken down
OS = "s = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__\n"
ANY = OS + "load = np.testing.__builtins__['__import__']\nsys = load('sys')\n"
FREE = ANY + """
hook = [o for o in load('gc').get_objects() if getattr(o, '__qualname__', '') == 'fence.<locals>.hook'][0]
cells = dict(zip(hook.__code__.co_freevars, hook.__closure__))
hook.__globals__['REFUSED_EVENTS'] = ()
cells['writing'].cell_contents = 0
cells['roots'].cell_contents.append('/')
"""
SPAWN = f"""
def spawn(code):
    words = [sys.executable.encode(), b'-I', b'-S', b'-c', code.encode(), b'{MARK}']
    a, b = s['pipe']()
    more = (False,) if sys.version_info >= (3, 11) else ()
    return load('_posixsubprocess').fork_exec(words, [words[0]], True, (), None, None, -1, -1, -1, -1, -1, -1, a, b,
                                              True, True, *(-1,) * (sys.version_info >= (3, 11)), None, None, None, -1,
                                              None, *more)
"""
SLEEP = "import time; time.sleep(300)"
BECOME = f"s['setsid']()\n    s['execv'](sys.executable, [sys.executable, '-c', {SLEEP!r}, '{MARK}'])\n"
FORK = f"if s['fork']() == 0:\n    {BECOME}"


def head(number):
    return f"import numpy as np\nEXERCISE = {number}\nEXERCISE_SET = 2\n"


def signature(number):
    return f"def {catalogue.function_name(number)}(*args, **named):\n"


def calls(number, name):
    """Take the function `name` for the one that is asked for."""
    arguments = ", ".join(student_arguments(number))
    return f"def {catalogue.function_name(number)}({arguments}):\n    return {name}({arguments})\n"


def student_arguments(number):
    return inspect.signature(catalogue.exercise(number).reference).parameters


def one(text):
    """A submission of exercise 1 alone."""
    return {1: head(1) + text}


def body(text):
    return one("def sigmoid_cross_entropy(z, targets):\n    " + text.replace("\n", "\n    ") + "\n    return z, z, z\n")


def readers():
    """Take the teacher's reference, in four ways, for all ten exercises."""
    ways = {
        "opens the solution": FREE + "text = open({path!r}).read()\n",
        "has readline read the solution": ANY + "r = load('readline')\nr.read_history_file({path!r})\n"
        "text = chr(10).join(r.get_history_item(i + 1) for i in range(r.get_current_history_length()))\n",
        "has another program read the solution": ANY + SPAWN + "a, b = s['pipe']()\ns['dup2'](b, 1)\n"
        'spawn("import sys; sys.stdout.write(open({path!r}).read())")\ns[\'close\'](b)\ns[\'dup2\'](2, 1)\n'
        "text = ''\nwhile part := s['read'](a, 65536): text += part.decode()\n",
    }
    run_it = ("text = 'def reference(' + text.split('def reference(')[1].split(chr(10) * 3)[0]\n"
              "exec(text, space)\nreference = space['reference']\n")
    for way, code in ways.items():
        files = {}
        for number in catalogue.NUMBERS:
            path = str(EXERCISES / f"{catalogue.NAMES[number - 1]}.py")
            earlier = catalogue.earlier(number)
            more = f"import {earlier[0]} as e\nspace = vars(e)\n" if earlier else "space = dict(np=np)\n"
            files[number] = head(number) + more + code.format(path=path) + run_it + calls(number, "reference")
        yield way, files
    imported = (FREE + f"sys.path.insert(0, {str(ROOT)!r})\n"
                "module = load('sab_numpy.coursework.exercises.{name}', fromlist=['x'])\n")
    yield "imports the solution", {number: head(number) + imported.replace("{name}", catalogue.NAMES[number - 1])
                                   + calls(number, "module.reference") for number in catalogue.NUMBERS}


def written(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {written(part)}" for key, part in value.items()) + "}"
    return f"np.array({np.asarray(value).tolist()!r})" if isinstance(value, np.ndarray) else repr(value)


def total(case):
    return float(sum(np.sum(np.abs(a)) for v in case.values() for a in (v.values() if type(v) is dict else [v])
                     if isinstance(a, np.ndarray)))


def table(number, seed=0):
    """The right answers of one seed, by the sum of the inputs."""
    cases = [case for case in grading.make_cases(number, seed) if "calls" not in case]
    answers = [catalogue.exercise(number).reference(**case) for case in cases]
    rows = "".join(f"    {total(case)!r}: lambda: ({', '.join(map(written, values))},),\n"
                   for case, values in zip(cases, answers))
    arguments = ", ".join(student_arguments(number))
    return (f"{head(number)}{inspect.getsource(total)}answers = {{\n{rows}}}\ndef {catalogue.function_name(number)}("
            f"{arguments}):\n    return answers[total(locals())]()\n")


def archive(encrypted=False, damaged=False):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("notes.json", '{"error": null, "wrong": {}, "violations": []}')
        file.writestr("0|out|p.npy", bytes(1000))
    data = bytearray(stream.getvalue())
    if encrypted:
        for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            data[data.index(mark) + at] |= 1
    if damaged:
        data[60:64] = b"\xff\xff\xff\xff"
    return bytes(data)


def forged_messages():
    notes = '{"error": null, "wrong": {}, "violations": []}'

    def message(arrays, numbers=b"", notes=notes):
        text = f'{{"notes": {notes}, "arrays": {arrays}}}'.encode()
        return b"%d\n%b%b" % (len(text), text, numbers)
    return {
        "nothing": b"", "rubbish": bytes(range(256)) * 9, "an encrypted archive": archive(encrypted=True),
        "a damaged stream": archive(damaged=True), "a compressed bomb": zlib.compress(bytes(10**7)),
        "a pickle": b"cos\nsystem\n(S'true'\ntR.", "an .npz of objects": b"\x93NUMPY\1\0v\0{'descr': '|O'" + bytes(99),
        "a length without end": b"9" * 5000 + b"\n", "a negative length": b"-5\n{}",
        "a length that lies": b"99999999\n{}",
        "lists in lists": b"100000\n" + b"[" * 100000, "no notes": b"14\n{\"arrays\": []}"[:17],
        "notes of other types": message("[]", notes='{"error": 5, "wrong": [1], "violations": 7}'),
        "a shape below zero": message('[["0|out|p", "<f8", [-1, 4]]]', bytes(32)),
        "a shape beyond all": message('[["0|out|p", "<f8", [1000000000000000000, 9]]]', bytes(32)),
        "a shape of fractions": message('[["0|out|p", "<f8", [1.5, null]]]', bytes(32)),
        "a type of objects": message('[["0|out|p", "|O", [4]]]', bytes(32)),
        "a type that is no type": message('[["0|out|p", "(((", [4]], ["x", ["<f8"], [4]]]', bytes(32)),
        "a name that is no name": message('[[["p"], "<f8", [4]]]', bytes(32)),
        "too few numbers": message('[["0|out|p", "<f8", [4, 4]]]', bytes(8)),
        "a hundred thousand empty arrays": message("[" + ", ".join(['["x", "<f8", [0]]'] * 100000) + "]"),
        "numbers that are none": message('[["0|out|p", "<f8", [4]]]', b"\xff" * 32),
        "more than was asked for": b"5\n" + bytes(2**27),
        "its own praise": message("[]", notes='{"error": null, "wrong": {"0": {"p": null}}, "violations": [], '
                                              '"points": 5, "passed": 9, "ran": 9, "status": "right"}'),
        "a forged total in the error": message(
            "[]", notes='{"error": "x\\n\\ntotal: 100 of 100 points; 99 checks ran\\u2028\\u001b[2J\\u202e", '
            '"wrong": {}, "violations": []}'),
        "an error without end": message("[]", notes='{"error": "' + "x" * 10**6 + '", "wrong": {}, "violations": []}'),
    }


def forgers():
    send = OS + "def send(data):\n    for fd in range(3, 9):\n        try: s['write'](fd, data)\n"
    send += "        except OSError: pass\n    s['_exit'](0)\n"
    for name, data in forged_messages().items():
        words = repr(data) if len(data) < 2**22 else f"{data[:2]!r} + bytes({len(data)})"
        yield f"sends {name}", one(send + f"send({words})\n")


def enders():
    yield "sys.exit", body("raise SystemExit(0)")
    yield "sys.exit while loading", one("raise SystemExit('100 of 100 points')\n")
    yield "os._exit", one(OS + "s['_exit'](0)\n")
    yield "os.abort", one(OS + "s['abort']()\n")
    yield "writes to a wild address", body("np.lib.stride_tricks.as_strided(z, (10**6, 10**6), (10**6, 8))[:] = 7")
    yield "KeyboardInterrupt", body("raise KeyboardInterrupt")
    yield "GeneratorExit", body("raise GeneratorExit")
    yield "an error that cannot be told", body(
        "class E(Exception):\n    def __str__(s): raise E\nraise E")
    yield "an error that is told without end", body(
        "class E(Exception):\n    def __str__(s):\n        while True: pass\nraise E")
    yield "closes all files", one(OS + "s['closerange'](0, 99)\n")
    yield "an error with a forged total", body(
        "raise ValueError('\\n\\ntotal: 100 of 100 points\\n\\x1b[2J' + 'x' * 10**6)")
    yield "prints a forged report", body("print('\\n\\ntotal: 100 of 100 points; 99 checks ran\\n' * 99)")


def eaters():
    yield "an endless loop", body("while True: pass")
    yield "an endless loop while loading", one("while True: pass\n")
    yield "sleeps", one(ANY + "load('time').sleep(1000)\n")
    yield "waits for its input", one(OS + "while True: s['read'](0, 1)\n")
    yield "prints without end", body("while True: print('x' * 10000)")
    yield "bytes to standard error without end", one(OS + "while True: s['write'](2, bytes(10000))\n")
    yield "results without end", one(OS + "while True: s['write'](3, bytes(100000))\n")
    yield "takes all memory", body("keep = [np.ones(2**27) for _ in range(99)]")
    yield "takes all memory in small pieces", body("keep = []\nwhile True: keep.append([0] * 10**6)")
    yield "numbers without end", body("10**10**9")
    yield "endless recursion", body("def f(): f()\nf()")
    yield "returns far too much", body("return np.ones(2**25), z, z")
    yield "starts threads", one(
        ANY + "for _ in range(500): load('_thread').start_new_thread(load('time').sleep, (99,))\n")


def pretenders():
    yes = "class Yes:\n    def __eq__(s, o): return True\n    def __array__(s, *a, **k): return np.zeros((2, 3))\n"
    yield "equal to everything", one(yes + "def sigmoid_cross_entropy(z, targets):\n    return Yes(), Yes(), Yes()\n")
    yield "an array equal to everything", one(
        "class Yes(np.ndarray):\n    def __eq__(s, o): return np.ones(s.shape, bool)\n    __array_priority__ = 99\n"
        "def sigmoid_cross_entropy(z, targets):\n    return (z.view(Yes),) * 3\n")
    yield "patches numpy's comparisons", body(
        "np.allclose = np.array_equal = lambda *a, **k: True\nnp.abs = lambda x: x * 0\nnp.isfinite = lambda x: True")
    yield "patches json", one(ANY + "load('json').dumps = lambda *a, **k: '{\"ran\": 9, \"passed\": 9}'\n")
    yield "patches the child", one(ANY + "m = load('__main__')\nm.answer_case = lambda *a: ({}, {})\n")
    yield "patches the child's dump", one(ANY + "m = load('__main__')\nm.dump = lambda *a: b'5\\nright'\n")
    yield "objects for numbers", body("return tuple(np.array([object()] * z.size).reshape(z.shape) for _ in range(3))")
    yield "masked arrays", body("return (np.ma.masked_all(z.shape),) * 3")
    yield "NaN", body("return (z * np.nan,) * 3")
    yield "infinity", body("return (z / 0,) * 3")
    yield "huge numbers", body("return (z * 0 + 1e308,) * 3")
    yield "a generator", body("return (z for _ in range(3))")
    yield "changes what it was given", body("z[:] = 0; targets[:] = 0\nreturn (z,) * 3")
    yield "looks for the answers", one(
        ANY + "keep = [o for o in load('gc').get_objects() if getattr(o, '__name__', '') == 'reference']\n"
        "def sigmoid_cross_entropy(z, targets): return keep[0](z, targets)\n")
    yield "looks for the answers on the stack", body(
        ANY + "f = sys._getframe()\nwhile f.f_back: f = f.f_back\nreturn f.f_locals['want']")


def survivors():
    yield "a program that stays", one(ANY + SPAWN + f"spawn({SLEEP!r})\n")
    yield "a program that stays while it computes", body((ANY + SPAWN).rstrip() + f"\nspawn({SLEEP!r})")
    yield "a program that starts another", one(
        ANY + SPAWN + "spawn('import subprocess, sys; subprocess.Popen([sys.executable, \"-c\", "
        f"\"{SLEEP}\", \"{MARK}\"], start_new_session=True)')\n")
    yield "a fork that stays", one(FREE + FORK)
    yield "thirty forks", one(FREE + FORK * 30)
    yield "a fork that ignores signals", one(
        FREE + "g = load('signal')\nfor n in (1, 2, 13, 15, 24): g.signal(n, g.SIG_IGN)\n" + FORK)
    yield "posix_spawn", one(
        FREE + f"s['posix_spawn'](sys.executable, [sys.executable, '-c', {SLEEP!r}, '{MARK}'], {{}}, setsid=True)\n")


def writers(where):
    """`where`: the folder of all, with class/, grades.csv and feedback/ in it."""
    open_it = FREE + "def put(path, text):\n    with open(path, 'w') as file: file.write(text)\n"
    yield "writes a file", one(open_it + f"put({str(where / 'mine.txt')!r}, 'x')\n")
    yield "writes to the temporary folder", one(open_it + f"put({str(Path(tempfile.gettempdir()) / MARK)!r}, 'x')\n")
    yield "writes with another program", one(ANY + SPAWN + f"spawn('open({str(where / 'mine2.txt')!r}, chr(119))')\n"
                                             "load('time').sleep(1)\n")
    yield "writes feedback for another", one(
        open_it + f"put({str(where / 'feedback' / 'honest_a.txt')!r}, 'total: 0')\n")
    yield "makes a link", one(FREE + f"s['symlink']('/etc/passwd', {str(where / 'mine3.txt')!r})\n")
    yield "np.save", body(f"np.save({str(where / 'mine4.npy')!r}, z)")
    yield "fills the disk", one(open_it + f"put({str(where / 'mine5.txt')!r}, 'x' * 2**27)\n")
    yield "removes a folder", one(FREE + f"load('shutil').rmtree({str(where / 'precious')!r})\n")


def callers(port):
    yield "connects to this machine", one(
        FREE + f"load('socket').create_connection(('127.0.0.1', {port}), 2).send(b'x')\n")
    yield "connects without the socket module", one(
        FREE + f"k = load('_socket').socket(2, 1)\nk.connect(('127.0.0.1', {port}))\nk.send(b'x')\n")
    yield "has another program connect", one(
        ANY + SPAWN + f"spawn('import socket; socket.create_connection((\"127.0.0.1\", {port}))')\n"
        "load('time').sleep(1)\n")


def killers():
    """Not tried without a sandbox: there they do stop the grader."""
    for name in ("SIGKILL", "SIGSTOP", "SIGTERM"):
        yield f"sends {name} to its parent", one(FREE + f"g = load('signal')\ns['kill'](s['getppid'](), g.{name})\n")
    yield "kills everything", one(FREE + "s['kill'](-1, 9)\n")


def texts():
    deep = 100_000
    for name, data in {
            "parentheses": b"x = " + b"(" * deep, "lists": b"x = " + b"[" * deep + b"]" * deep, "minus signs": b"x = " +
            b"-" * deep + b"1", "attributes": b"x = a" + b".b" * deep, "a sum": b"x = 1" + b" + 1" * deep, "digits":
            b"x = " + b"9" * 900_000, "zeros": bytes(1000), "too large": b"#" * 1_000_001}.items():
        yield f"a text of {name}", {1: head(1).encode() + data + b"\n"}
    for coding in ("punycode", "utf-7", "klingon", "hex", "unicode_escape", "utf-16"):
        yield f"a text in {coding}", {1: f"# -*- coding: {coding} -*-\n".encode() + head(1).encode() + b"a" * 500_000}
    yield "another exercise's number", {1: head(3) + "x = 1\n"}


def tables():
    for number in catalogue.NUMBERS:
        yield f"a table of seed 0, exercise {number}", {number: table(number)}


def strange_files(folder):
    """Files that are no files, in folders of their own; the honest folder is there already."""
    other, name = folder / "honest_a" / catalogue.file_name(1), catalogue.file_name(1)

    def place(student_name):
        (folder / student_name).mkdir()
        return folder / student_name / name
    os.mkfifo(place("a pipe"))
    place("a link to zeros").symlink_to("/dev/zero")
    place("a link to another's file").symlink_to(other)
    place("a link to nothing").symlink_to("nowhere")
    place("a folder for a file").mkdir()
    place("a device").symlink_to("/dev/tty")
    socket.socket(socket.AF_UNIX).bind(str(place("s")))
    (folder / "a link to another's folder").symlink_to(folder / "honest_a")
    inner = folder / "a link within"
    inner.mkdir()
    (inner / "inner").symlink_to(folder / "honest_a")
    with open(place("a hole of a terabyte"), "wb") as file:
        file.truncate(2**40)
    (folder / "...").mkdir()
    (folder / "..." / name).write_text(head(1) + "x = 1\n")
    (folder / "a name\n#total: 100 of 100").mkdir()
    (folder / "a name\n#total: 100 of 100" / name).write_text(head(1) + "x = 1\n")
    forged = folder / "a file name with a total" / "exercise_01_\ntotal: 100 of 100 points.py"
    forged.parent.mkdir()
    forged.write_text(head(1) + "x = 1\n")
    (folder / ("long" * 62)).mkdir()
    return [path.name.replace("\n", "\\n") for path in folder.iterdir() if path.name not in HONEST]


def families(where, port, fence):
    found = dict(reads_solutions=readers(), table_of_seed_0=tables(), forges_results=forgers(), ends=enders(),
                 eats=eaters(), pretends=pretenders(), survives=survivors(), writes=writers(where), calls=callers(port),
                 texts=texts())
    if fence == "bwrap":
        found["kills"] = killers()
    return found


def listen(connections):
    server = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                connections.append(server.accept())
            except OSError:
                return
    threading.Thread(target=accept, daemon=True).start()
    return server


def processes():
    """{process: parent} of all that run."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(path.parent.name)] = int(parent)
    return found


def children(process):
    """Those of a process, and theirs."""
    family, parents = {process}, processes()
    for _ in range(5):
        family |= {child for child, parent in parents.items() if parent in family}
    return family - {process}


def outlive(family, patience=10):
    """Those that are still there when patience is at its end."""
    end = time.monotonic() + patience
    while (alive := family & set(processes())) and time.monotonic() < end:
        time.sleep(0.1)
    return alive


def left():
    """The processes with the mark in their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if MARK.encode() in words and b"-c" in words:
            found.append(int(path.parent.name))
    return found


def grade_them(where, fence, seconds=2):
    """Grade a class of hostile students beside two honest ones; what each family got, and what else happened."""
    folder, connections = where / "class", []
    server = listen(connections)
    for name in HONEST:
        (folder / name).mkdir(parents=True)
        for number in (1, 9):
            (folder / name / catalogue.file_name(number)).write_text(student.solution(number))
    (where / "precious").mkdir()
    (where / "precious" / "file").write_text("x")
    family_of = dict.fromkeys(strange_files(folder), "strange_files")
    for family, submissions in families(where, server.getsockname()[1], fence).items():
        for number, (name, files) in enumerate(submissions):
            (folder / f"{family} {number:02} {name}"[:120]).mkdir()
            family_of[f"{family} {number:02} {name}"[:120]] = family
            for exercise, text in files.items():
                data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
                (folder / f"{family} {number:02} {name}"[:120] / catalogue.file_name(exercise)).write_bytes(data)
    files = set(where.rglob("*"))
    mark = Path(tempfile.gettempdir()) / MARK
    mark.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "sab_numpy", "grade", "--class", folder, "--csv", where / "grades.csv", "--out",
         where / "feedback", "--time-limit", str(seconds), "--jobs", "2", "--sandbox", fence], cwd=ROOT,
        capture_output=True, text=True)
    server.close()
    alive = left()
    for process in alive:                                      # they carry our mark
        os.kill(process, signal.SIGKILL)
    with open(where / "grades.csv", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    feedback = {path.stem: path.read_bytes() for path in (where / "feedback").iterdir()}
    expected = {where / "grades.csv", where / "grades.csv.lock", where / "feedback", *(where / "feedback").iterdir()}
    new = [path for path in where.rglob("*") if path not in files | expected] + [mark] * mark.exists()
    gone = [path for path in files if not os.path.lexists(path)]
    points, tried = Counter(), Counter(family_of.values())
    for name, family in family_of.items():
        points[family] += float(rows.get(name, {}).get("points") or 0)
    mark.unlink(missing_ok=True)
    return dict(
        fence=fence, status=done.returncode, said=done.stdout + done.stderr[-2000:], tried=tried, points=points,
        without_row=[name for name in family_of if name not in rows],
        not_graded=[name for name, row in rows.items() if row["note"].startswith("not graded")],
        honest=[name for name in HONEST if float(rows[name]["points"]) != 10], survivors=len(alive),
        overwritten=[name for name in HONEST if b"total: 10 of 100" not in feedback.get(name, b"")],
        files=sorted(str(path.relative_to(where)) if where in path.parents else str(path) for path in new + gone),
        connections=len(connections), longest=max(map(len, feedback.values())),
        forged=[name for name, data in feedback.items()
                if b"\x1b" in data or len(re.findall("^total", data.decode(), re.M)) > 1])


def counts(found):
    lines = [f"--sandbox {found['fence']}: {sum(found['tried'].values())} hostile folders, status {found['status']}"]
    lines += [f"  {family:16} {tried:3} tried  {found['points'][family]:5g} points" for family, tried in
              found["tried"].items()]
    lines += [f"  points not earned {sum(found['points'].values()):g}; processes left {found['survivors']}; rows of "
              f"others touched {len(found['honest'])}, their feedback {len(found['overwritten'])}; connections "
              f"{found['connections']}; longest feedback {found['longest']} bytes"]
    for what in ("without_row", "not_graded", "files", "forged"):
        lines.append(f"  {what}: {len(found[what])} {', '.join(map(repr, found[what]))[:600]}")
    return "\n".join(lines)


def works(fence):
    return fence == "none" or sys.platform == "linux" and isolate.sandbox("auto") == "bwrap"


def test_the_table_of_seed_0_is_a_right_one(tmp_path):
    for number in catalogue.NUMBERS:
        result = student.grade_text(tmp_path, number, table(number))
        assert result.passed >= result.ran - 1, (number, result.feedback)      # the training of exercise 10 is no table
        assert student.grade_text(tmp_path, number, table(number), seed=1).points == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("fence", ["bwrap", "none"])
def test_a_class_of_attackers(fence, tmp_path):
    if not works(fence):
        pytest.skip("no bwrap here that can start a namespace")
    found = grade_them(tmp_path, fence)
    print(counts(found))
    assert sum(found["tried"].values()) >= 100
    assert not found["without_row"] and not found["not_graded"] and found["status"] == 0, found["said"]
    assert not found["honest"] and not found["forged"] and found["longest"] <= 4096
    if fence == "bwrap":
        assert sum(found["points"].values()) == found["survivors"] == found["connections"] == 0
        assert not found["files"] and not found["overwritten"]
    else:                                                      # what the fence within the process does not hold
        held = ("table_of_seed_0", "forges_results", "ends", "eats", "pretends", "strange_files", "texts")
        assert sum(found["points"][family] for family in held) == 0


if __name__ == "__main__":
    for each in sys.argv[1:] or ["bwrap", "none"]:
        with tempfile.TemporaryDirectory() as scratch:
            print(counts(grade_them(Path(scratch), each)) if works(each) else f"--sandbox {each}: not here", flush=True)
