"""The hierarchical model by region, and the gate that its draws have to pass."""

import marimo

app = marimo.App(app_title="The model by region and its gate")


@app.cell
def _():
    import marimo as mo

    import coopgap as cg

    df = cg.datasets.peru_example()
    mo.md(
        """
        # The model by region, and its gate

        EXAMPLE DATA. Regions have gaps of their own that are drawn towards the gap of all. Nobody
        reads a posterior before its draws have passed the gate.
        """
    )
    return cg, df, mo


@app.cell
def _(cg, df):
    fitted = cg.hierarchical(
        "trust_agree ~ age_band + sex",
        df,
        member="member",
        region="region",
        draws=1000,
        seed=1,
        jobs=1,
    )
    gate = fitted.gate
    gate.raise_if_failed()
    gate.to_frame()
    return fitted, gate


@app.cell
def _(fitted):
    fitted.summary()
    return


@app.cell
def _(df, fitted, mo):
    whole = fitted.gap().at()
    lines = [
        f"| {name} | {100 * one.estimate:.1f} | {100 * one.lower:.1f} to {100 * one.upper:.1f} |"
        for name in sorted(df["region"].unique())
        for one in [fitted.gap(name).at()]
    ]
    mo.md(
        "| region | gap, points | 95 % credible |\n|---|---|---|\n"
        + "\n".join(lines)
        + f"\n| **all** | {100 * whole.estimate:.1f} "
        + f"| {100 * whole.lower:.1f} to {100 * whole.upper:.1f} |"
    )
    return (whole,)


@app.cell
def _(cg, fitted, mo):
    # A tenth of the draws: too few to say where an interval ends.
    few = cg.gate(fitted.idata.isel(draw=slice(0, 100)))
    failed = few.to_frame().query("passed == False")["name"].tolist()
    mo.md(f"The first hundred draws a chain would not pass: {', '.join(failed)}.")
    return failed, few


if __name__ == "__main__":
    app.run()
