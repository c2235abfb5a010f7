"""Releases: which model version is in production, how it got there, and the way back."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.artifacts import Scalar
from steps.adapters.bento import BentoRef

Stage = Literal["candidate", "production", "archived"]


class Release(BaseModel):
    """A registered model version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    tag: str
    model_hash: str
    archive_hash: str
    registered_at: datetime
    approved: bool
    reasons: tuple[str, ...] = ()
    metrics: dict[str, Scalar] = {}
    run: str | None = None


class Event(BaseModel):
    """One line of the append-only history."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sequence: int
    at: datetime
    who: str
    action: Literal["register", "promote", "rollback"]
    reason: str
    from_version: str | None
    to_version: str


def register_candidate(
    state_folder: Path,
    bento: BentoRef,
    *,
    approved: bool,
    reasons: tuple[str, ...] = (),
    metrics: dict[str, Scalar] | None = None,
    run: str | None = None,
) -> Release:
    """Return the release of ``bento``, exported into the registry."""
    raise NotImplementedError


def promote(
    state_folder: Path, version: str, *, reason: str, who: str, override: bool = False
) -> Release:
    """Make ``version`` the production version."""
    raise NotImplementedError


def rollback(state_folder: Path, *, reason: str, who: str) -> Release:
    """Make the version that was in production before the current one the production version."""
    raise NotImplementedError


def production(state_folder: Path) -> Release | None:
    """Return the production version, or ``None`` before the first promotion."""
    raise NotImplementedError


def production_model(state_folder: Path) -> Path | None:
    """Return the model folder (ctr_model artifact) of the production version."""
    raise NotImplementedError


def history(state_folder: Path) -> list[Event]:
    """Return every event, oldest first."""
    raise NotImplementedError


def releases(state_folder: Path) -> list[Release]:
    """Return every registered version, oldest first."""
    raise NotImplementedError
