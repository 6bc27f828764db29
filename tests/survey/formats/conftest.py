"""Reading survey files in the process of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from coopgap.core.errors import SurveyError
from coopgap.survey import read, reader_process
from coopgap.survey.columns import Refusal


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read without a child process, which takes a second to start and does the same."""

    def read_here(
        path: Path, columns: Sequence[str] | None, encoding: str | None, limits: read.Limits
    ) -> pa.Table:
        request = {
            "path": str(path),
            "kind": path.suffix.lower()[1:],
            "columns": columns,
            "encoding": encoding,
            "memory": limits.memory,
        }
        try:
            return reader_process.read(request).unify_dictionaries()
        except Refusal as refusal:
            raise SurveyError(str(path), refusal.found, refusal.allowed) from refusal

    monkeypatch.setattr(read, "_read_in_child", read_here)
