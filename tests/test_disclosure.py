"""An official release, attacked in each way that gave a count of one to nine back."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import coopgap
from coopgap.app import pipeline
from coopgap.app.plan import make_plan
from coopgap.core.disclose import Grain, protected_count, protected_meta, protected_rows
from coopgap.core.estimate import (
    TABLES,
    BalanceRow,
    DiagnosticRow,
    GapRow,
    SensitivityRow,
    to_frame,
)
from coopgap.core.vocabulary import BY_STRATUM, KINDS, Kind
from coopgap.report.plan import plan_text
from coopgap.study.load import load_study

from .studies import model, nominal, ordinal, where, write_study
from .studies import pick as only_row

N = 400
FEW = (2, 5, 8)
"""Sizes of every small count in turn."""
VARIABLES = {
    "trust": {"type": "binary", "levels": ["no", "yes"]},
    "class": ordinal("low", "mid", "top"),
    "region": nominal("North", "South", missing=["?"]),
    "age": nominal("young", "old", "oldest"),
    "kind": nominal("one", "other"),
}
WITHOUT_AGE = {"name": "without age", "covariates": ["region"]}


@cache
def survey(few: int) -> pd.DataFrame:
    """Two groups of 400 in which each small count is `few`.

    Members of the other kind, whom nobody resembles; comparison people among the oldest; members
    at the top; members who trust; people without an answer, a region or a membership.
    """
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"member": np.repeat([1, 0], N), "zone": np.arange(2 * N) % 40})
    member, place = frame["member"] == 1, np.tile(np.arange(N), 2)
    frame["region"] = np.where(frame["zone"] < 20, "North", "South")
    frame["age"] = np.where(rng.random(2 * N) < 0.5, "young", "old")
    frame.loc[member & (place >= N - 60), "age"] = "oldest"
    frame.loc[~member & (place >= N - few), "age"] = "oldest"
    frame["kind"] = np.where(member & (place < few), "other", "one")
    high = rng.permutation(np.arange(100, 300))
    frame["trust"] = np.where(~member & (place % 3 == 0), "yes", "no")
    frame.loc[member & np.isin(place, high[:few]), "trust"] = "yes"
    frame["class"] = np.where(place % 2 == 0, "low", "mid")
    frame.loc[~member & (place % 5 == 0), "class"] = "top"
    frame.loc[member & np.isin(place, high[50 : 50 + few]), "class"] = "top"
    frame.loc[member & (place < few), "class"] = "mid"
    frame.loc[~member & (place >= 100) & (place < 100 + few), "class"] = None
    lost = pd.concat([frame.iloc[[50]]] * few).assign(member=9)
    return pd.concat([frame, lost], ignore_index=True)


def folder_of(path, minimum):
    tables = {"disclosure": {"minimum": minimum}} if minimum else {}
    models = {
        name: model(name, "age", "region", on=("age", "kind"), variant=[WITHOUT_AGE])
        for name in ("trust", "class")
    }
    group = {"column": "member", "member": 1, "comparison": 0, "missing": [9]}
    design = {"region": "region", "zone": "zone"}
    return write_study(path, VARIABLES, models, group=group, design=design, **tables)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """By minimum and small count."""
    base = tmp_path_factory.mktemp("studies")
    folders = {minimum: folder_of(base / f"m{minimum}", minimum) for minimum in (0, 10)}
    return {
        (minimum, few): coopgap.run(folder, data=survey(few), seed=1, jobs=1)
        for minimum, folder in folders.items()
        for few in FEW
    }


@pytest.fixture(scope="module")
def saved(runs, tmp_path_factory):
    found = {}
    for key in ((0, 5), (10, 5)):
        found[key] = tmp_path_factory.mktemp("reports") / f"r{key[0]}"
        runs[key].save(found[key])
    return found


def count(value):
    """A number that a table may lack."""
    return np.nan if pd.isna(value) else float(value)


def of(table, column="estimate", **keys):
    """A number of one row of a run's table."""
    keys = {"group": "all"} | keys if table != "sensitivity" else keys
    return lambda run: count(getattr(only_row(run.frames[table], **keys), column))


RAW = {"family": "unadjusted", "population": "all_members"}
GAP_AT_ALL = RAW | {"model": "trust", "quantity": "risk_difference"}
SHARE = {"model": "class", "quantity": "share", "comparator": ""}
WITHIN = {"model": "trust", "family": "matched_logit", "quantity": "risk_difference"}
OLDEST = {"model": "trust", "covariate": "age", "level": "oldest"}


