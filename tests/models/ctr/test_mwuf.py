import numpy as np
import torch

from models.ctr.mwuf import MWUF, MWUFConfig
from models.training.optimizers import freeze_outside
from tests.models.training.synthetic import SMALL_BY_MODEL, Dataset


def model_with(dataset: Dataset, **settings: object) -> MWUF:
    torch.manual_seed(0)
    config = MWUFConfig.model_validate(SMALL_BY_MODEL["mwuf"] | settings)
    return MWUF(config, dataset.catalogue)


def test_a_warm_id_is_the_id_scaled_and_shifted(dataset: Dataset) -> None:
    model = model_with(dataset).eval()
    with torch.no_grad():
        for network, value in ((model.scale, 2.0), (model.shift, -3.0)):
            for parameter in network.parameters():
                parameter.zero_()
            network[-1].bias.fill_(value)  # pyright: ignore
    codes = torch.tensor([2, 5])
    item = torch.arange(16.0).view(2, 8)  # four of the id, four of the field
    warm = model._warm(item, codes, torch.tensor([2, 3]))
    expected = torch.cat([item[:, :4] * 3.0 - 3.0, item[:, 4:]], dim=1)
    torch.testing.assert_close(warm, expected)


def test_the_networks_start_near_the_identity(dataset: Dataset) -> None:
    model = model_with(dataset).eval()
    batch = dataset.store.gather(dataset.store.rows("test")[:40])
    item = model.items(batch.target_item)
    warm = model._warm(item, batch.target_item, batch.user)
    assert (warm - item).abs().max() < 0.1 * item.abs().max()


def test_training_treats_some_targets_as_new_and_scoring_none(dataset: Dataset) -> None:
    model = model_with(dataset, cold_share=0.5)
    codes, user = torch.full((400,), 7), torch.full((400,), 3)
    item = torch.ones(400, model.items.width)
    warm = model.train()._warm(item, codes, user)
    new = warm[:, :4].abs().amax(1) < 0.5  # the common embedding starts at zero
    assert 140 < int(new.sum()) < 260
    assert model.eval()._warm(item, codes, user)[:, :4].min() > 0.5


def test_the_meta_stage_trains_the_two_networks_alone(dataset: Dataset) -> None:
    base, meta, warm_up = model_with(dataset).stages()
    model = model_with(dataset)
    names = {name for name, _ in model.named_parameters()}
    freeze_outside(meta, model)
    learnt = {name for name, one in model.named_parameters() if one.requires_grad}
    assert learnt == {name for name in names if name.startswith(("scale.", "shift."))}
    assert {name for name in names if name.startswith(base.train)} == names - learnt
    assert warm_up.lr_scale == {"": 0.1}
    assert [s.name for s in model_with(dataset, meta_epochs=0).stages()] == ["base", "warm_up"]


def test_the_users_of_an_item_clicked_it_in_train(dataset: Dataset) -> None:
    store, users = dataset.store, dataset.catalogue.item_users
    assert users is not None
    train = store.rows("train")
    clicked = train[np.asarray(store.label)[train] == 1]
    for code in range(store.spec.num_items):
        known = set(np.asarray(store.user)[clicked[store.target_item[clicked] == code]].tolist())
        found = [int(user) for user in users[code] if user]
        assert len(found) == len(set(found)) == min(len({u % 10 for u in known}), 10)
        assert set(found) <= known
    assert users[:2].eq(0).all()
