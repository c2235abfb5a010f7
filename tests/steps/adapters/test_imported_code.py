"""What is measured of one model stays good when another model's file changes."""

from pathlib import Path

import pytest

from steps.adapters.caching import SOURCES
from steps.adapters.imported_code import imported_code, imported_files

PROGRAM = "models.assessment.benchmark_cell"


def names(model: str) -> set[str]:
    files = imported_files((PROGRAM, f"models.ctr.{model}"))
    return {path.relative_to(SOURCES).as_posix() for path in files}


@pytest.mark.parametrize("model", ["din", "daian"])
def test_all_that_trains_and_evaluates_counts(model: str) -> None:
    assert names(model) >= {
        f"models/ctr/{model}.py",
        "models/ctr/base.py",
        "models/data/examples.py",
        "models/intents/labels.py",
        "models/layers/attention.py",
        "models/metrics/ranking.py",
        "models/native/source/target_attention.cpp",
        "models/reports/evaluation.py",
        "models/training/loop.py",
    }


def test_other_models_and_pages_do_not_count() -> None:
    assert not names("din") & {
        "models/ctr/daian.py",
        "models/ctr/registry.py",
        "models/layers/intent.py",
        "models/reports/benchmark_page.py",
        "models/tokenizers/rqvae.py",
    }
    assert "models/layers/intent.py" in names("daian")


def test_the_hash_is_that_of_the_files() -> None:
    both = [imported_code((PROGRAM, f"models.ctr.{model}")) for model in ("din", "daian")]
    assert both[0] != both[1]
    assert both[0] == imported_code((f"models.ctr.{Path('din.py').stem}", PROGRAM))
