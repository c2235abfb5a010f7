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


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_the_top_level_holds_only_what_the_layout_names() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    top = {line.split("/")[0] for line in listed if not line.startswith(".")}
    assert top <= TOP_LEVEL


def test_every_file_fits_three_hundred_lines() -> None:
    lines = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert not {name: count for name, count in lines.items() if count > FILE_LINES}


def test_every_function_fits_one_screen() -> None:
    lines = {(named(p), f.name): body_lines(p, f) for p in CODE for f in functions(p)}
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


def test_no_model_file_imports_another() -> None:
    ground = {"base", "config", "registry", "saved"}
    models = {f"models.ctr.{path.stem}" for path in MODELS if path.stem not in ground}
    assert not [named(path) for path in MODELS if path.stem not in ground if models & imports(path)]


def test_nothing_is_pickled() -> None:
    unsafe = ("weights_only=False", "allow_pickle=True")
    assert not [
        named(path)
        for path in CODE
        if {name.split(".")[0] for name in imports(path)} & PICKLES
        or any(word in path.read_text(encoding="utf-8") for word in unsafe)
    ]


def test_file_names_say_what_is_in_them_and_hide_no_standard_module() -> None:
    run_from = [path for path in CODE if named(path).startswith(("steps/", "pipelines/"))]
    hiding = [p for p in run_from if p.stem in sys.stdlib_module_names and p.stem[0] != "_"]
    assert not [named(path) for path in CODE if path.name in VAGUE or path in hiding]


def test_every_folder_of_code_is_a_package() -> None:
    assert not [named(path) for path in CODE if not (path.parent / "__init__.py").is_file()]


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
