"""A little of tests/fuzz.py: what it counts must be none of what must not be."""

import re
import signal
from collections import Counter

import fuzz
import pytest

from sab_numpy.support import files


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


def test_counts_are_kept_in_place_of_those_of_the_same_attack_and_seed_alone(tmp_path):
    path = tmp_path / "fuzz.csv"
    for attack, seed, n in (("SIGKILL", 0, 1), ("SIGKILL", 1, 2), ("SIGTERM", 1, 3), ("SIGKILL", 1, 4)):
        fuzz.keep(path, attack, n, seed, Counter({"train: ended": n}))
    found = [(row["attack"], row["seed"], row["tried"], row["count"]) for row in files.read_rows(path)]
    assert sorted(found) == [("SIGKILL", "0", "1", "1"), ("SIGKILL", "1", "4", "4"), ("SIGTERM", "1", "3", "3")]


def test_the_counts_that_are_shown_are_in_their_csv():
    root, counts = fuzz.DATA.parents[1], {}
    for row in files.read_rows(fuzz.DATA / "fuzz.csv"):
        counts.setdefault(row["attack"], Counter())[re.sub("^[a-z]+: ", "", row["outcome"])] += int(row["count"])
    assert not any(map(fuzz.bad, counts.values())), counts
    flips, kills, stops, hostile, wrong = (
        counts[attack]
        for attack in ("flips and cuts", "SIGKILL", "SIGTERM", "hostile submissions", "wrong invocations")
    )
    whole = "by a whole command: one line and status 2, or none and 0"
    edits = [n for what, n in flips.items() if what.startswith("a table")]
    same = "ended bit for bit as one never met"
    expected = [
        [flips.total() - flips[whole], flips["refused"], flips["read as it was"], sum(edits)],
        [kills["SIGKILL"], kills[same]],
        [stops["SIGTERM"], stops[same]],
        [hostile["no point, a reason"]],
        [wrong["one line, status 2, no file"]],
    ]
    text = (root / "figures" / "RESULTS.md").read_text(encoding="utf-8").split("## Robustness")[1].split("## ")[0]
    shown = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert [[int(n) for n in re.findall(r"(?<!status )\b\d+\b", line)] for line in shown] == expected
