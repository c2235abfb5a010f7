import json

import numpy as np
import polars as pl
import pytest

from models.errors import (
    CorruptArtifactError,
    IncompatibleArtifactError,
    TokenizerError,
)
from models.tokenizers.assignment import assign_semantic_ids
from models.tokenizers.diagnostics import perplexity, tokenizer_diagnostics
from models.tokenizers.semantic_ids import SemanticIds
from models.tokenizers.training import train_tokenizer
from tests.models.tokenizers.conftest import Embedded, config, make_embedded

NAMES = pytest.mark.parametrize("name", ["rqvae", "residual_kmeans"])


def assign(embedded, tokenizer, folder, previous=None):
    folder.mkdir(exist_ok=True)
    return assign_semantic_ids(embedded, tokenizer, folder, previous=previous)


def tripled(embedded: Embedded) -> Embedded:
    """Every item three times: twins that no tokenizer can tell apart."""
    return Embedded(
        pl.Series("item_id", range(3 * len(embedded.values))), np.repeat(embedded.values, 3, axis=0)
    )


@NAMES
def test_every_item_has_its_own_codes_both_ways(name, embedded, trained, tmp_path):
    assign(tripled(embedded), trained(name), tmp_path)
    ids = SemanticIds.open(tmp_path)
    codes = {item: ids.codes_of(item) for item in range(1800)}
    assert len(set(codes.values())) == 1800
    assert all(ids.item_of(code) == item for item, code in codes.items())
    assert {len(code) for code in codes.values()} == {4}
    assert codes[0][:3] == codes[1][:3] == codes[2][:3]
    assert ids.collision_codes >= 3


