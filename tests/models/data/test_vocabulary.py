from pathlib import Path

import polars as pl
import pytest

from models.data.example_settings import ExamplesConfig
from models.data.vocabulary import FieldVocabulary, Vocabularies
from models.errors import CorruptArtifactError, RequestError


def vocabularies(item_ids: list, user_ids: list) -> Vocabularies:
    return Vocabularies(
        pl.Series(item_ids),
        pl.Series(user_ids),
        2,
        {
            "user": (FieldVocabulary(name="segment", values=("new", "old")),),
            "item": (
                FieldVocabulary(name="colour", values=("blue",)),
                FieldVocabulary(name="price", edges=(1.0, 2.0)),
            ),
            "context": (FieldVocabulary(name="slot", values=(1, 5)),),
        },
        ExamplesConfig(history_length=7),
    )


BOTH = pytest.mark.parametrize("ids", [[10, 20, 30], ["a", "b", "c"]], ids=["whole", "text"])


@BOTH
def test_codes_survive_saving_and_loading(ids: list, tmp_path: Path) -> None:
    before = vocabularies(ids, ids)
    before.save(tmp_path)
    after = Vocabularies.load(tmp_path)
    assert after.spec == before.spec
    assert after.item_ids.to_list() == [None, None, *ids]
    assert [after.item_code(item) for item in (*ids, 99, None)] == [2, 3, 4, 1, 0]
    assert after.item_codes(pl.Series([ids[2], ids[0], None])).tolist() == [4, 2, 0]
    assert after.examples == before.examples


def test_a_user_outside_train_is_unknown() -> None:
    users = vocabularies([1], ["ann", "bob", "late"])
    assert [users.user_code(user) for user in ("bob", "late", "never")] == [3, 1, 1]
    assert users.user_ids.to_list()[2:] == ["ann", "bob", "late"]
    assert users.spec.num_users == 4


def test_an_id_that_json_turned_into_text_or_a_number_is_still_known() -> None:
    assert vocabularies([10, 20], [1, 2]).item_code("20") == 3
    assert vocabularies(["10", "20"], [1, 2]).item_code(20) == 3
    assert vocabularies([10, 20], [1, 2]).item_code("twenty") == 1


def test_fields_of_a_request_are_coded_in_their_order() -> None:
    known = vocabularies([1], [1])
    assert known.encode_user_fields({"segment": "old"}) == [3]
    assert known.encode_user_fields({"segment": "never seen"}) == [1]
    assert known.encode_user_fields({}) == [0]
    assert known.encode_context_fields({"slot": "5"}) == [3]
    assert known.encode_item_fields({"price": 1.5}) == [0, 3]


def test_a_field_that_the_model_does_not_know_is_named() -> None:
    with pytest.raises(RequestError, match=r"no user field 'segmnt'.\n.*\n  allowed: segment"):
        vocabularies([1], [1]).encode_user_fields({"segmnt": "old"})


def test_bins_code_alike_one_by_one_and_in_columns() -> None:
    bins = FieldVocabulary(name="price", edges=(1.0, 2.0, 2.5))
    values = [None, -5.0, 0.99, 1.0, 1.5, 2.0, 2.5, 1e9, float("nan")]
    column = bins.encode(pl.Series("price", values))
    assert column.tolist() == [0, 2, 2, 3, 3, 4, 5, 5, 0]
    assert [bins.encode_one(value) for value in values[:-1]] == column.tolist()[:-1]
    assert bins.field.size == 6


def test_a_damaged_vocabulary_is_refused(tmp_path: Path) -> None:
    vocabularies([1], [1]).save(tmp_path)
    (tmp_path / "item_ids.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorruptArtifactError, match="vocabularies cannot be read"):
        Vocabularies.load(tmp_path)
