"""Registries name what there is, and import it only when asked for it."""

import subprocess
import sys

import pytest

from models.errors import UnknownNameError
from models.registry import Registry

REGISTRY = Registry("shape", {"path": "pathlib:Path", "absent": "no.such:Thing"}, "docs/shapes.md")


def test_a_name_gives_its_object() -> None:
    from pathlib import Path

    assert REGISTRY["path"] is Path


def test_an_unknown_name_is_told_the_known_ones_and_the_guide() -> None:
    with pytest.raises(UnknownNameError, match="No shape is named 'circle'") as caught:
        REGISTRY["circle"]
    assert caught.value.allowed == "path, absent"
    assert "docs/shapes.md" in caught.value.do


def test_listing_imports_nothing() -> None:
    assert list(REGISTRY) == ["path", "absent"]
    assert "absent" in REGISTRY
    assert len(REGISTRY) == 2


def test_listing_the_models_does_not_load_torch() -> None:
    program = (
        "import sys; from models.data.datasets.registry import DATASETS; "
        "from models.encoders.registry import ENCODERS; from models.tokenizers.registry import "
        "TOKENIZERS; list(ENCODERS), list(TOKENIZERS); sys.exit('transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
