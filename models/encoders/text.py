"""Item text from a template over the items' columns; missing values leave no trace."""

import string

import polars as pl

from models.encoders.config import EncoderConfig
from models.errors import ConfigError


def item_texts(items: pl.DataFrame, columns: tuple[str, ...], config: EncoderConfig) -> list[str]:
    """Return the text of every item; empty where all its columns are missing.

    Args:
        items: The items table.
        columns: The data set's own text columns, used where the configuration has no template.
        config: Template and separator.

    Raises:
        ConfigError: the template names a column that the items lack, or is malformed.
    """
    template = config.text or config.separator.join(f"{{{name}}}" for name in columns)
    segments = [_segment(segment, items, template) for segment in template.split(config.separator)]
    joined = pl.concat_str(segments, separator=config.separator, ignore_nulls=True)
    text = items.select(joined.str.replace_all(r"[\s\p{Cc}]+", " ").str.strip_chars().alias("text"))
    return text["text"].fill_null("").to_list()


def _segment(segment: str, items: pl.DataFrame, template: str) -> pl.Expr:
    """Return the segment's text, null where it has columns and all of them are missing."""
    try:
        parsed = list(string.Formatter().parse(segment))
    except ValueError as error:
        raise _malformed(template, str(error)) from None
    parts: list[pl.Expr] = []
    values: list[pl.Expr] = []
    for literal, name, form, conversion in parsed:
        parts.append(pl.lit(literal))
        if name is None:
            continue
        if form or conversion or name not in items.columns:
            raise _malformed(template, f"there is no item column {name!r}", items)
        values.append(_value(name, items.schema[name]))
        parts.append(values[-1].fill_null(""))
    text = pl.concat_str(parts)
    return (
        text
        if not values
        else pl.when(pl.any_horizontal(v.is_not_null() for v in values)).then(text)
    )


def _value(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column as text: lists and a|b values as "a, b", blanks as null."""
    column = pl.col(name)
    if isinstance(dtype, pl.List):
        column = column.cast(pl.List(pl.Utf8)).list.join(", ")
    else:
        column = column.cast(pl.Utf8)
    text = column.str.replace_all(r"[\s\p{Cc}]+", " ").str.replace_all(r" *\| *", ", ")
    text = text.str.strip_chars()
    return pl.when(text != "").then(text)


def _malformed(template: str, problem: str, items: pl.DataFrame | None = None) -> ConfigError:
    return ConfigError(
        f"The text template {template!r} cannot be used: {problem}.",
        where="encoder configuration: text",
        allowed="columns in braces: " + ", ".join(items.columns if items is not None else []),
        do="Correct the template, or leave text: null for the data set's own text columns.",
    )
