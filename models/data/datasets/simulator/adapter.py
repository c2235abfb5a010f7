"""The simulated shop as a data set: writes raw files once, then reads them like anyone's."""

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import polars as pl

from models.artifacts import file_hash
from models.data.datasets.generic import Generic
from models.data.datasets.generic_settings import GenericSettings
from models.data.datasets.simulator.mapping import mapping
from models.data.datasets.simulator.raw import TRUTH_FILE, in_blocks, write_raw
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.schema import DatasetSpec
from models.data.tables import Tables, TableScan
from models.files import own_prefix, sync_folder
from models.settings import digest

_Read = TypeVar("_Read", Tables, TableScan)
DEFAULT_FOLDER = ".intentflow/simulated"


class Simulator:
    """Makes a simulated shop of any size; see docs/explanation/simulator.md."""

    settings_type = SimulatorSettings

    @staticmethod
    def load(settings: SimulatorSettings, root: Path) -> Tables | TableScan:
        """Return the canonical tables; ``users`` also has ``population`` and the true intents.

        The raw files are written first unless the same settings and the same code wrote them. A
        log of more than one block comes as a scan.
        """
        folder = root / raw_folder(settings)
        if not folder.is_dir():
            _write_once(settings, folder)
        blocks = in_blocks(settings)
        fields, images = settings.listed, settings.images
        files = mapping(raw_folder(settings), fields=fields, images=images, blocks=blocks)
        if not blocks:
            return _with_truth(Generic.load(files, root).collect(), folder)
        return _scan(files, settings, folder)


def raw_folder(settings: SimulatorSettings) -> str:
    """Return the raw files' folder, from the project root, by settings and the code that writes."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    code = [file_hash(source) for source in sources]
    values = settings.model_dump(mode="json", exclude={"folder"})
    return f"{settings.folder or DEFAULT_FOLDER}/{digest([values, code])[:16]}"


def _write_once(settings: SimulatorSettings, folder: Path) -> None:
    """Write the raw files so that ``folder`` holds all of them or is absent.

    One sync for all: thousands of images synced one by one would take longer than drawing them.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=own_prefix(), dir=folder.parent) as temporary:
        written = Path(temporary) / "raw"
        write_raw(settings, written)
        os.sync()
        try:
            written.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker, with the same bytes
                raise
    sync_folder(folder.parent)


def _scan(files: GenericSettings, settings: SimulatorSettings, folder: Path) -> TableScan:
    """Return the tables the ``generic`` adapter would give: these files need no checks."""
    root = files.images_root
    spec = DatasetSpec(
        name=files.name,
        item_text=files.item_text,
        item_fields=files.item_fields,
        item_numeric=files.item_numeric,
        user_fields=files.user_fields,
        context_fields=files.context_fields,
        has_images=settings.images,
        images_root=None if root is None else str(Path(files.path) / root),
    )
    items = pl.read_csv(folder / "items.csv", schema_overrides={"price": pl.Float64})
    shown = pl.scan_parquet(folder / "impressions").rename({"clicked": "label"})
    scan = TableScan(
        spec,
        items.rename({"image": "image_path"}) if settings.images else items,
        pl.read_csv(folder / "users.csv"),
        shown.drop("shown_price"),
        pl.scan_parquet(folder / "behaviours"),
    )
    return _with_truth(scan, folder)


def _with_truth(tables: _Read, folder: Path) -> _Read:
    """Return the tables with each user's population and intents as of the first day."""
    truth = pl.read_parquet(folder / TRUTH_FILE).filter(pl.col("from_day") == 0).drop("from_day")
    users = tables.users.join(truth, on="user_id", how="left", maintain_order="left")
    spec = tables.spec.model_copy(update={"known_intent": True})
    return replace(tables, spec=spec, users=users)
