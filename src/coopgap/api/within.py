"""Conditional fits: odds ratios within matched sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from coopgap.api.columns import coded_levels
from coopgap.api.fits import Fit, Slope
from coopgap.api.frames import Vcov, model_frame, zone_columns
from coopgap.core.errors import InputError, NotEstimable
from coopgap.families.estimate import CutSets
from coopgap.families.sets import cut_sets
from coopgap.regression.conditional import (
    ConditionalFit,
    conditional_covariance,
    constant_within_sets,
    fit_conditional,
)
from coopgap.regression.sampled import CoefficientCovariance
from coopgap.study.spec import Design
from coopgap.survey.raw import Columns


@dataclass(frozen=True, kw_only=True, repr=False)
class SetsFit(Fit):
    """A fitted conditional model: every set keeps its own level.

    Attributes
    ----------
    fit
        The fit itself, over all cuts of the outcome.
    terms, constant
        Terms in the fit; those left out because no set that holds both answers tells them apart.
    cuts
        Of more than two levels, the first term's log odds at each cut by itself.
    """

    title: ClassVar[str] = "Conditional model"

    fit: ConditionalFit
    terms: tuple[str, ...]
    constant: tuple[str, ...]
    cuts: tuple[CutSets, ...]

    def slopes(self) -> list[Slope]:
        """Log odds ratios, then the first term's at each cut."""
        errors = np.sqrt(np.diag(self.covariance.cov))
        df = self.covariance.df
        found = zip(self.terms, self.fit.slopes, errors, strict=True)
        rows = [Slope(term, float(value), float(error), df) for term, value, error in found]
        for cut in self.cuts:
            one = cut.log_odds
            if one is not None:
                name = f"{self.terms[0]}:{cut.category}"
                rows.append(Slope(name, one.estimate, one.std_error, one.df))
        return rows

    def statistics(self) -> dict[str, float]:
        """Conditional log-likelihood and the sets that say something."""
        return {
            "log_lik": self.fit.log_likelihood,
            "n_in_sets": self.fit.n_obs,
            "n_sets_discordant": self.fit.n_sets_discordant,
            "n_constant": len(self.constant),
        }

    def predict(self, newdata: Columns | None = None) -> Any:
        """Log odds without the set's own level, a number a person.

        Parameters
        ----------
        newdata
            As in `OrdinalFit.predict`.

        Examples
        --------
        >>> import coopgap as cg
        >>> m = cg.match(cg.datasets.peru_example(), "member ~ age_band + sex", method="exact")
        >>> fit = cg.conditional("trust_agree ~ member | match_set", m.data)
        >>> float(fit.predict({"member": [0]})[0])
        0.0
        """
        x, index = self._new_rows(newdata)
        kept = [at for at, term in enumerate(self.frame.terms) if term in self.terms]
        return pd.Series(x[:, kept] @ self.fit.slopes, index=index, name=self.frame.outcome)


def conditional(
    formula: str, data: Columns, *, vcov: Vcov | None = None, design: Design | None = None
) -> SetsFit:
    """Fit a conditional logit within sets; of an ordered outcome by blow-up and cluster.

    Parameters
    ----------
    formula
        `outcome ~ terms | set`, such as `ses_class ~ member | match_set`. Sets that hold no two
        answers say nothing, and are counted for the first term.
    data, design
        As in `ordinal`. People enter unweighted.
    vcov
        `"iid"` (inverse information, two levels), `"HC0"`, or `{"CR1": "zone"}`; without it HC0,
        or CR1 by the zones of `design`.

    Returns
    -------
    SetsFit
        `summary`, `tidy`, `glance` and `predict`. `tidy` has log odds ratios, common to all cuts,
        and of more than two levels those of the first term at each cut (`member:>=B`).

    Raises
    ------
    InputError
        As in `ordinal`; no column behind `|`.
    NotEstimable
        No discordant set, separation within sets, or sets too large for the exact likelihood.

    References
    ----------
    Breslow & Day (1980), Statistical methods in cancer research I, chapter 7.
    Baetschmann, Staub & Winkelmann (2015), JRSS A 178, 685-703.

    Examples
    --------
    >>> import coopgap as cg
    >>> m = cg.match(cg.datasets.peru_example(), "member ~ age_band + sex", method="exact")
    >>> cg.conditional("trust_agree ~ member | match_set", m.data).tidy().round(3)
         term  estimate  std_error  statistic  p_value  conf_low  conf_high
    0  member     0.502        0.1      5.028      0.0     0.307      0.698
    """
    if vcov is None and design is not None and design.zone:
        vcov = {"CR1": ":".join(zone_columns(design))}
    frame = model_frame(formula, data, vcov=vcov)
    if frame.sets is None:
        raise InputError("formula", "names no sets", "end it with such as | match_set")
    kind = frame.asked.kind
    if kind not in ("iid", "HC0", "CR1") or frame.sampled.second is not None:
        raise InputError("vcov", f"is {kind}", 'allowed: "iid", "HC0", {"CR1": column}')
    outcome, levels = coded_levels(frame.y, frame.outcome)
    if kind == "iid" and len(levels) > 2:
        raise InputError("vcov", "is iid of an outcome of several cuts", 'allowed: "HC0" or CR1')
    on, row = frame.cells(outcome, len(levels), frame.sets)
    people, sets = on.cells.people, frame.sets[row]
    flat = constant_within_sets(on.x, people, sets)
    if flat.size and flat[0]:
        raise NotEstimable(f"no discordant set: {frame.terms[0]} tells nobody apart within them")
    terms = tuple(term for term, out in zip(frame.terms, flat, strict=True) if not out)
    x = on.x[:, ~flat]
    fit = fit_conditional(x, people, sets, terms=terms)
    covariance = CoefficientCovariance(cov=fit.cov, kind="iid", n_clusters=None, df=np.inf)
    if kind != "iid":
        covariance = conditional_covariance(fit, x, people, sets, on.sampled)
    cuts = () if len(levels) == 2 else tuple(cut_sets(x, people, sets, on.sampled, terms, levels))
    return SetsFit(
        frame=frame,
        covariance=covariance,
        fit=fit,
        terms=terms,
        constant=tuple(term for term, out in zip(frame.terms, flat, strict=True) if out),
        cuts=cuts,
    )
