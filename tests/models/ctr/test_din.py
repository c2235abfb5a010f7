from dataclasses import replace

import torch

from models.ctr.din import DIN, DINConfig
from tests.models.training.synthetic import Dataset


def test_the_trigger_is_an_input_unless_switched_off(dataset: Dataset) -> None:
    batch = dataset.store.gather(dataset.store.rows("test")[:20])
    untriggered = replace(batch, trigger_item=torch.zeros_like(batch.trigger_item))
    differs = {}
    for use_trigger in (True, False):
        model = DIN(DINConfig(use_trigger=use_trigger), dataset.catalogue).eval()
        differs[use_trigger] = bool((model(batch) != model(untriggered)).any())
    assert differs == {True: True, False: False}


def test_din_needs_neither_content_nor_intents(dataset: Dataset) -> None:
    bare = replace(dataset.catalogue, content=None, content_mean=None, intent_edges=None)
    batch = dataset.store.gather(dataset.store.rows("test")[:20])
    assert DIN(DINConfig(), bare)(batch).isfinite().all()


def test_the_heads_default_is_that_of_the_paper() -> None:
    # DAIAN 5.1: "a three-layer MLP network with 512, 256, and 128 hidden units. The hidden units
    # in each attention layer of the models are configured to 128".
    assert (DINConfig().head, DINConfig().attention_hidden) == ((512, 256, 128), 128)
