"""Samples of made-up people, matched."""

from __future__ import annotations

from coopgap.families.sample import Sample
from coopgap.matching.dispatch import match
from coopgap.study.spec import Fitting, Matching

ON = ("sex", "region")


def make_sample(rows, on=ON, matching=None, **fitting):
    """The rows within strata of `on`; both factors are covariates."""
    return Sample(
        rows=rows,
        matched=match(rows, matching or Matching(on=on)),
        covariates=ON,
        link="logit",
        strata=on,
        fitting=Fitting(**fitting),
    )
