import torch

from models.data.catalogue import Catalogue
from models.data.feature_spec import FeatureSpec
from models.layers.cold_start import COUNT_BUCKETS, Audience, CountEmbedding
from models.layers.embedding import UserEmbedding


def test_counts_are_cut_at_powers_of_two() -> None:
    embedding = CountEmbedding(COUNT_BUCKETS, 1)
    with torch.no_grad():
        embedding.weight.copy_(torch.arange(16.0)[:, None])
    counts = torch.tensor([0, 1, 2, 3, 4, 7, 8, 16383, 16384, 10**9])
    buckets = embedding(counts).flatten().tolist()
    assert buckets == [0, 1, 2, 2, 3, 3, 4, 14, 15, 15]


def table_of_users() -> UserEmbedding:
    spec = FeatureSpec(num_users=5, num_items=4)
    table = UserEmbedding(Catalogue(spec, torch.zeros(4, 0, dtype=torch.int32)), 2)
    with torch.no_grad():
        table.ids.weight.copy_(torch.tensor([[0, 0], [9, 9], [1, 2], [3, 4], [5, 8.0]]))
    return table


def test_an_audience_is_the_mean_of_the_other_users_who_clicked() -> None:
    users = torch.tensor([[0, 0, 0], [0, 0, 0], [2, 3, 4], [4, 0, 0]], dtype=torch.int32)
    audience, table = Audience(users), table_of_users()
    items, user = torch.tensor([2, 2, 3, 3, 1]), torch.tensor([1, 3, 2, 4, 2])
    found = audience(items, user, table)
    # Of all three; without user 3; user 4 alone; user 4 without itself: nobody; an unknown item.
    expected = [[3.0, 14 / 3], [3.0, 5.0], [5.0, 8.0], [0.0, 0.0], [0.0, 0.0]]
    torch.testing.assert_close(found, torch.tensor(expected))
    assert not found.requires_grad
