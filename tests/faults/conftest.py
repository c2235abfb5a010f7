import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from steps.adapters.bento_store import BentoRef
from steps.adapters.release import promote, register_candidate
from tests.faults.bentos import small_bento
from tests.faults.driver import Driver
from tests.models.serving.shop import Shop, make_shop, revise


@dataclass(frozen=True)
class Shelf:
    """Models, Bentos and a line: ``one`` and ``two`` were promoted, ``three`` is registered.

    ``four`` is built and not registered.
    """

    shop: Shop
    line: Path
    bentos: dict[str, BentoRef]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("shelf")
    shop = make_shop(folder / "shop")
    models = {"one": shop.folders["din"], "two": shop.folders["daian"]}
    models["three"] = revise(models["one"], folder / "three")
    models["four"] = revise(models["two"], folder / "four")
    home, line = folder / "home", folder / "line"
    bentos = {version: small_bento(home, model, version) for version, model in models.items()}
    for version in ("one", "two", "three"):
        register_candidate(line, bentos[version], approved=True, reasons=("won",))
    for version in ("one", "two"):
        promote(line, version, reason="won", who="gate")
    return Shelf(shop, line, bentos)


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    with Driver() as driver:
        yield driver


@pytest.fixture
def line(shelf: Shelf, tmp_path: Path) -> Callable[[], Path]:
    """Gives copies of the shelf's line, of which the last one is kept."""

    def copy() -> Path:
        copied = tmp_path / "line"
        shutil.rmtree(copied, ignore_errors=True)
        return shutil.copytree(shelf.line, copied, copy_function=_link_what_is_only_replaced)

    return copy


def _link_what_is_only_replaced(source: str, target: str) -> None:
    if source.endswith((".jsonl", "lock")):
        shutil.copy2(source, target)
    else:
        os.link(source, target)
