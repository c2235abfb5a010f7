"""What a reader of the report site would stumble over: dead links, errors, width, pale text."""

import json
import os
import posixpath
import subprocess
from collections import deque
from collections.abc import Sequence
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGEST_OWN = 1_000_000  # bytes; a larger page is another tool's, with scripts of its own
LEAST_CONTRAST = 4.5  # WCAG 2.1, AA; 3 for large text

SCRIPT = """
const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2])
const parse = s => {
  const v = s.match(/[\\d.]+/g).map(Number)
  return [...v.slice(0, 3), v[3] ?? 1]
}
const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1)
function paper(element, view, dark) {
  const layers = []
  for (let e = element; e; e = e.parentElement)
    layers.push(parse(view.getComputedStyle(e).backgroundColor))
  const sheet = dark ? [18, 18, 18, 1] : [255, 255, 255, 1]
  return layers.reduceRight((below, c) => over(c, below), sheet)
}
function pale(frame, dark) {
  const view = frame.contentWindow, root = view.document, found = []
  const walker = root.createTreeWalker(root.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, words = walker.currentNode.data.trim()
    if (!words || !e.getClientRects().length || ['STYLE', 'SCRIPT'].includes(e.tagName)) continue
    const style = view.getComputedStyle(e), ground = paper(e, view, dark)
    if (style.visibility == 'hidden' || style.opacity == 0) continue
    const ink = over(parse(e.ownerSVGElement ? style.fill : style.color), ground)
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x)
    const size = parseFloat(style.fontSize), bold = style.fontWeight >= 600
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : LEAST
    const contrast = (a + 0.05) / (b + 0.05)
    if (contrast < least) found.push(words.slice(0, 40) + ' ' + contrast.toFixed(2))
  }
  return found
}
onload = () => {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches
  const told = [...document.querySelectorAll('iframe')].map(f => ({
    page: f.title, width: f.contentDocument.documentElement.scrollWidth,
    words: f.contentDocument.body.innerText.length, dark, pale: pale(f, dark) }))
  document.body.innerHTML = '<pre></pre>'
  document.querySelector('pre').textContent = JSON.stringify(told)
}
"""


class _Reader(HTMLParser):
    """Collects what a page refers to and what in it can be referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.refers_to: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src"} and value is not None:
                self.refers_to.append(value)
            elif name in {"id", "name"} and value:
                self.ids.add(value)


def crawl(root: Path) -> tuple[set[str], list[str]]:
    """Return the pages that ``index.html`` leads to, and every link that leads nowhere."""
    readers: dict[str, _Reader] = {}
    dead: list[str] = []
    waiting = deque([("", "index.html", "")])
    while waiting:
        page, place, fragment = waiting.popleft()
        target = root / place
        if not target.is_file():
            dead.append(f"{page} → {place}")
            continue
        if target.suffix != ".html" or target.stat().st_size > LARGEST_OWN:
            readers.setdefault(place, _Reader())
            continue
        if place not in readers:
            reader = readers[place] = _Reader()
            reader.feed(target.read_text(encoding="utf-8"))
            waiting.extend(_followed(place, reader, dead))
        if fragment and fragment not in readers[place].ids:
            dead.append(f"{page} → {place}#{fragment}")
    return set(readers), dead


def browse(
    browser: Path, root: Path, pages: Sequence[str], scratch: Path, *, width: int, dark: bool
) -> tuple[list[dict], list[str]]:
    """Return width, length and pale words of each page as the browser shows it, and its errors."""
    frames = "".join(
        f'<iframe title="{escape(page)}" width="{width}" height="700" '
        f'src="{escape((root / page).as_uri())}"></iframe>'
        for page in pages
    )
    outer = scratch / f"outer-{width}-{dark}.html"
    script = SCRIPT.replace("LEAST", str(LEAST_CONTRAST))
    head = '<meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    outer.write_text(
        f"<!doctype html>{head}<body>{frames}<script>{script}</script></body>", encoding="utf-8"
    )
    done = subprocess.run(
        [
            str(browser), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
            "--allow-file-access-from-files", "--enable-logging=stderr", "--dump-dom",
            "--virtual-time-budget=8000", f"--user-data-dir={scratch / 'profile'}",
            *(["--blink-settings=preferredColorScheme=0"] if dark else []), outer.as_uri(),
        ],
        capture_output=True, text=True, timeout=180, check=True,
        env=os.environ | {"HOME": str(scratch)},
    )  # fmt: skip
    told = done.stdout.partition("<pre>")[2].partition("</pre>")[0]
    return json.loads(unescape(told)), [
        line for line in done.stderr.splitlines() if "CONSOLE" in line
    ]


def _followed(page: str, reader: _Reader, dead: list[str]) -> list[tuple[str, str, str]]:
    found = []
    for reference in reader.refers_to:
        parts = urlsplit(reference)
        if parts.scheme == "data":
            continue
        if parts.scheme or parts.netloc or parts.path.startswith("/"):
            dead.append(f"{page} → {reference}, which is not in the site")
            continue
        path = unquote(parts.path) or posixpath.basename(page)
        place = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
        found.append((page, place, unquote(parts.fragment)))
    return found
