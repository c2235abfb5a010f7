"""The forms of a line's files: what a version, an event and the pointer hold."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from models.artifacts import Scalar
from models.errors import ReleaseError

Action = Literal["register", "stage", "withdraw", "promote", "rollback"]
Stage = Literal["candidate", "staging", "production", "archived"]


class Release(BaseModel):
    """A registered model version.

    Attributes:
        version: Its name; also the Bento's version.
        tag: The Bento's tag.
        model_hash: Content hash of the ctr_model artifact.
        archive_hash: SHA-256 of the exported Bento.
        registered_at: When it was registered first.
        approved: Whether the gate approved it.
        reasons: The gate's reasons.
        metrics: The figures it was judged by.
        run: The run that made it.
    """

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

    @property
    def objections(self) -> tuple[str, ...]:
        """The rules of the gate that it did not meet; none where it was approved."""
        if self.approved:
            return ()
        unmet = tuple(reason for reason in self.reasons if reason.startswith("Not met"))
        return unmet or self.reasons or ("The gate did not approve it.",)


class Event(BaseModel):
    """One line of the history, to which lines are only ever added.

    Attributes:
        at: When, UTC.
        who: Who decided: a user, "gate", or the run that registered.
        action: "register", "stage", "withdraw" (from staging), "promote" or "rollback".
        reason: Why.
        from_version: What held the stage before: production for promote and rollback, staging for
            stage; for withdraw the version itself.
        to_version: The version the event is about.
        overrode: The gate's rules not met that a promotion by hand set aside.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: datetime
    who: str
    action: Action
    reason: str
    from_version: str | None
    to_version: str
    overrode: tuple[str, ...] = ()


class Pointer(BaseModel):
    """Where the line stands: its production version, the way back, and what is in staging.

    Attributes:
        versions: The last is in production, those before are the way back; empty before the first
            promotion.
        staging: The version that waits for promotion.
        event: What brought the line here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    versions: tuple[str, ...]
    staging: str | None = None
    event: Event

    @property
    def production(self) -> str | None:
        """The version in production."""
        return self.versions[-1] if self.versions else None


def release_path(folder: Path, version: str) -> Path:
    """Return the file that describes a registered version."""
    return folder / "versions" / f"{version}.json"


def archive_path(folder: Path, version: str) -> Path:
    """Return the exported Bento of a registered version."""
    return folder / "archives" / f"{version}.tar"


def read_release(folder: Path, version: str) -> Release:
    """Return a registered version; raise `ReleaseError` that names those there are."""
    path = release_path(folder, version)
    try:
        return Release.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReleaseError(
            f"No version is named {version!r}.",
            where=str(path.parent),
            allowed=", ".join(r.version for r in readable_releases(folder))
            or "none is registered yet",
            do="Name one of these; every run registers the version it makes.",
        ) from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ReleaseError(
            f"The version is not readable: {str(error).splitlines()[0]}",
            where=str(path),
            do="Rebuild it from its archive: intentflow models doctor --repair",
        ) from None


def read_releases(folder: Path) -> list[Release]:
    """Return all registered versions, oldest first; raise `ReleaseError` for a damaged one."""
    return _by_date([read_release(folder, version) for version in registered_versions(folder)])


def readable_releases(folder: Path) -> list[Release]:
    """Return the registered versions whose file can be read, oldest first.

    One damaged file must not keep a line from going back.
    """
    found = []
    for version in registered_versions(folder):
        try:
            found.append(read_release(folder, version))
        except ReleaseError:
            continue
    return _by_date(found)


def registered_versions(folder: Path) -> list[str]:
    """Return the names of all registered versions, damaged ones too."""
    return sorted(path.stem for path in (folder / "versions").glob("[!.]*.json"))


def registration(release: Release) -> Event:
    """Return the event of a version's registration."""
    return Event(
        at=release.registered_at,
        who=f"run {release.run}" if release.run else "pipeline",
        action="register",
        reason="; ".join(release.reasons),
        from_version=None,
        to_version=release.version,
    )


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def _by_date(found: list[Release]) -> list[Release]:
    return sorted(found, key=lambda release: (release.registered_at, release.version))
