"""docs/how-to/bring-your-own-logs.md, executed from the page itself."""

import re
from pathlib import Path

import pytest

from models.data.datasets.registry import DatasetConfig, load_dataset
from models.errors import SchemaError
from models.settings import load_settings

PAGE = Path(__file__).parents[4] / "docs/how-to/bring-your-own-logs.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """All blocks of the page; those with a file's name are written below a fresh folder."""
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    for language, title, text in found:
        if language in {"csv", "yaml"}:
            (tmp_path / title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / title).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return found


def block(blocks: list[tuple[str, str, str]], language: str, title: str = "") -> str:
    return next(text for kind, name, text in blocks if (kind, name) == (language, title))


def test_the_pages_code_prints_what_the_page_says(blocks, capsys) -> None:
    exec(compile(block(blocks, "python"), str(PAGE), "exec"), {})
    assert capsys.readouterr().out == block(blocks, "text", "output")


def test_the_pages_dirty_rows_are_what_the_page_says(blocks, capsys) -> None:
    names: dict = {}
    exec(compile(block(blocks, "python"), str(PAGE), "exec"), names)
    capsys.readouterr()
    exec(compile(block(blocks, "python", "dirty rows"), str(PAGE), "exec"), names)
    assert capsys.readouterr().out == block(blocks, "text", "dirty rows")


def test_the_pages_mistake_gives_the_pages_error(blocks) -> None:
    path = Path("configs/datasets/my_shop.yaml")
    path.write_text(path.read_text().replace("label: action", "label: acton"))
    with pytest.raises(SchemaError) as caught:
        load_dataset(load_settings(DatasetConfig, path), Path())
    assert str(caught.value) + "\n" == block(blocks, "text", "error")


def test_the_shipped_example_configuration_reads_the_pages_files(blocks) -> None:
    shipped = PAGE.parents[2] / "configs/datasets/generic_example.yaml"
    tables = load_dataset(load_settings(DatasetConfig, shipped), Path())
    assert tables.impressions["label"].sum() == 6
    assert tables.items["price"].null_count() == 1
