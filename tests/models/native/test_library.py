import ctypes
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import models.native
from models.native import library
from models.native.library import INSTRUCTIONS, SWITCH, Call, NativeCallError

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(models.native.__file__).parent


@pytest.fixture
def fresh() -> Iterator[None]:
    """A process that has not looked for the library yet."""
    library._load.cache_clear()
    yield
    library._load.cache_clear()


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build the extension as pip does, from a copy of what it is built from."""
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("setuptools is older than what pyproject.toml asks for")
    shutil.copytree(FOLDER / "source", folder / "models" / "native" / "source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return subprocess.run(
        [sys.executable, "-c", "import setuptools; setuptools.setup()", "build_ext", "--inplace"],
        cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_a_compiler_the_installation_goes_on(tmp_path: Path) -> None:
    done = build(tmp_path, CC="false", CXX="false")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*.so"))
    assert library._built_file(tmp_path / "models" / "native") is None


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler here")
def test_with_a_compiler_it_builds_a_library_that_loads(tmp_path: Path) -> None:
    done = build(tmp_path, CFLAGS="-Werror")
    assert done.returncode == 0, done.stderr
    built = library._built_file(tmp_path / "models" / "native")
    assert built is not None, done.stdout + done.stderr
    assert library._checked(ctypes.CDLL(str(built))).intentflow_supports(0) == 1


@pytest.mark.usefixtures("fresh")
def test_a_library_that_was_not_built_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    with caplog.at_level(logging.INFO):
        assert not library.available()
        assert not library.available()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "not built" in caplog.text
    with pytest.raises(NativeCallError, match="ask"):
        library.library()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("content", [b"", b"\x7fELF of another machine"])
def test_a_file_that_is_no_library_is_told_once_and_left(
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    (tmp_path / f"kernels{library.EXTENSION_SUFFIXES[0]}").write_bytes(content)
    assert not library.available()
    assert not library.available()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


needs_library = pytest.mark.skipif(
    library._load() is None, reason="the native kernels were not built: no C++ compiler at install"
)


@needs_library
def test_a_library_from_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    found = library.library()
    monkeypatch.setattr(library, "LAYOUT", library.LAYOUT + 1)
    with pytest.raises(NativeCallError, match="other sources"):
        library._checked(found)


@needs_library
def test_the_environment_switches_the_kernels_off_or_names_an_instruction_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SWITCH, "0")
    assert not library.available()
    monkeypatch.setenv(SWITCH, "portable")
    assert library.available()
    assert library.chosen_instructions() == "portable"
    monkeypatch.setenv(SWITCH, "sse9")
    with pytest.raises(NativeCallError, match=f"{SWITCH} is 'sse9'.*portable"):
        library.chosen_instructions()
    monkeypatch.delenv(SWITCH)
    assert library.chosen_instructions() == [*filter(library.supports, INSTRUCTIONS)][-1]


def test_the_arguments_have_the_names_and_the_order_of_the_header() -> None:
    header = (FOLDER / "source" / "target_attention.h").read_text(encoding="utf-8")
    struct = header.split("struct Call {")[1].split("};")[0]
    lines = [line.split("//")[0] for line in struct.splitlines()]
    fields = [line.strip(" ;").split()[-1].lstrip("*") for line in lines if line.strip()]
    assert fields == [name for name, *_ in Call._fields_]


def test_every_source_is_built_and_no_build_product_is_kept() -> None:
    listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tracked = subprocess.run(
        ["git", "ls-files", "models/native"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in tracked:
        assert name.endswith(".py") or f'"{name}"' in listed
        assert Path(name).suffix in {".py", ".cpp", ".h", ".inc"}
