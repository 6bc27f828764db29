"""File names of the figures."""

from __future__ import annotations

import re
import zlib

__all__ = [
    "PHONE",
    "PHONE_BORROWED",
    "PRINTED_GAPS",
    "balance_name",
    "confounder_name",
    "forest_name",
    "multiverse_name",
    "place_name",
    "predictive_name",
    "region_name",
    "shares_name",
    "surface_name",
]

PHONE = "phone_check"
PHONE_BORROWED = "phone_borrowed"
PRINTED_GAPS = "printed_gaps"


def _slug(text: str) -> str:
    """Text that any file system takes; told apart by a checksum where characters had to go."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:60]
    if plain == text:
        return plain
    return f"{plain or 'model'}_{zlib.crc32(text.encode('utf-8', 'replace')):08x}"


def forest_name(model: str) -> str:
    """Gap by family."""
    return f"gaps_{_slug(model)}"


def shares_name(model: str) -> str:
    """Distribution by group."""
    return f"shares_{_slug(model)}"


def region_name(model: str) -> str:
    """Gap by region."""
    return f"regions_{_slug(model)}"


def predictive_name(model: str) -> str:
    """Shares observed against shares that the hierarchical model predicts."""
    return f"predictive_{_slug(model)}"


def multiverse_name(model: str) -> str:
    """Estimates of every combination of choices."""
    return f"multiverse_{_slug(model)}"


def balance_name(model: str) -> str:
    """Balance before and after matching."""
    return f"balance_{_slug(model)}"


def confounder_name(model: str) -> str:
    """Gap left by confounders of every strength."""
    return f"confounder_{_slug(model)}"


def place_name(place: str) -> str:
    """A figure of a printed report, drawn again."""
    return f"printed_{_slug(place.lower().replace(' ', '_'))}"


def surface_name(item: str, covariate: str) -> str:
    """A printed gap over what the ends of a covariate may answer."""
    return f"surface_{_slug(item)}_{_slug(covariate)}"
