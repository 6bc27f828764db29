"""A first gap: the example survey from matching to a standardised difference."""

import marimo

app = marimo.App(app_title="A first gap")


@app.cell
def _():
    import marimo as mo

    import coopgap as cg

    mo.md(
        """
        # A first gap

        The example survey is rebuilt from printed margins (EXAMPLE DATA): no finding about anybody.
        """
    )
    return cg, mo


@app.cell
def _(cg):
    df = cg.datasets.peru_example()
    df[["member", "region", "zone", "sex", "age_band", "trust"]].head()
    return (df,)


@app.cell
def _(df, mo):
    raw = df.groupby("member")["trust_agree"].mean()
    mo.md(
        f"""
        Of members {raw[1]:.1%} agree that most people can be trusted, of non-members {raw[0]:.1%}.
        That is a difference of {100 * (raw[1] - raw[0]):.1f} points between people who also differ
        in age and sex.
        """
    )
    return (raw,)


@app.cell
def _(cg, df):
    matched = cg.match(df, "member ~ age_band + sex", exact=["region"], method="exact")
    matched.summary()
    return (matched,)


@app.cell
def _(cg, matched):
    fit = cg.ordinal(
        "trust ~ member + age_band + sex",
        matched.data,
        weights="match_weight",
        vcov={"CR1": "zone"},
        free=["member"],
    )
    gap = cg.gap(fit, "member", target="members")
    gap.plot()
    return fit, gap


@app.cell
def _(gap, mo):
    at = gap.at(">=4")
    mo.md(
        f"""
        Among matched members the gap at "agree or higher" is **{100 * at.estimate:.1f} points**
        ({100 * at.lower:.1f} to {100 * at.upper:.1f}). The chance that a member stands higher than
        a comparable non-member is {gap.superiority.estimate:.1%}; 50 % would be no gap.
        """
    )
    return (at,)


@app.cell
def _(cg, gap):
    cg.checks.e_value(gap, ">=4")[["quantity", "estimate", "lower"]]
    return


if __name__ == "__main__":
    app.run()
