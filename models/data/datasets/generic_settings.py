"""Settings of the generic adapter: which of the user's columns means what."""

import difflib
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, model_validator

from models.data.datasets.dirty_rows import DirtyRows
from models.data.schema import KEYS, TableName
from models.settings import Settings

FileNames = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
]
LabelValue = bool | int | float | str
TimeUnit = Literal["s", "ms", "us", "iso"]


class LabelRule(Settings):
    """What makes an impression positive; without any of these, a column of 0/1 or true/false.

    Attributes:
        positive: Values that mean positive.
        negative: Values that mean negative; with ``positive`` alone all others do. Where both are
            given, rows with other values are dropped and counted.
        above: Numbers above this are positive …
        below: … below this negative (``above`` if not given), and those in between are dropped.
        always: True where the log holds positives only and has no label column.
    """

    positive: tuple[LabelValue, ...] | None = None
    negative: tuple[LabelValue, ...] | None = None
    above: float | None = None
    below: float | None = None
    always: bool = False

    @model_validator(mode="after")
    def _one_form(self) -> "LabelRule":
        forms = (self.positive is not None, self.above is not None, self.always)
        if sum(forms) > 1:
            raise ValueError("give one of positive, above and always")
        if self.negative is not None and self.positive is None:
            raise ValueError("negative needs positive")
        if self.below is not None and (self.above is None or self.below > self.above):
            raise ValueError("below needs above, and cannot exceed it")
        return self


class SourceTable(Settings):
    """Files that together hold one table.

    Attributes:
        files: Names or patterns (``clicks-*.csv.gz``) under the data set's ``path``.
        columns: Canonical name or feature name → the name in the files, where they differ.
        separator: Between the cells of CSV files.
        quoted: Whether quotes stand around cells of CSV files; false where they are characters
            like others, as in many tab-separated files.
    """

    files: FileNames
    columns: dict[str, str] = Field(default_factory=dict)
    separator: str = Field(",", min_length=1, max_length=1)
    quoted: bool = True


class EventTable(SourceTable):
    """Files of events, with the unit of their times.

    Attributes:
        time_unit: Of numbers since 1970; ``iso`` for text such as ``2024-05-01T12:00:00Z`` (UTC
            where it names no zone). Parquet date-times need none.
    """

    time_unit: TimeUnit = "s"


class ImpressionTable(EventTable):
    """Files of impressions.

    Attributes:
        label: What makes an impression positive.
    """

    label: LabelRule = LabelRule()


class BehaviourTable(EventTable):
    """Files of positive events that make histories.

    Attributes:
        kind: The kind of every event, where the files have no ``kind`` column.
    """

    kind: str | None = None


class GenericSettings(Settings):
    """Settings of the generic adapter.

    Attributes:
        name: Name of the data set, as reports show it.
        path: Folder of the files, from the project root.
        items: Files of the catalogue.
        users: Files of the users; null = the users of the events, without fields.
        impressions: Files of the shown items.
        behaviours: Files of positive events; null = the positive impressions.
        item_text: Text columns of the items.
        item_fields: Categorical columns of the items.
        item_numeric: Numeric columns of the items; an empty cell is a missing value.
        user_fields: Categorical columns of the users.
        context_fields: Categorical columns of the impressions.
        images_root: Folder, under ``path``, of the files that the items' ``image_path`` column
            names; null = no images.
        ids: ``auto`` reads ids as whole numbers where all of them are, and as text otherwise.
        unknown_keys: What to do with events of items or users that have no row: ``error`` names
            the first, ``drop`` drops and counts them.
        dirty_rows: What to do with rows that cannot be read.
        max_in_memory_mb: Files larger than this together, in 10⁶ bytes, are never held in memory.
    """

    name: str
    path: str
    items: SourceTable
    users: SourceTable | None = None
    impressions: ImpressionTable
    behaviours: BehaviourTable | None = None
    item_text: tuple[str, ...] = Field(min_length=1)
    item_fields: tuple[str, ...] = ()
    item_numeric: tuple[str, ...] = ()
    user_fields: tuple[str, ...] = ()
    context_fields: tuple[str, ...] = ()
    images_root: str | None = None
    ids: Literal["auto", "int", "text"] = "auto"
    unknown_keys: Literal["error", "drop"] = "error"
    dirty_rows: DirtyRows = DirtyRows()
    max_in_memory_mb: NonNegativeFloat = 256

    def features(self, table: TableName) -> tuple[str, ...]:
        """Return the feature columns of a table."""
        images = ("image_path",) if self.images_root is not None else ()
        return {
            "items": self.item_text + self.item_fields + self.item_numeric + images,
            "users": self.user_fields,
            "impressions": self.context_fields,
            "behaviours": (),
        }[table]

    @model_validator(mode="after")
    def _columns_are_known(self) -> "GenericSettings":
        tables: tuple[tuple[TableName, SourceTable | None], ...] = (
            ("items", self.items),
            ("users", self.users),
            ("impressions", self.impressions),
            ("behaviours", self.behaviours),
        )
        for table, source in tables:
            allowed = [*KEYS[table], *self.features(table)]
            for column in source.columns if source else ():
                if column not in allowed:
                    close = difflib.get_close_matches(column, allowed, n=1)
                    hint = f" (did you mean {close[0]!r}?)" if close else ""
                    raise ValueError(
                        f"{table}.columns.{column} is neither a canonical column nor a feature"
                        f"{hint}; allowed: {', '.join(allowed)}"
                    )
        if self.user_fields and self.users is None:
            raise ValueError("user_fields need the users table")
        return self
