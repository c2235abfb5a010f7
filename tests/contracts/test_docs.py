"""What the README and the docs name is there: links, make targets, verbs, steps."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from pipelines.__main__ import VERBS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_to_a_file_lives(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / unquote(link)).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_make_target_and_verb_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for line in re.findall(r"^make ((?:[a-z-]+ ?)+)", text, re.MULTILINE):
        assert set(line.split()) <= targets, line
    for verb in re.findall(r"\bbin/intentflow ([a-z-]+)", text):
        assert verb in VERBS, verb


def test_the_readme_lists_every_step_once() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)
    steps = {p.stem for p in (ROOT / "steps").glob("*.py") if p.stem != "__init__"}
    assert sorted(listed) == sorted(steps)


def test_every_configuration_the_readme_names_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"configs/pipelines/(\w+)\.yaml", readme):
        assert name == "my_shop" or (ROOT / "configs" / "pipelines" / f"{name}.yaml").is_file()
