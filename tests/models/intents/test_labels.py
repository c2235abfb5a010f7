from collections import Counter

import numpy as np
import pytest
import torch

from models.errors import CorruptArtifactError, DataError
from models.intents.binning import centre_content, cosine, similarity_level
from models.intents.config import IntentConfig
from models.intents.labels import IntentLabels, bin_intents, intent_levels


@pytest.fixture
def labels(store, content, tmp_path):
    bin_intents(store, content, IntentConfig(), tmp_path)
    return IntentLabels.open(tmp_path)


def slow_cosine(labels, content, trigger, target):
    left, right = content[trigger] - labels.content_mean, content[target] - labels.content_mean
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


def test_every_level_is_that_of_its_pairs_cosine(labels, store, content):
    for row in range(store.num_examples):
        trigger, target = int(store.trigger_item[row]), int(store.target_item[row])
        if not content[trigger].any() or not content[target].any():
            assert labels.level[row] == -1
            continue
        value = slow_cosine(labels, content, trigger, target)
        if np.abs(labels.edges - value).min() > 1e-5:
            assert labels.level[row] == int((labels.edges < value).sum())
    assert (labels.level == -1).any(), "some impressions have no trigger or no content"
    assert set(labels.level) == {-1, 0, 1, 2, 3, 4, 5}


def test_the_size_of_a_block_changes_nothing(labels, store, content, tmp_path, monkeypatch):
    """Each distinct pair is computed once, few at a time; a pair's place must not matter."""
    monkeypatch.setattr("models.intents.labels.BLOCK_NUMBERS", 1)
    (tmp_path / "one by one").mkdir()
    bin_intents(store, content, IntentConfig(), tmp_path / "one by one")
    again = IntentLabels.open(tmp_path / "one by one")
    np.testing.assert_array_equal(again.level, labels.level)
    assert again.range == labels.range


def test_y_int_is_the_share_of_the_requests_clicks_at_each_level(labels, store):
    clicks: dict[int, Counter] = {request: Counter() for request in range(store.num_requests)}
    for row in range(store.num_examples):
        if store.label[row] and labels.level[row] >= 0:
            clicks[int(store.request[row])][int(labels.level[row])] += 1
    for request, counts in clicks.items():
        total = sum(counts.values())
        expected = [counts[level] / total if total else 0 for level in range(6)]
        np.testing.assert_allclose(labels.request_intent[request], expected, atol=1e-6)
        assert labels.has_intent[request] == (total > 0)
    assert 0 < labels.has_intent.sum() < store.num_requests


def test_mean_and_range_are_fitted_on_train_alone(labels, store, content):
    train = store.rows("train")
    shown = {int(c) for rows in (store.target_item, store.trigger_item) for c in rows[train]}
    shown = [code for code in sorted(shown) if content[code].any()]
    np.testing.assert_allclose(labels.content_mean, content[shown].mean(axis=0), atol=1e-6)
    known = train[labels.level[train] >= 0]
    values = [
        slow_cosine(labels, content, int(store.trigger_item[row]), int(store.target_item[row]))
        for row in known
    ]
    expected = np.percentile(values, [0.5, 99.5])
    np.testing.assert_allclose(labels.range, expected, atol=1e-5)
    np.testing.assert_allclose(labels.edges, np.linspace(*expected, 7)[1:-1], atol=1e-5)


def test_a_model_that_computes_levels_from_the_stored_edges_finds_the_same(labels, store, content):
    """What DAIAN and serving do: catalogue content, mean and edges → level."""
    centred = centre_content(torch.from_numpy(content), torch.from_numpy(labels.content_mean))
    rows = np.flatnonzero(labels.level >= 0)
    batch = store.gather(rows)
    similarity = cosine(centred[batch.trigger_item.long()], centred[batch.target_item.long()])
    levels = similarity_level(similarity, torch.from_numpy(labels.edges))
    assert levels.tolist() == labels.level[rows].tolist()


def test_attached_labels_are_those_of_the_rows_requests(labels, store):
    rows = np.array([3, 700, 0, 3])
    batch = labels.attach(store.gather(rows), store.request[rows])
    expected = labels.request_intent[store.request[rows]]
    np.testing.assert_array_equal(batch.intent.numpy(), expected)
    assert batch.has_intent.tolist() == labels.has_intent[store.request[rows]].tolist()


def test_what_is_read_is_what_was_written(store, content, tmp_path):
    summary = bin_intents(store, content, IntentConfig(levels=4, range="minmax"), tmp_path)
    labels = IntentLabels.open(tmp_path)
    assert labels.levels == summary["levels"] == 4
    assert labels.config.range == "minmax"
    assert labels.request_intent.shape == (store.num_requests, 4)
    other = tmp_path / "again"
    other.mkdir()
    bin_intents(store, content, IntentConfig(levels=4, range="minmax"), other)
    for name in ("intents.safetensors", "intents.json", "levels.parquet"):
        assert (other / name).read_bytes() == (tmp_path / name).read_bytes()


def test_the_table_counts_the_train_impressions(labels, store, content, tmp_path):
    table = intent_levels(tmp_path)
    train = store.rows("train")
    level, label = labels.level[train], store.label[train]
    for row in table.iter_rows(named=True):
        here = level == row["level"]
        assert row["impressions"] == here.sum()
        assert row["clicks"] == (here & (label == 1)).sum()
        assert row["click_rate"] == pytest.approx(label[here].mean())
    assert table["share"].sum() == pytest.approx(1)


def test_the_information_is_that_of_the_definition(labels, store, tmp_path):
    from sklearn.metrics import mutual_info_score

    train = store.rows("train")
    known = labels.level[train] >= 0
    expected = mutual_info_score(labels.level[train][known], store.label[train][known]) / np.log(2)
    assert intent_levels(tmp_path)["information"].sum() == pytest.approx(expected, abs=1e-9)


def test_centring_spreads_the_pairs_over_the_levels(store, content, tmp_path):
    summaries = []
    for centre, kind in ((True, "percentile"), (False, "raw")):
        folder = tmp_path / kind
        folder.mkdir()
        summaries.append(
            bin_intents(store, content, IntentConfig(centre=centre, range=kind), folder)
        )
    assert summaries[0]["effective_levels"] > 4 > 2 > summaries[1]["effective_levels"]


def test_a_log_without_any_trigger_has_no_intents(store, content, tmp_path):
    blank = np.zeros_like(content)
    summary = bin_intents(store, blank, IntentConfig(), tmp_path)
    labels = IntentLabels.open(tmp_path)
    assert summary["requests_with_intent"] == 0
    assert (labels.level == -1).all()
    assert not labels.has_intent.any()


def test_content_that_does_not_fit_is_refused(store, content, tmp_path):
    with pytest.raises(DataError, match="item codes"):
        bin_intents(store, content[:-1], IntentConfig(), tmp_path)
    content[7, 0] = np.nan
    with pytest.raises(DataError, match="item code 7 is not finite"):
        bin_intents(store, content, IntentConfig(), tmp_path)


def test_a_folder_that_is_not_whole_is_corrupt(labels, tmp_path):
    (tmp_path / "intents.safetensors").write_bytes(b"x")
    with pytest.raises(CorruptArtifactError, match="intent labels"):
        IntentLabels.open(tmp_path)
    (tmp_path / "levels.parquet").unlink()
    with pytest.raises(CorruptArtifactError, match="table of intent levels"):
        intent_levels(tmp_path)
