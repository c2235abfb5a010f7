"""Who the model serves well: a figure and a table for each way to group users, histories, items."""

from models.reports.blocks import (
    count,
    figure,
    figures,
    folded,
    heading,
    join,
    number,
    percent,
    signed,
    table,
)
from models.reports.charts import Row, interval_chart
from models.reports.page import Html, Section
from models.reports.results import Estimate, Evaluation, GroupTable


def groups_section(evaluation: Evaluation) -> Section | None:
    """Return the section of group figures and tables; None where no group is known."""
    if not evaluation.groups:
        return None
    base = None if evaluation.base is None else evaluation.base.name
    charts = [_group_chart(group, base) for group in evaluation.groups if group.rows]
    tables = [
        join(heading(group.title), _group_rows(group, base))
        for group in evaluation.groups
        if group.rows
    ]
    lead = (
        f"GAUC of {evaluation.model} within each group"
        + (f", less that of {base}." if base else ".")
        + " The lines are 95\u202f% intervals: wide where a group is small."
    )
    return Section(
        "Who it serves", join(figures(charts), folded("All groups as tables", join(*tables))), lead
    )


def _group_chart(group: GroupTable, base: str | None) -> Html:
    prefix = "difference" if base else "gauc"
    rows = []
    for row in group.rows:
        value, low, high = (
            _float(row.get(key)) for key in (prefix, f"{prefix}_low", f"{prefix}_high")
        )
        if not base:
            value, low, high = (None if v is None else v - 0.5 for v in (value, low, high))
        rows.append(Row(str(row["group"]), Estimate(value=value, low=low, high=high)))
    what = f"GAUC minus that of {base}" if base else "GAUC minus 0.5, a coin"
    return figure(group.title, group.about, interval_chart(rows, what, group.title))


def _group_rows(group: GroupTable, base: str | None) -> Html:
    columns = ["Group", "Impressions", "Users", "Click rate", "AUC", "GAUC", "95\u202f% interval"]
    columns += [f"GAUC of {base}", "Difference"] if base else []
    rows = []
    for row in group.rows:
        cells = [str(row["group"]), count(_float(row["impressions"]) or 0)]
        cells += [count(_float(row["users"]) or 0), percent(_float(row["click_rate"]))]
        cells += [number(_float(row["auc"])), number(_float(row["gauc"]))]
        cells.append(f"{number(_float(row['gauc_low']))} to {number(_float(row['gauc_high']))}")
        if base:
            cells += [number(_float(row["base_gauc"])), signed(_float(row["difference"]))]
        rows.append(cells)
    return table(columns, rows)


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
