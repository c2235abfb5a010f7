"""The items of Alimama: its ads, and the pairs of category and brand that behaviours name."""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from models.data.datasets.cells import Cell, typed_rows
from models.data.datasets.dirty_rows import Tally
from models.data.datasets.rawfiles import read_table
from models.errors import SchemaError

_AD = {
    "item_id": Cell("adgroup_id", "whole"),
    "category": Cell("cate_id", "whole"),
    "brand": Cell("brand", "whole", required=False, none=("NULL",)),
    "campaign": Cell("campaign_id", "whole"),
    "customer": Cell("customer", "whole"),
    "price": Cell("price", "number"),
}


@dataclass(frozen=True)
class PairIds:
    """Ids of the items that stand for a category and a brand: whole numbers above all ads'.

    Attributes:
        start: The first such id.
        brands: More than the highest brand.
    """

    start: int
    brands: int

    def of(self, category: str, brand: str) -> pl.Expr:
        """Return the id of two columns; without a brand, that of the category."""
        return self.of_category(category) + (pl.col(brand) + 1).fill_null(0)

    def of_category(self, category: str) -> pl.Expr:
        """Return the id of a category without a brand."""
        return self.start + pl.col(category) * self.brands


PAIRS = PairIds(start=10**10, brands=10**7)


@dataclass(frozen=True)
class Catalogue:
    """Ads, and what stands for categories and brands.

    Attributes:
        items: The rows of both.
        pairs: Ids of the latter.
    """

    items: pl.DataFrame
    pairs: pl.Series

    @property
    def num_pairs(self) -> int:
        """How many items stand for a category, or a category and a brand."""
        return len(self.pairs)

    def with_categories(self, seen: pl.LazyFrame) -> "Catalogue":
        """Return the catalogue with pairs: those of the ads, and each category of the behaviours.

        The log names millions of pairs; that of a category and a brand no ad has would be an item
        no target resembles more than its category does.
        """
        own = self.items.select("category", "brand").unique()
        seen_too = seen.unique().collect(engine="streaming")
        without_brand = pl.concat([own.select("category"), seen_too]).unique()
        pairs = pl.concat([own.drop_nulls("brand"), without_brand], how="diagonal")
        rows = pairs.with_columns(PAIRS.of("category", "brand").alias("item_id")).sort("item_id")
        items = pl.concat([self.items, rows.with_columns(_title("pair"))], how="diagonal")
        return replace(self, items=items, pairs=rows["item_id"])


def read_catalogue(path: Path, tally: Tally) -> Catalogue:
    """Return the ads of ``ad_feature.csv``, without pairs.

    Raises:
        SchemaError: a cell is not what it should be, or an id is higher than any there is.
        DataError: the file cannot be read.
    """
    frame = read_table(path, [cell.source for cell in _AD.values()])
    ads = typed_rows(frame.lazy(), path, _AD, tally).drop("row").collect()
    for column, limit in (("item_id", PAIRS.start), ("brand", PAIRS.brands - 1)):
        too_high = ads.filter(pl.col(column) >= limit)[column]
        if len(too_high):
            raise SchemaError(
                f"A {_AD[column].source} is {too_high[0]}.",
                where=f"{path}, column {_AD[column].source}",
                allowed=f"less than {limit}",
                do="Check that this is ad_feature.csv of Tianchi data set 56.",
            )
    return Catalogue(ads.with_columns(_title("ad")), pl.Series("item_id", [], dtype=pl.Int64))


def _title(of: str) -> pl.Expr:
    """Return what stands for a text: the data set has none."""
    brand = pl.when(pl.col("brand").is_null()).then(pl.lit("no brand"))
    named = brand.otherwise(pl.format("brand {}", "brand"))
    kind = pl.format("ad {}, ", "item_id") if of == "ad" else pl.lit("")
    return pl.concat_str(kind, pl.format("category {}, ", "category"), named).alias("title")
