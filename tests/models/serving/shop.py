"""A small shop with two saved models, and the requests its log rows would have been."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.artifacts import write_artifact
from models.ctr.base import CTRModel
from models.ctr.build import build_model
from models.ctr.saved import ModelDescription, save_model
from models.data.examples import ExamplesConfig, ExampleStore, build_example_store
from models.data.tables import Tables
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents
from models.serving.request import ScoreRequest
from models.training.trainer import make_catalogue
from tests.models.training.synthetic import GROUPS, make_tables, small_config


@dataclass(frozen=True)
class Shop:
    tables: Tables
    store: ExampleStore
    models: dict[str, CTRModel]
    folders: dict[str, Path]

    def requests(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, ScoreRequest]]:
        """Examples as the requests they were made by, with everything the user ever did.

        A request comes with those of ``rows`` that are its candidates, in their order.
        """
        happened = self.tables.behaviours.partition_by("user_id", as_dict=True)
        impressions = {i["impression_id"]: i for i in self.tables.impressions.to_dicts()}
        cities = dict(self.tables.users.select("user_id", "city").iter_rows())
        asked = self.store.request[rows]
        for request in np.unique(asked):
            of_request = rows[asked == request]
            shown = [impressions[i] for i in self.store.impression[of_request].tolist()]
            first = shown[0]
            events = happened.get((first["user_id"],), self.tables.behaviours.clear())
            yield (
                of_request,
                ScoreRequest.model_validate(
                    {
                        "user_id": first["user_id"],
                        "user": {"city": cities[first["user_id"]]},
                        "context": {"page": first["page"]},
                        "history": events.select("item_id", "timestamp").to_dicts(),
                        "trigger_item_id": first["trigger_item_id"],
                        "candidates": [impression["item_id"] for impression in shown],
                        "timestamp": first["timestamp"],
                    }
                ),
            )


def make_shop(folder: Path, trigger: str = "log") -> Shop:
    """Models are drawn, not trained: their scores just have to depend on all they are given."""
    tables = make_tables()
    config = ExamplesConfig.model_validate(
        {"history_days": 0.25, "history_length": 5, "trigger": trigger, "trigger_window_s": 5400}
    )
    build_example_store(tables, config, folder / "store", seed=0)
    store = ExampleStore.open(folder / "store")
    content = np.zeros((store.spec.num_items, 8), np.float32)
    content[2:] = np.eye(8)[store.item_ids[2:].to_numpy() % GROUPS]
    content[2:] += 0.1 * np.random.default_rng(0).standard_normal(content[2:].shape)
    content[2:] /= np.linalg.norm(content[2:], axis=1, keepdims=True)
    (folder / "intents").mkdir()
    bin_intents(store, content, IntentConfig(levels=4), folder / "intents")
    catalogue = make_catalogue(store, content, IntentLabels.open(folder / "intents"))
    models, folders = {}, {}
    for name in ("din", "daian"):
        config = small_config(name)
        models[name] = _lively(build_model(config, catalogue, seed=0))
        folders[name] = folder / name
        described = ModelDescription(config=config, spec=store.spec, seed=0, summary={})
        with write_artifact(folders[name], "ctr_model") as draft:
            save_model(models[name], described, catalogue, draft.folder)
            store.vocabularies().save(draft.folder)
    return Shop(tables, store, models, folders)


def revise(folder: Path, into: Path, factor: float = 1.5) -> Path:
    """Another model of the same form: what the next training would have made."""
    from safetensors.torch import load_file, save_file

    with write_artifact(into, "ctr_model") as draft:
        for path in folder.iterdir():
            if path.name not in {"manifest.json", "weights.safetensors"}:
                (draft.folder / path.name).write_bytes(path.read_bytes())
        weights = load_file(folder / "weights.safetensors")
        changed = {name: factor * value for name, value in weights.items()}
        save_file(changed, draft.folder / "weights.safetensors")
    return into


def _lively(model: CTRModel) -> CTRModel:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.3 * torch.randn(weights.shape, generator=generator))
        for module in model.modules():
            if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
                module.weight[module.padding_idx] = 0.0  # as training leaves it
    return model.eval()
