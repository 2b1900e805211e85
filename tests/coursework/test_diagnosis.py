"""Thirty planted student bugs: every one fails, and the first line of feedback names it."""

import ast
import copy
import re
import warnings
from collections import Counter

import held_out
import numpy as np
import planted_bugs
import pytest
import student

from sab_numpy.coursework import catalogue, diagnose, feedback, isolate
from sab_numpy.coursework.judge import Check, judge

MOST_REPORTED = ("copy-pasted gate bias", "missing sigmoid derivative", "carried dc never updated",
                 "bias of the wrong gate", "dc += dc", "= for +=")


def first_feedback(bug, folder, seed=0):
    right = student.solution(bug.exercise)
    assert right.count(bug.old) == 1
    result = student.grade_text(folder, bug.exercise, right.replace(bug.old, bug.new), seed=seed)
    assert result.status == "wrong" and result.points < result.possible
    assert len(result.feedback) <= 10 and result.feedback[0].startswith(f"exercise {bug.exercise}: ")
    return result.feedback


def named(bug, line):
    return all(re.search(word, line, re.I) for word in bug.words)


@pytest.mark.parametrize("bug", planted_bugs.ALL, ids=lambda bug: f"{bug.exercise}-{bug.name.replace(' ', '-')}")
def test_a_planted_bug_fails_and_is_named_in_the_first_line(bug, tmp_path):
    lines = first_feedback(bug, tmp_path, seed=11)
    assert named(bug, lines[0]), lines


@pytest.mark.parametrize("number", [number if number not in (8, 10) else pytest.param(number, marks=pytest.mark.slow)
                                    for number in held_out.WRONG])
def test_files_that_were_held_out_fail_and_none_is_misled(number, tmp_path):
    counts = Counter()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for of, text, what, words in held_out.wrong():
            if of == number:
                result = student.grade_text(tmp_path, number, text)
                assert result.points < result.possible, what
                assert result.status == "wrong" or ": does not run: " in result.feedback[0], what
                counts[held_out.said(words, result.feedback[0])] += 1
                assert "1 times" not in " ".join(result.feedback)
    assert counts["misleading"] == 0 and counts["named"] >= 0.8 * counts.total(), counts


@pytest.mark.parametrize("number", [number if number not in (8, 10) else pytest.param(number, marks=pytest.mark.slow)
                                    for number in held_out.RIGHT])
def test_right_files_in_other_words_get_all_points(number, tmp_path):
    for of, text, what in held_out.right():
        if of == number:
            assert student.grade_text(tmp_path, number, text).points == catalogue.exercise(number).POINTS, what


@pytest.mark.parametrize("module", ["math", "typing", "collections", "itertools", "functools", "dataclasses"])
def test_what_a_right_file_may_import(module, tmp_path):
    text = f"import {module}\n{student.solution(1)}"
    assert student.grade_text(tmp_path, 1, text, run=isolate.run).status == "right"


@pytest.mark.parametrize("number", [7, 8])
@pytest.mark.parametrize("place, words", [("(T - 1 - t)", "counted from the end"), ("(T - t)", "counted from the end"),
                                          ("(t - 1)", "one step early"), ("(t + 1)", "one step late")])
def test_a_cut_at_other_steps_is_wrong_in_every_case_that_is_cut_and_is_named(number, place, words, tmp_path):
    text = student.solution(number).replace(" t % k_trunc", f" {place} % k_trunc")
    text = text.replace("(T -", "(len(dy) -" if number == 8 else "(T -")
    seen, run = [], student.run_here
    result = student.grade_text(tmp_path, number, text, run=lambda *job: seen.append((job, run(*job))) or seen[0][1])
    assert words in result.feedback[0], result.feedback
    (_, _, cases, *_), outcome = seen[0]
    wrong = {check.case for check in judge(catalogue.exercise(number), cases, outcome) if check.problem}
    assert wrong == {case for case, inputs in enumerate(cases) if (inputs["k_trunc"] or 1) > 1}


def test_the_six_most_reported_lstm_bugs_are_among_the_thirty():
    assert len(planted_bugs.ALL) == 30 and len(planted_bugs.FIRST) == 10
    assert set(MOST_REPORTED) <= {bug.name for bug in planted_bugs.ALL}


