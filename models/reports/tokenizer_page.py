"""The page of the semantic IDs: how well the codebooks are used, and what shares a code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from models.errors import CorruptArtifactError
from models.reports.blocks import (
    Tile,
    count,
    figure,
    figures,
    number,
    percent,
    table,
    tiles,
    write_page,
)
from models.reports.charts import bar_chart
from models.reports.code_sections import change_section, collision_figure, map_section
from models.reports.page import Headline, Html, Section, render_page
from models.tokenizers.assignment import EmbeddedItems

CohortSamples = Mapping[str, Sequence[str]]
_LABELS = {
    "items": "Items",
    "levels": "Codebooks",
    "fvu": "Share of the embeddings' variance lost (FVU)",
    "unique_rate": "Different codes per item",
    "codes": "Codes in each codebook",
    "collision_codes": "Different collision codes",
    "churn": "Share of items whose IDs changed",
    "churn_matched": "The same, codes matched: first code, first two, all",
    "recall_at_10": "Nearest ten that reconstructions keep (recall@10)",
    "purity": "Same label: any two items, same first code, same first two, all",
    "turned_down": "Tokenizer the gate turned down",
    "items_known_before": "Items known before",
    "largest_collision": "Items in the largest collision",
    "utilisation": "Share of codes in use",
    "perplexity": "Effective number of codes (perplexity)",
    "tokenizer_hash": "Tokenizer",
}
_SIZE_BANDS = ((1, "1"), (2, "2 to 3"), (4, "4 to 9"), (10, "10 to 29"), (30, "30 or more"))


@dataclass(frozen=True, slots=True)
class LevelUse:
    """How one codebook is used.

    Attributes:
        used: Codes with at least one item.
        perplexity: 2 to the entropy of the codes: as many codes as if all were used alike.
        sizes: Items of each used code, largest first.
    """

    used: int
    perplexity: float
    sizes: tuple[int, ...]


def write_tokenizer_page(
    folder: Path,
    items: pl.DataFrame | None = None,
    *,
    embeddings: EmbeddedItems | None = None,
    diagnostics: Mapping[str, object] | None = None,
    cohort_samples: CohortSamples | None = None,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Write ``tokenizer.html`` into ``folder`` and return its path.

    Args:
        folder: A semantic_ids artifact folder, with ``semantic_ids.parquet``.
        items: The catalogue; its text shows what shares a code.
        embeddings: What was tokenised, for the picture of the catalogue.
        diagnostics: Figures to show beside those counted here, by name: plain numbers, or a list
            with one number for each level; ``diagnostics.json`` of the folder if absent.
        cohort_samples: Codes to names of some of their items; drawn from ``items`` if absent.
        facts: What it takes to reproduce the semantic IDs.

    Raises:
        CorruptArtifactError: the folder holds no table of semantic IDs.
    """
    frame = _read(folder / "semantic_ids.parquet")
    codes = [name for name in frame.columns if name.startswith("code_")]
    uses = [level_use(frame[name]) for name in codes]
    if diagnostics is None:
        diagnostics = _diagnostics(folder / "diagnostics.json")
    if cohort_samples is None:
        cohort_samples = {} if items is None else draw_cohorts(frame, items)
    names = None if items is None else item_names(items)
    sections = [
        Section("Key figures", _tiles(frame, codes)),
        *map_section(frame, embeddings, names),
        Section(
            "Codebooks",
            figures([*_codebooks(uses), collision_figure(frame, codes)]),
            "A codebook is used well when many codes are used "
            "about alike; a few crowded codes say little about an item.",
        ),
    ]
    if cohort_samples:
        lead = "Items under the same codes should have something in common that a person can name."
        sections.append(Section("What shares two codes", _samples(cohort_samples), lead))
    if diagnostics:
        sections += change_section(diagnostics)
        sections.append(Section("Diagnostics", _diagnostic_table(diagnostics)))
    html = render_page(
        "What the semantic IDs say of the catalogue",
        sections,
        verdict=_headline(frame, codes, uses),
        facts=facts,
        kicker="intentflow · semantic IDs",
    )
    return write_page(folder, "tokenizer.html", html)


def level_use(codes: pl.Series) -> LevelUse:
    """Return how the codes of one level are used."""
    sizes = np.sort(codes.value_counts()["count"].to_numpy())[::-1]
    share = sizes / max(sizes.sum(), 1)
    perplexity = float(2 ** -(share * np.log2(share)).sum()) if len(sizes) else 0.0
    return LevelUse(len(sizes), perplexity, tuple(int(size) for size in sizes))


