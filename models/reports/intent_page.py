"""The page of the intent levels: how alike triggers and targets are, and what that is worth."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from models.intents.labels import intent_levels
from models.metrics.calibration import wilson_interval
from models.reports.blocks import figure, figures, join, number, percent, table, text, write_page
from models.reports.charts import bar_chart, rate_chart
from models.reports.page import Headline, Html, Section, render_page
from models.reports.results import Estimate


def write_intent_page(
    folder: Path,
    levels: pl.DataFrame | None = None,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Write ``intents.html`` into ``folder`` and return its path.

    Args:
        folder: An intents artifact folder.
        levels: Columns level, low, high (cosine), impressions, share, click_rate, and information
            (bits) if known; read from ``levels.parquet`` in the folder if absent.
        facts: What it takes to reproduce the levels.

    Raises:
        CorruptArtifactError: no levels are given and the folder holds none.
    """
    frame = intent_levels(folder) if levels is None else levels
    html = render_page(
        "How alike are triggers and targets?",
        [Section("Levels", join(_charts(frame), _table(frame)), _lead(frame))],
        verdict=_headline(frame),
        facts=facts,
        kicker="intentflow · intent levels",
    )
    return write_page(folder, "intents.html", html)


def _headline(frame: pl.DataFrame) -> Headline:
    rates = frame.filter(pl.col("impressions") > 0)
    if not rates.height:
        return Headline("No impression has a trigger and a target with content.", tone="bad")
    best = rates.row(rates["click_rate"].arg_max() or 0, named=True)
    worst = rates.row(rates["click_rate"].arg_min() or 0, named=True)
    largest = rates.row(rates["share"].arg_max() or 0, named=True)
    details = [
        f"Most impressions ({percent(largest['share'])}) are at level {largest['level'] + 1}."
    ]
    if "information" in frame.columns:
        bits = float(frame["information"].sum())
        details.append(
            f"The level alone, whoever the user is, tells {number(bits)} bits about the click."
        )
    return Headline(
        f"Users click most at level {best['level'] + 1} ({percent(best['click_rate'])}) and "
        f"least at level {worst['level'] + 1} ({percent(worst['click_rate'])}).",
        tuple(details),
    )


def _lead(frame: pl.DataFrame) -> str:
    return (
        f"The cosine of trigger and target content, cut into {frame.height} levels of equal width "
        "over the range of the training rows (DAIAN 4.1)."
    )


def _charts(frame: pl.DataFrame) -> Html:
    axis = f"similarity to the trigger: level 1 least, {frame.height} most"
    count = frame["impressions"].to_numpy()
    rate = frame["click_rate"].fill_null(0.0).fill_nan(0.0).to_numpy()
    low, high = wilson_interval(rate, count.clip(min=1))
    rates = [
        Estimate(value=float(rate[i]), low=float(low[i]), high=float(high[i]))
        if count[i]
        else Estimate(value=None)
        for i in range(len(rate))
    ]
    return figures(
        [
            figure(
                "Impressions",
                "share of training impressions with a trigger, percent",
                bar_chart(frame["share"].to_list(), axis, "Share of impressions by level"),
            ),
            figure(
                "Click rate",
                "share clicked, with 95\u202f% interval",
                rate_chart(rates, axis, "Click rate by level"),
            ),
        ]
    )


def _table(frame: pl.DataFrame) -> Html:
    informed = "information" in frame.columns
    rows = [
        [
            str(row["level"] + 1),
            f"{number(row['low'], 3)} to {number(row['high'], 3)}",
            row["impressions"],
            percent(row["share"]),
            percent(row["click_rate"]),
            *([number(row["information"], 5)] if informed else []),
        ]
        for row in frame.iter_rows(named=True)
    ]
    head = ["Level", "Cosine", "Impressions", "Share", "Click rate"]
    head += ["Information (bits)"] if informed else []
    note = "Cosines beyond the range count to the outermost levels."
    return join(table(head, rows), text(note, "note"))
