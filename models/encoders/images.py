"""Item images, checked before any weights are used on them."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

PIXEL_LIMIT = 64_000_000  # beyond this a small file can fill the memory


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """A readable image and the hash of its bytes, or why it is not used."""

    path: Path | None = None
    hash: str | None = None
    problem: str | None = None


def check_image(relative: str, root: Path) -> CheckedImage:
    """Return the image at ``root / relative`` after decoding it once."""
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        return CheckedImage(problem="the path leads out of the images folder")
    try:
        content = path.read_bytes()
    except OSError:
        return CheckedImage(problem="the file is missing or not readable")
    problem = _decode_problem(content)
    if problem is not None:
        return CheckedImage(problem=problem)
    return CheckedImage(path=path, hash=hashlib.sha256(content).hexdigest())


def open_image(path: Path) -> Image.Image:
    """Return the image in RGB, on white where it is transparent."""
    with Image.open(path) as image:
        if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
            rgba = image.convert("RGBA")
            background = Image.new("RGBA", rgba.size, "white")
            return Image.alpha_composite(background, rgba).convert("RGB")
        return image.convert("RGB")


def _decode_problem(content: bytes) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as image:
                width, height = image.size
                if width * height > PIXEL_LIMIT or max(width, height) > 100 * min(width, height):
                    return f"{width} × {height} pixels are too many or too narrow"
                image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "it holds too many pixels"
    except UnidentifiedImageError:
        return "it is no image of a known format"
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        return f"it cannot be decoded: {error}"
    return None
