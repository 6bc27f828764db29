"""The hierarchical model by region of a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from coopgap.api.columns import (
    Groups,
    coded_levels,
    coded_rows,
    complete,
    dense_codes,
    groups_of,
    positive_weights,
    source_of,
    table,
)
from coopgap.api.frames import plain_formula, zone_columns
from coopgap.api.gaps import Gap
from coopgap.api.gate import REPORTED, Gate, sampler_stats
from coopgap.bayes.cells import hierarchical_cells
from coopgap.bayes.fit import HierarchicalFit, Request, fit_hierarchical, reported, summarise
from coopgap.bayes.layout import Form, Priors
from coopgap.core.errors import InputError
from coopgap.core.estimate import Keys, to_frame
from coopgap.core.executor import cores
from coopgap.families.hierarchical import coefficient_rows, gap_rows, region_estimates
from coopgap.report.summaries import Summary, summary
from coopgap.study.spec import Design, PriorName
from coopgap.survey.raw import Columns

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, kw_only=True, repr=False)
class Regions:
    """A fitted hierarchical model.

    Attributes
    ----------
    formula, outcome, source
        As given; EXAMPLE DATA, the survey file's name, or empty.
    request
        What was fitted: cells, priors, form.
    groups
        The column of the two groups, and what it holds of comparison people and of members.
    fit
        Draws of everything that is reported.
    n_dropped
        Rows left out for a missing value.
    """

    formula: str
    outcome: str
    source: str
    request: Request
    groups: Groups
    fit: HierarchicalFit
    n_dropped: int

    @property
    def gate(self) -> Gate:
        """Whether its numbers may be shown.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> h.gate.passed
        False
        """
        return Gate(self.fit.gate)

    @cached_property
    def idata(self) -> xr.DataTree:
        """The draws as ArviZ takes them: posterior, sample_stats, and `reported`.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> sorted(h.idata.children)
        ['posterior', 'reported', 'sample_stats']
        """
        import xarray as xr

        request, fit = self.request, self.fit
        quantities, events = reported(
            fit.member, fit.comparison, request.cells, request.smallest_gap
        )
        quantities |= {f"parameter {name}": draws for name, draws in fit.parameters.items()}
        parts = {"quantities": ("quantity", quantities), "events": ("event", events)}
        tree = fit.stored(request).tree()
        tree[REPORTED] = xr.DataTree(
            xr.Dataset(
                {
                    name: (("chain", "draw", dim), np.stack([*draws.values()], axis=-1))
                    for name, (dim, draws) in parts.items()
                    if draws
                },
                coords={dim: list(draws) for dim, draws in parts.values() if draws},
            )
        )
        return tree

    def pymc_model(self) -> Any:
        """The same model in PyMC, to be read, changed or sampled.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> sorted(one.name for one in h.pymc_model().free_RVs)[:3]
        ['beta', 'covariate_sex_raw', 'covariate_sex_sd']
        """
        from coopgap.bayes.model import build_model

        return build_model(self.request.cells, self.request.priors, self.request.form)

    def gap(self, region: str | None = None) -> Gap:
        """The gap of all members, or of one region's.

        Parameters
        ----------
        region
            A region's name; everybody if absent.

        Returns
        -------
        Gap
            Of posterior means (medians of ratios) with equal-tailed limits; its numbers are
            withheld where the gate failed.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> h.gap("Lima").estimate.keys.group
        'region=Lima'
        """
        regions = self.request.cells.regions
        if region is not None and region not in regions:
            raise InputError("region", f"is {region!r}", f"allowed: {', '.join(regions)}")
        group = "all" if region is None else f"region={region}"
        found = region_estimates(
            self.fit, self.request.cells, self._keys, self.request.smallest_gap
        )
        return Gap(next(one for one in found if one.keys.group == group), self.groups)

    @property
    def _keys(self) -> Keys:
        levels = self.request.cells.levels
        return Keys(model="", outcome=self.outcome, source=self.source, levels=levels)

    def to_frame(self) -> pd.DataFrame:
        """Every gap of everybody and of each region, with the columns of gaps.csv.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> h.to_frame()["group"].unique().tolist()[:3]
        ['all', 'region=Center', 'region=East']
        """
        request = self.request
        return to_frame("gaps", gap_rows(self.fit, request.cells, self._keys, request.smallest_gap))

    def tidy(self) -> pd.DataFrame:
        """Parameters: term, estimate, std_error, conf_low, conf_high, r_hat, ess_bulk, ess_tail.

        Empty where the gate failed.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> list(h.tidy())[:3]
        ['term', 'estimate', 'std_error']
        """
        request = self.request
        rows = to_frame(
            "coefficients", coefficient_rows(self.fit, request.cells, request.form, self._keys)
        )
        names = {"lower": "conf_low", "upper": "conf_high"}
        shown = ["term", "estimate", "std_error", "conf_low", "conf_high"]
        return rows.rename(columns=names)[[*shown, "r_hat", "ess_bulk", "ess_tail"]]

    def summary(self) -> Summary:
        """Draws, gate and the gaps by region as text.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> print(h.summary().splitlines()[0])
        Hierarchical model: trust_agree ~ sex
        """
        chains, draws = self.fit.stats.energy.shape
        facts: dict[str, object] = {"source": self.source} if self.source else {}
        facts |= {
            "people": int(self.request.cells.counts.sum()),
            "rows dropped": self.n_dropped,
            "zones": self.request.cells.n_zones,
            "draws": f"{chains} x {draws:,}",
            "gate": "passed" if self.gate.passed else "failed: every number is withheld",
        }
        rows = self.to_frame()
        kept = (rows["quantity"] == "risk_difference") & rows["category"].str.match(r"^(>=.*)?$")
        names = ["group", "category", "estimate", "lower", "upper", "status"]
        return summary(f"Hierarchical model: {self.formula}", facts, rows.loc[kept, names])

    def __repr__(self) -> str:
        return str(self.summary())


def hierarchical(
    formula: str,
    data: Columns,
    *,
    member: str,
    region: str | None = None,
    zone: str | None = None,
    weights: str | None = None,
    draws: int = 2000,
    seed: int = 0,
    priors: Mapping[PriorName, float] | None = None,
    target_accept: float = 0.99,
    smallest_gap: float = 0.05,
    link: Literal["logit", "probit"] = "logit",
    sampler: Literal["nutpie", "pymc"] = "nutpie",
    jobs: int | None = None,
    design: Design | None = None,
) -> Regions:
    """Fit the hierarchical model by region: gaps of regions, pooled as far as they are alike.

    Parameters
    ----------
    formula
        `outcome ~ covariates`; the outcome as in `ordinal`, covariates plain columns. Membership
        and region stand beside it, not in it.
    data
        A table, as in `ordinal`.
    member, region, zone
        Columns of the two groups, of the regions, and of the clusters if they are to have levels
        and gaps of their own.
    weights
        Column of the sampling weights; rows of weight zero stay out.
    draws
        A chain, of four.
    seed
        The same seed gives the same draws, on any number of cores.
    priors
        Scales by name: beta_sd, region_sd, gap_sd, covariate_sd, slope_sd, zone_sd, zone_gap_sd,
        threshold_shift_sd.
    target_accept
        Acceptance that the sampler adapts to. Where the gate fails, nutpie tries once more with
        twice the draws and smaller steps.
    smallest_gap
        The smallest gap that matters, as a probability.
    link
        logit or probit.
    sampler
        `nutpie` samples a compiled density; `pymc` samples `pymc_model()`.
    jobs
        Threads, or processes of PyMC; the cores if absent.
    design
        How people were sampled: its region, zone and weight stand where those are absent.

    Returns
    -------
    Regions
        `idata`, `gate`, `pymc_model`, `gap`, `to_frame`, `tidy` and `summary`.

    Raises
    ------
    InputError
        An unknown column, a group without two values, priors of other names.
    NotEstimable
        Everybody lives in one region.

    Notes
    -----
    Members and comparison people have thresholds that may lie apart, regions levels and gaps of
    their own; see `coopgap.bayes.model.build_model` for the density. Weights that differ within a
    group are scaled to sum to its people, and the draws corrected by the sandwich over zones, or
    over people without them; see `coopgap.bayes.correction.correct`.

    Examples
    --------
    >>> import coopgap as cg
    >>> df = cg.datasets.peru_example()
    >>> h = cg.hierarchical("trust_agree ~ sex", df, member="member", region="region", draws=20)
    >>> h.request.cells.regions[:2]
    ('Center', 'East')
    """
    frame = table(data)
    outcome, covariates = plain_formula(formula, frame)
    region = region or (None if design is None else design.region)
    if region is None:
        raise InputError("region", "is not given", "name the column of the regions")
    zones = (zone,) if zone else zone_columns(design)
    unknown = [name for name in priors or () if name not in get_args(PriorName)]
    if unknown:
        allowed = f"allowed: {', '.join(get_args(PriorName))}"
        raise InputError("priors", f"names {', '.join(unknown)}", allowed)
    weights = weights or (None if design is None else design.weight)
    weight_columns = (weights,) if weights else ()
    beside = {member, region, *zones, *weight_columns} & {*covariates}
    if beside:
        found = f"names {', '.join(sorted(beside))}"
        raise InputError("formula", found, "membership, region, zone and weights stand beside it")
    if sampler not in ("nutpie", "pymc"):
        raise InputError("sampler", f"is {sampler!r}", "allowed: nutpie, pymc")
    whole = complete(frame, (outcome, *covariates, member, region, *zones, *weight_columns))
    for name in weight_columns:
        # Of weight zero, and so of no group.
        whole[whole] &= positive_weights(frame.loc[whole, name]) > 0
    request = Request(
        cells=_cells(frame.loc[whole], outcome, covariates, member, region, zones, weights),
        priors=Priors.with_scales({str(name): scale for name, scale in (priors or {}).items()}),
        form=Form(link=link, zones=bool(zones)),
        draws=draws,
        target_accept=target_accept,
        seed=seed,
        smallest_gap=smallest_gap,
    )
    if sampler == "pymc":
        fit = _by_pymc(request, cores(jobs))
    else:
        fit = fit_hierarchical(request, cores(jobs))
    return Regions(
        formula=formula,
        outcome=outcome,
        source=source_of(frame),
        request=request,
        groups=groups_of(frame.loc[whole, member]),
        fit=fit,
        n_dropped=int((~whole).sum()),
    )


def _cells(
    frame: pd.DataFrame,
    outcome: str,
    covariates: tuple[str, ...],
    member: str,
    region: str,
    zones: tuple[str, ...],
    weights: str | None,
) -> Any:
    """The frame as the model reads it."""
    codes, levels = coded_levels(frame[outcome], outcome)
    zone, labels = dense_codes(frame, zones) if zones else (None, [])
    factors = dict.fromkeys(covariates, False) | {region: True}
    rows = coded_rows(frame, member, factors, zone=zone, weights=weights)
    rows = replace(rows, outcome=codes, levels=levels)
    return hierarchical_cells(rows, covariates, region, zones=bool(zones), zone_labels=labels)


def _by_pymc(request: Request, jobs: int) -> HierarchicalFit:
    """The same fit, sampled by PyMC."""
    import pymc as pm

    from coopgap.bayes.model import build_model, draws_of

    with build_model(request.cells, request.priors, request.form):
        tree = pm.sample(
            draws=request.draws,
            chains=4,
            cores=min(jobs, 4),
            random_seed=request.seed,
            target_accept=request.target_accept,
            progressbar=False,
            compute_convergence_checks=False,
        )
    return summarise(
        draws_of(tree["posterior"]), sampler_stats(tree), request, seconds=np.nan, retried=False
    )
