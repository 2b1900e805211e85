"""The ten exercises: references that are right, solutions that pass, copies that do not overwrite work."""

import argparse
import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import student

import sab_numpy
from sab_numpy import cli
from sab_numpy.cli import exercises as exercises_command
from sab_numpy.cli import hint as hint_command
from sab_numpy.coursework import EXERCISE_SET, catalogue, edits, grading
from sab_numpy.coursework.grading import grade, make_cases
from sab_numpy.coursework.judge import expected
from sab_numpy.coursework.relations import close

ALL = pytest.mark.parametrize("number", catalogue.NUMBERS)


@ALL
def test_the_solution_gets_all_points(number, tmp_path):
    result = student.grade_text(tmp_path, number, student.solution(number), seed=3)
    assert (result.status, result.points) == ("right", result.possible), result.feedback
    assert result.ran == result.passed > 0


@ALL
def test_the_untouched_copy_gets_nothing(number, tmp_path):
    result = student.grade_text(tmp_path, number, catalogue.student_copy(number))
    assert (result.status, result.points, result.ran) == ("failed", 0, 0)
    assert result.feedback == [f"exercise {number}: not written yet"]


@ALL
@pytest.mark.parametrize("text", ["", "# nothing\n", "def (", "EXERCISE = 77\nEXERCISE_SET = 2\n", "x = '\0'"])
def test_what_cannot_be_checked_gets_nothing(number, text, tmp_path):
    result = student.grade_text(tmp_path, number, text)
    assert (result.status, result.points, result.ran, len(result.feedback)) == ("failed", 0, 0, 1)


LATIN = "# -*- coding: latin-1 -*-\n# caf\u00e9\n"


@pytest.mark.parametrize("data", [LATIN.encode("latin-1"), LATIN.replace("latin-1", "utf-8").encode(),
                                  "# caf\u00e9\n".encode("utf-8-sig")], ids=["latin-1", "utf-8", "with a mark"])
def test_letters_are_read_in_the_encoding_that_the_file_names(data, tmp_path):
    file = tmp_path / catalogue.file_name(1)
    for ends in (b"\n", b"\r\n"):
        file.write_bytes((data + student.solution(1).encode()).replace(b"\n", ends))
        assert grading.grade_exercise(1, file).status == "right"


@pytest.mark.parametrize("data", ["# caf\u00e9\n".encode("latin-1"), "\n\n\n# caf\u00e9\n".encode("latin-1"),
                                  b"# coding: klingon\n", b"# coding: hex\n", "x = 1".encode("utf-16")])
def test_letters_that_cannot_be_read_are_one_sentence(data, tmp_path):
    file = tmp_path / catalogue.file_name(1)
    file.write_bytes(data + student.solution(1).encode())
    result = grading.grade_exercise(1, file)
    assert result.points == 0 and len(result.feedback) == 1
    assert result.feedback[0].startswith("exercise 1: expected a file in UTF-8, or with its encoding in the first line")


@ALL
def test_another_exercise_set_is_refused(number, tmp_path):
    text = student.solution(number).replace("EXERCISE_SET = 2", "EXERCISE_SET = 3")
    result = student.grade_text(tmp_path, number, text)
    assert result.points == 0 and "exercise set 3, this grader has set 2" in result.feedback[0]


@ALL
def test_an_exercise_is_complete(number):
    module = catalogue.exercise(number)
    assert (module.EXERCISE, module.EXERCISE_SET, len(module.HINTS)) == (number, EXERCISE_SET, 3)
    asked, answered = getattr(module, catalogue.function_name(number)), module.reference
    assert list(inspect.signature(asked).parameters) == list(inspect.signature(answered).parameters)
    copy = catalogue.student_copy(number)
    assert "HINTS" not in copy and "def reference" not in copy and "sab_numpy" not in copy
    ast.parse(copy)
    assert max(map(len, copy.splitlines())) <= 120


def test_the_points_make_a_hundred_and_the_first_takes_five_minutes():
    assert sum(catalogue.exercise(number).POINTS for number in catalogue.NUMBERS) == 100
    assert catalogue.exercise(1).MINUTES == 5


def test_the_solutions_are_not_in_the_package():
    package = Path(sab_numpy.__file__).parent
    own = {student.solution(number) for number in catalogue.NUMBERS}
    assert not any(file.read_text(encoding="utf-8") in own for file in package.rglob("*.py"))


