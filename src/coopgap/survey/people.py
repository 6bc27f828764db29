"""Whom a survey holds and whom it left out, as run.json says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from coopgap.survey.records import Drop, Survey


def people_meta(survey: Survey) -> dict[str, Any]:
    """Whom the survey holds, and whom it left out."""
    member, phone = survey.member, survey.phone
    return {
        "n_read": survey.n_read,
        "label_rows": survey.label_rows,
        "n_member": int((member & ~phone).sum()),
        "n_comparison": int((~member & ~phone).sum()),
        "n_phone": int(phone.sum()),
        "n_phone_member": int((member & phone).sum()),
        "dropped": dropped_meta(survey.dropped),
        "extended_missing": [asdict(one) for one in survey.extended],
        "doubts": [asdict(doubt) for doubt in survey.doubts],
    }


def dropped_meta(drops: Iterable[Drop]) -> list[dict[str, Any]]:
    """Whom a step left out, and why."""
    return [{"reason": drop.reason, "count": drop.count} for drop in drops]
