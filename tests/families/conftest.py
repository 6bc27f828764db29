"""People made up, as rows and as matched samples."""

from __future__ import annotations

import numpy as np

from coopgap.families.sample import Sample
from coopgap.matching.dispatch import match
from coopgap.study.spec import Fitting, Matching
from coopgap.survey.records import ModelRows

ON = ("sex", "region")
LEVELS = ("low", "middle", "high")
NAMES = {"sex": ("male", "female"), "region": ("North", "South", "East"), "age": ("young", "old")}


def rows_of(outcome, member, *, levels=LEVELS, zone=None, weight=None, index=None, **factors):
    """Rows of one outcome; factors are codes of the levels in `NAMES`."""
    n = len(outcome)
    codes = {name: np.asarray(values, np.int64) for name, values in factors.items()}
    return ModelRows(
        index=np.arange(n) if index is None else index,
        outcome=np.asarray(outcome, np.int64),
        levels=tuple(levels),
        member=np.asarray(member, bool),
        factors=codes,
        factor_levels={name: NAMES[name][: max(2, own.max() + 1)] for name, own in codes.items()},
        zone=zone,
        weight=np.ones(n) if weight is None else weight,
        tie=np.arange(n, dtype=np.uint64),
        dropped=(),
    )


def make_sample(rows, on=ON, matching=None, covariates=ON, **fitting):
    """The rows within strata of `on`; both factors are covariates."""
    return Sample(
        rows=rows,
        matched=match(rows, matching or Matching(on=on)),
        covariates=covariates,
        link="logit",
        strata=on,
        fitting=Fitting(**fitting),
    )
