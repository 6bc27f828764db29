"""The balance table: every covariate, interaction and component, before and after matching."""

from __future__ import annotations

from coopgap.estimate import BalanceRow
from coopgap.report.document import Table
from coopgap.report.values import number, percent
from coopgap.report.view import View
from coopgap.report.words import clean, once, readable

__all__ = ["balance_table", "model_label"]


def model_label(view: View, model: str) -> str:
    """A model by the label of its outcome."""
    spec = view.spec(model)
    return readable(model) if spec is None else view.label(spec.outcome)


def balance_table(view: View) -> Table:
    """Balance of every model over everybody; lines that models share stand once."""
    models = view.in_order(row.model for row in view.balance)
    lines: dict[tuple[str, ...], list[str]] = {}
    for model in models:
        for row in view.balance:
            if row.model == model and row.group == "all":
                lines.setdefault(_line(view, row), []).append(model_label(view, model))
    return Table(
        caption=_CAPTION[view.has_matching],
        header=("Variable", "Level", "Members", *_COLUMNS[view.has_matching]),
        rows=once(
            [
                (line[0] if len(of) == len(models) else f"{line[0]} [{', '.join(of)}]", *line[1:])
                for line, of in lines.items()
            ]
        ),
        leading=2,
        notes=("Differences are standardised mean differences.",),
        mark=view.mark,
        brief=False,
    )


_CAPTION = {
    True: "Balance: members kept after matching, and the comparison group before and after",
    False: "Balance: members and the comparison group as they are",
}
_COLUMNS = {
    True: ("Comparison before", "Comparison after", "Difference before", "Difference after"),
    False: ("Comparison", "Difference"),
}
"""Caption, and columns beside the members' shares, by whether anybody is matched."""


def _line(view: View, row: BalanceRow) -> tuple[str, ...]:
    return (
        _covariate(view, row.model, row.covariate),
        clean(row.level),
        _mean(row, row.member_mean),
        _mean(row, row.comparison_mean_before),
        *((_mean(row, row.comparison_mean_after),) if view.has_matching else ()),
        number(row.smd_before, 2),
        *((number(row.smd_after, 2),) if view.has_matching else ()),
    )


def _mean(row: BalanceRow, value: float | None) -> str:
    """A share at a level, or the mean of a numeric covariate."""
    if row.level:
        return percent(value)
    return number(value, 2 if value is not None and abs(value) < 100 else 0)


def _covariate(view: View, model: str, name: str) -> str:
    """Its label, marked where it is part of what the outcome is made of."""
    spec = view.spec(model)
    variables = [view.study.variables.get(part) for part in (name, *name.split(":"))]
    part = spec and any(one and one.role_for(spec.outcome) == "component" for one in variables)
    return view.label(name) + (" (component of the outcome)" if part else "")
