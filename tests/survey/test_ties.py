"""A person's own number: the same wherever the person stands, and one for each copy of a record."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.util import hash_array

from coopgap.app.plan import make_plan
from coopgap.survey.codebook import apply_codebook, needed_columns
from coopgap.survey.raw import from_dataframe
from coopgap.survey.ties import hashed, keyed_order, record_ties

from ..studies import BINARY, model, nominal, write_study


def write(folder, **design):
    variables = {"yes": BINARY, "sex": nominal("m", "f")}
    files = {"model": model("yes", "sex", on=("sex",))}
    return write_study(folder, variables, files, design={"zone": "zone"} | design)


def people(n=60):
    """Half of them copies of one another, but for the identifier."""
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "id": np.arange(n) * 7 + 100,
            "member": rng.integers(0, 2, n),
            "zone": rng.integers(0, 3, n),
            "yes": rng.integers(0, 2, n),
            "sex": np.array(["m", "f"])[rng.integers(0, 2, n)],
            "w": rng.choice([0.5, 1.25], n),
        }
    )


def in_file_order(data, study):
    return apply_codebook(from_dataframe(data, needed_columns(study)), study).tie


def test_the_mixing_is_that_of_splitmix64():
    # First three numbers of the reference implementation (Vigna, splitmix64.c) from the state 0.
    gamma = np.uint64(0x9E3779B97F4A7C15)
    states = gamma * np.arange(1, 4, dtype=np.uint64)
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert hashed(states).tolist() == expected


@pytest.mark.parametrize("design", [{"id": "id"}, {}, {"weight": "w"}], ids=["id", "", "weight"])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_shuffled_file_is_the_same_survey(tmp_path_factory, design, seed):
    where, data = write(tmp_path_factory.mktemp("study"), **design), people()
    one = make_plan(where, data).survey
    other = make_plan(where, data.sample(frac=1, random_state=seed)).survey
    for item in fields(one):
        if item.name in ("sha256", "variables"):
            continue
        first, second = getattr(one, item.name), getattr(other, item.name)
        np.testing.assert_equal(first, second, err_msg=item.name)
    assert np.unique(one.tie).size == len(data)


@given(st.lists(st.text(), min_size=1, max_size=30))
def test_texts_have_the_hash_of_pandas(texts):
    try:
        expected = hash_array(np.array([*texts, ""], dtype=object), categorize=False)
    except UnicodeEncodeError:
        return
    assert np.array_equal(hashed([*texts, ""]), expected)


def test_hashes_of_many_are_those_of_each():
    numbers = np.random.default_rng(2).random(20_000)
    assert np.array_equal(hashed(numbers), hash_array(numbers, categorize=False))
    texts = [str(number)[: k % 30] for k, number in enumerate(numbers)]
    assert np.array_equal(hashed(texts), hash_array(np.array(texts, dtype=object)))


def test_copies_of_a_record_do_not_stand_together(tmp_path):
    # 400 people of one cell who differ in the answer alone: two records. Blocks of one answer
    # would give a sample of either; the first 200 hold half of each, within three deviations.
    data = pd.DataFrame({"member": [1] * 20 + [0] * 400, "zone": 1, "sex": ["m", "f"] * 210})
    data["yes"] = [0, 0, 1, 1] * 105
    survey = make_plan(write(tmp_path), data).survey
    answers = survey.codes["yes"][~survey.member][:200]
    assert abs(answers.mean() - 0.5) < 3 * np.sqrt(0.25 / 200 / 2)


def test_an_identifier_is_its_value_and_nothing_else_counts(tmp_path):
    data = people()
    study = make_plan(write(tmp_path, id="id"), data).study
    usual = in_file_order(data, study)
    assert np.array_equal(in_file_order(data.assign(yes=1 - data["yes"]), study), usual)
    as_text = data.assign(id=data["id"].astype(str))
    assert np.array_equal(in_file_order(as_text, study), usual)
    # Others come and go; a person's number stays.
    assert np.array_equal(in_file_order(data.iloc[10:], study), usual[10:])


def test_phone_and_in_person_interviews_of_one_identifier_differ():
    mode, ids = np.array([0, 1], dtype=np.uint64), hashed(["7", "7"])
    assert np.unique(record_ties([mode, ids])).size == 2


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2), (0, 2**40)])
def test_another_key_makes_an_unrelated_order(one, other):
    n = 5000
    tie = record_ties([np.arange(n, dtype=np.uint64)])
    ranks = [np.argsort(keyed_order(tie, key)) for key in (one, other)]
    # Correlation of unrelated ranks: deviation 1/sqrt(n - 1).
    assert abs(np.corrcoef(*ranks)[0, 1]) < 4 / np.sqrt(n - 1)
    assert np.array_equal(keyed_order(tie, one), keyed_order(tie.copy(), one))
