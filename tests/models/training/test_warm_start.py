"""A training that starts from an older model: of the same data, of grown data, of another kind."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from models.ctr.build import build_model
from models.ctr.config import CTRConfig
from models.ctr.registry import MODELS
from models.data.catalogue import Catalogue
from models.data.examples import ExamplesConfig, ExampleStore, build_example_store
from models.data.tables import Tables
from models.errors import CorruptArtifactError, IncompatibleArtifactError
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents
from models.training.trainer import load_model, make_catalogue, run_identity, score, train
from models.training.warm_start import warm_start
from tests.models.training.synthetic import GROUPS, make_tables, small_config


@dataclass(frozen=True)
class World:
    store: ExampleStore
    catalogue: Catalogue
    intents: IntentLabels

    def train(
        self, folder: Path, config: CTRConfig, older: Path | None = None
    ) -> dict[str, object]:
        return {
            **train(
                config, self.store, self.catalogue, self.intents, folder / "model",
                seed=3, resume_folder=folder / "resume", warm_start=older,
            )
        }  # fmt: skip


def content_of(item_ids: pl.Series, width: int = 8) -> np.ndarray:
    """Content that depends on the item's id alone, as an encoder's does."""
    content = np.zeros((len(item_ids), width), np.float32)
    for code, item in enumerate(item_ids.to_list()):
        if item is not None:
            content[code, item % GROUPS] = 1.0
            content[code] += 0.2 * np.random.default_rng(item).standard_normal(width)
            content[code] /= np.linalg.norm(content[code])
    return content


def world(tables: Tables, folder: Path) -> World:
    build_example_store(
        tables, ExamplesConfig(history_days=None, history_length=12), folder / "store", seed=0
    )
    store = ExampleStore.open(folder / "store")
    content = content_of(store.item_ids)
    (folder / "intents").mkdir()
    bin_intents(store, content, IntentConfig(levels=4), folder / "intents")
    intents = IntentLabels.open(folder / "intents")
    return World(store, make_catalogue(store, content, intents), intents)


def grown(tables: Tables) -> Tables:
    """The next day: two items and three users more, which come first, and a city more."""
    new_items = pl.DataFrame(
        {"item_id": [900, 901], "title": ["a", "b"], "kind": ["new", "kind 2"]}
    )
    new_users = pl.DataFrame({"user_id": [800, 801, 802], "city": ["city 9", "city 1", None]})
    first = tables.impressions.head(3).with_columns(
        pl.Series("user_id", [800, 801, 802]),
        pl.Series("item_id", [900, 901, 900]),
        pl.Series("impression_id", [10**6, 10**6 + 1, 10**6 + 2]),
        pl.Series("request_id", [10**6, 10**6 + 1, 10**6 + 2]),
        pl.col("timestamp") - 50,
    )
    return replace(
        tables,
        items=pl.concat([new_items, tables.items]),
        users=pl.concat([new_users, tables.users]),
        impressions=pl.concat([first, tables.impressions]),
    )


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(make_tables(), tmp_path_factory.mktemp("today"))


@pytest.fixture(scope="module")
def tomorrow(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(grown(make_tables()), tmp_path_factory.mktemp("tomorrow"))


@pytest.fixture(scope="module")
def older(today: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("older")
    for name in MODELS:
        config = small_config(name, max_epochs=1, batch_size=64, learning_rate=0.05)
        today.train(folder / name, config)
    return {name: folder / name / "model" for name in MODELS}


def started(config: CTRConfig, now: World, catalogue: Catalogue, folder: Path) -> torch.nn.Module:
    model = build_model(config, catalogue, seed=77)
    warm_start(model, config, catalogue, now.store.vocabularies(), folder)
    return model


@pytest.mark.parametrize("name", list(MODELS))
def test_on_the_same_data_it_scores_as_the_older_model_before_any_step(
    name: str, today: World, older: dict[str, Path]
) -> None:
    model = started(small_config(name), today, today.catalogue, older[name])
    rows = np.arange(today.store.num_examples)
    expected = score(load_model(older[name]).model, today.store, rows)
    found = score(model, today.store, rows)  # pyright: ignore[reportArgumentType]
    assert np.ptp(expected.logit) > 0.1
    assert np.array_equal(found.logit, expected.logit)


@pytest.mark.parametrize("name", list(MODELS))
def test_with_new_items_and_users_the_old_ones_scores_are_equal(
    name: str, today: World, tomorrow: World, older: dict[str, Path]
) -> None:
    then = today.catalogue
    catalogue = replace(  # the intent levels refitted would be other ones: not what is tested here
        tomorrow.catalogue, content_mean=then.content_mean, intent_edges=then.intent_edges
    )
    assert not np.array_equal(tomorrow.store.item_ids[2:5], today.store.item_ids[2:5])
    model = started(small_config(name), tomorrow, catalogue, older[name])
    place = {int(i): row for row, i in enumerate(tomorrow.store.impression)}
    rows = np.array([row for row, i in enumerate(today.store.impression) if int(i) in place])
    same = np.array([place[int(today.store.impression[row])] for row in rows])
    trained = today.store.user[rows] < today.store.spec.num_users
    trained &= tomorrow.store.user[same] < tomorrow.store.spec.num_users
    rows, same = rows[trained], same[trained]
    assert len(rows) > 1000
    expected = score(load_model(older[name]).model, today.store, rows)
    found = score(model, tomorrow.store, same)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(found.logit, expected.logit, rtol=0, atol=1e-6)


def table(model: torch.nn.Module, name: str) -> torch.Tensor:
    return model.state_dict()[name]


@pytest.mark.parametrize("new_rows", ["initial", "unknown"])
def test_new_rows_have_their_initial_weights_or_the_unknown_rows(
    new_rows: str, tomorrow: World, older: dict[str, Path]
) -> None:
    config = small_config("din", new_rows=new_rows)
    fresh = build_model(config, tomorrow.catalogue, seed=77)
    model = started(config, tomorrow, tomorrow.catalogue, older["din"])
    code = tomorrow.store.vocabularies().item_code(900)
    user = tomorrow.store.vocabularies().user_code(801)
    field = 2 + tomorrow.store.vocabularies().item[0].values.index("new")
    old = load_model(older["din"]).model
    for name, row in (
        ("items.ids.weight", code),
        ("user.ids.weight", user),
        ("items.fields.table.weight", field),
    ):
        expected = table(fresh, name)[row] if new_rows == "initial" else table(old, name)[1]
        assert torch.equal(table(model, name)[row], expected), name
        assert not torch.equal(table(model, name)[3:8], table(fresh, name)[3:8])


def test_it_runs_the_last_stage_alone_counts_the_new_and_goes_on_learning(
    today: World, tomorrow: World, older: dict[str, Path], tmp_path: Path
) -> None:
    config = small_config("daian", max_epochs=2, batch_size=64, patience=2)
    summary = tomorrow.train(tmp_path, config, older["daian"])
    lines = (tmp_path / "model" / "history.jsonl").read_text().splitlines()
    curves = [json.loads(line) for line in lines]
    assert [row["stage"] for row in curves] == ["joint", "joint"]
    assert (summary["new_items"], summary["new_users"]) == (2, 3)
    cold = tomorrow.train(tmp_path / "cold", config)
    first = json.loads((older["daian"] / "history.jsonl").read_text().splitlines()[-1])
    assert curves[0]["train/loss"] < first["train/loss"]
    assert "new_items" not in cold


def test_a_warm_start_from_another_model_is_another_run(
    today: World, older: dict[str, Path], tmp_path: Path
) -> None:
    config = small_config("din")
    today.train(tmp_path, config, older["din"])
    digests = {
        run_identity(config, today.store, today.intents, 3, folder)
        for folder in (None, older["din"], tmp_path / "model")
    }
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": "daian"}, "it is 'din'"),
        ({"embedding_dim": 8}, "embedding_dim was 4 and is 8"),
        ({"head": [16, 4]}, r"head was \(16, 8\) and is \(16, 4\)"),
    ],
)
def test_a_model_of_another_form_is_refused(
    change: dict[str, object], told: str, today: World, older: dict[str, Path]
) -> None:
    config = small_config(str(change.pop("model", "din")))
    config = config.model_copy(update={"settings": config.settings | change})
    with pytest.raises(IncompatibleArtifactError, match=told):
        started(config, today, today.catalogue, older["din"])


def test_content_of_another_encoder_is_refused(today: World, older: dict[str, Path]) -> None:
    content = today.catalogue.content
    assert content is not None
    twice = torch.cat([content, content], 1)
    wide = replace(today.catalogue, content=twice, content_mean=torch.zeros(16))
    with pytest.raises(IncompatibleArtifactError, match="width was 8 and is 16: another encoder"):
        started(small_config("din"), today, wide, older["din"])
    turned = replace(today.catalogue, content=content.roll(1, dims=1))
    with pytest.raises(IncompatibleArtifactError, match=r"median cosine .*: another encoder"):
        started(small_config("din"), today, turned, older["din"])


def test_other_levels_fields_and_kinds_of_id_are_refused(
    today: World, older: dict[str, Path], tmp_path: Path
) -> None:
    edges = today.catalogue.intent_edges
    assert edges is not None
    fewer = replace(today.catalogue, intent_edges=edges[1:])
    with pytest.raises(IncompatibleArtifactError, match="levels were 4 and are 3"):
        started(small_config("din"), today, fewer, older["din"])
    tables = make_tables()
    spec = tables.spec.model_copy(update={"user_fields": ()})
    fieldless = world(replace(tables, spec=spec), tmp_path / "fieldless")
    with pytest.raises(
        IncompatibleArtifactError, match=r"user fields were \['city'\] and are \[\]"
    ):
        started(small_config("din"), fieldless, fieldless.catalogue, older["din"])


def test_a_folder_without_a_model_is_a_named_error(today: World, tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifactError, match="no whole CTR model"):
        started(small_config("din"), today, today.catalogue, tmp_path)
    with pytest.raises(CorruptArtifactError, match="no whole CTR model"):
        today.train(tmp_path / "run", small_config("din"), tmp_path)
