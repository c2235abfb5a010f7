"""Every configuration that is shipped can be used as it stands."""

from pathlib import Path

import pytest

from models.errors import ConfigError
from models.registry import Registry
from models.settings import read_yaml
from pipelines.plan import COMPONENTS, FORMS, RunConfig, check_file, plan_run, resolve

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
OTHER_KINDS = {"pipelines", "stacks"}
PARTS = [path for kind in FORMS for path in sorted((CONFIGS / kind).glob("*.yaml"))]
PIPELINES = sorted((CONFIGS / "pipelines").glob("*.yaml"))


def named(path: Path) -> str:
    return path.relative_to(CONFIGS).as_posix()


@pytest.mark.parametrize("path", PARTS, ids=named)
def test_a_configuration_fits_its_form_and_its_components_form(path: Path) -> None:
    values = resolve(path.parent.name, path.stem, CONFIGS)
    assert set(read_yaml(path)) <= set(values)


@pytest.mark.parametrize("path", PIPELINES, ids=named)
def test_a_pipeline_file_names_configurations_that_all_fit(path: Path) -> None:
    plan = check_file(path)
    assert plan.line == Path(read_yaml(path).get("parameters", {}).get("dataset", plan.line)).stem


def test_the_defaults_name_configurations_that_all_fit() -> None:
    assert plan_run(RunConfig()).line == RunConfig().dataset


def test_every_file_under_configs_is_one_a_form_is_known_for() -> None:
    files = {path for path in CONFIGS.rglob("*") if path.is_file()}
    known = {*PARTS, *PIPELINES, CONFIGS / "environment.env", *(CONFIGS / "stacks").glob("*.yaml")}
    assert files == known
    assert {path.name for path in CONFIGS.iterdir() if path.is_dir()} <= {*FORMS, *OTHER_KINDS}


@pytest.mark.parametrize("kind", COMPONENTS)
def test_every_registered_component_has_a_configuration(kind: str) -> None:
    key, registry, _ = COMPONENTS[kind]
    assert isinstance(registry, Registry)
    configured = {read_yaml(path)[key] for path in (CONFIGS / kind).glob("*.yaml")}
    assert configured == set(registry)


@pytest.mark.parametrize("path", PARTS, ids=named)
def test_a_misspelt_key_is_an_error_that_names_it(path: Path, tmp_path: Path) -> None:
    broken = tmp_path / path.name
    broken.write_text(path.read_text(encoding="utf-8") + "\nlerning_rate: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="lerning_rate"):
        resolve(path.parent.name, str(broken), CONFIGS)
