"""Bentos: a model folder and the library that serves it, built offline and asked before use."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class BentoRef(BaseModel):
    """A built Bento that has answered a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: str
    path: str
    home: str
    version: str
    model_hash: str
    size_bytes: int


def build_bento(model_folder: Path, *, version: str, home: Path) -> BentoRef:
    """Return the Bento of the model at ``model_folder``, built in the BENTOML_HOME ``home``."""
    raise NotImplementedError
