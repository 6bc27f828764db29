"""Codebooks: every value is a level, declared missing, or refused without a respondent's words."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopgap.core.errors import SurveyError
from coopgap.study.spec import (
    Design,
    Group,
    Headline,
    Matching,
    Mode,
    ModelSpec,
    Study,
    Variable,
    Variant,
)
from coopgap.study.values import lossless, normalise
from coopgap.survey.codebook import apply_codebook, needed_columns, needed_variables
from coopgap.survey.raw import Answers, from_dataframe
from coopgap.survey.records import Drop
from coopgap.survey.values import as_number


def variable(name, levels, kind="ordinal", **options):
    options = {"column": name, "declared_levels": levels} | options
    return Variable(name=name, type=kind, levels=levels, **options)


def study(*variables, design=None, **group):
    declared = (variable("y", ("low", "high")), *variables)
    spec = ModelSpec(
        name="m", outcome="y", covariates=tuple(item.name for item in declared if item.name != "y")
    )
    return Study(
        name="test",
        title="Test",
        survey=None,
        group=Group(**{"column": "member", "member": (1,), "comparison": (0,)} | group),
        design=design or Design(),
        variables={item.name: item for item in declared},
        models=(spec,),
        headline={"y": (Headline(model="m"),)},
        folder=Path("test"),
        sha256="0" * 64,
    )


def frame(n=8, **columns):
    base = {"member": [1, 0] * (n // 2), "y": ["low", "low", "high", "high"] * (n // 4)}
    return pd.DataFrame(base | columns)


def survey(data, spec):
    return apply_codebook(from_dataframe(data, needed_columns(spec)), spec)


def codes(column, item):
    """Level indices of one variable."""
    n = len(column) + (-len(column)) % 4
    data = frame(n, **{item.column: [*column, *[None] * (n - len(column))]})
    return survey(data, study(item)).codes[item.name].tolist()[: len(column)]


def refusal(data, spec):
    with pytest.raises(SurveyError) as caught:
        survey(data, spec)
    return str(caught.value)


def column_refusal(column, item):
    n = len(column) + (-len(column)) % 4
    return refusal(frame(n, **{item.column: [*column, *[None] * (n - len(column))]}), study(item))


CODED = variable("x", ("a", "b", "c"), codes={"1": "c", "2": "b", "3.0": "a"}, missing=(98,))
YES = variable("x", ("no", "yes"), "binary", yes=(1,), no=(2, 3), missing=(98,))
BOOLEAN = variable("x", ("no", "yes"), "binary", yes=(True,), no=(False,))
NOMINAL = variable("x", ("Lima", "Cusco"), "nominal", missing=("n/a",))
VILLAGES = variable("x", ("a", "b"), codes={"1.1": "a", "1.10": "b"})
AGES = variable("x", ("<25", "25-34", "35+"), "banded", cuts=(25, 35), missing=(999, "n/a"))
NARROW = variable("x", ("<1", "1+"), "banded", cuts=(1.0,), missing=(9,))
WIDE = variable("x", ("<100", "100+"), "banded", cuts=(100,))
JOINED = variable("x", ("C", "B"), declared_levels=("C", "B", "A"), collapse={"A": "B"})
AB = variable("x", ("a", "b"), missing=(98,))


class TestTypes:
    @pytest.mark.parametrize(
        ("item", "column", "expected"),
        [
            (CODED, [1, 2.0, 3, 98, None], [2, 1, 0, -1, -1]),
            (CODED, ["1", " 2 ", "3.0", "98", " "], [2, 1, 0, -1, -1]),
            # Nominal levels stand for themselves; numbers may be levels.
            (NOMINAL, ["Cusco", " Lima ", "n/a", "Lima"], [1, 0, -1, 0]),
            (variable("x", ("1", "2"), "nominal"), [1.0, 2.0, 1.0], [0, 1, 0]),
            (variable("x", ("1", "2"), "nominal"), ["1.0", "2", "1.0"], [0, 1, 0]),
            # As many numbers as texts, or the column is text: villages 1.1 and 1.10 are two.
            (variable("x", ("1.1", "1.10"), "nominal"), ["1.1", "1.10", " 1.1 "], [0, 1, 0]),
            (VILLAGES, ["1.1", "1.10"], [0, 1]),
            (replace(YES, no=(2,), missing=("01",)), ["1", "2", "01"], [1, 0, -1]),
            # A banded column is one of numbers.
            (NARROW, ["0.5", "0.50", "1.0", "1", "9.0"], [0, 0, 1, 1, -1]),
            # Codes come before levels of the same name.
            (variable("x", ("1", "2"), codes={"1": "2", "2": "1"}), [1, 2], [1, 0]),
            (YES, [1, 2, 3, "98", None], [1, 0, 0, -1, -1]),
            (BOOLEAN, [True, False], [1, 0]),
            (BOOLEAN, ["TRUE", "False", "true", None], [1, 0, 1, -1]),
            (BOOLEAN, [True, None, False], [1, -1, 0]),
            (variable("x", ("Male", "Female"), "binary"), ["Male", "Female"], [0, 1]),
            # Bands are closed on the left.
            (AGES, [24.9, 25, 34.99, 35, 80, 999, None], [0, 1, 1, 2, 2, -1, -1]),
            (AGES, ["24", "25", "n/a", "35", ""], [0, 1, -1, 2, -1]),
            # Large and negative numbers among their like are no codes.
            (WIDE, [50, 999, 5000], [0, 1, 1]),
            (WIDE, [-40, -1, 200], [0, 0, 1]),
            (JOINED, ["A", "B", "C"], [1, 1, 0]),
            (JOINED, ["B", "B", "C"], [1, 1, 0]),
        ],
    )
    def test_values_are_levels_or_missing(self, item, column, expected):
        assert codes(column, item) == expected

    @pytest.mark.parametrize("code", [999, -1, 998, -99])
    def test_bands_refuse_numbers_that_look_like_missing_codes(self, code):
        """Banded as they stand, they would silently become the last or first band."""
        item = variable("x", ("<25", "25-64", "65+"), "banded", cuts=(25, 65))
        message = column_refusal([20, 30, 99, code, code], item)
        assert f"undeclared code '{code}' (2 times) that looks like a missing code" in message
        declared = replace(item, missing=(code,))
        assert codes([20, 30, 99, code], declared) == [0, 1, 2, -1]
        meant = replace(item, codes={str(code): "65+"})
        assert codes([20, 30, 99, code], meant) == [0, 1, 2, 2]

    def test_count_of_items(self):
        options = {"items": ("i1", "i2", "i3"), "yes": (1,), "no": (2,), "missing": (98,)}
        item = variable("food", ("no", "yes"), "count_of", at_least=2, **options)
        data = frame(8, i1=[1, 1, 1, 2, 1, 1, 2, 2], i2=[1, 1, 2, 2, 1, 1, 2, 2])
        data["i3"] = [1, 2, 2, 2, 98, None, 2, 2]
        assert survey(data, study(item)).codes["food"].tolist() == [1, 1, 0, 0, -1, -1, 0, 0]
        assert needed_columns(study(item)) == ("member", "y", "i1", "i2", "i3")
        data["i2"] = [3, 1, 2, 2, 1, 1, 2, 2]
        assert "i2: undeclared code '3' (1 time)" in refusal(data, study(item))


class TestUndeclared:
    @pytest.mark.parametrize(
        ("item", "column", "words"),
        [
            (YES, [1, 2, 4], "undeclared code '4' (1 time)"),
            (replace(YES, missing=("01",)), ["1", "2", "1.0", "01"], "code '1.0' (1 time)"),
            (VILLAGES, [1.1, 2.0], "two codes of the study are one number; give the number 1.1"),
            (variable("x", ("1.1", "1.10")), ["1.1", "2"], "one number"),
            (AB, ["a", "b", 99, 99, 7], "code '99' (2 times), undeclared code '7' (1 time)"),
            (AB, ["a", "b", 99, 99, 7], "declares 'a', 'b'"),
            (AB, ["a", "b", *["NS/NR"] * 10], "undeclared code 'NS/NR' (10 times)"),
            (AB, ["a", "b", *range(1, 9)], "3 more undeclared codes"),
            (variable("x", ("a", "b", "c", "d")), ["a", "b"], "nobody has the level 'c', 'd' of v"),
            (variable("x", ("a", "b", "c")), ["a", "b"], "join it to another level with collapse"),
            (AB, [98, None], "nobody interviewed in person answers variable x"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_count(self, item, column, words):
        message = column_refusal(column, item)
        assert message.startswith("DataFrame: x: ")
        assert words in message
        assert message.count("undeclared code '") <= 5

    @pytest.mark.parametrize(
        ("item", "text", "times"),
        [
            (AB, "Rosa Quispe", 2),
            (AB, "she has not been asked this question", 30),
            (AB, "45671234", 1),
            (AGES, "about forty years, she said", 1),
        ],
    )
    def test_rare_and_long_texts_are_not_repeated(self, item, text, times):
        declared = ["a", "b"] if item is AB else [1, 30, 40]
        message = column_refusal([*declared, *[text] * times], item)
        assert f"an undeclared text ({times} time{'s' if times > 1 else ''})" in message
        assert text not in message

    @pytest.mark.parametrize(
        ("item", "keys"), [(AB, "a level (levels, codes)"), (YES, "a level (yes, no)")]
    )
    def test_it_may_be_an_answer_and_is_not_sent_to_missing_alone(self, item, keys):
        declared = ["a", "b"] if item is AB else [1, 2]
        message = column_refusal([*declared, "Pension"], item)
        assert f"belongs to {keys}, what is none in missing" in message
        assert "coopgap describe FILE lists the values" in message
        assert "Pension" not in message

    @given(st.text(min_size=6, max_size=60).filter(lambda text: as_number(text) is None))
    def test_no_single_text_is_ever_repeated(self, text):
        if text.strip() in {"", "a", "b"}:
            return
        try:
            from_dataframe(frame(4, x=["a", "b", text, "a"]))
        except (UnicodeError, ValueError):
            return
        assert "an undeclared text (1 time)" in column_refusal(["a", "b", text], AB)


class TestMembership:
    def test_member_and_comparison(self):
        found = survey(frame(4, member=["1.0", "0", " 1.0", "0"]), study())
        assert found.member.tolist() == [True, False, True, False]
        assert (found.n, found.n_read, found.dropped) == (4, 4, ())

    def test_declared_missing_is_dropped_and_counted(self):
        data = frame(8, member=[1, 0, 1, 0, 98, 98, None, ""])
        found = survey(data, study(missing=(98, "")))
        assert (found.n_read, found.n) == (8, 4)
        assert found.dropped == (Drop(reason="membership missing", count=4),)

    @pytest.mark.parametrize("blank", [None, "", "  ", np.nan])
    def test_a_blank_is_dropped_and_counted_by_itself(self, blank):
        data = frame(8, member=pd.Series([1, 0, 1, 0, 1, 98, blank, blank], dtype=object))
        found = survey(data, study(missing=(98,)))
        assert (found.n_read, found.n) == (8, 5)
        missing, left = Drop(reason="membership missing", count=1), "membership blank"
        assert found.dropped == (missing, Drop(reason=left, count=2))

    def test_undeclared_codes_and_nobody_on_one_side_are_refused(self):
        message = refusal(frame(8, member=[1, 0, 1, 0, 98, 98, 98, 0]), study())
        assert "undeclared code '98' (3 times)" in message
        for value, who in ((0, "members"), (1, "comparison people")):
            assert f"there are no {who}" in refusal(frame(4, member=[value] * 4), study())
        design = Design(mode=Mode(column="mode", in_person=("p",), phone=("t",)))
        data = frame(4, mode=["p", "t", "p", "t"])
        assert "there are no comparison people" in refusal(data, study(design=design))


class TestDesign:
    def test_mode(self):
        design = Design(mode=Mode(column="mode", in_person=("in person",), phone=("phone",)))
        mode = ["in person"] * 7 + ["phone"]
        spec = study(design=design)
        assert survey(frame(8, mode=mode), spec).phone.tolist() == [False] * 7 + [True]
        assert not survey(frame(8), study()).phone.any()
        for other, found in (("web", "an undeclared text (1 time)"), (None, "undeclared blank")):
            assert found in refusal(frame(8, mode=[*mode[:7], other]), spec)

    def test_a_level_only_on_the_phone_is_nobodys_level(self):
        design = Design(mode=Mode(column="mode", in_person=(0,), phone=(1,)))
        data = frame(8, mode=[0] * 7 + [1], x=["a"] * 7 + ["b"])
        item = variable("x", ("a", "b"))
        assert "nobody has the level 'b'" in refusal(data, study(item, design=design))

    def test_zone_indices_follow_sorted_labels_and_missing_zones_are_dropped(self):
        spec = study(design=Design(zone=("zone",)))
        data = frame(8, zone=["10", "9", " 9", "b", "", None, "10", "a"])
        found = survey(data, spec)
        assert found.zone_labels == ("9", "10", "a", "b")
        assert found.zone.tolist() == [1, 0, 0, 3, 1, 2]
        assert found.dropped == (Drop(reason="zone missing", count=2),)
        assert found.codes["y"].tolist() == [0, 0, 1, 1, 1, 1]

    def test_zones_and_identifiers_that_are_texts_of_one_number_are_two(self):
        spec = study(design=Design(zone=("zone",), id="id"))
        texts = [f"{k // 20 + 1}.{k % 20 + 1}" for k in range(60)]
        names = [f"{k // 30 + 1}.{k % 30 + 1}" for k in range(120)]
        data = frame(120, zone=texts * 2, id=names)
        found = survey(data, spec)
        assert len(found.zone_labels) == 60
        assert np.bincount(found.zone).tolist() == [2] * 60
        assert np.unique(found.person).size == 120

    def test_zones_of_dropped_people_leave_no_label(self):
        spec = study(design=Design(zone=("zone",)), missing=(98,))
        data = frame(8, member=[98, 1, 0, 1, 0, 1, 0, 1], zone=["z", *"aabbccd"])
        found = survey(data, spec)
        assert found.zone_labels == ("a", "b", "c", "d")
        assert found.dropped == (Drop(reason="membership missing", count=1),)

    def test_weight(self):
        spec = study(design=Design(weight="w"))
        found = survey(frame(4, w=["1", "2.5", "1e2", " .5"]), spec)
        assert found.weight.tolist() == [1.0, 2.5, 100.0, 0.5]
        assert survey(frame(4), study()).weight is None

    @pytest.mark.parametrize("bad", [0, -1, None, "", "x", "1,5,0", np.inf, True, "1_0", "nan"])
    def test_weights_that_are_not_positive_numbers_are_refused(self, bad):
        data = frame(4, w=pd.Series([1, 2, bad, bad], dtype=object))
        assert "w: 2 weights are" in refusal(data, study(design=Design(weight="w")))

    def test_weights_of_dropped_people_are_not_looked_at(self):
        spec = study(design=Design(weight="w"), missing=(98,))
        found = survey(frame(8, member=[1, 0] * 3 + [1, 98], w=[1.0] * 7 + [None]), spec)
        assert found.n == 7

    def test_identifiers(self):
        spec = study(design=Design(id="id"))
        for names in (["d", "a", "c", "b"], [4, 1, 3, 2], [4.0, 1.0, 3.0, 2.0]):
            assert len(set(survey(frame(4, id=names), spec).person.tolist())) == 4
        assert "2 identifiers stand more than once" in refusal(
            frame(8, id=["a", "a", "a", "b", "b", "c", "d", "e"]), spec
        )
        assert "1 identifiers are blank" in refusal(frame(4, id=["a", "b", "c", " "]), spec)

    def test_an_identifier_may_come_back_by_phone_once(self):
        design = Design(id="id", mode=Mode(column="mode", in_person=(0,), phone=(1,)))
        data = frame(8, id=list("abcdefab"), mode=[0] * 6 + [1, 1])
        found = survey(data, study(design=design))
        person = found.person.tolist()
        assert person[6:] == person[:2]
        assert len(set(person)) == 6
        data["id"] = list("abcdefaa")
        assert "1 identifiers stand more than once among interviews by phone" in refusal(
            data, study(design=design)
        )


class TestSource:
    def test_file_or_example(self):
        found = survey(frame(4), study())
        assert (found.source, found.is_example) == ("DataFrame", False)
        marked = survey(frame(4, provenance=["EXAMPLE DATA"] * 4), study())
        assert (marked.source, marked.is_example) == ("EXAMPLE DATA", True)


class TestNeeded:
    def test_what_models_variants_region_and_groups_use(self):
        names = ("y", "cov", "stratum", "in_variant", "region", "grouped", "unused")
        made = {name: variable(name, ("low", "high"), column=f"col_{name}") for name in names}
        made["grouped"] = replace(made["grouped"], groups=True)
        matching = Matching(on=("stratum",))
        spec = ModelSpec(name="m", outcome="y", covariates=("cov",), matching=matching)
        variant = Variant(name="v", spec=replace(spec, covariates=("in_variant",)))
        mode = Mode(column="m", in_person=(0,), phone=(1,))
        design = Design(region="region", zone=("z",), weight="w", id="i", mode=mode)
        one = replace(study(design=design), variables=made)
        one = replace(one, models=(replace(spec, variants=(variant,)),))
        assert needed_variables(one) == ("y", "cov", "stratum", "in_variant", "region", "grouped")
        assert needed_columns(one) == (
            "member",
            *(f"col_{name}" for name in needed_variables(one)),
            *("z", "w", "i", "m"),
        )


def zoned(zones, regions):
    region = variable("place", ("north", "south"), kind="nominal", missing=("?",))
    design = Design(zone=("zone",), region="place")
    return frame(len(zones), zone=zones, place=regions), study(region, design=design)


def test_zone_labels_that_repeat_in_each_region_are_refused():
    data, spec = zoned([1, 1, 2, 2] * 2, ["north"] * 4 + ["south"] * 4)
    said = refusal(data, spec)
    assert "zone" in said
    assert "2 of 2 zones stand in more than one place" in said
    assert "zone = [REGION, ZONE]" in said
    own = data.assign(zone=[1, 1, 2, 2, 3, 3, 4, 4])
    assert survey(own, spec).zone_labels == ("1", "2", "3", "4")


def test_columns_that_name_a_zone_together_tell_repeated_labels_apart():
    data, spec = zoned([1, 1, 2, 10] * 2, ["north"] * 4 + ["south"] * 4)
    both = replace(spec, design=replace(spec.design, zone=("place", "zone")))
    found = survey(data, both)
    names = [f"{place} / {zone}" for place in ("north", "south") for zone in (1, 2, 10)]
    assert found.zone_labels == tuple(names)
    assert found.zone.tolist() == [0, 0, 1, 2, 3, 3, 4, 5]
    turned = replace(spec, design=replace(spec.design, zone=("zone", "place")))
    assert survey(data, turned).zone_labels[:2] == ("1 / north", "1 / south")
    data.loc[3, "zone"] = None
    found = survey(data, both)
    assert found.dropped == (Drop(reason="zone missing", count=1),)
    assert len(found.zone_labels) == 5


def test_labels_that_read_alike_when_joined_stay_apart():
    data = frame(4, a=["x / y", "x", "x", "x"], b=["z", "y / z", "w", "w"])
    found = survey(data, study(design=Design(zone=("a", "b"))))
    assert len(set(found.zone.tolist())) == 3


def test_a_zone_across_a_border_and_people_without_a_region_are_taken():
    data, spec = zoned([1, 1, 2, 2, 2, 3, 3, 3], ["north"] * 3 + ["south"] * 5)
    assert survey(data, spec).zone_labels == ("1", "2", "3")
    data, spec = zoned([1, 1, 2, 2] * 2, ["north"] * 4 + ["?", "?", "south", "south"])
    assert survey(data, spec).zone_labels == ("1", "2")


def test_time_follows_distinct_values_not_rows():
    n = 1_000_000
    rng = np.random.default_rng(4)
    data = frame(n, x=rng.integers(1, 4, n), age=rng.integers(18, 90, n))
    items = (variable("x", ("1", "2", "3")), variable("age", ("<30", "30+"), "banded", cuts=(30,)))
    spec = study(*items)
    raw = from_dataframe(data, needed_columns(spec))
    start = time.process_time()
    found = apply_codebook(raw, spec)
    # Row by row, 4 million values take above 4 s; the bar leaves room for a busy machine.
    assert time.process_time() - start < 2.5
    assert found.n == n
    np.testing.assert_array_equal(found.codes["age"], (data["age"] >= 30).astype(int))


WORDS = st.text(st.sampled_from("01259aEe_Tt .-+\n\u00e9\u200f"), max_size=6)
SHAPES = st.sampled_from(["1", "01", "12", "a 1", "a1 ", "F_1", "true", "TRUE", "e5", "5e", ""])


@given(
    st.lists(st.integers() | st.integers().map(str))
    | st.lists(st.integers() | st.booleans() | st.floats(allow_nan=False))
    | st.lists(WORDS)
    | st.lists(SHAPES)
)
def test_plain_values_are_spelt_as_every_other_answer(values):
    """What a column of a million identifiers is spared changes no spelling."""
    distinct = tuple({(type(value), value): value for value in values}.values())
    answers = Answers(values=distinct, index=np.arange(len(distinct)))
    assert answers.texts == tuple(normalise(one, numeric=answers.numeric) for one in distinct)
    assert answers.numeric is lossless(distinct)
