"""The fuzzer finds what is planted, and a moment of each part finds nothing."""

from __future__ import annotations

import random

import pytest

from . import run as fuzz


@pytest.mark.parametrize("part", ["reader", "draws", "posteriors", "labels"])
def test_a_round_of_each_part_is_sound(part, capsys):
    assert fuzz.run(part, 0.0, 3) == 0
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
