from pathlib import Path

import pytest

from steps.adapters.bento import BentoRef, build_bento
from tests.models.serving.shop import Shop, make_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def bento_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Bento store below a folder whose name starts with a dot, as the state folder's does."""
    return tmp_path_factory.mktemp("home") / ".state" / "bento"


@pytest.fixture(scope="session")
def bentos(shop: Shop, bento_home: Path) -> tuple[BentoRef, BentoRef]:
    """Two real Bentos of different models: versions ``one`` and ``two``."""
    return (
        build_bento(shop.folders["din"], version="one", home=bento_home),
        build_bento(shop.folders["daian"], version="two", home=bento_home),
    )