def test_a_right_solution_names_no_bug(tmp_path):
    assert student.grade_text(tmp_path, 3, student.solution(3)).feedback == []
    assert not any(named(bug, "exercise 3: right") for bug in planted_bugs.ALL)


def test_the_worst_entry_its_ratio_and_the_right_outputs_are_told(tmp_path):
    bug = planted_bugs.Planted("", 3, "dW_x = np.dot(x.T, dz)", "dW_x = 3 * np.dot(x.T, dz)", ())
    lines = first_feedback(bug, tmp_path)
    assert "dW_x" in lines[0] and "3 times" in lines[0]
    assert "worst entry dW_x[" in lines[1] and "ratio 3" in lines[1]
    assert "wrong: dW_x; right: dz, dc_prev" in lines[2]


def test_a_sign_that_is_wrong_in_all_gates_is_said_once(tmp_path):
    bug = planted_bugs.Planted("", 3, "    dW_h = np.dot(h_prev.T, dz)\n", "    dW_h = -np.dot(h_prev.T, dz)\n", ())
    assert first_feedback(bug, tmp_path)[0] == "exercise 3: dW_h has the wrong sign"


def signs(number):
    """(text, what was done) of the solution with one sign wrong: of a term, a sum, a line, or of what is added."""
    def minus(node):
        return ast.UnaryOp(ast.USub(), node)

    tree = ast.parse(student.solution(number))
    for place, node in enumerate(ast.walk(tree)):
        sums = isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and not any(
            isinstance(leaf, ast.Name) and leaf.id in "Tt" for leaf in ast.walk(node) if "h" not in ast.unparse(node))
        changes = []
        if sums:
            changes = [("op", ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()), ("left", minus(node.left))]
        if isinstance(node, ast.AugAssign):
            changes = [("op", ast.Sub())]
        if isinstance(node, ast.Assign) and any(name in ast.unparse(node.targets[0]) for name in (
                "dz", "dh", "w[", "da[", "dr", "J", "total", "r")) and "zeros" not in ast.unparse(node.value):
            changes = [("value", minus(node.value))]
        for field, value in changes:
            copied = copy.deepcopy(tree)
            setattr(list(ast.walk(copied))[place], field, value)
            yield ast.unparse(ast.fix_missing_locations(copied)), f"{ast.unparse(node)}: {field}"


@pytest.mark.parametrize("number, least", [(5, 14), (7, 7)])
def test_a_sign_that_is_wrong_is_named_as_such(number, least, tmp_path):
    count = 0
    for text, what in signs(number):
        result = student.grade_text(tmp_path, number, text)
        if result.status == "wrong":
            assert re.search(r"\bsign\b", result.feedback[0]), (what, result.feedback)
            count += 1
    assert count >= least


@pytest.mark.parametrize("number, old, new, words", [
    (5, "J @ dw[b]", "-J @ dw[b]", "da has the wrong sign, only where normalise is 'softmax'"),
    (5, "da[b, slots[b]] = dr", "da[b, slots[b]] = -dr", "da, relu: dr has the wrong sign in the slots"),
    (5, "r = top - a", "r = top + a", "w, relu: the sign of the threshold is wrong"),
    (7, "dh = dh_loss[t] + dh_next", "dh = dh_loss[t] - dh_next", "dz: dh_local has the wrong sign"),
    (7, "(1 - h[t] * h[t])", "(1 + h[t] * h[t])", "dz: the sign of h**2 is wrong"),
    (7, "dz[t] = dh *", "dz[t] = -dh *", "dz: dh has the wrong sign"),
    (7, "dW_h += ", "dW_h -= ", "dW_h has the wrong sign"),
    (4, "dh_hat = dq @ W_q.T", "dh_hat = -dq @ W_q.T", "dh_hat has the wrong sign"),
    (8, "dh_hat = dh + dquery", "dh_hat = dh - dquery", "the sign of dh_query is wrong, as if dh + dh_query were")])
def test_the_term_whose_sign_is_wrong_is_named(number, old, new, words, tmp_path):
    right = student.solution(number)
    assert right.count(old) == 1
    assert words in student.grade_text(tmp_path, number, right.replace(old, new)).feedback[0]


