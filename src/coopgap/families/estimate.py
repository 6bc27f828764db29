"""What one family says about one sample: margins, the gaps that follow from them, and its rows."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from coopgap.core.arrays import IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import (
    BalanceRow,
    CoefficientRow,
    DiagnosticRow,
    GapRow,
    Keys,
    SensitivityRow,
    finite,
)
from coopgap.core.gap import (
    Contrast,
    Interval,
    Margins,
    contrasts,
    estimate_contrasts,
    joint_intervals,
    smallest_count,
    threshold_gaps,
)
from coopgap.core.vocabulary import (
    BLANK,
    FEW_PEOPLE,
    Comparator,
    Diagnostic,
    Family,
    IntervalKind,
    Kind,
    Population,
    Quantity,
    Scale,
    Status,
)
from coopgap.families.difference import INTERVAL_PROB, Estimated, Influence, difference

FEW_CLUSTERS = 6
"""Fewer clusters than this: refused for a whole fit, flagged for a domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """One term of a fit; R-hat and effective sizes of posterior draws alone."""

    term: str
    scale: Scale
    interval: Interval
    std_error_kind: str
    r_hat: float | None = None
    ess_bulk: float | None = None
    ess_tail: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSets:
    """One cut of a conditional ordinal fit, by itself.

    `category` is `>=B`; `n_sets` counts the sets that hold both groups and both sides of the cut;
    `log_odds` is membership's, or None with the `reason`.
    """

    category: str
    n_sets: int
    log_odds: Interval | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one family says about one sample.

    Attributes
    ----------
    people
        Shape (2, J): unweighted people behind it, comparison group first, by outcome level.
    keys
        What its rows say of themselves, and the outcome's levels.
    margins
        Both groups' distributions with their covariance; None where the family has none.
    given
        Intervals by contrast of a family without margins, in the order of the tables.
    influence
        Of its people, so that it can be compared with another estimate.
    interval_kind
        Confidence, or credible of posterior draws.
    form
        How membership enters an outcome of more than two levels: free, shares or proportional;
        empty elsewhere.
    fell_back
        Why shares stand in the place of a fit with membership free; empty where none was tried.
    n_sets
        Matched sets, or discordant sets; None where there are none.
    n_clusters
        Clusters behind the standard errors; None without clusters.
    correct_decimals
        Of the coefficients; None where nothing was iterated.
    constant
        Terms left out because they are constant within every set that holds both answers.
    infinite
        Terms without a finite maximum-likelihood estimate, for which bias was reduced instead.
    std_errors
        How the standard errors of its gaps are made; empty where nothing was estimated.
    cuts
        Each cut of a conditional ordinal fit.
    ess_own
        Effective size of the raked weights of people who are set beside outside shares; None
        where nothing was raked.
    own_shares
        Whether its rows hold the members' own shares; False where another's do.
    without_fit
        Why replicates were not fitted again; empty where they were, or there are none.
    """

    family: Family
    population: Population
    people: IntArray
    keys: Keys = Keys(model="", outcome="", source="")
    comparator: str = Comparator.COMPARISON
    margins: Margins | None = None
    given: Mapping[Contrast, Interval | None] = field(default_factory=dict)
    influence: Influence | None = None
    interval_kind: IntervalKind = IntervalKind.CONFIDENCE
    form: str = ""
    fell_back: str = ""
    coefficients: tuple[Coefficient, ...] = ()
    ess_comparison: float | None = None
    n_sets: int | None = None
    n_clusters: int | None = None
    correct_decimals: int | None = None
    constant: tuple[str, ...] = ()
    infinite: tuple[str, ...] = ()
    std_errors: str = ""
    cuts: tuple[CutSets, ...] = ()
    ess_own: float | None = None
    own_shares: bool = True
    without_fit: str = ""
    status: Status = Status.OK
    reason: str = ""

    @cached_property
    def intervals(self) -> Mapping[Contrast, Interval | None]:
        """By contrast; None where a ratio does not exist."""
        if self.given or self.margins is None:
            return self.given
        return estimate_contrasts(self.margins, self.keys.levels, INTERVAL_PROB)

    @cached_property
    def joint(self) -> Mapping[Contrast, Interval]:
        """Intervals of the threshold gaps that hold together; none against outside shares."""
        if self.margins is None or self.comparator != Comparator.COMPARISON:
            return {}
        return joint_intervals(self.margins, self.keys.levels, INTERVAL_PROB)

    def contrasts(self) -> tuple[Contrast, ...]:
        """What its rows are about, estimated or not, in the order of the tables."""
        return tuple(self.given) or _CONTRASTS.get(self.family, contrasts)(self.keys.levels)

    def at(
        self, category: str = "", quantity: Quantity = Quantity.RISK_DIFFERENCE
    ) -> Interval | None:
        """One interval, by default the gap; None where a ratio does not exist."""
        own = reversed(list(self.intervals.items()))  # Of shares the members' come first.
        return {(one.category, one.quantity): interval for one, interval in own}[category, quantity]

    def named(self, keys: Keys) -> Estimate:
        """The same with keys of its own."""
        return replace(self, keys=keys)

    def complement(self) -> Estimate:
        """The same with levels highest first: what reached a threshold now stays below it.

        Raises
        ------
        NotEstimable
            Where the family has no margins.
        """
        if self.margins is None:
            raise NotEstimable("an estimate without margins has no complement")
        return replace(
            self,
            people=self.people[:, ::-1],
            keys=replace(self.keys, levels=self.keys.levels[::-1]),
            margins=self.margins.complement(),
            influence=None if self.influence is None else self.influence.complement(),
        )

    def difference(
        self,
        other: Estimated,
        contrast: Contrast,
        other_contrast: Contrast | None = None,
        *,
        share: float = 1.0,
    ) -> Interval:
        """A contrast less one of another estimate, as in `difference`."""
        return difference(self, other, contrast, other_contrast, share=share)

    def gap_rows(self) -> Iterator[GapRow]:
        """A row a contrast, with the limits that hold together beside their own."""
        for contrast in self.contrasts():
            if contrast.of_member and not self.own_shares:
                continue
            row = self.gap_row(contrast)
            yield row
            band = self.joint.get(contrast)
            if band is not None:
                shown = row.status not in BLANK
                yield replace(
                    row,
                    lower=finite(band.lower) if shown else None,
                    upper=finite(band.upper) if shown else None,
                    p_value=finite(band.p_value) if shown else None,
                    interval_prob=INTERVAL_PROB,
                    interval_kind=IntervalKind.JOINT,
                )

    def gap_row(self, contrast: Contrast) -> GapRow:
        """The row of one contrast, blank where there is no number."""
        interval, status = self.intervals.get(contrast), self._status(contrast)
        shown = interval is not None and status not in BLANK
        comparison, member = (int(count) for count in self.people.sum(axis=1))
        sets = {cut.category: cut.n_sets for cut in self.cuts}
        return GapRow(
            model=self.keys.model,
            family=self.family,
            outcome=self.keys.outcome,
            comparator="" if contrast.of_member else self.comparator,
            group=self.keys.group,
            population=self.population,
            quantity=contrast.quantity,
            category=contrast.category,
            n_member=member,
            n_comparison=comparison if self.comparator == Comparator.COMPARISON else None,
            ess_comparison=self.ess_comparison,
            n_sets=sets.get(contrast.category, self.n_sets),
            n_fewest=smallest_count(self.people, contrast),
            status=status,
            form=self.form,
            source=self.keys.source,
            **(interval_numbers(interval, self.interval_kind) if shown and interval else {}),
        )

    def _status(self, contrast: Contrast) -> Status:
        if self.status is not Status.OK:
            return self.status
        if self.intervals.get(contrast) is None:
            return Status.NOT_ESTIMABLE
        if self.n_clusters is not None and self.n_clusters < FEW_CLUSTERS:
            return Status.FEW_CLUSTERS
        few = smallest_count(self.people, contrast) < FEW_PEOPLE
        return Status.FEW_PEOPLE if few else Status.OK

    def coefficient_rows(self) -> Iterator[CoefficientRow]:
        """A row a coefficient; none of a domain, for which coefficients.csv has no column."""
        credible = self.interval_kind is IntervalKind.CREDIBLE
        for item in self.coefficients if self.keys.group == "all" else ():
            interval = item.interval
            tested = bool(interval.std_error) and not credible
            numbers: dict[str, Any] = {
                "interval_prob": INTERVAL_PROB,
                "interval_kind": self.interval_kind,
            }
            yield CoefficientRow(
                model=self.keys.model,
                family=self.family,
                outcome=self.keys.outcome,
                term=item.term,
                scale=item.scale,
                statistic=finite(interval.estimate / interval.std_error) if tested else None,
                std_error_kind=item.std_error_kind,
                n_obs=int(self.people.sum()),
                n_clusters=self.n_clusters,
                r_hat=item.r_hat,
                ess_bulk=item.ess_bulk,
                ess_tail=item.ess_tail,
                source=self.keys.source,
                **(numbers | interval_numbers(interval, self.interval_kind)),
            )

    def diagnostics(self) -> Iterator[DiagnosticRow]:
        """What has to be said of it beside its numbers; of the fit for everybody alone."""
        row = partial(
            DiagnosticRow,
            model=self.keys.model,
            about=self.comparator if self.family is Family.BENCHMARK else "",
            family=self.family,
            group=self.keys.group,
            population=self.population,
            source=self.keys.source,
        )
        if self.keys.group == "all":
            yield from self._of_fit(row)
        if self.ess_own is not None:
            yield row(
                diagnostic=Diagnostic.EFFECTIVE_SIZE,
                value=self.ess_own,
                kind=Kind.COUNT,
                note="people that the raked weights are worth",
            )
        if self.reason:
            yield row(diagnostic=Diagnostic(self.status), passed=False, note=self.reason)
        if self.fell_back:
            yield row(diagnostic=Diagnostic.SHARES_INSTEAD, passed=False, note=self.fell_back)
        if self.without_fit:
            yield row(diagnostic=Diagnostic.REPLICATES, passed=False, note=self.without_fit)
        if self.constant:
            yield row(
                diagnostic=Diagnostic.CONSTANT_WITHIN_SETS,
                value=len(self.constant),
                kind=Kind.PLAIN,
                note=f"left out of the conditional fit: {', '.join(self.constant)}",
            )
        for cut in self.cuts:
            yield row(
                diagnostic=Diagnostic.DISCORDANT_SETS,
                value=cut.n_sets,
                kind=Kind.COUNT,
                note=cut.reason or "sets that hold both groups and both sides of the cut",
                category=cut.category,
            )
        if self.infinite:
            yield row(
                diagnostic=Diagnostic.BIAS_REDUCED,
                value=len(self.infinite),
                note="separation: no finite maximum-likelihood estimate for "
                f"{', '.join(self.infinite)}; bias-reduced estimates stand instead",
            )

    def _of_fit(self, row: partial[DiagnosticRow]) -> Iterator[DiagnosticRow]:
        if self.correct_decimals is not None:
            yield row(
                diagnostic=Diagnostic.CORRECT_DECIMALS,
                value=self.correct_decimals,
                kind=Kind.PLAIN,
                note="decimals of the coefficients that one more Newton step leaves as they are",
            )
        if self.std_errors:
            few = ", degrees of freedom after Satterthwaite" if "CR2" in self.std_errors else ""
            kind, semicolon, rest = self.std_errors.partition(";")
            yield row(
                diagnostic=Diagnostic.STD_ERRORS,
                value=self.n_clusters,
                kind=Kind.COUNT,
                note=f"{kind}{few}{semicolon}{rest}",
            )


def conditional_contrasts(levels: tuple[str, ...]) -> tuple[Contrast, ...]:
    """Odds ratios within sets: of the two levels, or pooled over all cuts and then at each."""
    if len(levels) == 2:
        return (Contrast(Quantity.ODDS_RATIO, "", 1, True),)
    ratio = Quantity.CUMULATIVE_ODDS_RATIO
    cuts = range(len(levels) - 1, 0, -1)
    return (
        Contrast(ratio, "", 0, False),
        *(Contrast(ratio, f">={levels[cut]}", cut, True) for cut in cuts),
    )


_CONTRASTS = {
    Family.CONDITIONAL_LOGIT: conditional_contrasts,
    Family.CONDITIONAL_ORDINAL: conditional_contrasts,
    Family.LINEAR: threshold_gaps,
}
"""Contrasts of families that have not all of them."""


def interval_numbers(interval: Interval, kind: IntervalKind) -> dict[str, Any]:
    """Columns of a row: the estimate, with limits where people or zones, or draws, differ."""
    drawn = kind is IntervalKind.CREDIBLE and np.isfinite(interval.lower)
    if not (interval.std_error > 0 or drawn):
        return {"estimate": finite(interval.estimate)}
    names = ("estimate", "std_error", "lower", "upper", "p_value")
    numbers = {name: finite(getattr(interval, name)) for name in names}
    return numbers | {"interval_prob": INTERVAL_PROB, "interval_kind": kind}


@dataclass(slots=True)
class Tables:
    """Rows of every table as they come in, and where the time went."""

    gaps: list[GapRow] = field(default_factory=list)
    coefficients: list[CoefficientRow] = field(default_factory=list)
    balance: list[BalanceRow] = field(default_factory=list)
    sensitivity: list[SensitivityRow] = field(default_factory=list)
    diagnostics: list[DiagnosticRow] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds of what stands within to a name."""
        started = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - started

    def add(self, rows: Iterable[SensitivityRow | DiagnosticRow]) -> None:
        """Rows of checks, with what they say of themselves in diagnostics."""
        for row in rows:
            if isinstance(row, DiagnosticRow):
                self.diagnostics.append(row)
            else:
                self.sensitivity.append(row)

    def collect(self, estimate: Estimate) -> None:
        """The rows of one estimate, and what has to be said of it."""
        self.gaps += estimate.gap_rows()
        self.coefficients += estimate.coefficient_rows()
        self.diagnostics += estimate.diagnostics()
