import pytest

from coopgap.estimate import SensitivityRow, to_frame
from coopgap.plan import make_plan
from coopgap.report.content.phone import phone_section
from coopgap.report.content.said.dispatch import said
from coopgap.report.view import View
from coopgap.vocabulary import Check, IntervalKind, Verdict


@pytest.fixture(scope="module")
def study():
    return make_plan("peru", None, ("trust", "trust_agree")).study


def view_of(study, rows):
    assert len(to_frame("sensitivity", rows)) == len(rows)
    return View(
        study=study,
        meta={},
        gaps=(),
        joint=(),
        printed=(),
        coefficients=(),
        balance=(),
        sensitivity=tuple(rows),
        diagnostics=(),
        printed_coefficients=(),
        printed_covariates=frozenset(),
        printed_sensitivity=(),
        printed_diagnostics=(),
    )


def row(check, outcome, **values):
    return SensitivityRow(check=check, model=outcome, outcome=outcome, source="s", **values)


def reference(outcome, category, estimate, verdict, p_value, variant="adjusted"):
    return row(
        Check.PHONE_SUBSAMPLE_REFERENCE,
        outcome,
        variant=variant,
        quantity="share",
        category=category,
        estimate=estimate,
        lower=None if estimate is None else 0.2,
        upper=None if estimate is None else 0.35,
        interval_kind=IntervalKind.BOUNDS,
        p_value=p_value,
        verdict=verdict,
    )


def text(study, rows):
    ((_, found),) = said(view_of(study, rows), rows)
    return found.replace("\N{NO-BREAK SPACE}", " ")


def test_one_share_has_its_range(study):
    inside = reference("trust_agree", "", 0.303, Verdict.HOLDS, 0.31)
    other = reference("trust_agree", "", 0.9, Verdict.CHANGES, 0.002, variant="unadjusted")
    assert text(study, [inside, other]) == (
        "The phone share, 30.3 %, lies inside the range of 95 % of in-person subsamples of that "
        "size, 20.0 to 35.0 % (p 0.31). That does not show that they answer alike."
    )
    outside = reference("trust_agree", "", 0.4, Verdict.CHANGES, 0.004)
    assert text(study, [outside]) == (
        "The phone share, 40.0 %, lies outside the range of 95 % of in-person subsamples of that "
        "size, 20.0 to 35.0 % (p 0.004)."
    )


def test_thresholds_outside_are_named(study):
    whole = row(
        Check.PHONE_SUBSAMPLE_REFERENCE,
        "trust",
        variant="adjusted",
        quantity="largest_difference",
        estimate=0.1,
        p_value=0.03,
    )
    rows = [
        reference("trust", ">=agree", 0.4, Verdict.CHANGES, 0.01),
        reference("trust", ">=neither", 0.3, Verdict.HOLDS, 0.5),
        reference("trust", ">=strongly agree", None, Verdict.NOT_ASSESSED, None),
        whole,
    ]
    assert text(study, rows) == (
        "The phone share lies outside the range of 95 % of in-person subsamples of that size at "
        "“agree or higher”, of 2 thresholds (all together: p 0.030)."
    )
    rows[0] = reference("trust", ">=agree", 0.3, Verdict.HOLDS, 0.4)
    assert text(study, rows).startswith("At each of 2 thresholds the phone share lies inside")
    assert said(view_of(study, rows[2:3]), rows[2:3]) == ()


def linked(outcome, quantity, estimate, **values):
    return row(Check.PHONE_LINKED, outcome, quantity=quantity, estimate=estimate, **values)


def test_people_asked_twice_have_two_sentences(study):
    name = "gap, by phone minus in person"
    rows = [
        linked("trust", "people_linked", 400.0),
        linked("trust", "agreement_share", 0.788, lower=0.743, upper=0.826),
        linked("trust", "kappa", 0.842, variant="linear weights"),
        linked("trust", "kappa", 0.926, variant="quadratic weights"),
        linked("trust", "risk_difference", 0.005, variant=name, category=">=agree"),
        linked(
            "trust",
            "risk_difference",
            -0.012,
            variant=name,
            category=">=neither",
            lower=-0.022,
            upper=-0.003,
        ),
    ]
    assert text(study, rows) == (
        "400 people answered in both modes: 78.8 % (74.3 to 82.6 %) gave the same answer twice; "
        "kappa 0.84. With their phone answers the gap at “neither or higher” moves by −1.2 (−2.2 "
        "to −0.3) points, the most of all thresholds."
    )
    assert text(study, rows[:1]) == (
        "400 people answered in both modes; too few answered otherwise, or alike, to show a share."
    )
    assert text(study, rows[:4]).endswith("kappa 0.84.")
    one = [*rows[:3], rows[5]]
    assert text(study, one).endswith("the gap moves by −1.2 (−2.2 to −0.3) points.")


def test_a_check_without_an_answer_stands_once(study):
    reason = "Nobody was asked in both modes."
    rows = [
        row(Check.PHONE_LINKED, name, verdict=Verdict.NOT_APPLICABLE, note=reason)
        for name in ("trust", "trust_agree")
    ]
    shown = repr(phone_section(view_of(study, rows), ()))
    assert shown.count(reason) == 1
    answered = [*rows, linked("trust", "people_linked", 400.0)]
    shown = repr(phone_section(view_of(study, answered), ()))
    assert shown.count(reason) == 1
    assert "400 people answered in both modes" in shown
