"""A finished run: five tables, the study they answer, and how they were made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.core.estimate import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from coopgap.bayes.store import StoredDraws
    from coopgap.study.spec import Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run found.

    Attributes
    ----------
    study
        The study as read.
    gaps, coefficients, balance, sensitivity, diagnostics
        The output tables, columns as in `coopgap.core.estimate`.
    meta
        What `run.json` holds: hashes, declared headline, seed, versions, timings, counts dropped;
        under `warnings`, sentences on numbers of the file that may stand for no answer.
    draws
        By model, the posterior draws that passed the gate.
    """

    study: Study
    gaps: pd.DataFrame
    coefficients: pd.DataFrame
    balance: pd.DataFrame
    sensitivity: pd.DataFrame
    diagnostics: pd.DataFrame
    meta: Mapping[str, Any]
    draws: Mapping[str, StoredDraws] = field(default_factory=dict)

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return {name: getattr(self, name) for name in TABLES}

    @property
    def exceptions(self) -> pd.DataFrame:
        """Estimates without a number, one a model, family, group and population.

        A ratio that does not exist beside a difference that does is none of them, nor a difference
        to a group that is named itself. `reason` is that of diagnostics.csv; empty where that table
        has several or none.
        """
        columns = ["model", "family", "group", "population", "status"]
        # A members' own share has no comparator; where it has no number, nothing of it has.
        gaps = self.gaps[
            (self.gaps["comparator"] != "") & (self.gaps["quantity"] != "gap_difference")
        ]
        refused = gaps["status"].isin(["withheld", "not_estimable"])
        by = gaps["estimate"].notna().groupby([gaps[key] for key in (*columns[:4], "comparator")])
        rows = gaps.loc[refused & ~by.transform("any"), columns]
        rows = rows.drop_duplicates().reset_index(drop=True)
        about = ["model", "diagnostic", "family", "group", "population"]
        said = self.diagnostics[[*about, "about", "note"]].itertuples(index=False, name=None)
        notes = {
            tuple(key): f"against {outside}: {note}" if outside else note
            for *key, outside, note in said
        }
        keys = rows[["model", "status", "family", "group", "population"]]
        reasons = [notes.get(key, "") for key in keys.itertuples(index=False, name=None)]
        return rows.assign(reason=reasons)

    def tidy(self) -> pd.DataFrame:
        """Coefficients of every fit under broom's names.

        Returns
        -------
        DataFrame
            Columns model, family, outcome, term, estimate, std_error, statistic, p_value, conf_low
            and conf_high.

        Examples
        --------
        With `run` as in `coopgap.run`:

        >>> run.tidy()["term"].head(2).tolist()
        ['member', 'age_band=25-34']
        """
        names = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
        rows = self.coefficients.rename(columns={"lower": "conf_low", "upper": "conf_high"})
        return rows[["model", "family", "outcome", "term", *names]]

    def glance(self) -> pd.DataFrame:
        """One row a fit: people, clusters and kind of standard error.

        Returns
        -------
        DataFrame
            Columns model, family, outcome, n_obs, n_clusters and vcov.

        Examples
        --------
        With `run` as in `coopgap.run`:

        >>> run.glance()[["family", "n_obs"]].head(2)
                   family  n_obs
        0  adjusted_logit   2007
        1   matched_logit   1997
        """
        keys = ["model", "family", "outcome"]
        rows = self.coefficients.rename(columns={"std_error_kind": "vcov"})
        one = rows.drop_duplicates(keys).reset_index(drop=True)
        return one[[*keys, "n_obs", "n_clusters", "vcov"]]

    def save(
        self,
        folder: str | Path,
        formats: Collection[str] = ("csv", "html", "md"),
        figures: Collection[str] = (),
    ) -> list[Path]:
        """Write tables, figures, report, study and draws; the folder appears whole or not at all.

        Parameters
        ----------
        folder
            Made if absent. An existing one is replaced only if it is empty or holds an earlier
            run.
        formats
            Any of `coopgap.core.atomic.FORMATS`; csv is always written.
        figures
            Any of `coopgap.core.atomic.FIGURES`, in which every figure is written beside PNG.

        Returns
        -------
        list of Path
            What was written.

        Raises
        ------
        OutputError
            If the folder holds something else, or cannot be written.
        """
        from coopgap.bayes.store import DRAWS_FOLDER, save_draws
        from coopgap.core.atomic import replace_folder
        from coopgap.report.write import write_report

        target = Path(folder)
        with replace_folder(target) as temporary:
            written = write_report(
                self.frames,
                self.study,
                self.meta,
                temporary,
                formats,
                figures=figures,
                earlier=target,
            )
            kept = temporary / DRAWS_FOLDER
            for name, stored in self.draws.items():
                kept.mkdir(exist_ok=True)
                written += save_draws(kept / f"{name}.nc", stored)
            names = [path.relative_to(temporary) for path in written]
        return [target / name for name in names]

    def __repr__(self) -> str:
        from coopgap.report.data import make_results
        from coopgap.report.terminal import run_text

        return run_text(make_results(self.frames, self.study, self.meta))

    def _repr_html_(self) -> str:
        from coopgap.report.data import make_results
        from coopgap.report.write import notebook_html

        return notebook_html(make_results(self.frames, self.study, self.meta))
