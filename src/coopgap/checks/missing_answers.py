"""The checks of missing answers."""

from __future__ import annotations

from collections.abc import Iterator

from coopgap.checks.context import Context
from coopgap.checks.registry import Answer, Topic, check
from coopgap.core.vocabulary import Check
from coopgap.sensitivity.missing.bounds_rows import bounds_rows
from coopgap.sensitivity.missing.imputation_rows import imputation_rows


@check(
    Check.MISSING_BOUNDS,
    title="Missing answers: worst-case bounds",
    question="How far could the answers that are missing move the gap at most?",
    topic=Topic.MISSING,
    order=70,
    page=1,
)
def bounds(context: Context) -> Iterator[Answer]:
    """The lowest and highest gap over all answers that are missing."""
    yield from bounds_rows(
        context.survey, context.study, context.spec, context.headline, context.keys
    )


@check(
    Check.MISSING_IMPUTATION,
    title="Missing answers: multiple imputation",
    question="What is the gap with missing answers imputed, and imputed answers shifted?",
    topic=Topic.MISSING,
    cost="full",
    order=190,
    page=2,
)
def imputation(context: Context) -> Iterator[Answer]:
    """Chained equations, matched anew each time, and shifts of what was imputed."""
    rows, settled = imputation_rows(
        context.survey, context.study, context.spec, context.headline, context.keys, context.seed
    )
    yield from rows
    yield from settled
