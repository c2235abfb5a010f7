"""What a backtest's trainings read beside the examples: content and intents, where asked for."""

from dataclasses import dataclass
from pathlib import Path

from models.assessment.backtest_settings import BacktestPlan
from models.data.catalogue import Catalogue
from models.data.store import ExampleStore
from models.data.tables import TableScan
from models.encoders.embedding import embed_items
from models.encoders.embeddings import ItemEmbeddings, load_embeddings
from models.files import new_folder
from models.intents.labels import IntentLabels, bin_intents
from models.training.trainer import make_catalogue


@dataclass(frozen=True)
class Prepared:
    """The inputs of a step's trainings."""

    catalogue: Catalogue
    intents: IntentLabels | None


class Inputs:
    """Embeds the items once, and prepares the inputs of each step.

    Args:
        plan: The backtest.
        scan: Its log.
        folder: Where the embeddings are kept.
    """

    def __init__(self, plan: BacktestPlan, scan: TableScan, folder: Path) -> None:
        self._plan, self._scan, self._folder = plan, scan, folder
        self._content: ItemEmbeddings | None = None

    def prepare(self, store: ExampleStore, folder: Path) -> Prepared:
        """Return catalogue and intents of the step's store; ``folder`` holds its intent labels."""
        config = self._plan.intents
        content = self._embeddings()
        if content is None or config is None:
            return Prepared(make_catalogue(store, None, None), None)
        values = content.aligned(store.item_ids)
        labels = folder.with_name(f"{folder.name}-intents")
        if not labels.is_dir():
            with new_folder(labels) as into:
                bin_intents(store, values, config, into)
        intents = IntentLabels.open(labels)
        return Prepared(make_catalogue(store, values, intents), intents)

    def _embeddings(self) -> ItemEmbeddings | None:
        """Return the content of all items; a text is known before its item is shown."""
        if self._plan.encoder is None:
            return None
        if self._content is None:
            if not self._folder.is_dir():
                with new_folder(self._folder) as into:
                    embed_items(self._scan.items, self._scan.spec, self._plan.encoder, into)
            self._content = load_embeddings(self._folder)
        return self._content
