import pytest
import torch

from models.data.catalogue import Catalogue
from models.data.feature_spec import FeatureSpec, Field
from models.layers.embedding import FieldEmbedding, IdEmbedding, ItemEmbedding


@pytest.fixture
def items() -> ItemEmbedding:
    torch.manual_seed(0)
    fields = (Field(name="kind", size=3), Field(name="brand", size=4))
    catalogue = Catalogue(
        spec=FeatureSpec(num_users=2, num_items=5, item_fields=fields),
        item_fields=torch.tensor([[0, 0], [0, 0], [2, 3], [1, 0], [2, 2]], dtype=torch.int32),
    )
    return ItemEmbedding(catalogue, 2)


def test_padding_is_zero_and_never_learns_and_unknown_starts_at_zero() -> None:
    table = IdEmbedding(5, 3)
    assert table.weight[:2].eq(0).all()
    assert table.weight[2:].ne(0).all()
    table(torch.tensor([0, 1, 2])).sum().backward()
    assert table.weight.grad is not None
    assert table.weight.grad.to_dense()[:3].sum(-1).tolist() == [0.0, 3.0, 3.0]


def test_every_code_of_every_field_has_a_row_of_its_own_but_missing_ones() -> None:
    fields = FieldEmbedding((Field(name="a", size=3), Field(name="b", size=4)), 2)
    with torch.no_grad():
        fields.table.weight[1:] = torch.arange(1, 6, dtype=torch.float)[:, None]  # pyright: ignore
    codes = torch.tensor([[0, 0], [1, 1], [2, 2], [0, 3]], dtype=torch.int32)
    assert fields(codes)[:, ::2].tolist() == [[0, 0], [1, 3], [2, 4], [0, 5]]


def test_an_item_is_its_id_beside_its_side_fields(items: ItemEmbedding) -> None:
    vector = items(torch.tensor([2], dtype=torch.int32))[0]
    table = items.fields.table
    assert table is not None
    expected = torch.cat([items.ids.weight[2], table.weight[2], table.weight[2 + 3]])
    torch.testing.assert_close(vector, expected)
    assert items(torch.tensor([0]))[0].eq(0).all()


def test_a_sequence_looked_up_by_distinct_items_is_the_same_with_the_same_gradients(
    items: ItemEmbedding,
) -> None:
    codes = torch.tensor([[2, 4, 2, 0], [3, 0, 0, 0]], dtype=torch.int32)
    torch.testing.assert_close(items.sequence(codes), items(codes))
    weights = torch.randn(2, 4, 6)
    gradients = []
    for lookup in (items.sequence, items):
        items.zero_grad()
        (lookup(codes) * weights).sum().backward()
        gradients.append([p.grad.to_dense() for p in items.parameters() if p.grad is not None])
    assert len(gradients[0]) == 2
    torch.testing.assert_close(gradients[0], gradients[1])


def test_the_mean_counts_real_positions_alone_and_is_zero_without_any(
    items: ItemEmbedding,
) -> None:
    codes = torch.tensor([[2, 4, 3], [3, 2, 4]], dtype=torch.int32)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    mean = items.mean(codes, mask)
    torch.testing.assert_close(mean[0], items(codes)[0, :2].mean(0))
    assert mean[1].eq(0).all()
