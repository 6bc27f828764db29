"""Numbers of committed tables as pages show them: runs, coverage, calibration, benchmarks."""

from __future__ import annotations

import csv
import gzip
import io
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from coopgap.app.report import read_run
from coopgap.report import words
from coopgap.report.data import make_results
from coopgap.report.terminal import run_text

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
USUAL = {
    "gaps": {"group": "all", "quantity": "risk_difference", "comparator": "comparison"},
    "sensitivity": {"group": ["all", ""]},
}
"""What a row is of where a page does not say otherwise."""


@cache
def frame(run: str, name: str) -> pd.DataFrame:
    """A table of a run: the committed example, or the kept tables of a study (`tests/golden`)."""
    if run == "example":
        return pd.read_csv(ROOT / "reports" / "example" / f"{name}.csv", keep_default_na=False)
    path = TESTS / "golden" / run / f"{name}.csv.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    return pd.read_csv(io.StringIO(text), keep_default_na=False)


def rows(run: str, name: str = "gaps", **keys: object) -> pd.DataFrame:
    """The rows that have these values; an unnamed key is as usual.

    None is any value, and a text that ends in an asterisk is how it starts.
    """
    found = frame(run, name)
    for column, value in (USUAL.get(name, {}) | keys).items():
        if isinstance(value, str) and value.endswith("*"):
            found = found[found[column].str.startswith(value[:-1])]
        elif value is not None:
            wanted = value if isinstance(value, list | tuple) else [value]
            found = found[found[column].isin(wanted)]
    return found


def row(run: str, name: str = "gaps", **keys: object) -> Any:
    """The one row that has these values, cells by name; empty cells are None."""
    found = rows(run, name, **keys)
    if len(found) > 1 and name == "gaps" and "interval_kind" not in keys:
        found = found[found["interval_kind"] != "joint"]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows of {run}, {name}: {keys}")
    cells = found.iloc[0].to_dict()
    return type("Row", (), {key: _number(value) for key, value in cells.items()})


def _number(cell: object) -> object:
    """A cell as a number where it is one, None where it is empty."""
    if isinstance(cell, str):
        try:
            return float(cell) if cell else None
        except ValueError:
            return cell
    return cell


def gap(run: str, name: str = "gaps", *, signed: bool = False, **keys: object) -> str:
    """An estimate with its interval: `9.2 (4.4 to 14.0)`, on the scale of its quantity."""
    it = row(run, name, **keys)
    value = words.value_words(it.quantity, it.estimate, signed=signed)
    return f"{value} ({words.spread(it.quantity, it.lower, it.upper)})".replace("\xa0", " ")


def difference(run: str, **keys: object) -> str:
    """What a check's estimate is away from the one that it is compared with."""
    it = row(run, "sensitivity", **keys)
    limits = words.spread(it.quantity, it.difference_lower, it.difference_upper)
    return f"{words.value_words(it.quantity, it.difference)} ({limits})"


def table(run: str, name: str, columns: dict[str, str], **keys: object) -> str:
    """A Markdown table of some rows: by head, a column, or `estimate` with its interval."""
    found = rows(run, name, **keys).drop_duplicates([*columns.values()])
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for cells in found.to_dict("records"):
        it = {key: _number(value) for key, value in cells.items()}
        lines.append(f"| {' | '.join(_cell(it, column) for column in columns.values())} |")
    if len(lines) == 2:
        raise LookupError(f"no row of {run}, {name}: {keys}")
    return "\n".join(lines)


def _cell(it: dict[str, Any], column: str) -> str:
    value = it[column]
    if column == "estimate":
        return words.estimate_words(
            it["quantity"], value, it["lower"], it["upper"], it.get("status", "ok")
        )
    if column in ("family", "model", "group", "quantity", "check"):
        return f"`{value}`"
    if column == "population":
        return words.population_words(str(value))
    if column == "verdict":
        return words.verdict_words(value)
    if column.startswith("smd"):
        return words.number(value, 2)
    if column.startswith(("n_", "ess_")):
        return words.count(value)
    return words.escape_markdown(str(value)) if value is not None else words.DASH


def headlines(run: str) -> str:
    """What a run says at its end, as a terminal without colour shows it."""
    saved = read_run(ROOT / "reports" / run)
    text = run_text(make_results(saved.frames, saved.study, saved.meta)).partition("\n")[2]
    return f"``` {{.text .output}}\n{text}\n```"


@cache
def _coverage() -> Any:
    """The script that counts, with its table; other folders of tests have a `run` too."""
    folder = TESTS / "coverage"
    sys.path.insert(0, str(folder))
    try:
        import run
    finally:
        sys.path.remove(str(folder))
        for name in ("run", "intervals", "simulate"):
            sys.modules.pop(name, None)
    return run, run.read(folder / "table.csv")


def coverage() -> str:
    """Coverage of every interval that a run has or offers."""
    script, made = _coverage()
    return str(script.markdown(made))


def uneven() -> str:
    """Coverage where members' log odds differ by threshold."""
    script, made = _coverage()
    return str(script.uneven(made))


def failing() -> str:
    """The defaults that fail, in a sentence."""
    script, made = _coverage()
    return str(script.failing_defaults(made))


def covered(gap: str, threshold: str, clusters: int = 100, **keys: object) -> Any:
    """A row of the coverage table, of the interval that a run of so many clusters has."""
    script, made = _coverage()
    own = script.JOINT if threshold == "all" else script.default_interval(clusters)
    wanted = {"gap": gap, "threshold": threshold, "clusters": clusters, "interval": own} | keys
    for column, value in wanted.items():
        made = made[made[column] == value]
    (found,) = made.itertuples(index=False)
    return found


