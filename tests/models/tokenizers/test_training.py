import json

import numpy as np
import pytest
import torch

from models.errors import ConfigError, CorruptArtifactError, TokenizerError, UnknownNameError
from models.tokenizers.base import QuantizerSettings
from models.tokenizers.config import TokenizerConfig
from models.tokenizers.diagnostics import fvu
from models.tokenizers.training import load_tokenizer, scaled_codes, train_tokenizer
from tests.models.tokenizers.conftest import config, make_embedded

NAMES = pytest.mark.parametrize("name", ["rqvae", "residual_kmeans"])


def train(name, values, folder, seed=0, **settings):
    folder.mkdir(exist_ok=True)
    return train_tokenizer(values, config(name, **settings), folder, seed=seed)


@NAMES
def test_the_same_seed_writes_the_same_bytes_and_another_does_not(name, embedded, tmp_path):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(3)  # whatever random numbers the process drew before
        train(name, embedded.values, tmp_path / folder, seed)
    weights = [(tmp_path / f / "tokenizer.safetensors").read_bytes() for f in "abc"]
    assert weights[0] == weights[1] != weights[2]


def test_training_leaves_the_random_state_of_the_process_alone(embedded, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train("rqvae", embedded.values, tmp_path / "a")
    torch.testing.assert_close(torch.rand(3), expected)


@NAMES
def test_codes_explain_most_of_the_variance_of_unseen_items(name, embedded, tmp_path):
    summary = train(name, embedded.values, tmp_path / "a")
    assert summary["held_out/fvu"] < 0.3
    assert summary["fitted/fvu"] <= summary["held_out/fvu"]
    assert all(summary[f"fitted/utilisation_{level}"] >= 15 / 16 for level in range(3))
    assert summary["held_out/unique_rate"] > 0.5
    tokenizer = load_tokenizer(tmp_path / "a")
    result = tokenizer.quantised(torch.from_numpy(embedded.values))
    errors = fvu(embedded.values, result.reconstruction.numpy())
    assert errors == pytest.approx(
        0.9 * summary["fitted/fvu"] + 0.1 * summary["held_out/fvu"], abs=0.02
    )


def test_training_starts_from_pca_and_residual_k_means_and_improves_on_it(embedded, tmp_path):
    folder = tmp_path / "a"
    summary = train("rqvae", embedded.values, folder, epochs=30, latent_dim=4, hidden_dim=64)
    lines = (folder / "history.jsonl").read_text().splitlines()
    history = [json.loads(line) for line in lines]
    assert [row["epoch"] for row in history] == list(range(32))
    assert history[-1]["fvu"] < history[0]["fvu"]
    untrained = train("rqvae", embedded.values, tmp_path / "b", epochs=0, latent_dim=4)
    assert untrained["fitted/fvu"] == pytest.approx(history[0]["fvu"], abs=1e-3)
    assert summary["held_out/fvu"] < untrained["held_out/fvu"]


def test_a_large_catalogue_gets_fewer_epochs(embedded, tmp_path):
    train("rqvae", embedded.values, tmp_path / "a", epochs=30, max_batches=25)  # 8 batches an epoch
    lines = (tmp_path / "a" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [0, 1, 2, 3, 4]
    train("rqvae", embedded.values, tmp_path / "b", max_batches=1)
    assert len((tmp_path / "b" / "history.jsonl").read_text().splitlines()) == 3


@NAMES
def test_codes_do_not_depend_on_threads_or_batch_size(name, embedded, trained):
    """What differs between machines: how many threads sum, and in what portions."""
    tokenizer = load_tokenizer(trained(name))
    values = torch.from_numpy(embedded.values)
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found += [
                torch.cat([tokenizer.quantised(part).codes for part in values.split(size)])
                for size in (600, 77, 1)
            ]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(codes, found[0]) for codes in found)


@pytest.mark.parametrize("options", [{"gradient": "rotation"}, {"sinkhorn": 0.003}])
def test_the_options_of_the_rqvae_train_as_well(options, embedded, tmp_path):
    summary = train("rqvae", embedded.values, tmp_path / "a", **options)
    assert summary["held_out/fvu"] < 0.3
    plain = train("rqvae", embedded.values, tmp_path / "b")
    assert summary["held_out/fvu"] != plain["held_out/fvu"]


@NAMES
def test_small_catalogues_get_small_codebooks(name, tmp_path):
    small = make_embedded(60)
    summary = train(name, small.values, tmp_path / "a", codes=256)
    assert (summary["codes"], summary["codes_asked_for"]) == (54 // 8, 256)
    four = train(name, small.values[:4], tmp_path / "b", codes=256)
    assert four["codes"] == 2


def test_the_rule_for_small_codebooks():
    settings = QuantizerSettings(codes=256, items_per_code=8)
    assert [scaled_codes(settings, n) for n in (4, 17, 100, 2048, 10**6)] == [2, 2, 12, 256, 256]


@NAMES
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_vectors_that_say_nothing_are_refused_by_row(name, value, embedded, tmp_path):
    values = embedded.values.copy()
    values[[3, 9]] = value
    with pytest.raises(TokenizerError, match=r"2 embeddings are .* first rows \[3, 9\]"):
        train(name, values, tmp_path / "a")


@NAMES
def test_too_few_different_items_are_refused(name, embedded, tmp_path):
    same = np.repeat(embedded.values[:3], 50, axis=0)
    with pytest.raises(TokenizerError, match="fewer than 4 different embeddings among 150"):
        train(name, same, tmp_path / "a")


@NAMES
def test_many_duplicates_of_few_items_still_train(name, embedded, tmp_path):
    summary = train(name, np.repeat(embedded.values[:6], 50, axis=0), tmp_path / "a")
    assert summary["codes"] == 2


def test_wrong_names_and_settings_are_named(embedded, tmp_path):
    with pytest.raises(UnknownNameError, match="'rqvee'"):
        train_tokenizer(embedded.values, TokenizerConfig(tokenizer="rqvee"), tmp_path, seed=0)
    with pytest.raises(ConfigError, match="did you mean 'latent_dim'"):
        train("rqvae", embedded.values, tmp_path / "a", latent_dims=3)


def test_a_diverged_training_is_an_error(embedded, tmp_path):
    with pytest.raises(TokenizerError, match="no longer finite"):
        train("rqvae", embedded.values, tmp_path / "a", learning_rate=1e30, epochs=5)


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer.safetensors"])
def test_a_folder_that_is_not_whole_is_corrupt(file, embedded, tmp_path):
    train("residual_kmeans", embedded.values, tmp_path / "a")
    (tmp_path / "a" / file).write_bytes(b"x")
    with pytest.raises(CorruptArtifactError, match="tokenizer cannot be read"):
        load_tokenizer(tmp_path / "a")
