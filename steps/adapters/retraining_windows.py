"""Which windows of a line were decided on, and what is known of its champion.

One file a window and settings, written when its run is over: a run that was killed leaves none, and
its window is looked at again; a window that has one is over.
"""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.artifacts import ArtifactRef, read_manifest, reference
from models.assessment.retraining import Champion, Decision
from models.data.watermark import Window, told_time
from models.errors import ConfigError, CorruptArtifactError
from models.files import write_text
from steps.adapters.releases import champion_folder
from steps.adapters.workspace import state_folder


class ClosedWindow(BaseModel):
    """What became of a window.

    Attributes:
        window: The window.
        decision: What was decided, and why.
        settings: Digest of the run's settings.
        run: The run that decided.
        closed_at: When.
        examples: The store that holds its examples; ``None`` where none was built.
        version: The version that was trained; "" for a window that was skipped.
        production: The production version afterwards; "" without any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Window
    decision: Decision
    settings: str
    run: str
    closed_at: datetime
    examples: ArtifactRef | None = None
    version: str = ""
    production: str = ""


class Outlook(BaseModel):
    """What a retraining finds before it does anything.

    Attributes:
        window: The newest complete window; ``None`` where there is none.
        over: Why there is nothing to do, or "".
        champion: The model in production; ``None`` before the first release.
        examples: The newest store that can be grown; ``None`` where one has to be built.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Window | None
    over: str = ""
    champion: Champion | None = None
    examples: ArtifactRef | None = None


def windows_folder(line: str) -> Path:
    """Return the folder of the line's closed windows."""
    return state_folder() / "retraining" / line


def closed_windows(line: str) -> list[ClosedWindow]:
    """Return the line's closed windows, those that end first first.

    Raises:
        CorruptArtifactError: a record cannot be read.
    """
    found = []
    for path in sorted(windows_folder(line).glob("*.json")):
        try:
            found.append(ClosedWindow.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError) as error:
            raise CorruptArtifactError(
                f"The record of a window cannot be read: {str(error).splitlines()[0]}",
                where=str(path),
                do="Delete it: its window is then looked at again.",
            ) from None
    return sorted(found, key=lambda closed: (closed.window.end_s, closed.closed_at))


def close(line: str, closed: ClosedWindow) -> Path:
    """Write the record of a window, as a whole, and return its file."""
    end = datetime.fromtimestamp(closed.window.end_s, UTC).strftime("%Y%m%dT%H%MZ")
    path = windows_folder(line) / f"{end}-{closed.settings[:8]}.json"
    write_text(path, closed.model_dump_json(indent=1) + "\n")
    return path


def over_already(window: Window, closed: list[ClosedWindow], settings: str) -> str:
    """Return why a window is not looked at, or "" where it is."""
    same = [one for one in closed if one.settings == settings]
    for one in same:
        if one.window.end_s == window.end_s:
            late = window.impressions - one.window.impressions
            waiting = f" {late} impressions came since; they enter with the next window."
            return (
                f"The window that ends {window.ends_at} was decided on in run {one.run} "
                f"({one.decision.kind}).{waiting if late > 0 else ''}"
            )
    newest = max((one.window.end_s for one in same), default=window.end_s)
    if newest > window.end_s:
        return (
            f"The window ends {window.ends_at}, and a newer one, which ends "
            f"{told_time(newest)}, was decided on already."
        )
    return ""


def growable(closed: list[ClosedWindow], recipe: str, window: Window) -> ArtifactRef | None:
    """Return the examples of the newest window before ``window`` made by the same recipe."""
    for one in reversed(closed):
        if one.examples is None or one.decision.recipe != recipe:
            continue
        folder = state_folder() / one.examples.path
        if one.window.end_s < window.end_s and (folder / "manifest.json").is_file():
            return one.examples
    return None


def champion_reference(line: str) -> ArtifactRef | None:
    """Return the model in production as steps take it; ``None`` before the first release."""
    folder = champion_folder(line)
    if folder is None:
        return None
    path = folder.resolve().relative_to(state_folder().resolve())
    return reference(folder).model_copy(update={"path": path.as_posix()})


def champion(line: str) -> Champion | None:
    """Return what the champion's own manifest tells of its training."""
    folder = champion_folder(line)
    if folder is None:
        return None
    manifest = read_manifest(folder, "ctr_model")
    known = {
        name: manifest.summary[name]
        for name in ("recipe", "trained_until_s", "full_until_s")
        if manifest.summary.get(name) is not None
    }
    return Champion.model_validate({"model_hash": manifest.content_hash, **known})


def instant(text: str | None) -> float | None:
    """Return the UTC seconds of an ISO time, which is of UTC unless it names a zone.

    Raises:
        ConfigError: it is no time.
    """
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no time.",
            where="parameter until",
            allowed="ISO 8601, for example 2024-01-09T02:00:00+00:00",
            do="Leave it out to take the newest complete window.",
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
