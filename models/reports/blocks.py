"""The blocks pages are built of: tables, tiles, figures, lists. Every string given is escaped."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from models.files import write_text
from models.reports.page import Html, Number, Tone

Cell = str | int | float | bool | None


class Strong(str):
    """A cell's words, set in bold: the best of a column."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """One number with what it is compared to.

    Attributes:
        name: What is measured.
        value: The number as shown.
        meaning: What it means and its unit, in a few words.
        interval: Its interval in words, or "".
        lines: Further lines: (label, value).
    """

    name: str
    value: str
    meaning: str = ""
    interval: str = ""
    lines: tuple[tuple[str, str], ...] = ()


def text(words: str, style: str = "") -> Html:
    """Return a paragraph; ``style`` may be "lead" or "note"."""
    opening = f'<p class="{style}">' if style else "<p>"
    return Html(f"{opening}{escape(words)}</p>")


def heading(words: str) -> Html:
    """Return a heading inside a section."""
    return Html(f"<h3>{escape(words)}</h3>")


def mark(words: str, tone: Tone) -> Html:
    """Return a word coloured by its tone."""
    return Html(f'<span class="mark {tone}">{escape(words)}</span>')


def link(words: str, address: str, below: str = "") -> Html:
    """Return a link, or the bare words where there is no address; ``below`` is a line under it."""
    shown = f'<a href="{escape(address)}">{escape(words)}</a>' if address else escape(words)
    return Html(shown + (f'<span class="sub">{escape(below)}</span>' if below else ""))


def words(sentence: str) -> Html:
    """Return a cell's text that needs room to be read."""
    return Html(f'<span class="words">{escape(sentence)}</span>')


def tiles(values: Iterable[Tile]) -> Html:
    """Return tiles three abreast where there is room, or four if there are just that many."""
    shown = list(map(_tile, values))
    style = "tiles few" if len(shown) in {2, 4} else "tiles"
    return Html(f'<div class="{style}">{"".join(shown)}</div>')


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell | Html]]) -> Html:
    """Return a table; a column is aligned as numbers where its first cells are numbers."""
    lines = [list(row) for row in rows]
    numeric = [
        any(_is_number(line[i]) for line in lines)
        and all(_is_number(line[i]) or line[i] in {None, "", "–"} for line in lines)
        for i in range(len(columns))
    ]
    head = "".join(_cell("th", name, number) for name, number in zip(columns, numeric, strict=True))
    body = "".join(
        "<tr>"
        + "".join(_cell("td", value, number) for value, number in zip(line, numeric, strict=True))
        + "</tr>"
        for line in lines
    )
    return Html(
        '<div class="scroll"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def figure(name: str, unit: str, svg: str, caption: str = "") -> Html:
    """Return a titled figure; ``svg`` is taken as it is (models.reports.charts makes it)."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Html(
        f'<figure><p class="name">{escape(name)}</p><p class="unit">{escape(unit)}</p>'
        f"{svg}{below}</figure>"
    )


def figures(items: Sequence[Html]) -> Html:
    """Return figures side by side where there is room, one below the other elsewhere."""
    return Html(f'<div class="figures">{"".join(items)}</div>')


def bullets(items: Iterable[str]) -> Html:
    """Return a list of plain sentences."""
    return Html(f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>")


def links(items: Mapping[str, tuple[str, str]]) -> Html:
    """Return a list of links: title → (address, what is there)."""
    lines = "".join(
        f'<li><a href="{escape(address)}">{escape(title)}</a><p>{escape(about)}</p></li>'
        for title, (address, about) in items.items()
    )
    return Html(f'<ul class="links">{lines}</ul>')


def folded(summary: str, body: Html) -> Html:
    """Return a part that stays folded until the reader opens it; it needs no script."""
    return Html(f"<details><summary>{escape(summary)}</summary>{body}</details>")


def first(sentences: Sequence[str], most: int) -> tuple[str, ...]:
    """Return up to ``most`` of the sentences, and how many more there are."""
    rest = len(sentences) - most
    more = (f"And {rest} more, below.",) if rest > 0 else ()
    return (*sentences[:most], *more)


def join(*parts: Html) -> Html:
    """Return the parts one after the other."""
    return Html("".join(parts))


def write_page(folder: Path, name: str, html: str) -> Path:
    """Write a page into ``folder``, atomically, and return its path."""
    path = folder / name
    write_text(path, html)
    return path


def number(value: Number | None, digits: int = 4) -> str:
    """Return a number as shown to people, a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: Number | None, digits: int = 4) -> str:
    """Return a difference with its sign; the minus is a real minus."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:+.{digits}f}".replace("-", "−")


def count(value: Number) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{int(value):,}".replace(",", "\u202f")


def percent(value: Number | None, digits: int = 1) -> str:
    """Return a share in percent."""
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.{digits}f}\u202f%".replace("-", "−")


def _tile(tile: Tile) -> str:
    lines = "".join(
        f'<p class="line">{escape(label)} <b>{escape(value)}</b></p>' for label, value in tile.lines
    )
    parts = [("name", tile.name), ("meaning", tile.meaning), ("value", tile.value)]
    parts.append(("range", tile.interval))
    head = "".join(f'<p class="{style}">{escape(words)}</p>' for style, words in parts if words)
    return f'<div class="tile">{head}{lines}</div>'


def _cell(tag: str, value: Cell | Html, as_number: bool) -> str:
    short = not isinstance(value, Html) and len(str(value)) <= 24
    style = ' class="number"' if as_number else ' class="short"' if short else ""
    return f"<{tag}{style}>{_shown(value)}</{tag}>"


def _shown(value: Cell | Html) -> str:
    if isinstance(value, Html):
        return str(value)
    if isinstance(value, Strong):
        return f"<b>{escape(value)}</b>"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    return count(value) if isinstance(value, int) else escape(value)


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return True
    if not isinstance(value, str) or isinstance(value, Html):
        return False
    return bool(value) and value[0] in "0123456789+−<" and not any(c.isalpha() for c in value)
