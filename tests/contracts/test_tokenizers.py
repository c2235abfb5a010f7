"""What every registered tokenizer promises; a new line in the registry is a new set of tests."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.settings import load_settings, parse_settings
from models.tokenizers.assignment import assign_semantic_ids
from models.tokenizers.base import QuantizerSettings, Tokenizer
from models.tokenizers.config import TokenizerConfig
from models.tokenizers.registry import TOKENIZERS
from models.tokenizers.semantic_ids import SemanticIds
from models.tokenizers.training import load_tokenizer, train_tokenizer
from tests.models.tokenizers.conftest import config, make_embedded

ROOT = Path(__file__).resolve().parents[2]
EVERY_TOKENIZER = pytest.mark.parametrize("name", list(TOKENIZERS))


@EVERY_TOKENIZER
def test_its_configuration_loads_and_its_page_exists(name: str) -> None:
    loaded = load_settings(TokenizerConfig, ROOT / "configs" / "tokenizers" / f"{name}.yaml")
    assert loaded.tokenizer == name
    kind = TOKENIZERS[name]
    assert issubclass(kind, Tokenizer)
    assert issubclass(kind.settings_type, QuantizerSettings)
    parse_settings(kind.settings_type, loaded.settings, name)
    page = (ROOT / "docs" / "models" / f"{name}.md").read_text(encoding="utf-8")
    for setting in kind.settings_type.model_fields:
        assert f"`{setting}`" in page, f"the page says nothing of {setting}"


@EVERY_TOKENIZER
def test_it_trains_loads_and_assigns_distinct_ids(name: str, tmp_path: Path) -> None:
    embedded = make_embedded(300)
    for folder in ("tokenizer", "ids"):
        (tmp_path / folder).mkdir()
    summary = train_tokenizer(embedded.values, config(name), tmp_path / "tokenizer", seed=0)
    assert summary["items"] == 300
    assert 0 < float(str(summary["fitted/fvu"])) < 1
    assign_semantic_ids(embedded, tmp_path / "tokenizer", tmp_path / "ids")
    ids = SemanticIds.open(tmp_path / "ids")
    codes = {ids.codes_of(item) for item in embedded.item_ids}
    assert len(codes) == 300
    assert all(0 <= code < ids.num_codes for row in codes for code in row[:-1])


@EVERY_TOKENIZER
def test_loading_keeps_every_code_and_needs_no_pickle(name: str, tmp_path: Path) -> None:
    values = make_embedded(300).values
    train_tokenizer(values, config(name), tmp_path, seed=0)
    suffixes = {path.suffix for path in tmp_path.iterdir()}
    assert suffixes <= {".safetensors", ".json", ".jsonl", ".parquet"}
    first, second = load_tokenizer(tmp_path), load_tokenizer(tmp_path)
    batch = torch.from_numpy(values)
    whole = first.quantised(batch)
    assert torch.equal(whole.codes, second.quantised(batch).codes)
    single = torch.cat([second.quantised(row.unsqueeze(0)).codes for row in batch[:20]])
    assert torch.equal(whole.codes[:20], single)


@EVERY_TOKENIZER
def test_decoding_the_codes_gives_the_reconstruction(name: str, tmp_path: Path) -> None:
    values = make_embedded(300).values
    train_tokenizer(values, config(name), tmp_path, seed=0)
    tokenizer = load_tokenizer(tmp_path)
    result = tokenizer.quantised(torch.from_numpy(values))
    total = torch.zeros(300, tokenizer.codebooks.shape[-1], dtype=tokenizer.codebooks.dtype)
    for level, codebook in enumerate(tokenizer.codebooks):
        total += codebook[result.codes[:, level]]
    with torch.no_grad():
        decoded = tokenizer.decode(total).numpy()
    np.testing.assert_allclose(decoded, result.reconstruction.numpy(), atol=1e-9)
