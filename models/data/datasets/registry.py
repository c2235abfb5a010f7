"""The data sets this project can read, each by an adapter named here."""

from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import Field, PositiveFloat

from models.data.example_settings import ExamplesConfig
from models.data.tables import Tables, TableScan, check_schema
from models.registry import Registry
from models.settings import Settings, parse_settings

DATASETS = Registry(
    "data set",
    {
        "movielens": "models.data.datasets.movielens:MovieLens",
        "amazon": "models.data.datasets.amazon:Amazon",
        "alimama": "models.data.datasets.alimama:Alimama",
        "globo": "models.data.datasets.globo:Globo",
        "ordered": "models.data.datasets.ordered:Ordered",
        "generic": "models.data.datasets.generic:Generic",
        "simulator": "models.data.datasets.simulator:Simulator",
    },
    "docs/how-to/add-a-data-set.md",
)


class DatasetAdapter(Protocol):
    """Turns one raw format into the canonical tables."""

    settings_type: ClassVar[type[Settings]]

    @staticmethod
    def load(settings: Any, root: Path) -> Tables | TableScan:
        """Return the tables; relative paths in ``settings`` start at ``root``."""
        ...


class DatasetConfig(Settings):
    """A file of ``configs/datasets``.

    Attributes:
        adapter: The registered name of the adapter.
        settings: The adapter's own settings.
        examples: How impressions become examples.
        current_window_days: The newest days, which a drift report compares with the train split;
            null = the test split.
    """

    adapter: str
    settings: dict[str, Any] = Field(default_factory=dict)
    examples: ExamplesConfig = ExamplesConfig()
    current_window_days: PositiveFloat | None = None


def load_dataset(config: DatasetConfig, root: Path) -> Tables | TableScan:
    """Return the canonical tables of the configured data set, their schema checked.

    Args:
        config: Which adapter, with which settings.
        root: The project root, where relative paths start.

    Raises:
        UnknownNameError: no adapter has that name.
        ConfigError: the adapter's settings are wrong, each named.
        DataError: the files are missing, or are not what the settings say.
    """
    adapter: DatasetAdapter = DATASETS[config.adapter]
    settings = parse_settings(
        adapter.settings_type, config.settings, f"settings of the {config.adapter} data set"
    )
    tables = adapter.load(settings, root)
    check_schema(tables)
    return tables
