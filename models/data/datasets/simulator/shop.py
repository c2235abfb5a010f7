"""The items of the simulated shop, laid out so that every similarity tier is a range of positions.

Items are sorted by department pair, department, category and brand, hence "same category" or
"same department" around an item is one contiguous range, and a target of a given tier is drawn
for a million impressions at once (`models.data.datasets.simulator.shelf`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.data.datasets.simulator.lexicon import DEPARTMENTS, QUALITIES
from models.data.datasets.simulator.settings import ITEM_FIELDS, SimulatorSettings

FIRST_ITEM_ID = 1001


@dataclass(frozen=True, slots=True)
class Shop:
    """Columns over item positions 0 … N - 1 in layout order.

    Attributes:
        item_id: Public ids; a permutation, so that they tell nothing of the layout.
        department: Index into `DEPARTMENTS`.
        category: Index over all categories of the shop, ascending.
        brand: Index over all brands of the shop; a brand stays within its department.
        cell: Index of the (category, brand) pair, ascending.
        quality: Index into `QUALITIES`.
        price: Price before any drift.
        popularity: Relative demand, mean 1.
    """

    item_id: np.ndarray
    department: np.ndarray
    category: np.ndarray
    brand: np.ndarray
    cell: np.ndarray
    quality: np.ndarray
    price: np.ndarray
    popularity: np.ndarray

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.item_id)


def build_shop(settings: SimulatorSettings, generator: np.random.Generator) -> Shop:
    """Return the items of the shop, every (category, brand) cell of equal size."""
    cells = settings.departments * settings.categories * settings.brands
    cell = np.arange(settings.items) * cells // settings.items
    category = cell // settings.brands
    department = category // settings.categories
    brand_in_department = cell % settings.brands
    typical = np.array([c.price for d in DEPARTMENTS for c in d.categories[: settings.categories]])[
        category
    ]
    luxury = np.exp(0.5 * (brand_in_department / (settings.brands - 1) - 0.5))
    spread = np.exp(generator.normal(0, 0.2, settings.items))
    popularity = np.exp(generator.normal(0, 0.8, settings.items))
    return Shop(
        item_id=FIRST_ITEM_ID + generator.permutation(settings.items),
        department=department,
        category=category,
        brand=department * settings.brands + brand_in_department,
        cell=cell,
        quality=generator.integers(0, settings.qualities, settings.items),
        price=np.round(typical * luxury * spread, 2),
        popularity=popularity / popularity.mean(),
    )


def item_table(shop: Shop, settings: SimulatorSettings) -> pl.DataFrame:
    """Return the catalogue as a shop would export it, ordered by item id."""
    rows = [_describe(shop, settings, position) for position in np.argsort(shop.item_id)]
    table = pl.DataFrame(rows, orient="row", schema=_item_schema(settings.images))
    return table.drop([field for field in ITEM_FIELDS if field not in settings.listed])


def _item_schema(images: bool) -> dict[str, type[pl.DataType]]:
    text = ("title", "description", "department", "category", "brand", "quality")
    schema: dict[str, type[pl.DataType]] = {"item_id": pl.Int64}
    schema |= dict.fromkeys(text, pl.String) | {"price": pl.Float64}
    return schema | ({"image": pl.String} if images else {})


def _describe(shop: Shop, settings: SimulatorSettings, position: int) -> tuple[object, ...]:
    department = DEPARTMENTS[shop.department[position]]
    category = department.categories[shop.category[position] % settings.categories]
    brand = department.brands[shop.brand[position] % settings.brands]
    quality = QUALITIES[shop.quality[position]]
    item_id = int(shop.item_id[position])
    title = f"{brand} {quality} {category.noun} {item_id}"
    description = (
        f"{brand} {category.noun} for {category.use}. "
        f"{category.name} by {brand}, from our {department.name} range: {department.phrase}."
    )
    row = (item_id, title, description, department.name, category.name, brand, quality)
    row += (float(shop.price[position]),)
    return (*row, image_name(item_id)) if settings.images else row


def image_name(item_id: int) -> str:
    """Return the file name of an item's image, relative to the image folder."""
    return f"{item_id}.png"