def test_a_gate_that_is_wrong_costs_a_gate(tmp_path):
    bug = student.solution(3).replace("do * o * (1 - o)", "do")
    result = student.grade_text(tmp_path, 3, bug)              # of 7 outputs dc_prev is right, 4 are right in 3 gates
    assert result.points == round(15 * (1 + 4 * 0.75) / 7, 1) and (result.passed, result.ran) == (3, 21)


@pytest.mark.parametrize("changes, words", [
    ({"do * o * (1 - o)": "do"}, "wrong: dz, dx, dh_prev, dW_x, dW_h, db; right: dc_prev; 1 of 4 gates is wrong: o"),
    ({"do * o * (1 - o)": "do", "di * i * (1 - i)": "di"}, "right: dc_prev; 2 of 4 gates are wrong: i, o"),
    ({"[db_i, db_f, ": "[db_f, db_f, "},
     "wrong: db; right: dz, dc_prev, dx, dh_prev, dW_x, dW_h; 1 of 4 gates is wrong: i"),
    ({"do * o * (1 - o)": "do", "[db_i, db_f, ": "[db_f, db_f, "},
     "; dz: 1 of 4 gates is wrong: o; dW_x: 1 of 4 gates is wrong: o; dW_h: 1 of 4 gates is wrong: o; "
     "db: 2 of 4 gates are wrong: i, o")])
def test_gates_that_are_wrong_are_counted_and_named(changes, words, tmp_path):
    text = student.solution(3)
    for old, new in changes.items():
        text = text.replace(old, new)
    (line,) = (line for line in student.grade_text(tmp_path, 3, text).feedback if line.startswith("wrong: "))
    assert line.endswith(words)


@pytest.mark.parametrize("level, kept", [("place", ("wrong: ",)), ("cause", ("exercise 3: ", "wrong: ")),
                                         ("full", ("exercise 3: ", "worst entry", "wrong: ", "stuck?"))])
def test_feedback_says_where_or_why_or_all(level, kept, tmp_path):
    result = student.grade_text(tmp_path, 3, student.solution(3).replace("do * o * (1 - o)", "do"))
    lines = feedback.at_level([result], level)[0].feedback
    assert len(lines) == len(kept) and all(map(str.startswith, lines, kept))


def test_what_a_student_printed_is_shown_in_short_lines(tmp_path):
    text = student.solution(1).replace("    B, O", "    print('x' * 500)\n    B, O").replace("dz = (p", "dz = -(p")
    result = student.grade_text(tmp_path, 1, text, run=isolate.run)
    assert feedback.printed(result) == [f"  it printed: {'x' * 100}"] * 3
    result.printed = "\x1b[2J\n" + "\n".join("bcdefg")
    assert feedback.printed(result)[0] == r"  it printed: \x1b[2J"
    assert feedback.printed(result)[-2:] == ["  it printed: e", "  ... and 2 more lines"]


def test_not_attempted_does_not_run_and_wrong_are_three_things(tmp_path):
    texts = {"not attempted": catalogue.student_copy(1), "does not run": "EXERCISE_SET = 2\nnonsense(\n",
             "wrong": student.solution(1).replace("dz = (p", "dz = -(p"), "right": student.solution(1)}
    found = [student.grade_text(tmp_path, 1, text) for text in texts.values()]
    assert [feedback.standing(result) for result in found] == list(texts)
    assert feedback.note(found) == "1: not attempted; 1: does not run; 1: wrong"


@pytest.mark.parametrize("run", [student.run_here, isolate.run])
def test_what_raises_in_every_case_does_not_run_and_says_its_error_once(run, tmp_path):
    result = student.grade_text(tmp_path, 1, student.solution(1).replace("return p, dp, dz", "return 1 / 0"), run=run)
    assert (feedback.standing(result), result.points, result.ran) == ("does not run", 0, 0)
    assert result.feedback == ["exercise 1: does not run: ZeroDivisionError: division by zero (line 12)"]
    assert "0 of 5 points, does not run" in feedback.as_text([result], "x", 0, "limits")