def people(**keys):
    """How many people a share is of: the share times their number."""
    return lambda run: of("gaps", **keys)(run) * of("gaps", "n_member", **keys)(run)


def shares_left_over(run):
    """The members at the top, from all levels that are shown and the total."""
    rows = where(run.gaps, **RAW, **SHARE, group="all")
    rows = rows[rows["category"] != "top"]
    return count((1 - rows["estimate"].sum(skipna=False)) * rows["n_member"].iloc[0])


def lost_by_matching(run):
    """Members of a kind that nobody resembles: all of them less those matched."""
    return of("gaps", "n_member", **GAP_AT_ALL)(run) - of("gaps", "n_member", **WITHIN)(run)


def trusting_lost(run):
    """Comparison people in a matched stratum, from the matched against the unmatched share."""
    mid = SHARE | {"category": "mid"}
    matched = people(**mid, family="shares", population="members")
    return people(**mid, **RAW)(run) - matched(run)


def effective_size(run):
    """Comparison people among the oldest, from the digits of the matched effective size.

    Everything else about the survey is known to whoever asks.
    """
    shown, fits = of("gaps", "ess_comparison", **WITHIN)(run), []
    for guess in range(1, 10):
        frame = survey(guess)
        frame = frame[frame["member"] != 9]
        member, other = frame["member"] == 1, frame["kind"] == "other"
        beside = frame[~member]["age"].value_counts()
        weight = frame[member & ~other]["age"].value_counts() / beside
        size = (weight * beside).sum() ** 2 / (weight**2 * beside).sum()
        if abs(size - shown) < 1e-6:
            fits.append(guess)
    return float(fits[0]) if len(fits) == 1 else np.nan


def score_equations(run, few):
    """Members who trust: at the maximum the fitted members' probabilities sum to them."""
    rows = where(run.coefficients, model="trust", family="adjusted_logit")
    terms = dict(zip(rows["term"], rows["estimate"], strict=True))
    members = where(survey(few), member=1)
    total = np.full(len(members), count(terms["member"]) - count(terms["no|yes"]))
    for name in ("age", "region"):
        total += [count(terms.get(f"{name}={level}", 0.0)) for level in members[name]]
    return float(expit(total).sum())


def totals_less_totals(run):
    """People without a membership: all that were read less all that were kept."""
    return float(run.meta["n_read"] - run.meta["n_member"] - run.meta["n_comparison"])


def balance_level(run):
    """Comparison people among the oldest: the level's share times their number."""
    share = of("balance", "comparison_mean_before", **OLDEST)(run)
    return share * of("gaps", "n_comparison", **GAP_AT_ALL)(run)


def balance_left_over(run):
    """The same, from the other levels."""
    rows = where(run.balance, model="trust", group="all", covariate="age", level=["young", "old"])
    return count(1 - rows["comparison_mean_before"].sum(skipna=False)) * N


def bounds_width(run):
    """People who do not say: the width of the worst-case bounds is their share."""
    keys = {"check": "missing_bounds", "model": "class", "variant": "bounds"}
    keys |= {"quantity": "risk_difference", "category": ">=mid"}
    lower, upper = (of("sensitivity", name, **keys)(run) for name in ("lower", "upper"))
    kept = where(run.gaps, model="class", family="matched_ordinal")
    return (upper - lower) * count(kept["ess_comparison"].max())


def rows_dropped(run):
    """People left out of a model, as diagnostics.csv has them."""
    rows = where(run.diagnostics, model="class", diagnostic="dropped")
    return count(rows["value"].iloc[0])


def note_of_bounds(run):
    """The same count, from the words of a check."""
    note = where(run.sensitivity, check="missing_bounds", model="class")["note"].iloc[0]
    found = re.search(r"and ([\d,]+) of [\d,]+ comparison people", note)
    return float(found[1]) if found else np.nan


VARIANT = {"check": "variant", "model": "trust", "variant": "shares, members"}
VARIANT |= {"quantity": "risk_difference"}


def variant_gap(run):
    """Members who trust, from a sensitivity row of raw shares and the comparison group's."""
    keys = {"model": "trust", "family": "shares", "quantity": "share", "comparator": "comparison"}
    shown = of("sensitivity", **VARIANT)(run) + of("gaps", **keys)(run)
    return shown * of("gaps", "n_member", **keys)(run)


