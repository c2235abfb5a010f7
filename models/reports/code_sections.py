"""Parts of the page of the semantic IDs: the catalogue's themes, collisions, and what changed."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from models.reports.blocks import bullets, count, figure, join, percent, table, text
from models.reports.charts import bar_chart
from models.reports.code_map import CodeMap, code_map, map_drawing, swatch
from models.reports.page import Html, Section
from models.tokenizers.assignment import EmbeddedItems

TITLES = 6
CROWD = 5


def map_section(
    frame: pl.DataFrame, embeddings: EmbeddedItems | None, names: pl.DataFrame | None
) -> list[Section]:
    """Return the picture of the catalogue and what its largest themes hold, where they are known.

    Args:
        frame: The table of semantic IDs.
        embeddings: Of the same items or more.
        names: item_id and name.
    """
    if embeddings is None or "code_0" not in frame.columns:
        return []
    rows = pl.DataFrame({"item_id": embeddings.item_ids}).with_row_index("row")
    known = frame.join(rows, on="item_id", maintain_order="left")
    first_code = known["code_0"].to_numpy()
    picture = code_map(embeddings.values[known["row"].to_numpy()], first_code)
    if picture is None:
        return []
    drawing = figure(
        "Items by meaning",
        f"t-SNE of {count(len(picture.rows))} of {count(known.height)} items; a dot an item",
        map_drawing(picture, first_code, "Items by meaning, coloured by first code"),
        "In colour: the largest first codes, by the numbers of the list. Grey: the other codes.",
    )
    lead = (
        "The first code should stand for a theme: dots of one colour lie together, and a person "
        "can say what their titles have in common."
    )
    return [Section("Themes", join(drawing, _themes(frame, picture, names)), lead)]


def collision_figure(frame: pl.DataFrame, codes: list[str]) -> Html:
    """Return how many items share all their codes with how many others."""
    sizes = frame.group_by(codes).len()["len"] if codes else pl.Series([frame.height])
    groups = {size: int((sizes == size).sum()) * size for size in range(1, CROWD)}
    total = max(frame.height, 1)
    shares = [items / total for items in groups.values()]
    shares.append(float(sizes.filter(sizes >= CROWD).sum()) / total)
    return figure(
        "Collisions",
        "share of items by how many share all their codes, percent",
        bar_chart(
            shares,
            "items with the same codes, itself counted",
            "Share of items by size of their collision",
            names=[*map(str, groups), f"{CROWD} or more"],
        ),
    )


def change_section(diagnostics: Mapping[str, Any]) -> list[Section]:
    """Return what changed against the IDs in use, and the gate's verdict, where they are known."""
    gate = diagnostics.get("gate")
    if not isinstance(gate, Mapping):
        return []
    matched = diagnostics.get("churn_matched")
    if matched is None:
        change = text("There were no semantic IDs in use to compare with.", "note")
    else:
        rows = [["Any part of the ID, as it stands", percent(diagnostics.get("churn"))]]
        steps = ["First code", *(f"Any of the first {n} codes" for n in range(2, len(matched) + 1))]
        rows += [
            [f"{step}, once codes are matched", percent(share)]
            for step, share in zip(steps, matched, strict=True)
        ]
        known = count(diagnostics.get("items_known_before", 0))
        change = table([f"What changed, of {known} items known before", "Share of items"], rows)
    verdict = (
        "The gate approved the tokenizer."
        if gate["approved"]
        else "The gate turned the new tokenizer down; the one before it assigned these IDs."
    )
    body = join(change, text(verdict), bullets(gate["reasons"]))
    lead = (
        "Two tokenizers number their codes differently; codes are matched one to one, to tell "
        "items that changed company from codes that changed names."
    )
    return [Section("Change and gate", body, lead)]


def _themes(frame: pl.DataFrame, picture: CodeMap, names: pl.DataFrame | None) -> Html:
    named = None if names is None else frame.join(names, on="item_id").sort("item_id")
    rows = []
    for place, theme in enumerate(picture.themes):
        size = int((frame["code_0"] == theme).sum())
        titles = _titles(named, theme) if named is not None else []
        rows.append([swatch(place), str(theme), size, " · ".join(titles)])
    return table(["", "Code", "Items", "Some of them"], rows)


def _titles(named: pl.DataFrame, theme: int) -> list[str]:
    """Return titles from all over a theme, not its first items alone."""
    titles = (
        named.filter(pl.col("code_0") == theme)["name"].drop_nulls().unique(maintain_order=True)
    )
    return [str(title) for title in titles.gather_every(max(1, len(titles) // TITLES))[:TITLES]]
