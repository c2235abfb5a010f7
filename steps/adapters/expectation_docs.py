"""Make Great Expectations' Data Docs work from disk: no script, no network, our own style.

As written they load Bootstrap, jQuery and Font Awesome from content networks and draw their tables
by script; without a network they stay bare and the index empty.
"""

import ast
import re
import shutil
from html import escape
from pathlib import Path
from typing import Any

from models.files import write_text
from steps.adapters.expectation_style import STYLE

_REMOVED = (
    re.compile(r"<script\b.*?</script>", re.DOTALL),
    re.compile(r"<style>.*?</style>", re.DOTALL),
    re.compile(r"<link\b[^>]*>"),
    re.compile(r"<footer\b.*?</footer>", re.DOTALL),
    re.compile(r"<title>.*?</title>", re.DOTALL),
    re.compile(r"<img\b[^>]*>", re.DOTALL),
    re.compile(r"<button\b.*?</button>", re.DOTALL),
    re.compile(r'\sonclick="[^"]*"'),
)
_DRAWN_TABLE = re.compile(
    r"<table\s+id=\"(?P<id>[^\"]+-body-table)\"(?P<attributes>[^>]*)>\s*</table>"
    r"(?P<between>.*?)columns: (?P<columns>\[.*?\]),\s*data: (?P<data>\[.*?\]),\s*toolbar:",
    re.DOTALL,
)
_SAME_IN_ALL_ROWS = {"run_name", "batch_identifier"}
_BRAND = re.compile(r'(<a href="[^"]*">)\s*(?=</a>)')


def make_offline(site: Path) -> None:
    """Rewrite every page under ``site`` so that it needs nothing but itself."""
    for page in sorted(site.rglob("*.html")):
        write_text(page, offline_page(page.read_text(encoding="utf-8")))
    shutil.rmtree(site / "static", ignore_errors=True)


def offline_page(html: str) -> str:
    """Return one page of Data Docs with its tables drawn, its scripts gone and our style inside."""
    html = _DRAWN_TABLE.sub(_draw, html)
    for pattern in _REMOVED:
        html = pattern.sub("", html)
    html = _BRAND.sub(r"\1Data Docs", html, count=1)
    html = html.replace("Data asset: None", "")
    head = f"<title>Data Docs</title>\n<style>{STYLE}</style>\n</head>"
    html = html.replace("</head>", head, 1)
    return re.sub(r"\n\s*\n+", "\n", html)


def _draw(match: re.Match[str]) -> str:
    """Return the table that the script would have drawn, before what followed it."""
    columns: list[dict[str, str]] = ast.literal_eval(match["columns"])
    rows: list[dict[str, Any]] = ast.literal_eval(match["data"])
    kept = [column for column in columns if column["field"] not in _SAME_IN_ALL_ROWS]
    head = "".join(f"<th>{escape(column['title'])}</th>" for column in kept)
    body = "".join(f"<tr>{''.join(_cell(row, c['field']) for c in kept)}</tr>" for row in rows)
    return (
        f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"{match['between']}"
    )


def _cell(row: dict[str, Any], field: str) -> str:
    """Return one cell; the fields hold HTML already, made and escaped by Great Expectations."""
    content = str(row.get(field, "")).strip()
    link = row.get("_table_row_link_path")
    if link and field in {"asset_name", "expectation_suite_name"} and "<a" not in content:
        content = f'<a href="{escape(str(link))}">{content}</a>'
    return f"<td>{content}</td>"
