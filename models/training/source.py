"""Where a training's batches come from: the example store, or its twin in the device's memory."""

import logging

import torch

from models.data.device_store import DeviceStore, device_bytes
from models.data.store import ExampleStore
from models.errors import ConfigError

_LOG = logging.getLogger(__name__)
_SHARE_OF_FREE = 0.5


def batch_source(
    store: ExampleStore, device: torch.device, wanted: str
) -> ExampleStore | DeviceStore:
    """Return what to gather batches from, and say in one log line what was chosen.

    Args:
        store: The example store.
        device: Where the model is.
        wanted: ``always``, ``never``, or ``auto``: on a GPU, where the store takes at most half of
            the free memory. On a CPU the store's own gather is the quicker one.

    Raises:
        ConfigError: ``always``, and the store does not fit into the device's memory.
    """
    if wanted == "never" or (wanted == "auto" and device.type != "cuda"):
        return store
    size, free = device_bytes(store), _free_bytes(device)
    if wanted == "auto" and size > _SHARE_OF_FREE * free:
        _LOG.info("Batches are gathered on the host: the examples take %.1f GB.", size / 1e9)
        return store
    if size > free:
        raise ConfigError(
            f"The examples take {size / 1e9:.1f} GB, and {device} has {free / 1e9:.1f} GB free.",
            where="training.store_on_device: always",
            allowed="auto, never",
            do="Set training.store_on_device: auto.",
        )
    _LOG.info("Batches are gathered on %s: the examples take %.3f GB there.", device, size / 1e9)
    return DeviceStore(store, device)


def _free_bytes(device: torch.device) -> float:
    return float(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else float("inf")
