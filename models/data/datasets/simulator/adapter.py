"""The simulated shop as a data set: writes raw files once, then reads them like anyone's."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from models.artifacts import file_hash
from models.data.datasets.generic import Generic
from models.data.datasets.simulator.mapping import mapping
from models.data.datasets.simulator.raw import TRUTH_FILE, write_raw
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.tables import Tables
from models.files import own_prefix, sync_folder
from models.settings import digest

DEFAULT_FOLDER = ".intentflow/simulated"


class Simulator:
    """Makes a simulated shop of any size; see docs/explanation/simulator.md."""

    settings_type = SimulatorSettings

    @staticmethod
    def load(settings: SimulatorSettings, root: Path) -> Tables:
        """Return the canonical tables; ``users`` also has ``population`` and the true intents.

        The raw files are written first unless the same settings and the same code wrote them.
        """
        folder = root / raw_folder(settings)
        if not folder.is_dir():
            _write_once(settings, folder)
        files = mapping(raw_folder(settings), images=settings.images)
        return _with_truth(Generic.load(files, root), folder)


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


def _with_truth(tables: Tables, folder: Path) -> Tables:
    """Return the tables with each user's population and intents as of the first day."""
    truth = pl.read_parquet(folder / TRUTH_FILE).filter(pl.col("from_day") == 0).drop("from_day")
    users = tables.users.join(truth, on="user_id", how="left", maintain_order="left")
    spec = tables.spec.model_copy(update={"known_intent": True})
    return Tables(spec, tables.items, users, tables.impressions, tables.behaviours)
