"""``intentflow list KIND``: the registered names, one a line."""

import argparse
import ast
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path

PIPELINES = Path(__file__).resolve().parents[1]
REGISTRIES = {
    "models": "models.ctr.registry:MODELS",
    "encoders": "models.encoders.registry:ENCODERS",
    "tokenizers": "models.tokenizers.registry:TOKENIZERS",
    "datasets": "models.data.datasets.registry:DATASETS",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the kind."""
    parser.add_argument("kind", choices=[*REGISTRIES, "pipelines"], help="what to list")


def run(arguments: argparse.Namespace) -> int:
    """Print the names."""
    for name in names(arguments.kind):
        print(name)
    return 0


def names(kind: str) -> Iterable[str]:
    """Return the registered names of ``kind``, importing nothing that is registered."""
    if kind == "pipelines":
        return pipelines()
    module, _, attribute = REGISTRIES[kind].partition(":")
    registry: Mapping[str, object] = getattr(import_module(module), attribute)
    return list(registry)


def pipelines() -> list[str]:
    """Return the pipelines' names, read from their files: importing ZenML would take seconds.

    A pipeline named ``x`` is run as ``zenml pipeline run pipelines.x.x``.
    """
    return [
        node.name
        for path in sorted(PIPELINES.glob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and any(map(_is_pipeline, node.decorator_list))
    ]


def _is_pipeline(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Name) and call.id == "pipeline"
