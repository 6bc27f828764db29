"""Which rows of a file are a study's, who is in which group, and that it is all counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import coopgap
from coopgap.plan import make_plan
from coopgap.report.plan import plan_text

type MakeFolder = Callable[..., Path]


class TestBlanks:
    def test_one_blank_hides_no_count(
        self, tmp_path: Path, people: pd.DataFrame, make_folder: MakeFolder
    ) -> None:
        """A blank covariate and a blank membership are one row each, wherever N is told."""
        data = people.assign(member=people.member.astype(float))
        data.loc[3, "member"] = np.nan
        data.loc[5, "age"] = np.nan
        run = coopgap.run(make_folder(), data=data)
        assert run.meta["n_read"] == 600
        assert run.meta["n_member"] + run.meta["n_comparison"] == 599
        assert run.meta["dropped"] == [{"reason": "membership blank", "count": 1}]
        assert run.meta["models"][0]["dropped"] == [{"reason": "age missing", "count": 1}]
        run.save(tmp_path / "out", ["md"])
        report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
        assert "Rows read: 600." in report
        assert "1 left out, membership blank" in report
        text = plan_text(make_plan(make_folder(), data))
        assert "600 rows read" in text
        assert "dropped   1: membership blank" in text
