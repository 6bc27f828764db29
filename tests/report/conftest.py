"""Small tables of every kind of row, with labels that mean harm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coopgap.core.estimate import (
    BalanceRow,
    CoefficientRow,
    DiagnosticRow,
    GapRow,
    SensitivityRow,
    to_frame,
)
from coopgap.core.vocabulary import EXAMPLE, Verdict
from coopgap.study.spec import (
    Design,
    Group,
    Headline,
    Hierarchical,
    Matching,
    ModelSpec,
    Phone,
    Study,
    Variable,
)

PLACES = ("region", "sex")
HOSTILE = (
    "<script>alert(1)</script>",
    "100% $x_$ ^{2}",
    "=1+1",
    "| a | b |",
    "R&D & <b>",
    "\\input{x} ~ # [y](http://z)",
    "very long " * 30,
    "@cmd",
    "control \x07 \x1b[31m and 字",
)
FIRST = ("<script", "=1+1", "| a | b |", "@cmd")
"""Starts of a label that a page, a workbook, a table or a sheet could take for something."""
HOSTILE_TOGETHER = [
    " ".join(sorted(HOSTILE, key=lambda label, first=first: not label.startswith(first)))
    for first in FIRST
]
"""All of them in one text, each of those in front once."""


def variable(name: str, levels: tuple[str, ...], label: str, kind: str, **how: bool) -> Variable:
    keys = {"name": name, "column": name, "type": kind, "label": label}
    return Variable(**keys, levels=levels, declared_levels=levels, **how)  # type: ignore[arg-type]


def make_study(labels: tuple[str, ...] = ("Agrees", "Class", "Region", "Sex")) -> Study:
    agree, ses, region, sex = labels[:4]
    variables = (
        variable("agree", ("no", "yes"), agree, "binary"),
        variable("ses", ("C", "B", "A"), ses, "ordinal"),
        variable("region", ("North", "South"), region, "nominal"),
        variable("sex", ("m", "f"), sex, "nominal", groups=True),
    )
    models = [
        ModelSpec(name=name, outcome=name, covariates=PLACES, matching=Matching(on=PLACES))
        for name in ("agree", "ses")
    ]
    return Study(
        name="small",
        title="A study",
        survey="example",
        group=Group(column="member", member=(1,), comparison=(0,)),
        design=Design(region="region", zone=("zone",)),
        variables={one.name: one for one in variables},
        models=(replace(models[0], hierarchical=Hierarchical()), models[1]),
        headline={"agree": (Headline(model="agree"),), "ses": (Headline(model="ses"),)},
        folder=Path("small"),
        sha256="0" * 64,
        printed="peru",
        phone=Phone(margin={"agree": 0.06}),
    )


def named(model: str, source: str, family: str = "", **more: object) -> dict[str, Any]:
    """The columns that name a row of a model, whose outcome has the same name."""
    keys = {"model": model, "outcome": model, "comparator": "comparison", "source": source}
    return keys | ({"family": family} if family else {}) | more


def interval(estimate: float, half: float = 0.05, kind: str = "confidence") -> dict[str, object]:
    return {
        "estimate": estimate,
        "std_error": half / 2,
        "lower": estimate - half,
        "upper": estimate + half,
        "interval_prob": 0.95,
        "interval_kind": kind,
        "p_value": 0.0004,
    }


def gap_rows(source: str) -> list[GapRow]:
    rows = []
    for outcome, matched, categories in (
        ("agree", "matched_logit", ("",)),
        ("ses", "matched_ordinal", (">=A", ">=B")),
    ):
        base = named(outcome, source, n_member=400, n_comparison=390)
        for group in ("all", "region=North", "region=South", "sex=m", "sex=f"):
            for family, population in (("unadjusted", "all_members"), (matched, "members")):
                key = {**base, "family": family, "population": population, "group": group}
                rows += [
                    GapRow(
                        **key,
                        quantity="risk_difference",
                        category=category,
                        p_adjusted=0.0008 if group == "all" and family == matched else None,
                        **interval(0.091, 0.049),
                    )
                    for category in categories
                ]
                rows.append(GapRow(**key, quantity="superiority", **interval(0.56)))
        rows += share_rows(base, outcome)
    rows += hierarchical_rows(source)
    return rows + odd_rows(source)


def share_rows(base: dict[str, object], outcome: str) -> list[GapRow]:
    shares = {"": (0.4, 0.3)} if outcome == "agree" else {"A": (0.1, 0.1), "B": (0.3, 0.2)}
    if outcome == "ses":
        shares["C"] = (0.6, 0.7)
    return [
        GapRow(
            **{**base, "comparator": comparator},
            family=family,
            population=population,
            group="all",
            quantity="share",
            category=category,
            **interval(values[number], 0.03),
        )
        for family, population in (
            ("unadjusted", "all_members"),
            ("matched_logit" if outcome == "agree" else "matched_ordinal", "members"),
        )
        for category, values in shares.items()
        for number, comparator in enumerate(("", "comparison"))
    ]


def hierarchical_rows(source: str) -> list[GapRow]:
    base = named("agree", source, "hierarchical", population="all_members")
    rows = []
    for group in ("all", "region=North", "region=South"):
        rows += [
            GapRow(
                **base, group=group, quantity="risk_difference", **interval(0.1, 0.04, "credible")
            ),
            GapRow(**base, group=group, quantity="prob_above_zero", estimate=0.987),
            GapRow(**base, group=group, quantity="prob_above_smallest", estimate=0.812),
        ]
        if group != "all":
            rows.append(
                GapRow(
                    **base, group=group, quantity="expected_rank", estimate=1.4, lower=1, upper=2
                )
            )
    rows += [
        GapRow(**base, group="all", quantity=name, **interval(0.2, 0.1, "credible"))
        for name in ("sd_finite", "sd_superpopulation")
    ]
    return rows


def odd_rows(source: str) -> list[GapRow]:
    """A row of each status that is not ok, and the conditional families."""
    base = named("agree", source, group="all", quantity="risk_difference")
    shown = interval(0.05)
    rows = [
        GapRow(**base, family=family, population=population, status=status, **numbers)
        for family, population, status, numbers in (
            ("adjusted_logit", "members", "suppressed", {}),
            ("benchmark", "members", "withheld", {}),
            ("linear", "members", "not_estimable", {}),
            ("unadjusted", "members", "few_people", shown),
            ("linear", "pooled", "few_clusters", shown),
        )
    ]
    base = named("ses", source, "conditional_ordinal", group="all", population="members")
    numbers = {**interval(1.52, 0.3), "std_error": 0.1}
    return [*rows, GapRow(**base, quantity="cumulative_odds_ratio", n_sets=58, **numbers)]


def printed_rows() -> list[GapRow]:
    base = {"family": "printed", "group": "all", "population": "printed", "source": "printed"}
    trust = {**base, "model": "printed_trust", "outcome": "agree"}
    national = {**base, "model": "printed_ses", "outcome": "ses"}
    rows = [
        GapRow(**trust, comparator="", quantity="share", **interval(0.40, 0.03)),
        GapRow(**trust, comparator="comparison", quantity="share", **interval(0.27, 0.03)),
        GapRow(
            **trust, comparator="comparison", quantity="risk_difference", **interval(0.13, 0.041)
        ),
        GapRow(
            **{**trust, "model": "printed_trust_rounding"},
            comparator="comparison",
            quantity="risk_difference",
            estimate=0.13,
            lower=0.12,
            upper=0.14,
            interval_kind="bounds",
        ),
    ]
    rows += [
        GapRow(
            **{**trust, "model": "printed_trust_by_age"},
            comparator="comparison",
            quantity=quantity,
            lower=lower,
            upper=upper,
            interval_kind="bounds",
        )
        for quantity, lower, upper in (("share", 0.139, 0.468), ("risk_difference", -0.068, 0.261))
    ]
    for level, member, other in (("A", 0.02, 0.03), ("B", 0.26, 0.09), ("C", 0.72, 0.88)):
        rows += [
            GapRow(**national, comparator="", quantity="share", category=level, estimate=member),
            GapRow(
                **national, comparator="national", quantity="share", category=level, estimate=other
            ),
            GapRow(
                **national,
                comparator="national",
                quantity="risk_difference",
                category=level,
                **interval(member - other, 0.02),
            ),
        ]
    return rows


def sensitivity_rows(source: str) -> list[SensitivityRow]:
    base = named("agree", source)
    limits = (
        "Mode, date, quarantine and phone coverage cannot be told "
        "apart, and no members were called."
    )
    verdicts = [*Verdict][:5]  # those of equivalence, and none
    rows = [
        SensitivityRow(
            **{**base, "model": name, "outcome": name},
            check="phone_equivalence",
            variant="adjusted",
            quantity="risk_difference",
            category=category,
            **{**interval(0.01, 0.04), "interval_prob": 0.9, "p_value": 0.02},
            threshold=0.06 if verdict != "not_assessed" else None,
            power=0.44,
            verdict=verdict,
            note=f"A sentence. {limits}",
        )
        for (name, category), verdict in zip(
            (("agree", ""), ("ses", ">=A"), ("ses", ">=B"), ("ses", "A"), ("ses", "B")),
            verdicts,
            strict=True,
        )
    ]
    rows += [
        SensitivityRow(
            **base,
            check="phone_composition",
            variant=variant,
            quantity=quantity,
            category="sex=m",
            about="sex",
            choice="m",
            estimate=0.5,
            verdict="holds" if quantity == "smd" else None,
        )
        for variant, quantity in (("phone", "share"), ("in person", "share"), ("", "smd"))
    ]
    rows += [
        SensitivityRow(
            **base,
            check=check,
            quantity="risk_difference",
            variant="phone",
            verdict=verdict,
            note=limits,
            **interval(0.08),
        )
        for check, verdict in (("phone_replaces", "holds"), ("phone_joins", "changes"))
    ]
    rows += [
        SensitivityRow(**base, check="e_value", quantity="e_value", estimate=2.4, lower=1.8),
        SensitivityRow(
            **base, check="variant", variant="=cmd", quantity="superiority", **interval(0.6)
        ),
        SensitivityRow(
            **base, check="negative_control", verdict="not_applicable", note="None is declared."
        ),
    ]
    return rows


def pooled_coefficients(source: str) -> list[CoefficientRow]:
    """What the hierarchical model of the ordered outcome says of its parameters."""
    terms = {
        "member": (0.5, 0.2),
        "member:>=A": (0.3, 0.3),
        "member:>=B": (0.7, 0.25),
        "member:superpopulation": (0.6, 0.5),
        "sd_finite": (0.11, 0.1),
        "sd_superpopulation": (0.21, 0.2),
        "sd_zone": (0.31, 0.3),
        "sd_zone_gap": (0.41, 0.4),
        "sd_threshold_shift": (0.071, 0.05),
    }
    return [
        CoefficientRow(
            model="ses",
            family="hierarchical",
            outcome="ses",
            term=term,
            scale="sd" if term.startswith("sd_") else "log_odds",
            std_error_kind="posterior",
            n_obs=790,
            source=source,
            **interval(estimate, half, "credible"),
        )
        for term, (estimate, half) in terms.items()
    ]


def pooled_gaps(source: str) -> list[GapRow]:
    """Gaps of the hierarchical model of the ordered outcome, over all and by region."""
    base = named("ses", source, "hierarchical", population="all_members")
    rows = []
    for number, group in enumerate(("all", "region=North", "region=South")):
        rows += [
            GapRow(
                **base,
                group=group,
                quantity="risk_difference",
                category=category,
                **interval(estimate + number / 100, 0.02, "credible"),
            )
            for category, estimate in ((">=A", 0.03), (">=B", 0.12))
        ]
        rows.append(
            GapRow(**base, group=group, quantity="superiority", **interval(0.57, 0.03, "credible"))
        )
        if number:
            rows += [
                GapRow(**base, group=group, quantity=quantity, category=category, estimate=value)
                for quantity, value in (("prob_above_zero", 1.0), ("prob_above_smallest", 0.8125))
                for category in (">=A", ">=B")
            ]
            rows.append(
                GapRow(
                    **base, group=group, quantity="expected_rank", estimate=1.4, lower=1, upper=2
                )
            )
    rows += [
        GapRow(**base, group="all", quantity=name, **interval(value, 0.1, "credible"))
        for name, value in (("sd_finite", 0.11), ("sd_superpopulation", 0.21))
    ]
    return rows


def pooled_checks(source: str) -> list[SensitivityRow]:
    """Every check of the hierarchical model of the ordered outcome."""
    base = {"model": "ses", "family": "hierarchical", "outcome": "ses", "source": source}
    gap = {**base, "comparator": "comparison", "group": "all", "quantity": "risk_difference"}
    rows = [
        SensitivityRow(
            **gap,
            check="prior_predictive",
            variant="prior",
            category=category,
            **interval(0.001, 0.3, "credible"),
        )
        for category in (">=A", ">=B", "<=C", "<=B")
    ]
    rows += [
        SensitivityRow(
            **{**base, "comparator": comparator},
            check="posterior_predictive",
            variant="answers drawn anew",
            group=f"region={region}",
            quantity="share",
            category=category,
            threshold=observed,
            note="threshold is the observed share",
            **interval(0.3, 0.05, "credible"),
        )
        for comparator in ("", "comparison")
        for region in ("North", "South")
        for category, observed in (
            ("B", 0.42 if (comparator, region) == ("", "South") else 0.32),
            ("C", 0.28),
        )
    ]
    rows += [
        SensitivityRow(
            **base,
            check="posterior_predictive",
            variant="answers drawn anew",
            quantity="share_outside",
            estimate=1 / 8,
            reference=0.04,
            p_value=0.3,
            threshold=0.05,
            n=1,
            of=8,
            verdict="holds",
        )
    ]
    rows += [
        SensitivityRow(
            **{**gap, "quantity": quantity},
            check="power_scaling",
            variant=variant,
            category=category,
            estimate=value,
            threshold=0.05,
            verdict=verdict,
        )
        for quantity, category, prior in (
            ("risk_difference", ">=A", 0.013),
            ("risk_difference", ">=B", 0.081),
            ("superiority", "", 0.02),
        )
        for variant, value, verdict in (
            ("top-level priors", prior, "changes" if prior > 0.05 else "holds"),
            ("answers", 10 * prior, None),
        )
    ]
    return rows + refit_checks(base, gap)


def refit_checks(base: dict[str, object], gap: dict[str, object]) -> list[SensitivityRow]:
    rows = []
    for variant, shift in (("region and zone SDs half-Cauchy 1", 0.004), ("threshold shifts x", 0)):
        for quantity, category, group, verdict in (
            ("risk_difference", ">=A", "all", "holds"),
            ("risk_difference", ">=B", "all", "holds"),
            ("superiority", "", "all", "holds"),
            ("sd_finite", "", "all", None),
            ("superiority", "", "region=North", "changes"),
        ):
            kept = bool(shift)
            moved = 5 * shift if verdict == "changes" else shift
            numbers = interval(0.1 + moved, 0.05, "credible") if kept else {}
            if kept and verdict:
                limits = dict.fromkeys(
                    ("difference", "difference_lower", "difference_upper"), moved
                )
                numbers |= {"reference": 0.1, **limits}
            rows.append(
                SensitivityRow(
                    **{**gap, "quantity": quantity, "group": group},
                    check="prior_refit",
                    variant=variant,
                    category=category,
                    verdict=verdict if kept else "not_assessed",
                    note="" if kept else "withheld: r_hat",
                    **numbers,
                )
            )
    for variant, value, error, verdict, note in (
        ("as declared", -2345.6, None, None, "3 people have Pareto k above 0.7: read with care"),
        ("proportional odds, minus declared", 0.6, 0.9, "holds", "all Pareto k at most 0.7"),
        ("no zones, minus declared", -31.5, 8.2, "changes", "all Pareto k at most 0.7"),
        ("no regional gaps, minus declared", None, None, "not_assessed", "withheld: its fit"),
    ):
        rows.append(
            SensitivityRow(
                **base,
                check="loo",
                variant=variant,
                quantity="elpd" if variant == "as declared" else "elpd_difference",
                estimate=value,
                std_error=error,
                verdict=verdict,
                note=note,
            )
        )
    return rows


def make_frames(source: str = EXAMPLE, *, printed: bool = True):
    means = {"member_mean": 0.4, "comparison_mean_before": 0.5, "comparison_mean_after": 0.4}
    left = means | {"smd_before": -0.2, "smd_after": 0.0, "source": source}
    balance = [
        BalanceRow(model=model, group="all", covariate="sex", level=level, **left)
        for model in ("agree", "ses")
        for level in ("m", "f")
    ]
    base = {"model": "agree", "source": source}
    diagnostics = [
        DiagnosticRow(**base, diagnostic="rows_complete", value=790),
        DiagnosticRow(
            **base, diagnostic="members_without_comparison", value=8, note="of 400 members"
        ),
        DiagnosticRow(**base, diagnostic="gate", about="r_hat", value=1.002, bar=1.01, passed=True),
        DiagnosticRow(
            model="ses",
            diagnostic="not_estimable",
            family="matched_ordinal",
            group="region=North",
            population="members",
            passed=False,
            note="4 zones are too few",
            source=source,
        ),
    ]
    if printed:
        diagnostics.append(
            DiagnosticRow(
                model="printed",
                diagnostic="contradiction",
                value=83,
                bar=81,
                passed=False,
                note="Two pages print two numbers.",
                source="printed",
            )
        )
    kind = {"scale": "log_odds", "std_error_kind": "cluster CR1 (zone)", "n_obs": 790}
    keys = {**base, "family": "matched_logit", "outcome": "agree", "term": "member"}
    coefficients = [CoefficientRow(**keys, **kind, **interval(0.4))]
    return {
        "gaps": to_frame("gaps", [*gap_rows(source), *(printed_rows() if printed else [])]),
        "coefficients": to_frame("coefficients", coefficients),
        "balance": to_frame("balance", balance),
        "sensitivity": to_frame("sensitivity", sensitivity_rows(source)),
        "diagnostics": to_frame("diagnostics", diagnostics),
    }


def make_pooled(source: str = EXAMPLE):
    """The frames with a hierarchical model of the ordered outcome and all of its checks."""
    frames = make_frames(source)
    reused = DiagnosticRow(model="ses", diagnostic="draws_reused", value=1.0, source=source)
    more = {
        "gaps": pooled_gaps(source),
        "coefficients": pooled_coefficients(source),
        "sensitivity": pooled_checks(source),
        "diagnostics": [reused],
    }
    added = {
        name: pd.concat([frames[name], to_frame(name, rows)], ignore_index=True)
        for name, rows in more.items()
    }
    return {**frames, **added}


def make_meta(*, is_example: bool = True) -> dict[str, object]:
    return {
        "program": "coopgap",
        "version": "0.1.0",
        "finished": "2026-01-01T00:00:00+00:00",
        "study": "small",
        "study_sha256": "0" * 64,
        "survey": EXAMPLE if is_example else "survey.csv",
        "survey_sha256": None,
        "is_example": is_example,
        "headline": {name: [{"model": name, "at": ""}] for name in ("agree", "ses")},
        "checks": "quick",
        "seed": 20190000,
        "n_read": 800,
        "n_member": 400,
        "n_comparison": None,
        "n_phone": 10,
        "n_phone_member": 0,
        "dropped": [{"reason": "membership missing", "count": 3}],
        "models": [{"model": "agree", "outcome": "agree", "n": 790, "dropped": [], "draws": None}],
        "versions": {"python": "3.13.0", "nutpie": "0.16.11"},
        "seconds": {"total": 1.5},
    }


def make_hostile(frames, label: str):
    """The frames with a label in every text column that names something."""
    result = {}
    for name, frame in frames.items():
        new = frame.copy()
        for column in ("variant", "note", "level", "about", "choice", "term"):
            if column in new:
                new[column] = new[column].mask(new[column] != "", label).astype("string")
        if "group" in new:
            regional = new["group"].str.startswith("region=North")
            new["group"] = new["group"].mask(regional, f"region={label}").astype("string")
        result[name] = new
    return result


@pytest.fixture(scope="session")
def hostile():
    return HOSTILE


@pytest.fixture(scope="session")
def build():
    """Makers of a study, its frames and its meta."""

    class Build:
        study = staticmethod(make_study)
        frames = staticmethod(make_frames)
        meta = staticmethod(make_meta)
        pooled = staticmethod(make_pooled)
        hostile = staticmethod(make_hostile)
        interval = staticmethod(interval)

    return Build
