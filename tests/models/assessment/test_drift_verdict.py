from pathlib import Path

import pytest

from models.assessment.drift_verdict import DriftVerdict, GroupVerdict, read_drift_verdict
from models.errors import CorruptArtifactError
from models.reports.verdicts import DriftVerdict as ColumnVerdict


def written(folder: Path) -> DriftVerdict:
    group = GroupVerdict(
        drifted=True, statistic=0.3, threshold=0.1, columns=("price",), sentence="Prices rose."
    )
    verdict = DriftVerdict(
        drifted=True, groups={"features": group}, summary="Prices rose.", reference_rows=10
    )
    (folder / "verdict.json").write_text(verdict.model_dump_json())
    return verdict


def test_a_verdict_is_read_as_it_was_written(tmp_path: Path) -> None:
    verdict = written(tmp_path)
    assert read_drift_verdict(tmp_path) == verdict
    assert read_drift_verdict(tmp_path).groups["features"].relative == pytest.approx(3)


def test_what_reads_only_columns_reads_it_too(tmp_path: Path) -> None:
    written(tmp_path)
    plain = ColumnVerdict.model_validate_json((tmp_path / "verdict.json").read_bytes())
    assert plain.drifted
    assert plain.reference_rows == 10


def test_a_verdict_without_groups_is_read(tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_text('{"drifted": false, "columns": [], "later": 1}')
    assert read_drift_verdict(tmp_path).groups == {}


@pytest.mark.parametrize("text", [None, "{", '{"drifted": "perhaps"}'])
def test_a_verdict_that_is_none_is_an_error_that_says_where(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "verdict.json").write_text(text)
    with pytest.raises(CorruptArtifactError, match=r"verdict\.json"):
        read_drift_verdict(tmp_path)
