"""Weights folders: found, checked to be whole, hashed, loaded without a network."""

import hashlib
import json
import os
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.artifacts import file_hash
from models.errors import EncoderError

HASHED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
SAFETENSORS_INDEX = "model.safetensors.index.json"


def go_offline() -> None:
    """Make the Hugging Face libraries stay off the network, quiet and without telemetry."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[name] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def package_folder(package: str, inside: str, install: str) -> Path:
    """Return the folder ``inside`` an installed package, without importing the package.

    Raises:
        EncoderError: the package is not installed.
    """
    spec = find_spec(package)
    locations = list(spec.submodule_search_locations or []) if spec else []
    if not locations:
        raise EncoderError(
            f"The weights package {package!r} is not installed.",
            where="encoder settings: folder",
            allowed="the package, or your own weights folder",
            do=f"Install it ({install}), or set settings.folder in the encoder configuration.",
        )
    return Path(locations[0]) / inside


def check_weights(folder: Path, model_types: tuple[str, ...]) -> dict[str, Any]:
    """Return ``config.json`` of a whole weights folder of one of ``model_types``.

    Raises:
        EncoderError: the folder is absent, half there, truncated, or of another architecture.
    """
    if not folder.is_dir():
        raise EncoderError(
            "There is no weights folder.",
            where=str(folder),
            allowed="a folder with config.json, tokenizer files and *.safetensors",
            do="Download the model there, or correct settings.folder.",
        )
    config = read_json(folder / "config.json")
    if config.get("model_type") not in model_types:
        raise EncoderError(
            f"The weights are of architecture {config.get('model_type')!r}.",
            where=str(folder / "config.json"),
            allowed=", ".join(model_types),
            do="Use an encoder made for that architecture, or another weights folder.",
        )
    for name in _weight_files(folder):
        check_safetensors(folder / name)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "vocab.json")):
        raise _half(folder, "tokenizer.json")
    return config


def load_model(kind: Any, folder: Path, dtype: Any, device: Any, **options: bool) -> Any:
    """Return the pretrained model of a ``transformers`` auto class, ready to encode.

    Raises:
        EncoderError: the weights cannot be read, or lack a parameter of the model, which would
            otherwise be random.
    """
    try:
        model, report = kind.from_pretrained(
            folder, dtype=dtype, local_files_only=True, output_loading_info=True, **options
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise EncoderError(
            f"The weights cannot be loaded: {str(error).splitlines()[0]}",
            where=str(folder),
            do="Download the model again.",
        ) from None
    missing = sorted(report["missing_keys"])
    if missing:
        raise EncoderError(
            f"The weights lack {len(missing)} of the model's parameters, such as {missing[0]}.",
            where=str(folder),
            allowed="every parameter of the architecture that config.json names",
            do="Download the model again.",
        )
    return model.to(device).eval()


def read_json(path: Path) -> Any:
    """Return the JSON value at ``path``, or raise `EncoderError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _half(path.parent, path.name) from None
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"Not readable JSON: {error}.", where=str(path), do="Download the file again."
        ) from None


def weights_hash(folder: Path) -> str:
    """Return the SHA-256 over names and bytes of weights, configuration and vocabulary files."""
    paths = sorted({path for pattern in HASHED for path in folder.rglob(pattern)})
    lines = [f"{path.relative_to(folder).as_posix()} {file_hash(path)}" for path in paths]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check_safetensors(path: Path) -> None:
    """Raise `EncoderError` unless the file is as long as its own header says."""
    if not path.is_file():
        raise _half(path.parent, path.name)
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        header = file.read(length) if length <= size else b""
    try:
        entries = json.loads(header)
        end = max(v["data_offsets"][1] for k, v in entries.items() if k != "__metadata__")
    except (ValueError, KeyError, TypeError):
        end = size
    if 8 + length + end != size:
        raise EncoderError(
            f"The weights file is cut off or damaged ({size} bytes).",
            where=str(path),
            do="Download the file again.",
        )


def _weight_files(folder: Path) -> list[str]:
    if (folder / SAFETENSORS_INDEX).is_file():
        return sorted(set(read_json(folder / SAFETENSORS_INDEX).get("weight_map", {}).values()))
    if not (folder / "model.safetensors").is_file() and list(folder.glob("*.bin")):
        raise EncoderError(
            "The weights are pickled (*.bin), which is not loaded: such files can run code.",
            where=str(folder),
            allowed="*.safetensors",
            do="Download the model's safetensors files.",
        )
    return ["model.safetensors"]


def _half(folder: Path, missing: str) -> EncoderError:
    return EncoderError(
        f"The weights folder is not whole: {missing} is missing.",
        where=str(folder),
        allowed="config.json, tokenizer files and every *.safetensors of the model",
        do="Download the model again.",
    )