ATTACKS = {
    "share_of_group": people(**SHARE, **RAW, category="top"),
    "dropped": lambda run: float(run.meta["dropped"][0]["count"]),
} | {
    attack.__name__: attack
    for attack in (
        shares_left_over,
        lost_by_matching,
        trusting_lost,
        effective_size,
        totals_less_totals,
        balance_level,
        balance_left_over,
        rows_dropped,
        note_of_bounds,
        variant_gap,
    )
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gives_a_small_count_back_and_after_release_does_not(runs, name):
    found = {key: ATTACKS[name](run) for key, run in runs.items()}
    for few in FEW:
        assert found[0, few] == pytest.approx(few, abs=1e-6), (name, few)
    told = [found[10, few] for few in FEW]
    hits = [few for few, value in zip(FEW, told, strict=True) if abs(value - few) < 0.5]
    # A number that knows nothing of the count may be it by chance.
    assert len(hits) <= 1, (name, told)


def test_score_equations_give_a_small_count_back_and_after_release_do_not(runs):
    for few in FEW:
        assert score_equations(runs[0, few], few) == pytest.approx(few, abs=1e-4)
        assert np.isnan(score_equations(runs[10, few], few))


def test_the_width_of_bounds_is_the_silent_and_after_release_is_not(runs):
    widths = {key: bounds_width(run) for key, run in runs.items()}
    for few in FEW:
        assert 0 < widths[0, few] < 3 * few
    apart = np.diff([widths[0, few] for few in FEW])
    assert (apart > 1).all()
    told = [round(widths[10, few], 6) for few in FEW]
    assert min(told) > max(FEW)
    assert len({*told}) <= 2


def test_no_draws_are_kept_and_nothing_stands_by_zone_or_stratum(tmp_path, monkeypatch):
    kept = {"trust": object()}
    monkeypatch.setattr(pipeline, "fit_regions", lambda *args, **keys: kept)
    found = {}
    for minimum in (0, 10):
        folder = folder_of(tmp_path / f"s{minimum}", minimum)
        found[minimum] = coopgap.run(
            folder, data=survey(5), only=["trust"], checks="full", seed=1, jobs=1
        )
    assert found[0].draws == kept
    assert found[10].draws == {}
    for minimum, shown in ((0, True), (10, False)):
        run = found[minimum]
        zones = run.sensitivity[run.sensitivity["check"] == "leave_one_zone"]
        strata = run.diagnostics["diagnostic"].isin(BY_STRATUM)
        assert zones["estimate"].notna().any() == shown
        assert strata.any() == shown
        assert ("survey_sha256" in run.meta) == shown
    regions = found[10].sensitivity
    regions = regions[(regions["check"] == "leave_one_region") & regions["estimate"].notna()]
    share = 100 * regions["estimate"].to_numpy()
    assert share == pytest.approx(np.round(share), abs=1e-9)


def test_every_number_of_a_release_is_as_coarse_as_it_must_be(runs):
    run = runs[10, 5]
    own = run.gaps[run.gaps["n_fewest"].notna() & run.gaps["estimate"].notna()]
    assert (own["n_fewest"] >= 10).all()
    for name in ("n_member", "n_comparison", "ess_comparison", "n_sets", "n_fewest"):
        values = run.gaps[name].dropna().astype(float)
        assert (values % 10 == 0).all(), name
    shares = own[own["quantity"].isin(["risk_difference", "share", "superiority"])]
    sizes = shares[["n_member", "n_comparison", "ess_comparison"]].astype(float).min(axis=1)
    # A share of fewer than 500 people moves by at least two points with ten of them.
    for name in ("estimate", "lower", "upper", "std_error"):
        known = shares[name].notna() & (sizes < 500)
        hundredths = 100 * shares.loc[known, name].to_numpy()
        assert hundredths == pytest.approx(np.round(hundredths), abs=1e-9), name
        # To a whole number of steps, one of 1, 2 or 5 hundredths or ten times that.
        assert ((np.round(hundredths) % 5 == 0) | (np.round(hundredths) % 2 == 0)).all()
    blank = run.gaps[run.gaps["status"] == "suppressed"]
    assert blank[["estimate", "lower", "upper", "std_error", "n_fewest"]].isna().all(axis=None)
    assert len(blank) > 20


def text_of(folder):
    page = (folder / "report.html").read_text("utf-8") + (folder / "report.md").read_text("utf-8")
    return re.sub(r"<(style|script)[^>]*>.*?</\1>|<[^>]*>", " ", page, flags=re.S)


def test_the_report_its_figures_and_the_exports_hold_nothing_finer(runs, saved):
    own, released = (runs[key].gaps for key in ((0, 5), (10, 5)))
    told = {float(x) for x in released["estimate"].dropna()}
    fine = {f"{100 * abs(x):.1f}" for x in own["estimate"].dropna() if abs(x) < 1}
    fine -= {f"{100 * abs(x):.1f}" for x in told} | {"95.0"}
    fine = {text for text in fine if not text.endswith(".0") and len(text) > 3}
    pages = {key: text_of(folder) for key, folder in saved.items()}
    tokens = {
        key: set(re.findall(r"(?<![\d.])\d+\.\d(?![\d.])", page)) for key, page in pages.items()
    }
    assert len(fine & tokens[0, 5]) > 20
    assert fine & tokens[10, 5] == set()
    # Shares and gaps are whole points.
    assert set(re.findall(r"\d+\.[1-9]\s?%", pages[10, 5])) == set()
    counts = {f"{N}", f"{N - 5}", f"{2 * N}", f"{2 * N + 5}", f"{2 * N - 5}"}
    odd = {text for text in counts if int(text) % 10}
    assert odd & set(re.findall(r"\d+", pages[0, 5]))
    assert not odd & set(re.findall(r"(?<![\d.])\d+(?![\d.])", pages[10, 5]))
    assert "SHA-256 of survey" not in pages[10, 5]
    for name in TABLES:
        frame = pd.read_csv(saved[10, 5] / f"{name}.csv")
        for column in frame.select_dtypes("number"):
            for value in frame[column].dropna():
                # Not more digits than a step of one, two or five thousandths leaves.
                assert len(f"{value:.12g}".replace("-", "").lstrip("0.").rstrip("0")) <= 4, (
                    name,
                    column,
                    value,
                )
    meta = json.loads((saved[10, 5] / "run.json").read_text("utf-8"))
    assert meta["disclosure_minimum"] == 10
    assert all(meta[key] % 10 == 0 for key in meta if key.startswith("n_"))
    assert not (saved[10, 5] / "draws").exists()


def test_the_plan_tells_no_small_count(tmp_path):
    texts = {}
    for minimum in (0, 10):
        plan = make_plan(folder_of(tmp_path / f"p{minimum}", minimum), survey(7))
        texts[minimum] = plan_text(plan)
    assert "807 rows read" in texts[0]
    assert "dropped   7:" in texts[0]
    assert "810 rows read" in texts[10]
    assert "dropped   10:" in texts[10]
    plain = re.sub(r"specifications.*|\d+ (?:levels|families)", "", texts[10])
    numbers = re.findall(r"(?<![\w.])\d[\d,]*(?![\w.])", plain)
    assert all(int(number.replace(",", "")) % 10 == 0 for number in numbers), numbers


GAP = {
    "model": "m", "family": "unadjusted", "outcome": "y", "comparator": "comparison",
    "group": "all", "population": "members", "source": "s",
}  # fmt: skip


def released(row, minimum=10, **sizes):
    """A row as it is after release."""
    (found,) = protected_rows([row], minimum, *([sizes] if sizes else []))
    return found


def sensitivity(check="variant", **more):
    keys = {"check": check, "model": "m", "outcome": "y", "source": "s"}
    return SensitivityRow(**(keys | more))


@pytest.mark.parametrize("minimum", [3, 10])
@pytest.mark.parametrize("quantity", ["share", "risk_difference", "odds_ratio", "risk_ratio"])
@pytest.mark.parametrize("n", [73, 400, 1003])
def test_neighbours_are_not_told_apart_beyond_one_step(minimum, quantity, n):
    """Of all counts of a group each published number is that of at least half of `minimum`."""
    published = []
    for few in range(minimum, n // 2):
        share = few / n
        ratio = share / (1 - share) if quantity == "odds_ratio" else share / 0.5
        value = {"share": share, "risk_difference": 0.5 - share}.get(quantity, ratio)
        sizes = {"n_member": n, "n_comparison": n, "n_fewest": few}
        row = GapRow(**GAP, quantity=quantity, estimate=value, **sizes)
        published.append(released(row, minimum).estimate)
    told = itertools.groupby(published)
    lengths = [len(list(same)) for value, same in told if value is not None]
    # The first and last are cut; where a step becomes larger one is shorter.
    short = [length for length in lengths[1:-1] if length < minimum / 2]
    assert len(short) <= 1 + len(lengths) // 10, lengths
    assert len(set(published)) <= 1 + n / minimum


def test_a_number_that_says_not_what_it_is_is_blank():
    found = released(
        sensitivity(
            quantity="something new", estimate=0.123, n_smaller=400, n_fewest=100,
            note="of 17 people, 12.5% at age=17, 95 % of them",
        )
    )  # fmt: skip
    assert found.estimate is None
    assert found.note == "of … people, … at age=17, 95 % of them"
    found = released(sensitivity(quantity="risk_difference", estimate=0.1))
    assert (found.estimate, found.verdict) == (None, "not_assessed")
    found = released(sensitivity(n_smaller=403, n_fewest=17))
    assert (found.n_smaller, found.n_fewest, found.verdict) == (400, None, None)
    public = sensitivity(quantity="share", estimate=0.123, source="printed")
    assert released(public) == public
    # The way the sets point is not told of few people.
    points = {"direction": "members_higher", "opposed": True, "n_smaller": 400, "estimate": 14.0}
    for fewest, shown in ((9, (None, None)), (30, ("members_higher", True))):
        found = released(sensitivity("rosenbaum", quantity="n_sets", n_fewest=fewest, **points))
        assert (found.direction, found.opposed) == shown


def test_diagnostics_are_told_by_what_they_are():
    kinds = {
        Kind.COUNT: 17.0, Kind.SHARE: 0.1234, Kind.P_VALUE: 0.0123, Kind.PLAIN: 14.0, None: 3.21
    }  # fmt: skip
    rows = [
        DiagnosticRow(model="m", diagnostic="gate", value=value, kind=kind, source="s")
        for kind, value in kinds.items()
    ]
    found = to_frame("diagnostics", protected_rows(rows, 10, {"m": 1000}))["value"]
    assert found.tolist()[:2] == [20.0, 0.12]
    # 2.50 deviations, each of 31 pairs of people, in steps of one: two of them.
    assert found[2] == pytest.approx(0.05)
    assert found[3] == 14.0
    assert np.isnan(found[4])


def test_counts_in_columns_of_their_own_are_rounded_too():
    row = DiagnosticRow(
        model="m", diagnostic="members_lost", value=17, kind=Kind.COUNT, about="age",
        category="65+", n=17, of=103, statistic=9.4321, df=2, df_residual=37.0, source="s",
    )  # fmt: skip
    found = released(row, m=1000)
    assert (found.n, found.of, found.df_residual) == (20, 100, 40)
    # Ten of 1,000 people move a deviation by .63, and so 3.07 of them squared by 4.3: in fives.
    assert (found.statistic, found.df) == (10.0, 2)
    lost = sensitivity(
        "phone_joins", quantity="members_lost_share", estimate=0.17, n=17, of=103,
        n_smaller=103, n_fewest=17,
    )  # fmt: skip
    found = released(lost)
    assert (found.n, found.of) == (20, 100)
    # Specifications are no people.
    found = released(replace(lost, check="multiverse", n=3, of=8))
    assert (found.n, found.of) == (3, 8)
    counts = {"n_member_before": 37, "n_member_after": 31}
    counts |= {"n_comparison_before": 84, "n_comparison_after": 66}
    row = BalanceRow(
        model="m", group="all", covariate="age", level="old", source="s", **counts,
        member_mean_before=0.3712, missing_member=4, n_smaller=90, n_fewest=31,
    )  # fmt: skip
    found = released(row)
    assert [getattr(found, name) for name in counts] == [40, 30, 80, 70]
    assert (found.member_mean_before, found.missing_member) == (0.4, 0)
    # Of few people at the level, or not at it, no count is told: theirs would be among them.
    few = released(replace(row, n_member_after=8, n_fewest=8))
    assert {getattr(few, name) for name in (*counts, "member_mean_before")} == {None}


def test_counts_of_run_json_are_rounded():
    assert [protected_count(n, 10) for n in (0, 4, 5, 14, 15, 1003)] == [0, 0, 10, 10, 20, 1000]
    told = protected_meta({"n_read": 7, "seed": 7, "survey_sha256": "a"}, 5)
    assert told == {"n_read": 5, "seed": 7, "disclosure_minimum": 5}
    rare, common = ({"column": "age", "code": "88", "count": n} for n in (4, 52))
    assert protected_meta({"doubts": [rare, common]}, 5)["doubts"] == [common | {"count": 50}]
    model = {
        "model": "m", "n": 213, "members": 104, "members_matched": None, "tied_members": 7,
        "n_zones": 38, "zones_member": 33, "zones_comparison": None, "form": "free", "draws": 2000,
    }  # fmt: skip
    assert protected_meta({"models": [model]}, 10)["models"] == [
        model | {"n": 210, "members": 100, "tied_members": 10, "n_zones": 40, "zones_member": 30}
    ]


def test_steps_are_what_people_could_move():
    """By hand: ten of 400 are 2.5 points, told in steps of five; of 50 at the answer."""
    grain = Grain(minimum=10, n=400, fewest=50, kind=Kind.SHARE, std_error=0.05)
    assert grain.share == pytest.approx(0.025)
    assert grain.log == pytest.approx(10 / (50 * (1 - 50 / 400)))
    assert grain.statistic == pytest.approx(0.5)
    for few, n in ((20, 400), (100, 400), (200, 400)):
        moved = np.log(few / (n - few)) - np.log((few - 0.01) / (n - few + 0.01))
        log = Grain(minimum=10, n=n, fewest=few, kind=Kind.LOG).log
        assert log == pytest.approx(1000 * moved, rel=0.01)
    row = GapRow(
        **GAP, quantity="risk_difference", estimate=0.131, std_error=0.05, lower=0.033, upper=0.229,
        p_value=0.0088, n_member=400, n_comparison=500, ess_comparison=431.7, n_fewest=50,
    )  # fmt: skip
    found = released(row)
    assert (found.estimate, found.std_error) == (0.15, 0.05)
    assert (found.lower, found.upper) == (0.0, 0.25)
    # 2.62 deviations are told as 2.5: p .0124, upward.
    assert found.p_value == 0.02
    assert (found.n_member, found.ess_comparison, found.n_fewest) == (400, 430, 50)
    # An E-value is that of its rounded ratio: at 1.2 it is 1.69; what would tell it from 1.68 is
    # a hundredth of the ratio.
    told = {
        released(
            sensitivity(
                "e_value", quantity="e_value", estimate=ratio + np.sqrt(ratio * (ratio - 1)),
                n_smaller=400, n_fewest=100,
            )
        ).estimate
        for ratio in np.linspace(1.12, 1.28, 9)
    }  # fmt: skip
    assert told == {1.7}


def test_rows_say_how_many_people_stand_behind_them(runs):
    """By hand, from the survey itself."""
    run, frame = runs[0, 5], survey(5)
    frame = frame[frame["member"] != 9]
    member, trust = frame["member"] == 1, frame["trust"] == "yes"
    assert (member & trust).sum() == 5
    gap = only_row(run.gaps, **GAP_AT_ALL, group="all")
    assert (gap.n_fewest, gap.n_member, gap.status) == (5, 400, "few_people")
    keys = RAW | {"model": "trust", "quantity": "share", "comparator": "comparison"}
    own = only_row(run.gaps, **keys, group="all")
    assert (own.n_fewest, own.status) == ((~member & trust).sum(), "ok")
    variant = only_row(run.sensitivity, **VARIANT)
    kept = frame["kind"] != "other"
    assert (variant.n_fewest, variant.n_smaller) == (5, (kept & member).sum())
    assert variant.n_smaller == 395
    for term, at in (
        ("age=oldest", frame["age"] == "oldest"),
        ("region=South", frame["region"] == "South"),
    ):
        cells = pd.crosstab(at, trust).to_numpy()
        row = only_row(run.coefficients, model="trust", family="adjusted_logit", term=term)
        assert (row.n_smaller, row.n_fewest) == (cells.sum(axis=1).min(), cells.min())
    level = only_row(run.balance, **OLDEST, group="all")
    assert (level.n_smaller, level.n_fewest) == (395, 5)
    assert set(where(run.sensitivity, check="e_value", model="trust")["n_fewest"]) == {5}
    for table in ("sensitivity", "coefficients"):
        frame = run.frames[table]
        assert frame.loc[frame["estimate"].notna(), "n_fewest"].notna().all()
    after = runs[10, 5].sensitivity
    assert set(after.loc[after["estimate"].notna(), "quantity"]) <= {*KINDS}


def test_it_is_off_unless_declared_and_in_the_shipped_studies(tmp_path):
    for number, minimum in enumerate((0, 3)):
        folder = folder_of(tmp_path / str(number), minimum)
        assert load_study(folder).disclosure_minimum == minimum
    assert load_study("peru").disclosure_minimum == 0
