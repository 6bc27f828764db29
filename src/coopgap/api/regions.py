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
    source_of,
    table,
)
from coopgap.api.frames import plain_formula, zone_columns
from coopgap.api.gaps import Gap
from coopgap.api.gate import REPORTED, Gate, sampler_stats
from coopgap.bayes.cells import Departments, HierarchicalCells, hierarchical_cells
from coopgap.bayes.fit import HierarchicalFit, Request, fit_hierarchical, reported, summarise
from coopgap.bayes.layout import Form, Priors
from coopgap.core.errors import InputError
from coopgap.core.estimate import Keys, to_frame
from coopgap.core.executor import cores
from coopgap.families.hierarchical import coefficient_rows, gap_rows, region_estimates
from coopgap.report.summaries import Summary, summary
from coopgap.study.spec import Design, PriorName
from coopgap.survey.raw import Columns
from coopgap.survey.records import ModelRows

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

    def gap(self, region: str | None = None, *, department: str | None = None) -> Gap:
        """The gap of all members, or of those of one region or department.

        Parameters
        ----------
        region, department
            A region's name, or a department's; everybody if absent.

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
        cells, group = self.request.cells, "all"
        for kind, name, names in (
            ("region", region, cells.regions),
            ("department", department, cells.departments),
        ):
            if name is not None and name not in names:
                raise InputError(kind, f"is {name!r}", f"allowed: {', '.join(names)}")
            group = group if name is None else f"{kind}={name}"
        found = region_estimates(
            self.fit, self.request.cells, self._keys, self.request.smallest_gap
        )
        return Gap(next(one for one in found if one.keys.group == group), self.groups)

    @property
    def _keys(self) -> Keys:
        levels = self.request.cells.levels
        return Keys(model="", outcome=self.outcome, source=self.source, levels=levels)

    def to_frame(self) -> pd.DataFrame:
        """Every gap of everybody and of each region and department, as in gaps.csv.

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
    department: str | None = None,
    area: Columns | None = None,
    zone: str | None = None,
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
    member, region, department, zone
        Columns of the two groups, of the regions, and, if they are to have levels and gaps of their
        own, of the departments, each within one region, and of the clusters.
    area
        A table with a row a department: the column `department`, numbers known of each, which
        its level and gap may follow, and the column `region` of departments in which nobody was
        asked. Their gaps are predicted.
    draws
        A chain, of four.
    seed
        The same seed gives the same draws, on any number of cores.
    priors
        Scales by name: beta_sd, region_sd, gap_sd, covariate_sd, slope_sd, department_sd,
        department_gap_sd, zone_sd, zone_gap_sd, threshold_shift_sd.
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
        How people were sampled: its region, department and zone stand where those are absent.

    Returns
    -------
    Regions
        `idata`, `gate`, `pymc_model`, `gap`, `to_frame`, `tidy` and `summary`.

    Raises
    ------
    InputError
        An unknown column, a group without two values, priors of other names, a department in
        two regions, an area without one of the departments.
    NotEstimable
        Everybody lives in one region.

    Notes
    -----
    Members and comparison people have thresholds that may lie apart, regions levels and gaps of
    their own; see `coopgap.bayes.model.build_model` for the density. Weights have no place in it.

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
    department = department or (None if design is None else design.department)
    if area is not None and department is None:
        raise InputError("area", "is given without department", "name the column of departments")
    places = (region, department) if department else (region,)
    zones = (zone,) if zone else zone_columns(design)
    unknown = [name for name in priors or () if name not in get_args(PriorName)]
    if unknown:
        allowed = f"allowed: {', '.join(get_args(PriorName))}"
        raise InputError("priors", f"names {', '.join(unknown)}", allowed)
    beside = {member, *places, *zones} & {*covariates}
    if beside:
        found = f"names {', '.join(sorted(beside))}"
        raise InputError("formula", found, "membership, region and zone stand beside it")
    if sampler not in ("nutpie", "pymc"):
        raise InputError("sampler", f"is {sampler!r}", "allowed: nutpie, pymc")
    whole = complete(frame, (outcome, *covariates, member, *places, *zones))
    known = None if area is None else table(area)
    request = Request(
        cells=_cells(frame.loc[whole], outcome, covariates, member, places, zones, known),
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
    places: tuple[str, ...],
    zones: tuple[str, ...],
    area: pd.DataFrame | None,
) -> HierarchicalCells:
    """The frame as the model reads it."""
    codes, levels = coded_levels(frame[outcome], outcome)
    zone, labels = dense_codes(frame, zones) if zones else (None, [])
    factors = dict.fromkeys(covariates, False) | dict.fromkeys(places, True)
    rows = replace(coded_rows(frame, member, factors, zone=zone), outcome=codes, levels=levels)
    departments = None
    if len(places) > 1:
        rows, departments = _departments(rows, places[0], places[1], area)
    return hierarchical_cells(
        rows,
        covariates,
        places[0],
        zones=bool(zones),
        zone_labels=labels,
        departments=departments,
    )


def _departments(
    rows: ModelRows, region: str, department: str, area: pd.DataFrame | None
) -> tuple[ModelRows, Departments]:
    """Rows whose departments are those of the area too, and the region of each department."""
    own, place = rows.factors[department], rows.factors[region]
    lies_in = np.full(len(rows.factor_levels[department]), -1, dtype=np.int64)
    lies_in[own] = place
    astray = np.unique(own[lies_in[own] != place]).size
    if astray:
        found = f"{astray} of {lies_in.size} stand in more than one {region}"
        raise InputError(department, found, "each department lies in one region")
    if area is None:
        return rows, Departments(variable=department, region=lies_in)
    numbers = [name for name in map(str, area.columns) if name not in (region, department)]
    if department not in area or not numbers:
        allowed = f"give {department} and a column for each of some numbers"
        raise InputError("area", f"has columns {', '.join(map(str, area.columns))}", allowed)
    names = area[department].astype(str).tolist()
    levels = rows.factor_levels[department]
    for bad, what in (
        (len({*names}) < len(names), "a department twice"),
        (not {*levels} <= {*names}, "not every department"),
    ):
        if bad:
            raise InputError("area", f"has {what}", "give each department one row")
    by_name = area.set_index(pd.Index(names))
    every = (*levels, *(name for name in names if name not in levels))
    regions = rows.factor_levels[region]
    lies_in = np.pad(lies_in, (0, len(every) - lies_in.size), constant_values=-1)
    for k, name in enumerate(every):
        told = str(by_name.loc[name, region]) if region in by_name else ""
        if told not in regions and lies_in[k] < 0:
            found = f"has {name}, where nobody was asked, without its {region}"
            raise InputError("area", found, f"give it a column {region}: {', '.join(regions)}")
        if told in regions and lies_in[k] not in (-1, regions.index(told)):
            found = f"puts {name} into another {region} than the data"
            raise InputError("area", found, "each department lies in one region")
        lies_in[k] = regions.index(told) if lies_in[k] < 0 else lies_in[k]
    known = {}
    for name in numbers:
        values = pd.to_numeric(by_name.loc[list(every), name], errors="coerce").to_numpy(float)
        if not np.isfinite(values).all() or np.ptp(values) == 0:
            raise InputError(f"area {name}", "is no column of different numbers", "mend it")
        known[name] = values
    rows = replace(rows, factor_levels={**rows.factor_levels, department: every})
    return rows, Departments(variable=department, region=lies_in, area=known)


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
