"""``intentflow data check CONFIG``: a data set from raw files to examples, nothing kept."""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the configuration."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check", help="load, validate and split a data set without keeping anything"
    )
    check.add_argument("config", help="a name in configs/datasets, or the path of a YAML file")
    check.add_argument("--validation", default="default", help="a name in configs/validation")
    check.add_argument("--seed", type=int, default=1, help="seed of negatives and splits")


def run(arguments: argparse.Namespace) -> int:
    """Print the counts of tables, checks and examples, or end with what is wrong."""
    with tempfile.TemporaryDirectory(prefix="intentflow-") as folder:
        for stage, counts in _stages(arguments, Path(folder)):
            width = max(map(len, counts), default=0)
            print(stage, *(f"  {k.ljust(width)}  {v}" for k, v in counts.items()), sep="\n")
    print(f"{arguments.config}: good.")
    return 0


def _stages(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and counts of what `ingest`, `validate` and `build_examples` would do."""
    from models.data.datasets.registry import DatasetConfig, load_dataset
    from models.data.examples import build_example_store
    from models.data.schema import TABLES
    from pipelines.plan import resolve
    from steps.adapters.great_expectations import ValidationConfig, require_valid, validate_tables
    from steps.adapters.workspace import configs_folder, images_folder, project_root

    configs = configs_folder()
    config = DatasetConfig.model_validate(resolve("datasets", arguments.config, configs))
    rules = ValidationConfig.model_validate(resolve("validation", arguments.validation, configs))
    tables = load_dataset(config, project_root())
    yield "tables", {name: tables.height(name) for name in TABLES} | tables.spec.facts
    verdict, examples = folder / "validation", folder / "examples"
    verdict.mkdir()
    examples.mkdir()
    counts = validate_tables(tables, config.examples, rules, verdict, images_folder(tables.spec))
    require_valid(verdict)
    yield "validation", counts
    yield (
        "examples",
        build_example_store(tables, config.examples, examples, seed=arguments.seed),
    )