def draw_cohorts(
    frame: pl.DataFrame, items: pl.DataFrame, cohorts: int = 12, shown: int = 6
) -> dict[str, list[str]]:
    """Return the largest groups that share their first two codes, with some of their items."""
    names = item_names(items)
    first = [column for column in frame.columns if column.startswith("code_")][:2]
    if names is None or not first:
        return {}
    named = frame.join(names, on="item_id")
    groups = (
        named.sort("item_id")
        .group_by(first)
        .agg(pl.len().alias("size"), pl.col("name").head(shown))
        .sort(["size", *first], descending=[True, *[False] * len(first)])
        .head(cohorts)
    )
    return {
        ", ".join(str(row[c]) for c in first) + f" ({row['size']} items)": [
            str(title) for title in row["name"]
        ]
        for row in groups.iter_rows(named=True)
    }


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CorruptArtifactError(
            f"The table of semantic IDs cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            do="Run assign_semantic_ids again.",
        ) from None


def _diagnostics(path: Path) -> dict[str, object]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def item_names(items: pl.DataFrame) -> pl.DataFrame | None:
    """Return item_id and name, the title where there is one; ``None`` where items have no text."""
    text = [
        name
        for name, kind in items.schema.items()
        if kind == pl.String and name not in {"item_id", "image_path"}
    ]
    preferred = [name for name in ("title", "name") if name in text]
    name = next(iter([*preferred, *text]), None)
    return None if name is None else items.select("item_id", pl.col(name).alias("name"))


def _headline(frame: pl.DataFrame, codes: list[str], uses: list[LevelUse]) -> Headline:
    alone, largest = _uniqueness(frame, codes)
    use = ", ".join(number(level.perplexity, 0) for level in uses)
    return Headline(
        f"{percent(alone)} of {count(frame.height)} items have codes of their own before the "
        "collision code.",
        (
            f"The largest group that shares all {len(codes)} codes has {count(largest)} items; "
            "the collision code tells them apart.",
            f"Effective number of codes, level by level: {use}.",
        ),
        "good" if alone >= 0.9 else "mixed",
    )


def _uniqueness(frame: pl.DataFrame, codes: list[str]) -> tuple[float, int]:
    """Return the share of items with codes of their own, and the size of the largest group."""
    if not codes or not frame.height:
        return 0.0, frame.height
    sizes = frame.group_by(codes).len()["len"]
    largest = int(sizes.sort(descending=True)[0])
    return float((sizes == 1).sum()) / frame.height, largest


def _tiles(frame: pl.DataFrame, codes: list[str]) -> Html:
    alone, largest = _uniqueness(frame, codes)
    distinct = frame.select(codes).n_unique() if codes else 0
    return tiles(
        [
            Tile("Items", count(frame.height), f"with {len(codes)} codes and a collision code"),
            Tile("Alone in their codes", percent(alone), "items nobody shares all codes with"),
            Tile("Distinct codes", count(distinct), "tuples before the collision code"),
            Tile("Largest collision", count(largest), "items that share all their codes"),
        ]
    )


def _codebooks(uses: list[LevelUse]) -> list[Html]:
    charts = []
    starts = [start for start, _ in _SIZE_BANDS]
    for level, use in enumerate(uses, start=1):
        place = np.searchsorted(starts, use.sizes, side="right") - 1
        items = np.bincount(place, use.sizes, minlength=len(starts))
        charts.append(
            figure(
                f"Level {level}: {count(use.used)} codes used",
                f"share of items by size of their code, percent; perplexity "
                f"{number(use.perplexity, 1)}",
                bar_chart(
                    (items / max(sum(use.sizes), 1)).tolist(),
                    "items under the same code",
                    f"Share of items by size of their level-{level} code",
                    names=[name for _, name in _SIZE_BANDS],
                ),
            )
        )
    return charts


def _samples(samples: CohortSamples) -> Html:
    return table(["Codes", "Items"], [[codes, " · ".join(n)] for codes, n in samples.items()])


def _diagnostic_table(diagnostics: Mapping[str, object]) -> Html:
    rows = [
        [_LABELS.get(name, name.replace("_", " ")), _figures(value)]
        for name, value in diagnostics.items()
        if _is_plain(value)
    ]
    return table(["Figure", "Value; one for each level where there are several"], rows)


def _is_plain(value: object) -> bool:
    """Tell a figure, or a short list of figures, from the counts behind them."""
    if isinstance(value, list | tuple):
        return len(value) <= 8 and all(isinstance(entry, int | float) for entry in value)
    return isinstance(value, str | int | float)


def _figures(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_figures, value))
    if isinstance(value, float):
        return number(value)
    return count(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)
