"""A retraining finds the tokenizer behind the model in production, and is held to it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.artifacts import ArtifactRef, read_manifest
from models.data.schema import DatasetSpec
from models.data.tables import Tables, write_tables
from models.encoders.embeddings import ItemEmbeddings, write_embeddings
from models.tokenizers.semantic_ids import SemanticIds
from models.tokenizers.training import train_tokenizer
from steps.adapters.dvc_records import RunRecord, StoredArtifact
from steps.adapters.release_log import Event, Pointer, Release, now, release_path, switch
from steps.adapters.releases import release_folder
from steps.adapters.semantic_ids_in_use import ids_in_use, ids_in_use_hash, tokenizer_of
from steps.adapters.workspace import produce, state_folder
from steps.assign_semantic_ids import assign_semantic_ids
from tests.models.tokenizers.conftest import config, make_embedded

EMBEDDED = make_embedded(200)
SPEC = DatasetSpec(name="shop", item_text=("title",), item_fields=("kind",))
STRICT = {"tokenizer": "rqvae", "gate": {"max_churn": 0.0}}


def made(kind, write, **config) -> ArtifactRef:
    def filled(folder: Path) -> dict[str, str]:
        write(folder)
        return {}

    return produce(kind, filled, config=config, parents={}, library="test")


def embeddings_of(items: int) -> ArtifactRef:
    content = ItemEmbeddings(EMBEDDED.item_ids[:items], EMBEDDED.values[:items])
    hashes = [str(item) for item in content.item_ids]
    return made("item_embeddings", lambda f: write_embeddings(content, hashes, f), items=items)


def tables_of(items: int) -> ArtifactRef:
    ids = EMBEDDED.item_ids[:items]
    kinds = [f"kind {int(value > 0)}" for value in EMBEDDED.values[:items, 0]]
    catalogue = pl.DataFrame({"item_id": ids, "title": [f"Thing {i}" for i in ids], "kind": kinds})
    nobody = pl.DataFrame(schema={"user_id": pl.Int64})
    shown = {
        "impression_id": pl.Int64, "request_id": pl.Int64, "user_id": pl.Int64,
        "item_id": pl.Int64, "timestamp": pl.Int64, "label": pl.Int8, "trigger_item_id": pl.Int64,
    }  # fmt: skip
    done = {"user_id": pl.Int64, "item_id": pl.Int64, "timestamp": pl.Int64, "kind": pl.String}
    tables = Tables(SPEC, catalogue, nobody, pl.DataFrame(schema=shown), pl.DataFrame(schema=done))
    return made("tables", lambda f: write_tables(tables, f), items=items)


def tokenizer_with(seed: int) -> ArtifactRef:
    values = EMBEDDED.values[:150]
    return made(
        "tokenizer", lambda f: train_tokenizer(values, config("rqvae"), f, seed=seed), seed=seed
    )


def assigned(tokenizer: ArtifactRef, items: int, settings=None) -> Path:
    """Run the step as the workflow does."""
    ref = assign_semantic_ids.entrypoint(
        tokenizer, embeddings_of(items), tables_of(items), settings, "shop", ids_in_use_hash("shop")
    )
    return state_folder() / ref.path


def release(ids: Path) -> None:
    """Put the run that assigned ``ids`` into production, as a finished run records it."""
    state, line = state_folder(), release_folder("shop")
    line.mkdir(parents=True)
    stored = StoredArtifact(
        path=ids.relative_to(state).as_posix(), md5="0", size_bytes=1, files=1, content_hash=None
    )
    record = RunRecord(run="first", stored_at=datetime.now(UTC), artifacts=(stored,))
    (state / "runs").mkdir()
    (state / "runs" / "first.json").write_text(record.model_dump_json())
    version = Release(
        version="1", tag="shop:1", model_hash="m", archive_hash="a", registered_at=now(),
        approved=True, run="first",
    )  # fmt: skip
    release_path(line, "1").parent.mkdir(parents=True, exist_ok=True)
    release_path(line, "1").write_text(version.model_dump_json())
    event = Event(
        at=now(), who="gate", action="promote", reason="won", from_version=None, to_version="1"
    )
    switch(line, Pointer(versions=("1",), event=event))


@pytest.fixture
def in_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The IDs of the run in production, of the first 150 items."""
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path))
    ids = assigned(tokenizer_with(0), 150)
    release(ids)
    return ids


def test_before_the_first_release_there_is_nothing_to_be_held_to(tmp_path, monkeypatch):
    monkeypatch.setenv("INTENTFLOW_HOME", str(tmp_path))
    assert ids_in_use("shop") is None
    assert ids_in_use_hash("shop") == ""


def test_the_ids_and_the_tokenizer_of_production_are_found(in_production):
    assert ids_in_use("shop") == in_production
    assert ids_in_use_hash("shop") == read_manifest(in_production).content_hash
    tokenizer = tokenizer_of(in_production)
    assert tokenizer is not None
    assert tokenizer.parent.name == "tokenizer"


def test_what_is_no_longer_here_is_not_held_to(in_production):
    (in_production / "manifest.json").unlink()
    assert ids_in_use("shop") is None


def test_new_items_get_ids_of_the_frozen_tokenizer_and_no_item_is_renumbered(in_production):
    after = SemanticIds.open(assigned(tokenizer_with(0), 200))
    before = SemanticIds.open(in_production)
    assert all(before.codes_of(i) == after.codes_of(i) for i in EMBEDDED.item_ids[:150])
    assert len(after.table) == 200


def test_a_retrained_tokenizer_that_changes_too_much_is_held_back(in_production):
    folder = assigned(tokenizer_with(7), 200, STRICT)
    before, after = SemanticIds.open(in_production), SemanticIds.open(folder)
    assert after.tokenizer_hash == before.tokenizer_hash
    figures = json.loads((folder / "diagnostics.json").read_text())
    assert figures["churn_matched"][0] > 0
    assert not figures["gate"]["approved"]
    assert "turned the new tokenizer down" in (folder / "tokenizer.html").read_text()


def test_without_a_rule_the_retrained_tokenizer_takes_over(in_production):
    folder = assigned(tokenizer_with(7), 200, {"tokenizer": "rqvae"})
    assert SemanticIds.open(folder).tokenizer_hash == tokenizer_with(7).content_hash
    figures = json.loads((folder / "diagnostics.json").read_text())
    assert figures["items_known_before"] == 150
    assert np.isfinite(figures["purity"][1])
