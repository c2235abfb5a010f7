from dataclasses import replace

import torch

from models.ctr.poso import POSO, POSOConfig
from models.layers.gate import GatedMLP
from tests.models.training.synthetic import SMALL_BY_MODEL, Dataset


def test_a_gated_layer_is_twice_the_sigmoid_times_the_layer() -> None:
    head = GatedMLP(2, [2], code=1, gate_hidden=1)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.layers[0][0].weight.copy_(torch.tensor([[1.0, 2.0], [1.0, -1.0]]))  # pyright: ignore
        head.gates[0].network[0].weight.fill_(1.0)  # pyright: ignore
        head.gates[0].network[2].weight.copy_(torch.tensor([[1.0], [-1.0]]))  # pyright: ignore
        head.output[0].weight.copy_(torch.tensor([[10.0, 1.0]]))  # pyright: ignore
    logit = head(torch.tensor([[3.0, 1.0]]), torch.tensor([[0.5]]))
    up, down = 2 / (1 + torch.exp(torch.tensor([-0.5, 0.5])))  # the gates for a code of 0.5
    torch.testing.assert_close(logit, (10 * up * 5 + down * 2).view(1, 1))


def test_how_much_is_known_of_user_and_item_is_all_the_gates_read(dataset: Dataset) -> None:
    torch.manual_seed(0)
    config = POSOConfig.model_validate(SMALL_BY_MODEL["poso"])
    model = POSO(config, dataset.catalogue).eval()
    batch = dataset.store.gather(dataset.store.rows("test")[:40])
    code = model.personalisation_code(batch, batch.target_item)
    counts = model.impressions[batch.target_item.long()]
    lengths = batch.jagged.offsets.diff()
    torch.testing.assert_close(
        code, torch.cat([model.activity(lengths), model.exposure(counts)], 1)
    )
    silent = replace(dataset.catalogue, item_impressions=None)
    assert POSO(config, silent).impressions.eq(0).all()


def test_impressions_are_those_of_train(dataset: Dataset) -> None:
    config = POSOConfig.model_validate(SMALL_BY_MODEL["poso"])
    shown = dataset.store.target_item[dataset.store.rows("train")].tolist()
    impressions = POSO(config, dataset.catalogue).impressions
    assert impressions.tolist() == [shown.count(code) for code in range(len(impressions))]