@pytest.mark.parametrize("run", [student.run_here, isolate.run])
def test_what_raises_in_some_cases_is_wrong_in_those(run, tmp_path):
    text = student.solution(5).replace("r = top", "raise ValueError('relu?')\n            r = top")
    result = student.grade_text(tmp_path, 5, text, run=run)
    assert feedback.standing(result) == "wrong" and 0 < result.passed < result.ran
    assert result.feedback[0] == "exercise 5: case 2: ValueError: relu? (line 22)"


def test_a_class_summary_names_the_commonest_first_lines(tmp_path):
    wrong = student.solution(1).replace("dz = (p", "dz = -(p")
    texts = [feedback.as_text([student.grade_text(tmp_path, 1, text)], "x", 0, "limits")
             for text in (wrong, wrong, student.solution(1), student.solution(1).replace("dz = (p", "dz = 2 * (p"))]
    assert feedback.class_summary(texts).splitlines()[:3] == [
        "exercise 1, sigmoid and cross-entropy, backward: 1 of 4 right",
        "  2 x dz has the wrong sign: it is (p - targets), not (targets - p)", "  1 x dz counts twice"]


def test_two_mistakes_get_two_lines(tmp_path):
    text = student.solution(3).replace("do * o * (1 - o)", "do").replace("[db_i, db_f, ", "[db_f, db_f, ")
    lines = student.grade_text(tmp_path, 3, text).feedback
    assert "gate o: the sigmoid" in lines[0]
    assert any(line.startswith("also: ") and "gate i" in line for line in lines)


def test_a_function_that_remembers_is_found(tmp_path):
    text = student.solution(1).replace("    B, O = z.shape\n", "    B, O = z.shape\n    calls.append(1)\n")
    text = text.replace("return p, dp, dz", "return p, dp, dz * (1 + (len(calls) > 2))")
    text = text.replace("def ", "calls = []\n\n\ndef ")
    result = student.grade_text(tmp_path, 1, text)
    assert result.status == "wrong" and "remembers" in result.feedback[0]


@pytest.mark.parametrize("number, old, new, words", [
    (8, "dh_hat = dh + dquery", "dh_hat = dh - dquery", "as if dh + dh_query were dh - dh_query"),
    (2, "c = f * c_prev + i * g", "c = f * c_prev - i * g", "as if f * c_prev + i * g were f * c_prev - i * g"),
    (10, "0.9 * m[name]", "m[name]", "as if 0.9 * m[name] were m[name]"),
    (3, "di * i * (1 - i)", "di * i * (1 + i)", "as if 1 - i were 1 + i")])
def test_a_slip_that_nobody_listed_is_found_by_trying(number, old, new, words, tmp_path):
    lines = student.grade_text(tmp_path, number, student.solution(number).replace(old, new)).feedback
    assert words in lines[0]


def test_what_nobody_can_name_still_says_where(tmp_path):
    text = student.solution(3).replace("df * f * (1 - f)", "np.cos(df)")
    line = student.grade_text(tmp_path, 3, text).feedback[0]
    assert "dz, gate f, has wrong values; the other gates are right" in line


@pytest.mark.parametrize("number, old, new, found", [
    (1, "(z, targets)", "(x, targets)", "found sigmoid_cross_entropy(x, targets)"),
    (2, "def lstm_step(", "def LSTM_step(", "found sigmoid(z), LSTM_step(x, h_prev, c_prev, W_x, W_h, b)"),
    (7, "h, W_h, k_trunc)", "h, W_h)", "found truncated_credit(dh_loss, h, W_h)"),
    (9, "def clip_gradients", "clip_gradients = 5\n\n\ndef clip", "found clip(grads, max_norm)"),
    (10, "ng_rate, max_norm)", "ng_rate)", "found training_step(params, m, v, step, x, targets, learning_rate)")])
def test_a_function_with_another_name_or_other_arguments_is_one_sentence(number, old, new, found, tmp_path):
    right = student.solution(number)
    expected = re.search(rf"^def ({catalogue.function_name(number)}\(.*\)):", right, re.M).group(1)
    result = student.grade_text(tmp_path, number, right.replace(old, new))
    assert (result.status, result.ran) == ("failed", 0)
    assert result.feedback == [f"exercise {number}: expected the function {expected}, {found}: keep the name and the "
                               "arguments that the exercise gives it"]


