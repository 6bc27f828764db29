"""Published numbers alone: intervals for a report that printed none."""

import marimo

app = marimo.App(app_title="Published numbers")


@app.cell
def _():
    import marimo as mo
    import numpy as np
    import pandas as pd
    from statsmodels.stats.proportion import confint_proportions_2indep

    import coopgap as cg

    mo.md(
        """
        # Published numbers

        Real numbers, as a report of 2020 printed them. It gives shares and bases, and no interval.
        """
    )
    return cg, confint_proportions_2indep, mo, np, pd


@app.cell
def _(cg):
    printed = cg.datasets.published("peru")
    shares = printed[(printed["stat"] == "percent") & printed["base"].notna()]
    shares.head()
    return printed, shares


@app.cell
def _(confint_proportions_2indep, np, pd, shares):
    wide = shares.drop_duplicates(["item", "category", "group"])
    keys = ["item", "category", "group"]
    wide = wide.set_index(keys)[["value", "base"]].unstack("group")  # noqa: PD010
    wide = wide.dropna(subset=[("value", "member"), ("value", "non-member")])
    member, other = wide["value", "member"] / 100, wide["value", "non-member"] / 100
    n, k = wide["base", "member"].astype(float), wide["base", "non-member"].astype(float)
    limits = [
        confint_proportions_2indep(a * b, b, c * d, d, method="newcomb")
        for a, b, c, d in zip(member, n, other, k, strict=True)
    ]
    lower, upper = 100 * np.array(limits, dtype=float).T
    columns = {"gap": 100 * (member - other), "lower": lower, "upper": upper}
    found = pd.DataFrame(columns, index=wide.index)
    found.round(1)
    return (found,)


@app.cell
def _(found, mo):
    clear = int(((found["lower"] > 0) | (found["upper"] < 0)).sum())
    mo.md(
        f"""
        Of {len(found)} comparisons {clear} have an interval without zero, if both samples were
        simple random ones. Under a design effect of 2 each interval is 1.4 times as wide:
        `coopgap printed` shows those too, the bounds that rounding leaves, and where the numbers
        contradict one another.
        """
    )
    return (clear,)


if __name__ == "__main__":
    app.run()
