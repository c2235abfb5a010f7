"""The rules of the layout that no linter knows."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipelines", "steps", "models")
CODE = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
STEPS = sorted(path for path in (ROOT / "steps").glob("*.py") if path.name != "__init__.py")
MODELS = sorted(p for p in (ROOT / "models" / "ctr").glob("*.py") if p.name != "__init__.py")
TOP_LEVEL = {
    *("pipelines", "steps", "models", "configs", "tests", "docs", "benchmarks", "data.dvc"),
    *("pyproject.toml", "constraints.txt", "Makefile"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
}
FILE_LINES = 300
STEP_LINES = 25
FUNCTION_LINES = 40
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
VAGUE = {"utils.py", "helpers.py", "common.py"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(path: Path, function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines after the docstring; blank lines and comments are not counted."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    lines = path.read_text(encoding="utf-8").splitlines()[body[0].lineno - 1 : body[-1].end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)


def decorators(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        yield call.id if isinstance(call, ast.Name) else ""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_top_level_holds_only_what_the_layout_names() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    top = {line.split("/")[0] for line in listed if not line.startswith(".")}
    assert top <= TOP_LEVEL


@pytest.mark.parametrize("path", CODE, ids=named)
def test_a_file_fits_three_hundred_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", CODE, ids=named)
def test_a_function_fits_one_screen(path: Path) -> None:
    lines = {function.name: body_lines(path, function) for function in functions(path)}
    assert not {name: count for name, count in lines.items() if count > FUNCTION_LINES}


@pytest.mark.parametrize("path", STEPS, ids=named)
def test_a_step_file_holds_one_short_step_named_like_the_file(path: Path) -> None:
    steps = [function for function in functions(path) if "step" in decorators(function)]
    assert [step.name for step in steps] == [path.stem]
    assert body_lines(path, steps[0]) <= STEP_LINES


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines").glob("*.py")), ids=named)
def test_a_pipeline_is_named_like_its_file(path: Path) -> None:
    names = [function.name for function in functions(path) if "pipeline" in decorators(function)]
    assert names in ([], [path.stem])


@pytest.mark.parametrize("path", MODELS, ids=named)
def test_no_model_file_imports_another(path: Path) -> None:
    ground = {"base", "config", "registry"}
    others = {f"models.ctr.{other.stem}" for other in MODELS if other.stem not in ground}
    assert not set(imports(path)) & others


@pytest.mark.parametrize("path", CODE, ids=named)
def test_nothing_is_pickled(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & PICKLES
    assert "weights_only=False" not in path.read_text(encoding="utf-8")
    assert "allow_pickle=True" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CODE, ids=named)
def test_a_file_name_says_what_is_in_it_and_hides_no_standard_module(path: Path) -> None:
    assert path.name not in VAGUE
    if named(path).startswith(("steps/", "pipelines/")) and path.name[0] != "_":
        assert path.stem not in sys.stdlib_module_names


@pytest.mark.parametrize("folder", [p for p in PACKAGES], ids=str)
def test_every_folder_of_code_is_a_package(folder: str) -> None:
    holding = {path.parent for path in (ROOT / folder).rglob("*.py")}
    assert all((path / "__init__.py").is_file() for path in holding)


@pytest.mark.parametrize("path", STEPS, ids=named)
def test_a_step_is_cached_by_the_library_it_calls_or_not_at_all(path: Path) -> None:
    step = getattr(importlib.import_module(f"steps.{path.stem}"), path.stem)
    policy = step.configuration.cache_policy
    never = step.configuration.enable_cache is False
    assert never or (policy is not None and policy.cache_func is not None)


def test_the_import_rules_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_importing_the_library_does_nothing(tmp_path: Path) -> None:
    """No file, no thread, no ops tool, no word: whatever part of it is imported."""
    modules = [module_name(p) for p in CODE if named(p).startswith("models/")]
    served = {"models.serving.service"}  # the one file that imports BentoML, which is its business
    program = f"""
import importlib, sys, threading
for name in {sorted(set(modules) - served)!r}:
    importlib.import_module(name)
tools = {{"zenml", "great_expectations", "evidently", "dvc", "bentoml", "pandas"}}
assert not tools & set(sys.modules), tools & set(sys.modules)
assert threading.active_count() == 1, threading.enumerate()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