def hierarchical_alarms(gaps: str, threshold: str) -> Any:
    """A row of the hierarchical model's counts."""
    made = pd.read_csv(TESTS / "coverage" / "hierarchical.csv", keep_default_na=False)
    made = made[(made["gaps"] == gaps) & (made["threshold"] == threshold)]
    (found,) = made.itertuples(index=False)
    return found


def informative() -> str:
    """Coverage where weights go with the answers, least and most over thresholds."""
    made = pd.read_csv(TESTS / "coverage" / "informative.csv", keep_default_na=False)
    regions = pd.read_csv(TESTS / "coverage" / "informative_regions.csv", keep_default_na=False)
    by_region = regions.assign(
        family="hierarchical, " + regions["group"].map({"all": "all", "region": "by region"}),
        weights=regions["draws"],
    )
    lines = ["| family | weights | surveys | 95 % intervals hold, % | off by, points |"]
    lines.append("|---|---|---|---|---|")
    for (family, weights), own in pd.concat([made, by_region]).groupby(
        ["family", "weights"], sort=False
    ):
        held, bias = own["coverage"], own["bias"].abs().max()
        between = f"{held.min():.1f} to {held.max():.1f}"
        lines.append(
            f"| {family} | {weights} | {own['replicates'].min():,} | {between} | {bias:.1f} |"
        )
    return "\n".join(lines)


def calibration() -> str:
    """The committed simulation-based calibrations, a line each."""
    heads = ("model", "levels", "design", "truths", "withheld", "gaps ranked")
    inside = ("inside the 95 % band", "inside the 99.9 % band", "95 % intervals hold, %")
    lines = [f"| {' | '.join((*heads, *inside))} |", "|" + "---|" * 9]
    for design in ("default", "small", "empty_cell"):
        for model in ("ses", "trust_agree"):
            path = TESTS / "calibration" / f"{model}-{design}.csv"
            with path.open(encoding="utf-8") as file:
                found = list(csv.DictReader(file))
            within = [100 * float(one["within_95"]) for one in found]
            cells = (
                *(f"`{model}`", found[0]["n_levels"], f"`{design}`"),
                *(found[0]["n_sims"], found[0]["n_withheld"], str(len(found))),
                *(str(sum(one[key] == "True" for one in found)) for key in INSIDE),
                f"{min(within):.1f} to {max(within):.1f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


INSIDE = ("inside_95", "inside_999")


def alarms(method: str) -> tuple[int, float, float]:
    """Of the check against subsamples: surveys, alarms in percent, Monte Carlo error."""
    made = pd.read_csv(TESTS / "alarms" / "table.csv")
    made = made[(made["method"] == method) & ~made["younger"]]
    judged = "unadjusted, agree" if method == "subset" else "adjusted, agree"
    made = made[made["judged"] == judged]
    n, found = int(made["surveys"].sum()), int(made["alarms"].sum())
    share = found / n
    return n, 100 * share, 100 * (share * (1 - share) / n) ** 0.5


def _phone(difference: float, zone_sd: float) -> Any:
    made = pd.read_csv(TESTS / "checks" / "phone" / "rates.csv")
    made = made[(made["difference"] == difference) & (made["zone_sd"] == zone_sd)]
    return next(made.itertuples(index=False))


def phone_rate(difference: float, zone_sd: float) -> str:
    """How often the phone check finds a difference of so much, in percent."""
    found = _phone(difference, zone_sd).found_different
    return f"{found:.1f}" if difference == 0 else f"{found:.0f}"


def phone_power(difference: float) -> float:
    """How often it should, by formula, in percent."""
    return float(_phone(difference, 0.25).found_power)


def spread(model: str) -> str:
    """How far Uganda's districts differ, in log odds, without a leading zero."""
    it = row("uganda", "coefficients", model=model, family="hierarchical", term="sd_finite")
    return f"{it.estimate:.2f} ({it.lower:.2f} to {it.upper:.2f})".replace("0.", ".")


def rank(keys: dict[str, str]) -> str:
    """A district's expected rank among all, with its interval."""
    where = keys | {"category": "", "family": "hierarchical", "population": "all_members"}
    it = row("uganda", quantity="expected_rank", **where)
    regions = rows("uganda", quantity="expected_rank", **where | {"group": None})
    return f"{it.estimate:.1f} of {len(regions)} ({it.lower:.0f} to {it.upper:.0f})"


def prior_reach(model: str) -> str:
    """How large a gap the priors of the example's model allow, least and most over thresholds."""
    found = rows("example", "sensitivity", check="prior_predictive", model=model)
    found = found[found["quantity"] == "risk_difference"]
    ends = found[["lower", "upper"]].astype(float).abs().to_numpy()
    return f"±{100 * ends.min():.0f} to ±{100 * ends.max():.0f}"


def benchmarks(heading: str) -> str:
    """A table of tests/benchmarks/results.md."""
    text = (TESTS / "benchmarks" / "results.md").read_text(encoding="utf-8")
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0].strip()


WORDS = {name: getattr(words, name) for name in ("points", "percent", "ratio", "count", "p_value")}
"""How numbers are written, as filters: `{{ 0.123|points }}`."""

FUNCTIONS = {
    name: globals()[name]
    for name in (
        *("row", "gap", "difference", "table", "headlines", "coverage", "uneven", "failing"),
        *("covered", "hierarchical_alarms", "informative", "calibration", "alarms", "benchmarks"),
        *("phone_rate", "phone_power", "spread", "rank", "prior_reach"),
    )
}
