"""What all pages of the report site share: the bar that leads everywhere, and addresses."""

import posixpath
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape, unescape
from urllib.parse import quote, unquote, urlsplit

INDEX = "index.html"
SECTIONS = {
    INDEX: "Overview",
    "runs.html": "Runs",
    "champions.html": "Champions",
    "evaluations.html": "Evaluations",
    "drift.html": "Drift",
    "data.html": "Data",
    "tokenizers.html": "Tokenizers",
    "schedules.html": "Schedules",
    "backtests.html": "Backtests",
    "benchmarks.html": "Benchmarks",
}
# Where the page of an artifact of each kind belongs.
HOME_OF = {
    "validation": "data.html",
    "intents": "data.html",
    "semantic_ids": "tokenizers.html",
    "tokenizer": "tokenizers.html",
    "evaluation": "evaluations.html",
    "comparison": "evaluations.html",
    "drift": "drift.html",
    "backtest": "backtests.html",
    "benchmark": "benchmarks.html",
}
# The bar has colours of its own: pages of other tools have no names for them.
STYLE = """
.site-bar { --bar: #ffffff; --bar-ink: #1d2129; --bar-soft: #515a66; --bar-line: #e4e1da;
  --bar-here: #1f5fa8; display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 18px;
  padding: 10px max(32px, calc((100% - 1016px) / 2)); background: var(--bar);
  border-bottom: 1px solid var(--bar-line);
  font: 14.5px/1.5 -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) { .site-bar { --bar: #1b1e24; --bar-ink: #e7e5e0;
  --bar-soft: #a5abb5; --bar-line: #2e323a; --bar-here: #7db4f0; } }
.site-bar a { color: var(--bar-soft); text-decoration: none; padding: 3px 0; }
.site-bar a:hover { text-decoration: underline; }
.site-bar a.site-name { color: var(--bar-ink); font-weight: 650; margin-right: 6px; }
.site-bar a[aria-current] { color: var(--bar-here); font-weight: 600; }
.site-bar .site-trail { flex-basis: 100%; color: var(--bar-soft); font-size: 13.5px; }
@media (max-width: 560px) { .site-bar { padding: 10px 18px; gap: 0 14px; } }
@media print { .site-bar { display: none; } }
"""
_ADDRESS = re.compile(r"""\s(?P<name>href|src)=(?P<mark>["'])(?P<value>.*?)(?P=mark)""", re.DOTALL)
_ANCHOR = re.compile(r"<a\b[^>]*>")
_BODY = re.compile(r"<body\b[^>]*>")


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page.

    Attributes:
        page: The page's place, from the site's root.
        section: The part of the site it belongs to, a key of `SECTIONS`.
        shown: The parts there are.
        trail: Words and place of the pages above it, outermost first.
    """

    page: str
    section: str
    shown: Sequence[str]
    trail: Sequence[tuple[str, str]] = ()

    def around(self, html: str) -> str:
        """Return the page with the bar on top."""
        here = ' aria-current="page"' if self.page == self.section else ' aria-current="true"'
        entries = "".join(
            f'<a href="{self._to(name)}"{here if name == self.section else ""}>{title}</a>'
            for name, title in SECTIONS.items()
            if name in self.shown and name != INDEX
        )
        trail = " › ".join(
            f'<a href="{self._to(place)}">{escape(words)}</a>' for words, place in self.trail
        )
        bar = (
            f'<div class="site-bar" role="navigation" aria-label="Site">'
            f'<a class="site-name" href="{self._to(INDEX)}">intentflow</a>{entries}'
            + (f'<span class="site-trail">{trail}</span>' if trail else "")
            + "</div>"
        )
        html = html.replace("</head>", f"<style>{STYLE}</style>\n</head>", 1)
        return _BODY.sub(lambda found: found[0] + "\n" + bar, html, count=1)

    def _to(self, place: str) -> str:
        return escape(address(self.page, place))


def address(page: str, place: str) -> str:
    """Return how ``page`` refers to ``place``, both from the site's root."""
    path, mark, fragment = place.partition("#")
    relative = posixpath.relpath(path, posixpath.dirname(page) or ".")
    return quote(relative) + mark + fragment


def targets(page: str, html: str) -> dict[str, str]:
    """Return what the page refers to on this disk: place in the site → as it stands there.

    References to elsewhere (https:, data:) and within the page are left out.
    """
    found = {}
    for match in _ADDRESS.finditer(html):
        place = _place(page, match["value"])
        if place is not None:
            found[place] = match["value"]
    return found


def without_dead_links(page: str, html: str, there: Collection[str]) -> str:
    """Return the page with the links that lead nowhere turned into plain words.

    A link to another host leads nowhere too: the site is read without a network.
    """

    def mended(found: re.Match[str]) -> str:
        link = _ADDRESS.search(found[0])
        if link is None or link["name"] != "href" or link["value"].startswith("#"):
            return found[0]
        place = _place(page, link["value"])
        return found[0] if place in there else found[0].replace(link[0], "")

    return _ANCHOR.sub(mended, html)


def _place(page: str, value: str) -> str | None:
    """Return where a reference leads, from the site's root; ``None`` if that is elsewhere."""
    parts = urlsplit(unescape(value))
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
        return None
    place = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
    return None if place.startswith("..") else place
