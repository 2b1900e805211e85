"""A little of tests/fuzz.py: what it counts must be none of what must not be."""

import signal

import fuzz
import pytest


def test_damage_is_never_taken_for_data():
    counts = fuzz.flips(240, seed=1)
    assert not fuzz.bad(counts), counts
    assert counts["refused"] > 120


@pytest.mark.slow
def test_damage_is_never_taken_for_data_thousands():
    assert not fuzz.bad(fuzz.flips(5000, seed=2))


def test_a_sample_of_wrong_invocations_is_one_line_each():
    counts = fuzz.wrong(60, seed=1)
    assert counts == {"one line, status 2, no file": 60}


@pytest.mark.slow
def test_every_wrong_invocation_is_one_line():
    counts = fuzz.wrong(10_000)
    assert not fuzz.bad(counts), counts
    assert counts["one line, status 2, no file"] >= 400


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_nothing_is_lost_to_a_signal_and_no_process_is_left(name):
    assert not fuzz.bad(fuzz.signals(getattr(signal, name), 12))


def test_the_counts_that_must_not_be_are_seen():
    counts = {"refused": 3, "WRONGLY ACCEPTED": 1, "train: SIGKILL": 4, "train: A PROCESS IS LEFT": 1}
    assert set(fuzz.bad(counts)) == {"WRONGLY ACCEPTED", "train: A PROCESS IS LEFT"}
    assert fuzz.verdict(1, 2, exact=True) == "WRONGLY ACCEPTED"
    rows = [{"T": "5", "name": "a"}, {"T": "9", "name": "b"}]
    assert fuzz.verdict(rows, [rows[0], {"T": "9", "name": "c"}], exact=False).startswith("a table with one other cell")
    assert fuzz.verdict(rows, [rows[0], {"T": "8", "name": "c"}], exact=False) == "WRONGLY ACCEPTED"
    assert fuzz.verdict(rows, rows[:1], exact=False).startswith("a table without its last rows")
