import pytest

from tests.models.serving.shop import Shop, make_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def derived_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The same shop, whose triggers are derived from histories."""
    return make_shop(tmp_path_factory.mktemp("derived_shop"), trigger="derived")