def test_more_arguments_with_a_default_are_no_mistake(tmp_path):
    for arguments in ("(z, targets, scale=1)", "(z, targets, *, out=None)", "(targets, z)", "(z, **rest)"):
        text = student.solution(1).replace("(z, targets)", arguments)
        text = text.replace("    B, O", "    targets = rest['targets']\n    B, O") if "rest" in arguments else text
        assert student.grade_text(tmp_path, 1, text).status == "right", arguments


def test_a_file_without_any_function_says_so(tmp_path):
    lines = student.grade_text(tmp_path, 1, "EXERCISE = 1\nEXERCISE_SET = 2\n").feedback
    assert "expected the function sigmoid_cross_entropy(z, targets), found no function" in lines[0]


@pytest.mark.parametrize("ending, words", [
    ("return p, dp", "returned 2 values"), ("return None", "returned NoneType"), ("return p, dp, dz.tolist()", "list"),
    ("return p, dp, dz.astype(np.float32)", "float32"), ("return p, dp, dz.T", "shape"),
    ("return p, dp, dz * np.nan", "NaN"),
    ("return p, dp, np.ma.array(dz)", "MaskedArray"),
    ("return p, dp, dz.astype(object)", "dtype"), ("return p, dp, np.zeros((2, 3), 'S5')", "dtype")])
def test_what_is_not_an_array_of_numbers_is_named(ending, words, tmp_path):
    result = student.grade_text(tmp_path, 1, student.solution(1).replace("return p, dp, dz", ending))
    assert result.status == "wrong" and words in result.feedback[0], result.feedback


def test_the_worst_entry_names_its_case_from_one_on():
    check = Check(2, "dz", np.array([1.0, 2.0]), got=np.array([1.0, 3.0]))
    assert diagnose.worst_entry([check]) == ["worst entry dz[1] in case 3: yours 3, expected 2, ratio 1.5"]


def test_the_worst_entry_is_one_that_is_no_number_and_a_small_difference_has_its_sign():
    check = Check(0, "dz", np.array([2.0, 3.0, 4.0]), got=np.array([1.0, np.nan, 4.0]))
    assert diagnose.worst_entry([check]) == ["worst entry dz[1] in case 1: yours nan, expected 3, ratio nan"]
    check = Check(0, "p", np.array(2.0), got=np.array(2.0001))
    assert diagnose.worst_entry([check]) == ["worst entry p in case 1: yours 2.0001, expected 2, +0.0001"]


P, DZ = "p = 1 / (1 + np.exp(-z))", "dz[t] = dh * (1 - h[t] * h[t])"


@pytest.mark.parametrize("number, old, new, words", [
    (1, P, "p = np.clip(1 / (1 + np.exp(-z)), 0.3, 0.7)", "p is clipped: no number is below 0.3 or above 0.7"),
    (1, P, "p = np.round(1 / (1 + np.exp(-z)), 3)", "p is rounded to 3 digits; return it as it is"),
    (1, "dz = (p", "dz = 1.0001 * (p",
     "dz is off by a factor of 1 +0.0001 (a small constant, added or forgotten?)"),
    (4, "np.dot(q[b], M[n, b]) / np.sqrt(H)", "np.dot(q[b], M[n, b]) / np.sqrt(N)",
     "a is sqrt(H/N) times what it should be (divided by sqrt(N), not sqrt(H))"),
    (7, DZ, f"{DZ}\n        dz[t] += t < 2", "dz has wrong values (case 1: right from step 2 on, wrong before)"),
    (1, "return p, dp, dz", "return p, dp, dz.astype(np.float32)",
     "case 1: dz has dtype float32, expected float64")])
def test_the_numbers_in_a_sentence_are_those_of_the_mistake(number, old, new, words, tmp_path):
    right = student.solution(number)
    assert right.count(old) == 1
    result = student.grade_text(tmp_path, number, right.replace(old, new))
    assert result.feedback[0] == f"exercise {number}: {words}"
