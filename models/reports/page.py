"""The one look of all our HTML pages: a self-contained file without scripts or outside resources.

It therefore also renders inside ``<iframe sandbox="">`` and without a network. Colours follow the
reader's light or dark preference. Plain strings are escaped; `Html` (what models.reports.blocks
returns) is not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from jinja2 import Environment, Template

Tone = Literal["good", "bad", "mixed", "plain"]
Number = int | float


class Html(str):
    """Text that is HTML already, so that it is not escaped again."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@dataclass(frozen=True, slots=True)
class Headline:
    """What the page has to say, in plain words, before anything else.

    Attributes:
        headline: One sentence.
        details: A few more, one a line.
        tone: Colours the block; the words must not need it.
    """

    headline: str
    details: tuple[str, ...] = ()
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a page.

    Attributes:
        title: Its heading.
        body: HTML, made of the blocks of models.reports.blocks; a plain string is escaped.
        lead: One or two sentences that say what to look for.
    """

    title: str
    body: str = Html()
    lead: str = ""

    @property
    def anchor(self) -> str:
        """The part of the address that leads here."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    verdict: Headline | None = None,
    lead: str = "",
    facts: Mapping[str, object] | None = None,
    kicker: str = "intentflow",
) -> str:
    """Return a whole HTML page.

    Args:
        title: The heading.
        sections: The parts, in order.
        verdict: The message of the page, shown first.
        lead: Plain words below it.
        facts: Name and value of what a reader needs to reproduce the page: commit, seed, …
        kicker: The small line above the title.
    """
    return _page_template().render(
        title=title,
        sections=sections,
        verdict=verdict,
        lead=lead,
        facts={name: str(value) for name, value in (facts or {}).items()},
        kicker=kicker,
        css=Html(_style()),
    )


@cache
def _page_template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_text("page.html"))


@cache
def _style() -> str:
    return _text("page.css")


def _text(name: str) -> str:
    return (files("models.reports") / "templates" / name).read_text(encoding="utf-8")
