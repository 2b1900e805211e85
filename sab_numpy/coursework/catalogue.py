"""The ten exercises: what each is called, what students get of it, what the grader needs."""

import importlib
import inspect
import re
from types import FunctionType

import numpy as np

from sab_numpy.coursework.judge import expected

LINE = "# ---- students get what is above this line ----"
NAMES = ("e01_sigmoid_cross_entropy", "e02_lstm_step", "e03_lstm_step_backward", "e04_dot_scores",
         "e05_select_and_renormalise", "e06_recall_backward", "e07_the_cut", "e08_the_whole_walk", "e09_clipping",
         "e10_training_step")
NUMBERS = range(1, len(NAMES) + 1)


def exercise(number):
    """The module of exercise 1..10. ValueError for another number."""
    if number not in NUMBERS:
        raise ValueError(f"exercise must be a number from 1 to {len(NAMES)}, found {number}")
    return importlib.import_module(f"sab_numpy.coursework.exercises.{NAMES[number - 1]}")


def title(number):
    return exercise(number).__doc__.splitlines()[0].split(": ", 1)[1]


def function_name(number):
    """What the student's function is called: the one public function above the line that raises NotImplementedError."""
    return re.search(r"^def (\w+)\(.*?raise NotImplementedError", students_part(number), re.S | re.M).group(1)


def file_name(number):
    return NAMES[number - 1].replace("e", "exercise_", 1) + ".py"


def students_part(number):
    return inspect.getsource(exercise(number)).split(LINE)[0].rstrip() + "\n"


def arrays(value):
    """An example's lists as arrays."""
    if isinstance(value, dict):
        return {key: arrays(part) for key, part in value.items()}
    return np.array(value) if isinstance(value, list) else value


def example(number):
    module = exercise(number)
    return arrays(module.EXAMPLE if hasattr(module, "EXAMPLE") else module.example())


def literal(value, indent):
    """An example as Python text; its numbers are few."""
    if isinstance(value, dict):
        parts = [f"\n{indent}    {key}={literal(part, indent + '    ')}," for key, part in value.items()]
        return f"dict({''.join(parts)}\n{indent})"
    return f"np.array({value.round(4).tolist()})" if isinstance(value, np.ndarray) else repr(value)


def try_it(number):
    """What a student's file does when it is run: the answers of a tiny example beside the shapes that are expected."""
    shapes = {name: value.shape for name, value in expected(exercise(number), example(number)).items()}
    told = "".join(f"\n        {name!r}: {shape}," for name, shape in shapes.items())
    return f'''

if __name__ == "__main__":                                     # numbers to work out by hand, then to compare
    example = {literal(example(number), "    ")}
    shapes = {{{told}
    }}
    yours = {{}}
    for name, value in zip({exercise(number).OUTPUTS}, {function_name(number)}(**example)):
        parts = value.items() if isinstance(value, dict) else [("", value)]
        yours.update({{f"{{name}}[{{key}}]" if key else name: part for key, part in parts}})
    for name, shape in shapes.items():
        print(f"{{name}}: shape {{np.shape(yours.get(name))}}, expected {{shape}}", yours.get(name), sep="\\n")
'''


def number_of(text):
    """The exercise whose function a file defines, or None."""
    found = [number for number in NUMBERS if re.search(rf"^def {function_name(number)}\(", text, re.M)]
    return found[0] if len(found) == 1 else None


def student_copy(number):
    """The text of the file that a student fills in."""
    module = exercise(number)
    advice = (f"About {module.MINUTES} minutes, {module.POINTS} points. Read first: tutorials/{module.TUTORIAL}.py\n"
              f"The package's own, for afterwards: {module.PACKAGE}\n"
              f"Try it: python {file_name(number)}, then sab grade {file_name(number)}\n"
              f"Stuck: sab hint {number} --level 1")
    story, code = students_part(number).split('\n"""\n', 1)
    text = f'{story}\n\n{advice}\n"""\n{code}'.replace("from .earlier_", "from earlier_")
    return text + try_it(number)


def earlier(number, own=False):
    """(name, text) of the module of earlier parts that an exercise imports; None where it imports none.

    The grader's holds right parts, so that each exercise is graded alone. own: a student's, which takes every part that
    is an exercise from the student's own file, and so gives no solution away.
    """
    name = re.search(r"^from \.(earlier_\d+) import", students_part(number), re.M)
    if name is None:
        return None
    module = importlib.import_module(f"sab_numpy.coursework.exercises.{name.group(1)}")
    imports, parts = ["import numpy as np"], []
    for key, value in vars(module).items():
        if own and getattr(value, "__name__", "") == "reference":
            home = NAMES.index(value.__module__.rpartition(".")[2]) + 1
            imports.append(f"from {file_name(home).removesuffix('.py')} import {key}")
        elif isinstance(value, FunctionType):
            parts.append(inspect.getsource(value).replace("def reference(", f"def {key}("))
    source = "your own, from your files; the grader puts right ones in their place" if own else "right ones"
    head = f'"""The earlier parts that exercise {number} uses: {source}."""\n\n'
    return name.group(1), head + "\n".join(imports) + "\n" + "".join(f"\n\n{part}" for part in parts)
