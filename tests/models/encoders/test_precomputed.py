import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from models.encoders.config import EncoderConfig
from models.encoders.embedding import embed_items
from models.encoders.embeddings import load_embeddings
from models.errors import EncoderError

IDS = [11, 12, 13, 14]
MATRIX = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def write(folder, form: str, ids=IDS, matrix=MATRIX) -> dict[str, str]:
    path = folder / f"matrix.{form}"
    if form == "parquet":
        lists = pl.Series("embedding", [list(map(float, row)) for row in matrix])
        pl.DataFrame({"item_id": ids, "embedding": lists}).write_parquet(path)
        return {"path": str(path)}
    save_file({"matrix": matrix}, str(path)) if form == "safetensors" else np.save(path, matrix)
    pl.DataFrame({"item_id": ids}).write_csv(folder / "ids.csv")
    return {"path": str(path), "ids": str(folder / "ids.csv")}


def embed(films, spec, settings, folder):
    folder.mkdir(exist_ok=True)
    config = EncoderConfig(encoder="precomputed", settings=settings)
    return embed_items(films, spec, config, folder, previous=None, images_root=None)


@pytest.mark.parametrize("form", ["parquet", "safetensors", "npy"])
def test_every_form_gives_the_users_rows_normalised(form, films, spec, tmp_path):
    summary = embed(films, spec, write(tmp_path, form), tmp_path / "a")
    embeddings = load_embeddings(tmp_path / "a")
    assert embeddings.item_ids.to_list() == IDS
    expected = MATRIX / np.linalg.norm(MATRIX, axis=1, keepdims=True)
    np.testing.assert_allclose(embeddings.values, expected, atol=1e-6)
    assert summary["left_out"] == 1, "item 15 has no vector"
    assert "15" in (tmp_path / "a" / "quarantine.json").read_text()


def spoiled(row: int, value: float) -> np.ndarray:
    matrix = MATRIX.copy()
    matrix[row] = value
    return matrix


@pytest.mark.parametrize(
    ("ids", "matrix", "message"),
    [
        (IDS, spoiled(1, 0.0), r"all zero, for example of the ids \[12\]"),
        (IDS, spoiled(2, np.nan), r"not finite, for example of the ids \[13\]"),
        (IDS, spoiled(2, np.inf), r"not finite"),
        ([11, 12, 12, 14], MATRIX, r"stand twice, for example of the ids \[12, 12\]"),
        ([11, 12, None, 14], MATRIX, "are null"),
    ],
)
def test_rows_that_are_no_vectors_are_refused_by_id(ids, matrix, message, films, spec, tmp_path):
    with pytest.raises(EncoderError, match=message):
        embed(films, spec, write(tmp_path, "parquet", ids, matrix), tmp_path / "a")


def test_vectors_of_different_widths_are_refused(films, spec, tmp_path):
    ragged = pl.Series("embedding", [[1.0, 2.0], [1.0], [1.0, 2.0]])
    pl.DataFrame({"item_id": [1, 2, 3], "embedding": ragged}).write_parquet(tmp_path / "m.parquet")
    with pytest.raises(EncoderError, match="1 vectors are not 2 wide, first in row 1"):
        embed(films, spec, {"path": str(tmp_path / "m.parquet")}, tmp_path / "a")


def test_ids_and_rows_must_agree_and_exist(films, spec, tmp_path):
    settings = write(tmp_path, "npy")
    pl.DataFrame({"item_id": IDS[:2]}).write_csv(tmp_path / "ids.csv")
    with pytest.raises(EncoderError, match=r"\(4, 6\) for 2 ids"):
        embed(films, spec, settings, tmp_path / "a")
    with pytest.raises(EncoderError, match="without ids"):
        embed(films, spec, {"path": settings["path"]}, tmp_path / "a")
    with pytest.raises(EncoderError, match="cannot be read"):
        embed(films, spec, {"path": str(tmp_path / "no.parquet")}, tmp_path / "a")


def test_a_pickled_matrix_is_not_loaded(films, spec, tmp_path):
    np.save(tmp_path / "m.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    pl.DataFrame({"item_id": IDS}).write_csv(tmp_path / "ids.csv")
    settings = {"path": str(tmp_path / "m.npy"), "ids": str(tmp_path / "ids.csv")}
    with pytest.raises(EncoderError, match="cannot be read"):
        embed(films, spec, settings, tmp_path / "a")


def test_a_matrix_of_other_items_is_refused(films, spec, tmp_path):
    with pytest.raises(EncoderError, match="None of the 5 items"):
        embed(films, spec, write(tmp_path, "parquet", [1, 2, 3, 4]), tmp_path / "a")
