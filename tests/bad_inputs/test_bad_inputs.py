"""Every bad input ends in a named error: what, where, allowed, do; and nothing is lost."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from models.artifacts import file_hash
from models.data.datasets.registry import DatasetConfig, load_dataset
from models.data.datasets.simulator import SimulatorSettings, write_raw
from models.data.datasets.simulator.mapping import mapping
from models.data.examples import build_example_store
from models.data.tables import read_tables, write_tables
from models.errors import (
    ConfigError,
    CorruptArtifactError,
    MissingDataError,
    ProjectError,
    UnknownNameError,
)
from models.files import TEMPORARY_PREFIX, new_folder
from models.settings import load_settings
from pipelines.__main__ import USER_ERROR, main
from tests.bad_inputs.fixtures import CASES, BadInput, Config

GOOD = SimulatorSettings(
    users=150, items=120, requests=400, departments=4, categories=3, brands=2, image_size=16
)


LOADED = [case for case in CASES if case.stage == "load"]
LEAK = next(case for case in CASES if case.name == "label_leak")


@pytest.fixture(scope="session")
def good_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files of a good data set; tests change copies."""
    folder = tmp_path_factory.mktemp("good") / "raw"
    write_raw(GOOD, folder)
    return folder


@pytest.fixture
def root(good_raw: Path, tmp_path: Path) -> Path:
    """A project with good raw files, and canonical tables and examples of an earlier good run."""
    shutil.copytree(good_raw, tmp_path / "raw")
    write_config(tmp_path, good_config())
    build(tmp_path, validate=False)
    return tmp_path


def good_config(raw: str = "raw") -> Config:
    settings = mapping(raw, images=True).model_dump(mode="json", exclude_defaults=True)
    return {"adapter": "generic", "settings": settings, "examples": {"trigger": "log"}}


def write_config(root: Path, config: Config) -> None:
    (root / "data_set.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def build(root: Path, *, validate: bool) -> None:
    """Do what a run does with the data: load, validate if wanted, write tables and examples."""
    config = load_settings(DatasetConfig, root / "data_set.yaml")
    tables = load_dataset(config, root)
    with new_folder(root / "out" / "tables") as folder:
        write_tables(tables, folder)
    if validate:
        from steps.adapters.great_expectations import (
            ValidationConfig,
            require_valid,
            validate_tables,
        )

        with new_folder(root / "out" / "validation") as folder:
            pictures = root / (tables.spec.images_root or "")
            validate_tables(tables, config.examples, ValidationConfig(), folder, pictures)
        require_valid(root / "out" / "validation")
    with new_folder(root / "out" / "examples") as folder:
        build_example_store(tables, config.examples, folder, seed=0)


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def assert_says(error: ProjectError, case: BadInput) -> None:
    assert type(error) is case.error
    assert re.search(case.what, error.what), error.what
    assert re.search(case.where, error.where), error.where
    assert error.do
    assert error.allowed or case.error is MissingDataError
    assert error.where or case.error is UnknownNameError


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_ends_in_its_named_error_and_leaves_all_as_it_was(
    case: BadInput, root: Path
) -> None:
    if case.stage == "validate":
        pytest.importorskip("great_expectations", reason="needs the ops extra")
    config = good_config()
    case.spoil(root / "raw", config)
    write_config(root, config)
    examples, spoilt = hashes(root / "out" / "examples"), hashes(root / "raw")
    with pytest.raises(ProjectError) as caught:
        build(root, validate=case.stage == "validate")
    assert_says(caught.value, case)
    assert hashes(root / "out" / "examples") == examples
    assert hashes(root / "raw") == spoilt
    assert not list(root.rglob(f"{TEMPORARY_PREFIX}*"))


def test_there_are_thirty_cases_and_no_two_of_one_name() -> None:
    assert len(CASES) >= 30
    assert len({case.name for case in CASES}) == len(CASES)


def test_good_input_passes_where_the_bad_ones_fail(root: Path) -> None:
    pytest.importorskip("great_expectations", reason="needs the ops extra")
    before = hashes(root / "out" / "examples")
    build(root, validate=True)
    assert hashes(root / "out" / "examples") == before


def test_configuration_that_is_no_yaml_names_the_line(root: Path) -> None:
    (root / "data_set.yaml").write_text("adapter: generic\nsettings: [1, 2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"Not valid YAML") as caught:
        build(root, validate=False)
    assert "line 3" in caught.value.where


def test_truncated_canonical_table_is_a_corrupt_artifact(root: Path) -> None:
    path = root / "out" / "tables" / "impressions.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorruptArtifactError, match="no whole parquet file") as caught:
        read_tables(root / "out" / "tables")
    assert caught.value.where == str(path)


@pytest.mark.parametrize("case", [*LOADED, LEAK], ids=lambda case: case.name)
def test_data_check_ends_with_the_message_and_no_traceback(
    case: BadInput, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("great_expectations", reason="needs the ops extra")
    config = good_config(str(root / "raw"))
    case.spoil(root / "raw", config)
    write_config(root, config)
    kept = hashes(root)
    assert main(["data", "check", str(root / "data_set.yaml")]) == USER_ERROR
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert re.search(case.what, said)
    assert "Traceback" not in said
    assert hashes(root) == kept


def test_data_check_praises_good_data(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("great_expectations", reason="needs the ops extra")
    write_config(root, good_config(str(root / "raw")))
    assert main(["data", "check", str(root / "data_set.yaml")]) == 0
    assert "good" in capsys.readouterr().out
