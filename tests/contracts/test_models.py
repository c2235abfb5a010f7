"""What every registered CTR model promises; a new line in the registry is a new set of tests."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.ctr.base import CTRModel
from models.ctr.build import build_model
from models.ctr.config import CTRConfig
from models.ctr.registry import MODELS
from models.data.batch import Batch
from models.metrics.ranking import auc
from models.settings import load_settings, parse_settings
from models.training.stages import stage_batch, stage_loss, stage_rows
from models.training.trainer import load_model, score, train
from tests.models.training.synthetic import Dataset, make_dataset, small_config

ROOT = Path(__file__).resolve().parents[2]
EVERY_MODEL = pytest.mark.parametrize("name", list(MODELS))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("synthetic"))


def built(name: str, dataset: Dataset, seed: int = 0) -> CTRModel:
    return build_model(small_config(name), dataset.catalogue, seed).eval()


def some_rows(dataset: Dataset) -> np.ndarray:
    """Fifty rows, the first without history, one without trigger."""
    store = dataset.store
    length = np.asarray(store.history_end) - np.asarray(store.history_start)
    untriggered = np.flatnonzero(np.asarray(store.trigger_item) == 0)[:1]
    rows = np.r_[np.flatnonzero(length == 0)[:1], untriggered, np.arange(700, 748)]
    assert len(rows) == 50
    return rows


def batch_of(dataset: Dataset) -> Batch:
    return dataset.store.gather(some_rows(dataset))


def take(batch: Batch, rows: torch.Tensor) -> Batch:
    values = {item.name: getattr(batch, item.name) for item in fields(batch)}
    return Batch(**{name: None if value is None else value[rows] for name, value in values.items()})


@EVERY_MODEL
def test_there_is_one_finite_logit_per_example(name: str, dataset: Dataset) -> None:
    logits = built(name, dataset)(batch_of(dataset))
    assert logits.shape == (50,)
    assert logits.isfinite().all()
    assert logits.unique().numel() > 40


@EVERY_MODEL
def test_masked_positions_change_nothing(name: str, dataset: Dataset) -> None:
    batch, model = batch_of(dataset), built(name, dataset)
    noise = torch.randint_like(batch.history, 2, dataset.store.spec.num_items)
    scrambled = replace(
        batch,
        history=torch.where(batch.history_mask, batch.history, noise),
        history_age_s=torch.where(batch.history_mask, batch.history_age_s, noise),
    )
    torch.testing.assert_close(model(scrambled), model(batch), rtol=0, atol=1e-6)


@EVERY_MODEL
def test_more_padding_changes_nothing(name: str, dataset: Dataset) -> None:
    batch, model = batch_of(dataset), built(name, dataset)
    padded = replace(
        batch,
        **{
            part: torch.cat([getattr(batch, part), torch.zeros_like(getattr(batch, part))], dim=1)
            for part in ("history", "history_mask", "history_age_s")
        },
    )
    torch.testing.assert_close(model(padded), model(batch), rtol=0, atol=1e-6)


@EVERY_MODEL
def test_batch_order_and_batch_size_change_nothing(name: str, dataset: Dataset) -> None:
    batch, model = batch_of(dataset), built(name, dataset)
    logits, order = model(batch), torch.randperm(50)
    torch.testing.assert_close(model(take(batch, order)), logits[order], rtol=0, atol=1e-6)
    for part in (slice(0, 1), slice(1, 20)):
        alone = model(take(batch, torch.arange(50)[part]))
        torch.testing.assert_close(alone, logits[part], rtol=0, atol=1e-6)


@EVERY_MODEL
def test_scoring_candidates_equals_scoring_each_as_an_impression(
    name: str, dataset: Dataset
) -> None:
    batch, model = batch_of(dataset), built(name, dataset)
    candidates = batch.target_item[:20]
    for row in (0, 1, 30):
        request = take(batch, torch.tensor([row]))
        scored = model.score_candidates(request, candidates)
        repeated = take(batch, torch.full((20,), row))
        expected = model.predict(replace(repeated, target_item=candidates))
        torch.testing.assert_close(scored.logit, expected.logit, rtol=0, atol=1e-6)
        if expected.intent is not None:
            assert scored.intent is not None
            torch.testing.assert_close(scored.intent[0], expected.intent[0], rtol=0, atol=1e-6)


@EVERY_MODEL
def test_unknown_users_items_and_fields_are_scored(name: str, dataset: Dataset) -> None:
    batch = batch_of(dataset)
    unknown = replace(
        batch,
        **{
            part: torch.ones_like(getattr(batch, part))
            for part in ("user", "target_item", "trigger_item", "user_fields", "context_fields")
        },
    )
    assert built(name, dataset)(unknown).isfinite().all()


@EVERY_MODEL
def test_the_true_intent_changes_no_score(name: str, dataset: Dataset) -> None:
    rows, model = some_rows(dataset), built(name, dataset)
    plain = dataset.store.gather(rows)
    labelled = dataset.intents.attach(plain, np.asarray(dataset.store.request)[rows])
    torch.testing.assert_close(model(labelled), model(plain), rtol=0, atol=0)


@EVERY_MODEL
def test_gradient_reaches_every_parameter_over_the_stages(name: str, dataset: Dataset) -> None:
    model = built(name, dataset).train()
    reached = set()
    for stage in model.stages():
        rows = stage_rows(stage, dataset.store, dataset.intents, "train")[:256]
        model.zero_grad(set_to_none=True)
        stage_loss(
            stage, model, stage_batch(stage, dataset.store, dataset.intents, rows)
        ).backward()
        reached |= {
            key
            for key, parameter in model.named_parameters()
            if key.startswith(stage.train)
            and parameter.grad is not None
            and parameter.grad.to_dense().ne(0).any()
        }
    assert reached == {key for key, _ in model.named_parameters()}


@EVERY_MODEL
def test_the_same_seed_gives_the_same_weights_and_another_gives_others(
    name: str, dataset: Dataset
) -> None:
    first, same, other = (built(name, dataset, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@EVERY_MODEL
def test_weights_survive_safetensors(name: str, dataset: Dataset, tmp_path: Path) -> None:
    batch, model, other = batch_of(dataset), built(name, dataset, 1), built(name, dataset, 2)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(other(batch), model(batch))


@EVERY_MODEL
def test_a_trained_folder_scores_without_the_store_it_came_from(
    name: str, dataset: Dataset, tmp_path: Path
) -> None:
    config = small_config(name, max_epochs=1, batch_size=256)
    train(
        config, dataset.store, dataset.catalogue, dataset.intents, tmp_path / "model",
        seed=3, resume_folder=tmp_path / "resume",
    )  # fmt: skip
    loaded, again = load_model(tmp_path / "model"), load_model(tmp_path / "model")
    rows = some_rows(dataset)
    scores = score(loaded.model, dataset.store, rows)
    batch = dataset.store.gather(rows)
    with torch.inference_mode():
        assert np.array_equal(again.model(batch).double().numpy(), scores.logit)
    assert loaded.metadata["seed"] == 3
    assert {path.suffix for path in (tmp_path / "model").iterdir()} <= {
        ".safetensors", ".json", ".jsonl", ".parquet",
    }  # fmt: skip


@EVERY_MODEL
def test_the_configuration_file_loads_and_names_its_model(name: str) -> None:
    config = load_settings(CTRConfig, ROOT / "configs" / "models" / f"{name}.yaml")
    assert config.model == name
    parse_settings(MODELS[name].config_type, config.settings, name)


@EVERY_MODEL
def test_file_and_docs_page_have_the_models_name(name: str) -> None:
    assert MODELS[name].__module__ == f"models.ctr.{name}"
    page = (ROOT / "docs" / "models" / f"{name}.md").read_text(encoding="utf-8")
    assert f"configs/models/{name}.yaml" in page


@pytest.mark.slow
@EVERY_MODEL
def test_the_synthetic_rule_is_learnt(name: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", users=100, requests=12)
    config = small_config(name, max_epochs=5, patience=2, batch_size=128, learning_rate=1e-2)
    train(
        config, dataset.store, dataset.catalogue, dataset.intents, tmp_path / "model",
        seed=0, resume_folder=tmp_path / "resume",
    )  # fmt: skip
    rows = dataset.store.rows("test")
    scores = score(load_model(tmp_path / "model").model, dataset.store, rows)
    assert auc(np.asarray(dataset.store.label)[rows], scores.logit) > 0.9
