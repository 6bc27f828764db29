"""The fuzzer finds what is planted, and a moment of each part finds nothing."""

from __future__ import annotations

import csv
import random

import pytest

from . import run as fuzz


@pytest.mark.parametrize("part", ["reader", "draws", "kills", "posteriors", "labels"])
def test_a_round_of_each_part_is_sound(part, capsys):
    found = fuzz.run(part, 0.0, 3)
    assert (found[fuzz.FAULT], found.total()) == (0, 1)
    assert f"{part}: 1 rounds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "label,n\n=1+1,2\n"),
        ("a.html", "<p onclick='x()'>x</p>"),
        ("b.html", "<script>alert(1)</script>"),
        ("a.md", "a <script>"),
        ("a.tex", "\\input{/etc/passwd}"),
    ],
)
def test_what_acts_is_seen(name, text, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    assert fuzz.unsafe(path)


def test_what_does_not_act_is_not(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("label,n\n'=1+1,-2.5e-07\n")
    assert fuzz.unsafe(path) == []


def test_alterations_follow_the_seed_and_alter():
    whole = bytes(range(256)) * 8
    made = [fuzz.altered(whole, random.Random(seed)) for seed in range(50)]
    assert made == [fuzz.altered(whole, random.Random(seed)) for seed in range(50)]
    assert sum(one != whole for one in made) >= 45


def test_a_fault_is_counted_and_the_command_ends_with_1(monkeypatch, capsys):
    def sick(folder, seed):
        def one(number):
            raise ValueError("boom")

        yield one

    monkeypatch.setitem(fuzz.PARTS, "labels", sick)
    monkeypatch.setattr("sys.argv", ["run.py", "--minutes", "0", "labels"])
    assert fuzz.main() == 1
    assert "fault in round 0: ValueError: boom" in capsys.readouterr().out


def test_a_part_run_again_takes_the_place_of_what_was_kept(tmp_path):
    table = tmp_path / "table.csv"
    fuzz.keep(table, 1, {"reader": {"csv read": 3, "fault": 0}, "draws": {"refused": 9}})
    fuzz.keep(table, 2, {"reader": {"csv read": 5}})
    fuzz.keep(table, 1, {"reader": {"csv refused": 4}})
    assert table.read_text() == (
        "seed,part,outcome,rounds\n1,draws,refused,9\n1,reader,csv refused,4\n2,reader,csv read,5\n"
    )


def test_no_fault_is_left_in_the_table_that_is_kept():
    rows = csv.DictReader(fuzz.TABLE.read_text(encoding="utf-8").splitlines())
    faults = {
        (row["seed"], row["part"]): row["rounds"] for row in rows if row["outcome"] == "fault"
    }
    assert faults
    assert set(faults.values()) == {"0"}
