"""A picture of a catalogue: items by meaning, the largest first codes in colour."""

from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from models.reports.page import Html
from models.reports.svg import WIDTH

THEMES = 12
SHOWN = 1500
FEWEST = 30
PERPLEXITY = 30.0
HEIGHT = 400.0


@dataclass(frozen=True)
class CodeMap:
    """Where some of the items lie.

    Attributes:
        rows: Rows of the items drawn.
        places: Their coordinates, from 0 to 1.
        themes: The largest first codes, largest first.
    """

    rows: Int[ndarray, " M"]
    places: Float[ndarray, "M 2"]
    themes: tuple[int, ...]


def code_map(values: Float[ndarray, "N D"], first_code: Int[ndarray, " N"]) -> CodeMap | None:
    """Return a t-SNE of the embeddings, the same for the same input; ``None`` for a few items.

    Drawn are up to `SHOWN` items: those of the largest codes and, evenly, some of the others.
    """
    if len(values) < FEWEST:
        return None
    from sklearn.manifold import TSNE  # takes a second to import

    use = np.bincount(first_code)
    themes = np.argsort(-use, kind="stable")[:THEMES]
    themes = themes[use[themes] > 1]
    rows = _sample(first_code, themes)
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    places = TSNE(
        2, perplexity=perplexity, init="pca", random_state=0, max_iter=500, n_jobs=1
    ).fit_transform(values[rows])
    low, high = places.min(axis=0), places.max(axis=0)
    scaled = (places - low) / np.maximum(high - low, 1e-12)
    return CodeMap(rows, scaled, tuple(int(code) for code in themes))


def map_drawing(
    picture: CodeMap, first_code: Int[ndarray, " N"], about: str = "Items by meaning"
) -> Html:
    """Return the drawing: a dot an item, coloured where its first code is a theme."""
    x = 8 + picture.places[:, 0] * (WIDTH - 16)
    y = 18 + picture.places[:, 1] * (HEIGHT - 26)
    code = first_code[picture.rows]
    others = ~np.isin(code, picture.themes)
    marks = [_dots(x[others], y[others], "var(--truth)", 3.0)]
    labels = []
    for place, theme in enumerate(picture.themes):
        here = code == theme
        marks.append(_dots(x[here], y[here], theme_colour(place), 5.0))
        labels.append(_label(x[here], y[here], str(place + 1)))
    body = "".join([*marks, *labels])
    return Html(
        f'<svg class="alone" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape(about)}">'
        f"{body}</svg>"
    )


def theme_colour(place: int) -> str:
    """Return the colour of the largest codes by their place, legible on light and dark paper."""
    return f"hsl({(place * 30 + 210) % 360} 62% {(46, 58)[place % 2]}%)"


def swatch(place: int) -> Html:
    """Return the key of a theme: its number, in its colour."""
    dot = f'<circle cx="6" cy="6" r="5" style="fill:{theme_colour(place)}"/>'
    key = f'<svg class="key" viewBox="0 0 12 12" style="width:12px" aria-hidden="true">{dot}</svg>'
    style = "display:inline-flex;align-items:center;gap:7px"
    return Html(f'<span style="{style}">{key}{place + 1}</span>')


def _sample(first_code: Int[ndarray, " N"], themes: Int[ndarray, " T"]) -> Int[ndarray, " M"]:
    """Return the rows to draw: at most half of them, in turn, of the themes."""
    a_theme = SHOWN // 2 // max(len(themes), 1)
    chosen = [np.flatnonzero(first_code == theme)[:a_theme] for theme in themes]
    rest = np.flatnonzero(~np.isin(first_code, themes))
    room = SHOWN - sum(map(len, chosen))
    spread = np.unique(np.linspace(0, len(rest) - 1, min(room, len(rest))).astype(np.int64))
    return np.sort(np.concatenate([*chosen, rest[spread]]))


def _dots(x: ndarray, y: ndarray, colour: str, width: float) -> str:
    if not len(x):
        return ""
    path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x, y, strict=True))
    style = f"fill:none;stroke:{colour};stroke-width:{width:g};stroke-linecap:round"
    return f'<path d="{path}" style="{style}"/>'


def _label(x: ndarray, y: ndarray, words: str) -> str:
    """Return a theme's number, above the item nearest to its middle, which it does not hide."""
    middle = np.hypot(x - np.median(x), y - np.median(y)).argmin()
    style = "paint-order:stroke;stroke:var(--paper);stroke-width:3px;font-weight:600"
    return (
        f'<text class="strong" x="{x[middle]:.1f}" y="{y[middle] - 7:.1f}" text-anchor="middle" '
        f'style="{style}">{escape(words)}</text>'
    )