@NAMES
def test_ids_are_the_same_bytes_after_save_and_load(name, embedded, trained, tmp_path):
    assign(embedded, trained(name), tmp_path / "a")
    assign(embedded, trained(name), tmp_path / "b")
    for file in ("semantic_ids.parquet", "cohorts.parquet", "codebooks.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@NAMES
def test_an_items_codes_do_not_depend_on_the_items_beside_it(name, embedded, trained, tmp_path):
    assign(embedded, trained(name), tmp_path / "all")
    few = Embedded(embedded.item_ids[100:107], embedded.values[100:107])
    assign(few, trained(name), tmp_path / "few")
    everything, some = SemanticIds.open(tmp_path / "all"), SemanticIds.open(tmp_path / "few")
    for item in few.item_ids:
        assert some.codes_of(item)[:3] == everything.codes_of(item)[:3]


def test_cohorts_are_the_items_that_share_a_code(embedded, trained, tmp_path):
    assign(embedded, trained("rqvae"), tmp_path)
    ids = SemanticIds.open(tmp_path)
    item = int(embedded.item_ids[42])
    for level, code in enumerate(ids.codes_of(item)[:3]):
        members = set(ids.cohort(level, code).to_list())
        assert item in members
        assert members == {i for i in embedded.item_ids if ids.codes_of(i)[level] == code}
    table = pl.read_parquet(tmp_path / "cohorts.parquet")
    assert table["item_ids"].list.len().sum() == 3 * len(embedded.values)


def test_new_items_get_ids_and_change_no_others(embedded, trained, tmp_path):
    assign(embedded, trained("rqvae"), tmp_path / "old")
    new = Embedded(pl.Series("item_id", range(200)), embedded.values[:200])  # twins, lower ids
    grown = Embedded(
        pl.concat([new.item_ids, embedded.item_ids]), np.concatenate([new.values, embedded.values])
    )
    summary = assign(grown, trained("rqvae"), tmp_path / "new", previous=tmp_path / "old")
    old, after = SemanticIds.open(tmp_path / "old"), SemanticIds.open(tmp_path / "new")
    assert all(old.codes_of(item) == after.codes_of(item) for item in embedded.item_ids)
    assert summary["churn"] == 0
    renumbered = assign(grown, trained("rqvae"), tmp_path / "fresh")
    assert renumbered["churn"] is None
    assert renumbered["items"] == summary["items"]
    fresh = SemanticIds.open(tmp_path / "fresh")
    assert any(old.codes_of(item) != fresh.codes_of(item) for item in embedded.item_ids)


def test_another_tokenizer_assigns_anew_and_reports_the_churn(embedded, trained, tmp_path):
    assign(embedded, trained("rqvae"), tmp_path / "old")
    (tmp_path / "other").mkdir()
    train_tokenizer(embedded.values, config("rqvae"), tmp_path / "other", seed=5)
    summary = assign(embedded, tmp_path / "other", tmp_path / "new", previous=tmp_path / "old")
    assert summary["churn"] > 0.9


def test_a_model_refuses_the_ids_of_another_tokenizer_by_the_names_of_both(
    embedded, trained, tmp_path
):
    summary = assign(embedded, trained("rqvae"), tmp_path)
    ids = SemanticIds.open(tmp_path)
    ids.require_tokenizer(str(summary["tokenizer_hash"]), "model a")
    with pytest.raises(IncompatibleArtifactError) as caught:
        ids.require_tokenizer("f" * 64, "model a")
    assert "f" * 12 in str(caught.value)
    assert ids.tokenizer_hash[:12] in str(caught.value)


def test_repair_makes_codes_unique_for_little_more_error(tmp_path):
    embedded = make_embedded(600)
    for name, repair in (("plain", False), ("repaired", True)):
        (tmp_path / name).mkdir()
        settings = config("residual_kmeans", repair_collisions=repair)
        train_tokenizer(embedded.values, settings, tmp_path / name, seed=0)
    plain = assign(embedded, tmp_path / "plain", tmp_path / "ids")
    repaired = assign(embedded, tmp_path / "repaired", tmp_path / "ids2")
    assert plain["unique_rate"] < repaired["unique_rate"] == 1
    assert repaired["fvu"] - plain["fvu"] < 0.04


def test_diagnostics_count_what_the_table_holds(embedded, trained, tmp_path):
    summary = assign(tripled(embedded), trained("rqvae"), tmp_path)
    figures = tokenizer_diagnostics(tmp_path)
    table = SemanticIds.open(tmp_path).table
    sizes = table.group_by("code_0", "code_1", "code_2").len()["len"]
    assert figures["unique_rate"] == pytest.approx(len(sizes) / 1800)
    assert figures["largest_collision"] == sizes.max() == summary["collision_codes"]
    histogram = {int(size): count for size, count in figures["collision_histogram"].items()}
    assert histogram == dict(sizes.value_counts().iter_rows())
    for level in range(3):
        usage = figures["usage"][level]
        assert sum(usage) == 1800
        for code, count in enumerate(usage):
            assert count == (table[f"code_{level}"] == code).sum()
        assert figures["utilisation"][level] == np.mean(np.array(usage) > 0)


def test_perplexity_counts_equally_used_codes():
    assert perplexity(np.array([5, 5, 5, 5])) == pytest.approx(4)
    assert perplexity(np.array([9, 0, 0])) == pytest.approx(1)


def test_embeddings_of_another_width_are_refused(embedded, trained, tmp_path):
    narrow = Embedded(embedded.item_ids, embedded.values[:, :7])
    with pytest.raises(TokenizerError, match=r"shape \(600, 7\)"):
        assign(narrow, trained("rqvae"), tmp_path)


def test_items_that_stand_twice_are_refused(embedded, trained, tmp_path):
    twice = Embedded(pl.Series([1] * 600), embedded.values)
    with pytest.raises(TokenizerError, match="stand twice"):
        assign(twice, trained("rqvae"), tmp_path)


def test_unknown_items_codes_and_levels_are_named(embedded, trained, tmp_path):
    assign(embedded, trained("rqvae"), tmp_path)
    ids = SemanticIds.open(tmp_path)
    with pytest.raises(TokenizerError, match="'film' has no semantic ID"):
        ids.codes_of("film")
    with pytest.raises(TokenizerError, match="No item has the codes"):
        ids.item_of((99, 0, 0, 0))
    for level, code in ((3, 0), (-1, 0), (0, 16), (0, -1)):
        with pytest.raises(TokenizerError, match="no code"):
            ids.cohort(level, code)


def test_ids_that_are_not_there_align_to_minus_one(embedded, trained, tmp_path):
    assign(embedded, trained("rqvae"), tmp_path)
    ids = SemanticIds.open(tmp_path)
    rows = ids.aligned(pl.Series([None, 1003, 5]))
    assert rows[0].tolist() == rows[2].tolist() == [-1] * 4
    assert tuple(rows[1]) == ids.codes_of(1003)


def test_a_folder_that_is_not_whole_is_corrupt(embedded, trained, tmp_path):
    assign(embedded, trained("rqvae"), tmp_path)
    (tmp_path / "diagnostics.json").write_text(json.dumps({})[:1])
    with pytest.raises(CorruptArtifactError, match="diagnostics"):
        tokenizer_diagnostics(tmp_path)
    (tmp_path / "semantic_ids.parquet").write_bytes(b"x")
    with pytest.raises(CorruptArtifactError, match="semantic IDs cannot be read"):
        SemanticIds.open(tmp_path)