@ALL
def test_every_listed_mistake_runs_and_changes_the_numbers(number):
    module = catalogue.exercise(number)
    cases = [case for case in make_cases(number, 0)[:-1] if "calls" not in case]
    right = [expected(module, case) for case in cases]
    for edit in edits.listed(module):
        answers = [edit.answer(*numbered) for numbered in enumerate(cases)]
        assert all(answers), edit.message
        same = [close(answer[name], good[name]) for answer, good in zip(answers, right) for name in good]
        assert not all(same), edit.message


# ---- the references are the derivatives of the forward passes that the texts quote ----

def complex_step(f, inputs, name, cotangents):
    """Gradient of sum(cotangents * f(inputs)) with respect to one input, entry by entry."""
    value = inputs[name]
    gradient = np.zeros(value.shape)
    for index in np.ndindex(*value.shape):
        moved = value.astype(complex)
        moved[index] += 1e-30j
        outputs = f(**{**inputs, name: moved})
        gradient[index] = sum((c * o).sum().imag for c, o in zip(cotangents, outputs)) / 1e-30
    return gradient


def agree(found, numeric):
    np.testing.assert_allclose(found, numeric, rtol=1e-11, atol=1e-12 * np.abs(numeric).max())


def test_reference_1_is_the_derivative_of_the_loss():
    def loss(z, targets):
        p = 0.5 * (1 + np.tanh(z / 2))
        return [-(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()]

    case = make_cases(1, 1)[0]
    agree(catalogue.exercise(1).reference(**case)[2], complex_step(loss, case, "z", [np.ones(())]))


def test_reference_3_is_the_derivative_of_reference_2():
    rng, step = np.random.default_rng(0), catalogue.exercise(2).reference
    case = make_cases(2, 1)[0]
    i, f, g, o, c, _ = step(**case)
    dh_hat, dc = rng.normal(size=(2, *c.shape))
    given = {name: case[name] for name in ("x", "h_prev", "c_prev", "W_x", "W_h")}
    answers = catalogue.exercise(3).reference(dh_hat, dc, i=i, f=f, g=g, o=o, c=c, **given)
    names = ("z", "c_prev", "x", "h_prev", "W_x", "W_h", "b")
    for name, found in list(zip(names, answers))[1:]:
        agree(found, complex_step(lambda **k: step(**k)[4:], case, name, [dc, dh_hat]))


def test_reference_4_is_the_derivative_of_its_scores():
    case = make_cases(4, 1)[1]
    answers = catalogue.exercise(4).reference(**case)
    for name, found in zip(("M", "h_hat", "W_q"), answers[1:]):
        agree(found, complex_step(lambda **k: catalogue.exercise(4).reference(**k)[:1], case, name, [case["da"]]))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_reference_5_is_the_derivative_of_its_weights(which):
    case = make_cases(5, 1)[which]
    order = np.argsort(-case["a"], axis=1, kind="stable")

    def weights(a, K, normalise, dw):                          # the selection is a constant
        top, last = (np.take_along_axis(a, part, axis=1) for part in (order[:, :K], order[:, K:K + 1]))
        r = np.exp(top) if normalise == "softmax" else top - last
        return [r / (r.sum(axis=1, keepdims=True) + (1e-6 if normalise == "relu" else 0))]

    agree(catalogue.exercise(5).reference(**case)[2], complex_step(weights, case, "a", [case["dw"]]))


def test_reference_6_is_the_derivative_of_the_sum():
    case = make_cases(6, 1)[0]                                 # slope = w: a softmax
    here = case["slots"].T, np.arange(len(case["ds"]))

    def recall(M, w):
        return [(w.T[:, :, None] * M[here]).sum(axis=0)]

    def recall_by_scores(a):
        e = np.exp(a)
        return recall(case["M"], e / e.sum(axis=1, keepdims=True))

    da, dM = catalogue.exercise(6).reference(**case)
    agree(dM, complex_step(recall, dict(M=case["M"], w=case["w"]), "M", [case["ds"]]))
    agree(da, complex_step(recall_by_scores, dict(a=np.log(case["w"])), "a", [case["ds"]]))


@pytest.mark.parametrize("which", range(4))
def test_reference_7_is_the_derivative_with_stopped_states(which):
    rng, case = np.random.default_rng(7), make_cases(7, 1)[which]
    T, k_trunc = len(case["h"]), case["k_trunc"]
    inputs = rng.normal(size=case["h"].shape)

    def states(inputs, W_h, kept=None):
        h = []
        for t in range(T):
            cut = k_trunc is not None and t > 0 and t % k_trunc == 0
            h_prev = np.zeros(inputs.shape[1:]) if t == 0 else kept[t - 1] if cut and kept else h[t - 1]
            h.append(np.tanh(inputs[t] + h_prev @ W_h))
        return h

    kept = states(inputs, case["W_h"])
    dz, dW_h = catalogue.exercise(7).reference(case["dh_loss"], np.array(kept), case["W_h"], k_trunc)
    replay = dict(inputs=inputs, W_h=case["W_h"], kept=kept)
    agree(dz, complex_step(states, replay, "inputs", case["dh_loss"]))
    agree(dW_h, complex_step(states, replay, "W_h", case["dh_loss"]))


# ---- what a student's file shows when it is run ----

@ALL
def test_a_file_that_is_run_shows_its_answers_beside_the_shapes_that_are_expected(number, tmp_path):
    for name, text in exercises_command.copies(catalogue.NUMBERS).items():
        own = name.startswith("exercise") and student.SOLUTIONS / name
        (tmp_path / name).write_text(own.read_text() + catalogue.try_it(number) if own else text)
    done = subprocess.run([sys.executable, catalogue.file_name(number)], cwd=tmp_path, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    told = [line for line in lines if ", expected (" in line]
    assert told[0].startswith(catalogue.exercise(number).OUTPUTS[0]), done.stderr
    for line in told:
        shape, of_reference = re.findall(r"\(.*?\)", line)
        assert shape == of_reference
    assert catalogue.try_it(number) in catalogue.student_copy(number)


def test_the_examples_come_out_in_numbers_that_a_hand_can_reach():
    answers = {number: expected(catalogue.exercise(number), catalogue.example(number)) for number in (3, 7, 9)}
    np.testing.assert_allclose(answers[3]["dz"], [[0.25, 2, 0.75, 0]])                    # dc_total = 1 + 2 * 0.5
    np.testing.assert_allclose(answers[7]["dz"][:, 0, 0], [0, 0, 1.5, 1])
    np.testing.assert_allclose(answers[9]["clipped[W]"], [[0.6, 0]])


# ---- the commands ----

def arguments(command, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def test_copies_are_written_and_never_over_a_students_work(tmp_path):
    args = arguments(exercises_command, "--out", str(tmp_path / "mine"))
    assert exercises_command.run(args) == 0
    assert len(list((tmp_path / "mine").glob("exercise_*.py"))) == 10
    assert exercises_command.run(args) == 0                    # unchanged copies are no obstacle
    file = tmp_path / "mine" / catalogue.file_name(4)
    file.write_text("my work")
    (tmp_path / "mine" / catalogue.file_name(1)).unlink()
    with pytest.raises(ValueError, match="exercise_04_dot_scores.py was edited"):
        exercises_command.run(args)
    assert file.read_text() == "my work" and not (tmp_path / "mine" / catalogue.file_name(1)).exists()


def test_copies_of_each_week_lie_beside_those_of_the_weeks_before(tmp_path):
    exercises_command.run(arguments(exercises_command, "--out", str(tmp_path), "--exercise", "3", "--exercise", "4"))
    (tmp_path / catalogue.file_name(3)).write_text("my work")
    exercises_command.run(arguments(exercises_command, "--out", str(tmp_path), "--exercise", "8"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["earlier_08.py"] + [
        catalogue.file_name(number) for number in (3, 4, 8)]


def test_no_copy_gives_a_solution_away():
    handed_out = "".join(exercises_command.copies(catalogue.NUMBERS).values())
    lines = {line.partition("#")[0].strip() for line in handed_out.splitlines()}
    for number in catalogue.NUMBERS:
        code = inspect.getsource(catalogue.exercise(number).reference).splitlines()[1:]
        same = [line for line in code if line.partition("#")[0].strip() in lines]
        assert len(same) <= len(code) / 4, (number, same)      # such as for t in ...


def test_the_earlier_parts_of_a_student_are_the_students_own(tmp_path):
    for name, text in exercises_command.copies(catalogue.NUMBERS).items():
        own = name.startswith("exercise") and student.SOLUTIONS / name
        (tmp_path / name).write_text(own.read_text() if own else text)
    code = "import earlier_08, earlier_10, exercise_10_training_step as e\nassert e.loss_and_gradients\n"
    code += "print(*(getattr(earlier_10, n).__module__ for n in ('lstm_step', 'walk', 'clip_gradients')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == [catalogue.file_name(number)[:-3] for number in (2, 8, 9)], done.stderr


@pytest.mark.parametrize("level", [1, 2, 3])
@ALL
def test_there_are_three_hints(number, level, capsys):
    assert hint_command.run(arguments(hint_command, str(number), "--level", str(level))) == 0
    assert f"hint {level} of 3" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("0",), ("11",), ("4", "--level", "0"), ("4", "--level", "4")])
def test_a_hint_that_does_not_exist_is_refused(words):
    with pytest.raises(ValueError):
        hint_command.run(arguments(hint_command, *words))


@pytest.mark.parametrize("names", [(), ("notes.py",)])
def test_a_folder_without_an_exercise_is_ten_that_were_not_attempted(names, tmp_path, capsys):
    for name in names:
        (tmp_path / name).write_text("x = 1")
    assert cli.main(["grade", str(tmp_path), "--sandbox", "none"]) == 1
    said = capsys.readouterr()
    heads = [line for line in said.out.splitlines() if line.startswith("exercise ")]
    assert len(heads) == 10 and all(": 0 of " in head and head.endswith(" points, not attempted") for head in heads)
    assert "expected names like exercise_03_....py, made by sab exercises" in said.out.splitlines()[1]
    assert said.out.endswith("total: 0 of 100 points; 0 checks ran: no exercise was attempted\n") and not said.err
    assert not any(word in said.out for word in ("Error", "failed", "nothing was checked", "could not"))


def test_a_folder_or_a_file_that_is_not_there_is_an_error(tmp_path):
    (tmp_path / "notes.py").write_text("x = 1")
    for name, words in (("nowhere", "no such file or folder"), ("notes.py", "nothing was checked")):
        with pytest.raises(ValueError, match=words):
            grade(tmp_path / name)


def test_a_file_that_was_downloaded_twice_counts_once(tmp_path):
    for name in ("exercise_01_a.py", "exercise_01_a (1).py"):
        (tmp_path / name).write_text("x = 1")
    assert len(grading.find(tmp_path)) == 1


def test_a_file_with_another_name_is_graded_by_its_function(tmp_path):
    (tmp_path / "my lstm.py").write_text(student.solution(2))
    (tmp_path / "helpers.py").write_text("def f(x):\n    return x\n")
    (tmp_path / catalogue.file_name(1)).write_text(student.solution(1))
    assert {number: file.name for number, file in grading.find(tmp_path).items()} == {
        1: catalogue.file_name(1), 2: "my lstm.py"}


def test_two_files_of_one_exercise_are_an_error(tmp_path):
    (tmp_path / "exercise_01_a.py").write_text("x = 1")
    (tmp_path / "exercise_01_b.py").write_text("x = 2")
    with pytest.raises(ValueError, match="keep one"):
        grade(tmp_path)


# ---- the exercises and the package are the same mathematics ----

@pytest.mark.parametrize("T, k_trunc, K, k_att", [(11, 4, 2, 3), (9, None, 3, 1), (13, 5, 1, 2), (7, 1, 4, 2)])
def test_exercise_8_equals_the_package(T, k_trunc, K, k_att):
    rng, walk = np.random.default_rng(T), catalogue.exercise(8)
    params, x, dy = walk.random_params(rng, 3, 5, 4), rng.normal(size=(T, 3, 3)), rng.normal(size=(T, 3, 4))
    y, tape = walk.forward(x, params, K, k_att)
    cfg = sab_numpy.Config.sab(3, 5, 4, k_trunc=k_trunc, k_top=K, k_att=k_att)
    y_package, tape_package = sab_numpy.forward(params, x, cfg)
    agree(y, y_package)
    grads, grads_package = walk.reference(dy, x, tape, params, k_trunc, k_att)[1], sab_numpy.backward(dy, tape_package)
    assert set(grads) == set(grads_package)
    for name in grads:
        agree(grads[name], grads_package[name])


def test_exercise_10_supplies_the_loss_of_the_package():
    step = catalogue.exercise(10)
    case = make_cases(10, 3)[0]
    loss, grads = step.loss_and_gradients(case["params"], case["x"], case["targets"])
    width = case["x"].shape[2]
    cfg = sab_numpy.Config.sab(width, len(case["params"]["W_h"]), width, k_trunc=4, k_top=2, k_att=1)
    y, tape = sab_numpy.forward(case["params"], case["x"], cfg)
    loss_package, dy = sab_numpy.softmax_cross_entropy(y, case["targets"])
    agree(np.array(loss), np.array(loss_package))
    for name, value in sab_numpy.backward(dy, tape).items():
        agree(grads[name], value)
