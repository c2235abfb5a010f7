"""Validate the canonical tables with Great Expectations: verdict, page and Data Docs."""

from pathlib import Path

from models.artifacts import Scalar
from models.data.examples import ExamplesConfig
from models.data.tables import Tables
from steps.adapters.validation_config import ValidationConfig


def validate_tables(
    tables: Tables,
    examples_config: ExamplesConfig,
    config: ValidationConfig,
    folder: Path,
    images_root: Path | None,
) -> dict[str, Scalar]:
    """Return the counts of checks; write verdict.json, validation.html and data_docs/.

    Args:
        tables: The canonical tables.
        examples_config: Says what triggers and histories the examples will need.
        config: Severities and thresholds.
        folder: Where the files go.
        images_root: The folder that ``items.image_path`` is relative to.
    """
    raise NotImplementedError


def require_valid(folder: Path) -> None:
    """Raise `ValidationFailedError` if a critical check of the verdict in ``folder`` failed."""
    raise NotImplementedError
