"""How the ``generic`` adapter reads the simulated shop's raw files: what a user would write."""

from models.data.datasets.generic_settings import GenericSettings
from models.data.datasets.simulator.settings import LISTED, ItemField

IMAGE_FOLDER = "images"


def mapping(
    path: str,
    *,
    images: bool,
    blocks: bool = False,
    fields: tuple[ItemField, ...] = LISTED,
) -> GenericSettings:
    """Return the settings of the ``generic`` adapter for raw files in folder ``path``."""
    some = "/*" if blocks else ""
    return GenericSettings.model_validate(
        {
            "name": "simulator",
            "path": path,
            "items": {
                "files": "items.csv",
                "columns": {"image_path": "image"} if images else {},
            },
            "users": {"files": "users.csv"},
            "impressions": {
                "files": f"impressions{some}.parquet",
                "columns": {"label": "clicked"},
            },
            "behaviours": {"files": f"behaviours{some}.parquet"},
            "item_text": ("title", "description"),
            "item_fields": fields,
            "item_numeric": ("price",),
            "user_fields": ("gender", "city", "age_band"),
            "context_fields": ("device", "price_band"),
            "images_root": IMAGE_FOLDER if images else None,
            "ids": "int",
        }
    )
