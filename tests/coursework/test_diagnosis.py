"""Thirty planted student bugs: every one fails, and the first line of feedback names it."""

import re

import planted_bugs
import pytest
import student

MOST_REPORTED = ("copy-pasted gate bias", "missing sigmoid derivative", "carried dc never updated",
                 "bias of the wrong gate", "dc += dc", "= for +=")


def feedback(bug, folder, seed=0):
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
    lines = feedback(bug, tmp_path, seed=11)
    assert named(bug, lines[0]), lines


def test_the_six_most_reported_lstm_bugs_are_among_the_thirty():
    assert len(planted_bugs.ALL) == 30 and len(planted_bugs.FIRST) == 10
    assert set(MOST_REPORTED) <= {bug.name for bug in planted_bugs.ALL}


def test_a_right_solution_names_no_bug(tmp_path):
    assert student.grade_text(tmp_path, 3, student.solution(3)).feedback == []
    assert not any(named(bug, "exercise 3: right") for bug in planted_bugs.ALL)


def test_the_worst_entry_its_ratio_and_the_right_outputs_are_told(tmp_path):
    lines = feedback(planted_bugs.Planted("", 3, "dW_x = np.dot(x.T, dz)", "dW_x = 3 * np.dot(x.T, dz)", ()), tmp_path)
    assert "dW_x" in lines[0] and "3 times" in lines[0]
    assert "worst entry dW_x[" in lines[1] and "ratio 3" in lines[1]
    assert "wrong: dW_x; right: dz, dc_prev" in lines[2]


def test_a_sign_that_is_wrong_in_all_gates_is_said_once(tmp_path):
    bug = planted_bugs.Planted("", 3, "    dW_h = np.dot(h_prev.T, dz)\n", "    dW_h = -np.dot(h_prev.T, dz)\n", ())
    assert feedback(bug, tmp_path)[0] == "exercise 3: dW_h has the wrong sign"


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


@pytest.mark.parametrize("ending, words", [
    ("return p, dp", "returned 2 values"), ("return None", "returned NoneType"), ("return p, dp, dz.tolist()", "list"),
    ("return p, dp, dz.astype(np.float32)", "float32"), ("return p, dp, dz.T", "shape"),
    ("return p, dp, dz * np.nan", "NaN"),
    ("return p, dp, np.ma.array(dz)", "MaskedArray"), ("return 1 / 0", "ZeroDivisionError"),
    ("return p, dp, dz.astype(object)", "dtype"), ("return p, dp, np.zeros((2, 3), 'S5')", "dtype")])
def test_what_is_not_an_array_of_numbers_is_named(ending, words, tmp_path):
    result = student.grade_text(tmp_path, 1, student.solution(1).replace("return p, dp, dz", ending))
    assert result.status == "wrong" and words in result.feedback[0], result.feedback
