"""Tables for a paper."""

from __future__ import annotations
