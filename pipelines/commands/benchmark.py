"""``intentflow benchmark FILE``: models over seeds on one split, in a table and a page."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.artifacts import ArtifactRef

OVERRIDES = ("dataset", "encoder", "intents", "seeds", "jobs", "threads")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the file and what takes the place of its parameters."""
    parser.add_argument(
        "file",
        nargs="?",
        default="daian_table1",
        help="a name in configs/pipelines, or the path of a YAML file",
    )
    parser.add_argument("--dataset", help="a file of configs/datasets")
    parser.add_argument("--encoder", help="a file of configs/encoders")
    parser.add_argument("--intents", help="a file of configs/intents")
    parser.add_argument("--seeds", type=int, nargs="+", help="train once with each")
    parser.add_argument("--jobs", type=int, help="trainings at a time")
    parser.add_argument("--threads", type=int, help="threads of each")
    parser.add_argument(
        "--so-far", action="store_true", help="train nothing: the table of what is finished"
    )
    parser.add_argument("--out", type=Path, help="folder that also receives the report")


def run(arguments: argparse.Namespace) -> int:
    """Run the pipeline, print the table, and say where the report is."""
    from models.settings import config_path
    from pipelines.benchmark_plan import plan_benchmark, read_benchmark
    from steps.adapters.workspace import configs_folder, local

    path = config_path("pipelines", arguments.file, configs_folder())
    file = read_benchmark(path)
    given = {name: getattr(arguments, name) for name in OVERRIDES}
    given = {name: value for name, value in given.items() if value is not None}
    command = shlex.join(["intentflow", "benchmark", str(arguments.file), *_words(given)])
    changes: dict[str, Any] = {**given, "command": command, "measure": not arguments.so_far}
    config = file.parameters.model_copy(update=changes)
    plan_benchmark(config)  # what is wrong is told before anything starts
    whole = file.model_copy(update={"parameters": config})
    folder = local(_run_pipeline(whole.model_dump(mode="json", exclude_none=True)))
    print((folder / "benchmark.md").read_text(encoding="utf-8"))
    if arguments.out is not None:
        _copy(folder, arguments.out)
        folder = arguments.out
    print(folder / "benchmark.html")
    return 0


def _words(given: dict[str, Any]) -> list[str]:
    """Return overrides as one types them, without those that change no figure."""
    words: list[str] = []
    for name, value in given.items():
        if name not in ("jobs", "threads"):
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return words


def _run_pipeline(file: dict[str, Any]) -> "ArtifactRef":
    """Run the pipeline with what would stand in its file; return its report."""
    import tempfile

    import yaml

    from pipelines.benchmark import benchmark

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.yaml"
        path.write_text(yaml.safe_dump(file), encoding="utf-8")
        done: Any = benchmark.with_options(config_path=str(path))()
    return done.steps["report_benchmark"].outputs["benchmark"][0].load()


def _copy(report: Path, into: Path) -> None:
    import shutil

    into.mkdir(parents=True, exist_ok=True)
    for path in report.glob("*.*"):
        if path.name != "manifest.json":
            shutil.copyfile(path, into / path.name)
