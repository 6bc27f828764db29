"""Which of two answers counts, and who the members are: said by the data, or refused."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import coopgap as cg

REMEDY = r'df\["{}"\] == {}, or by an ordered pd.Categorical whose last category counts'
TRUST = REMEDY.format("trusted_person", 1)
MEMBER = REMEDY.format("member", 1)


@pytest.fixture
def coded(table):
    """The example as a file has it: 1 is yes and 2 is no, of membership too."""
    frame = table("example")
    return frame.assign(member=2 - frame["member"])


@pytest.mark.parametrize("verb", [cg.logit, cg.ordinal])
def test_one_and_two_are_refused_as_an_outcome(coded, verb):
    with pytest.raises(cg.InputError, match=f"trusted_person: holds 1 and 2, .*{TRUST}"):
        verb("trusted_person ~ sex", coded)


def test_one_and_two_are_refused_as_membership(coded):
    coded["trusts"] = (coded["trusted_person"] == 1).astype(int)
    fit = cg.logit("trusts ~ member", coded)
    with pytest.raises(cg.InputError, match=MEMBER):
        cg.gap(fit, "member")
    with pytest.raises(cg.InputError, match=MEMBER):
        cg.match(coded, "member ~ sex")
    with pytest.raises(cg.InputError, match=MEMBER):
        cg.hierarchical("trusts ~ sex", coded, member="member", region="region")
    m = cg.match(coded.assign(member=coded["member"] == 1), "member ~ sex", method="exact")
    with pytest.raises(cg.InputError, match=TRUST):
        cg.checks.rosenbaum(m, "trusted_person")
    with pytest.raises(cg.InputError, match=MEMBER):
        cg.gap(smf.logit("trusts ~ member", coded).fit(disp=0), "member")


@pytest.mark.parametrize("kind", ["str", "object", "category"])
def test_texts_without_an_order_are_refused_and_not_repeated(coded, kind):
    named = coded["trusted_person"].map({1: "agrees", 2: "no way"}).astype(kind)
    with pytest.raises(cg.InputError, match=r'two texts without an order.*== "yes"') as error:
        cg.logit("answer ~ sex", coded.assign(answer=named))
    assert "agrees" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("made", "title"),
    [
        (lambda yes: yes, "= True (not False)"),
        (lambda yes: yes.astype(int), "= 1 (not 0)"),
        (lambda yes: yes.astype(float), "= 1 (not 0)"),
        (lambda yes: yes.astype(int).astype(str), "= 1 (not 0)"),
        (lambda yes: yes.astype("boolean"), "= True (not False)"),
        (lambda yes: yes.astype(object), "= True (not False)"),
        (lambda yes: pd.Categorical(np.where(yes, 1, 2), [2, 1], ordered=True), "= 1 (not 2)"),
        (
            lambda yes: pd.Categorical(np.where(yes, "yes", "no"), ["no", "yes"], ordered=True),
            "= yes (not no)",
        ),
    ],
)
def test_what_says_which_counts_gives_one_gap(coded, made, title):
    """The same people in every form, as outcome and as membership; 0.08 by hand from the counts."""
    yes, member = coded["trusted_person"] == 1, coded["member"] == 1
    frame = pd.DataFrame({"y": made(yes), "m": made(member)})
    by_hand = yes[member].mean() - yes[~member].mean()
    assert by_hand == pytest.approx(0.08, abs=0.001)
    for verb in (cg.logit, cg.ordinal):
        g = cg.gap(verb("y ~ m", frame), "m")
        assert g.at().estimate == pytest.approx(by_hand, abs=1e-9)
        assert repr(g).startswith(f"y {title}: m = ")
        assert repr(g).partition("\n")[0].endswith("over all_members")


def test_the_example_says_which_counts():
    df = cg.datasets.peru_example()
    for verb in (cg.logit, cg.linear):
        g = cg.gap(verb("trusted_person ~ member", df), "member")
        assert g.at().estimate == pytest.approx(0.08, abs=0.001)
        assert repr(g).startswith("trusted_person = 1 (not 2): member = 1 minus member = 0, over")
    m = cg.match(df, "member ~ age_band + sex", method="exact")
    fit = cg.logit("neighbours ~ member", m.data, weights="match_weight")
    assert repr(cg.gap(fit, "member")).partition("\n")[0].endswith("over members")
