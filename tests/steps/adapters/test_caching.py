"""Cache keys see the library that a step calls."""

import shutil
from pathlib import Path

import pytest

from steps.adapters import caching

CODES = [name for name in vars(caching) if name.endswith("_code")]


@pytest.fixture(name="copy")
def _copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("models", "steps"):
        shutil.copytree(
            caching.SOURCES / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pyc")
        )
    monkeypatch.setattr(caching, "SOURCES", tmp_path)
    caching.fingerprint.cache_clear()
    yield tmp_path
    caching.fingerprint.cache_clear()


def keys() -> dict[str, str]:
    caching.fingerprint.cache_clear()
    return {name: getattr(caching, name)() for name in CODES}


def changed(copy: Path, file: str) -> set[str]:
    before = keys()
    path = copy / file
    path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    after = keys()
    return {name for name in CODES if before[name] != after[name]}


def test_there_are_codes_for_all_kinds_of_step() -> None:
    assert len(CODES) >= 9


def test_the_same_files_give_the_same_keys(copy: Path) -> None:
    assert copy
    assert keys() == keys()


def test_an_edit_of_what_all_share_changes_every_key(copy: Path) -> None:
    assert changed(copy, "models/artifacts.py") == set(CODES)


@pytest.mark.parametrize(
    ("file", "expected", "not_expected"),
    [
        ("models/ctr/daian.py", {"training_code", "evaluation_code"}, {"encoder_code"}),
        ("models/layers/mlp.py", {"training_code"}, {"data_code", "tokenizer_code"}),
        ("models/data/splits.py", {"data_code", "training_code"}, {"encoder_code"}),
        ("models/encoders/minilm.py", {"encoder_code"}, {"data_code", "training_code"}),
        ("models/metrics/intervals.py", {"evaluation_code"}, {"data_code", "encoder_code"}),
        ("steps/adapters/evidently.py", {"drift_code"}, {"training_code", "data_code"}),
    ],
)
def test_an_edit_changes_the_keys_of_the_steps_that_call_it(
    copy: Path, file: str, expected: set[str], not_expected: set[str]
) -> None:
    seen = changed(copy, file)
    assert expected <= seen
    assert not seen & not_expected
