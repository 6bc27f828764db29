"""What every fit of a formula to a frame can say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from coopgap.api.columns import plain_columns, require_columns, table
from coopgap.api.frames import ModelFrame
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import InputError
from coopgap.core.gap import wald
from coopgap.regression.sampled import CoefficientCovariance
from coopgap.report.summaries import Summary, summary
from coopgap.survey.raw import Columns


class Slope(NamedTuple):
    """A row of `tidy` before its interval."""

    term: str
    estimate: float
    std_error: float
    df: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Fit(ABC):
    """A fit of a formula to a frame.

    Attributes
    ----------
    frame
        The complete rows, as arrays.
    covariance
        Of the coefficients, and how it was made.
    """

    title: ClassVar[str] = ""

    frame: ModelFrame
    covariance: CoefficientCovariance

    @property
    def formula(self) -> str:
        """The formula as given."""
        return self.frame.formula

    @abstractmethod
    def slopes(self) -> list[Slope]:
        """Coefficients in the order of `tidy`."""

    @abstractmethod
    def statistics(self) -> dict[str, float]:
        """Numbers of `glance` that this kind of fit has."""

    def tidy(self, conf_level: float = 0.95, *, exponentiate: bool = False) -> pd.DataFrame:
        """Coefficients with their intervals.

        Parameters
        ----------
        conf_level
            Coverage probability of the intervals.
        exponentiate
            Whether estimates and limits are given as ratios; std_error stays that of the logarithm.

        Returns
        -------
        DataFrame
            Columns term, estimate, std_error, statistic, p_value, conf_low, conf_high. A level of
            a category is `VARIABLE=LEVEL`, a slope that differs by threshold `TERM:>=LEVEL`, a
            threshold `LEVEL|LEVEL`.

        Examples
        --------
        >>> import coopgap as cg
        >>> df = cg.datasets.peru_example()
        >>> fit = cg.logit("trust_agree ~ member + sex", df)
        >>> fit.tidy().round(3)[["term", "estimate", "std_error"]]
                term  estimate  std_error
        0  Intercept    -0.979      0.085
        1     member     0.588      0.096
        2   sex=male    -0.029      0.096
        """
        rows = []
        for term, estimate, error, df in self.slopes():
            found = wald(estimate, error, df=df, prob=conf_level, null=0.0)
            statistic = estimate / error if error > 0 else np.nan
            ends = np.array([estimate, found.lower, found.upper])
            shown, lower, upper = (np.exp(ends) if exponentiate else ends).tolist()
            rows.append((term, shown, error, statistic, found.p_value, lower, upper))
        names = ["term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
        return pd.DataFrame(rows, columns=names)

    def glance(self) -> pd.DataFrame:
        """One row on the whole fit: people, those dropped, fit and kind of standard error.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.logit("trust_agree ~ member", cg.datasets.peru_example())
        >>> fit.glance()[["n_obs", "n_dropped", "vcov"]]
           n_obs  n_dropped vcov
        0   2007          0  HC0
        """
        clusters = self.covariance.n_clusters
        facts: dict[str, Any] = {"n_obs": self.frame.n, "n_dropped": self.frame.n_dropped}
        facts |= self.statistics() | {"vcov": self.covariance.kind}
        return pd.DataFrame([facts | {"n_clusters": pd.NA if clusters is None else clusters}])

    def summary(self) -> Summary:
        """The fit as text.

        Examples
        --------
        >>> import coopgap as cg
        >>> text = cg.logit("trust_agree ~ member", cg.datasets.peru_example()).summary()
        >>> print(text.splitlines()[0])
        Logit: trust_agree ~ member
        """
        found = self.glance().iloc[0]
        facts = {"source": self.frame.source} if self.frame.source else {}
        facts |= {str(name): value for name, value in found.items() if not pd.isna(value)}
        return summary(f"{self.title}: {self.formula}", facts, self.tidy())

    @abstractmethod
    def predict(self, newdata: Columns | None = None) -> Any:
        """What the fit says of people; of those it was made on without `newdata`."""

    def _new_rows(self, newdata: Columns | None) -> tuple[FloatArray, pd.Index]:
        """Design rows of new people, NaN where a variable is missing, and their index."""
        if newdata is None:
            return self.frame.x, self.frame.data.index
        frame = table(newdata)
        require_columns(frame, self.frame.variables, "newdata")
        plain = plain_columns(frame, self.frame.variables)
        for name in self.frame.variables:
            known = self.frame.data[name].dtype
            if isinstance(known, pd.CategoricalDtype):
                column = plain[name].astype(object)
                unknown = column.notna() & ~column.isin(known.categories)
                if unknown.any():
                    found = f"{int(unknown.sum())} rows have a level that the fit has not seen"
                    raise InputError(f"newdata: {name}", found, "leave those rows out")
                plain[name] = pd.Categorical(column, categories=known.categories)
        whole = plain.notna().all(axis=1).to_numpy()
        x = np.full((len(frame), len(self.frame.terms)), np.nan)
        if whole.any():
            x[whole] = self.frame.design_rows(plain.loc[whole])
        return x, frame.index

    def __repr__(self) -> str:
        return str(self.summary())

    # The plug-in format of maketables.

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        rows = self.tidy().rename(
            columns={
                "term": "Coefficient",
                "estimate": "b",
                "std_error": "se",
                "statistic": "t",
                "p_value": "p",
                "conf_low": "ci95l",
                "conf_high": "ci95u",
            }
        )
        return rows.set_index("Coefficient")

    def __maketables_stat__(self, key: str) -> Any:
        """A number of `glance`; `N` are the people."""
        row = self.glance().iloc[0]
        return row.get("n_obs" if key == "N" else key)

    @property
    def __maketables_depvar__(self) -> str:
        return self.frame.outcome

    @property
    def __maketables_fixef_string__(self) -> str | None:
        return self.frame.absorbed or None

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        return {
            "vcov_type": self.covariance.kind,
            "clustervar": " + ".join(self.frame.asked.columns),
        }

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        return ["N"]
