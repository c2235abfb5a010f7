"""ZenML's Model Control Plane follows our pointer; where the two differ, it is corrected."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from steps.adapters.release import production, releases, stages, staging
from steps.adapters.release_lock import exclusive
from steps.adapters.release_log import Release, Stage, read_pointer

if TYPE_CHECKING:
    from uuid import UUID

    from zenml.client import Client
    from zenml.models import ModelVersionResponse

# Apart from the line's own lock: nobody who moves the pointer waits for ZenML.
ZENML_LOCK = "zenml.lock"
NONE = "none"
EXCLUSIVE = ("staging", "production")
PAGE = 100


class StageDifference(NamedTuple):
    """A model version in ZenML whose stage is not the one our pointer gives it.

    Attributes:
        version: Our version, "" where ZenML's belongs to none.
        number: ZenML's number of the model version.
        found: Its stage there.
        wanted: The stage it must have.
        id: Its id in ZenML.
    """

    version: str
    number: int
    found: str
    wanted: str
    id: "UUID"


def mark_in_zenml(folder: Path, model_name: str) -> str | None:
    """Give ZenML's stages ``production`` and ``staging`` to the versions that have them here.

    Whoever lost one of them becomes what it is here. Versions that ZenML calls archived are left
    to `correct_zenml`, which looks at every one.

    Args:
        folder: The line's folder, the source of truth.
        model_name: The line's model in ZenML.

    Returns:
        Our production version, ``None`` before the first promotion.
    """
    while True:
        before = read_pointer(folder)
        with exclusive(folder / ZENML_LOCK):
            _correct(list(_differences(folder, model_name, every=False)))
        if read_pointer(folder) == before:  # else someone promoted meanwhile: follow once more
            return before.production if before else None


def zenml_differences(folder: Path, model_name: str) -> list[StageDifference]:
    """Return every model version whose stage in ZenML is another than here."""
    return list(_differences(folder, model_name, every=True))


def correct_zenml(folder: Path, model_name: str) -> list[StageDifference]:
    """Correct every stage in ZenML and return what was wrong."""
    with exclusive(folder / ZENML_LOCK):
        wrong = zenml_differences(folder, model_name)
        _correct(wrong)
    return wrong


def _correct(wrong: list[StageDifference]) -> None:
    """Set the stages, those first that make room: ZenML archives whoever it takes one from."""
    from zenml.client import Client
    from zenml.enums import ModelStages

    client = Client()
    for difference in sorted(wrong, key=lambda one: one.wanted in EXCLUSIVE):
        version = client.get_model_version(model_version_name_or_number_or_id=difference.id)
        version.set_stage(ModelStages(difference.wanted), force=True)


def _differences(folder: Path, model_name: str, *, every: bool) -> Iterator[StageDifference]:
    from zenml.client import Client

    client = Client()
    chosen = [release for release in (production(folder), staging(folder)) if release]
    there = {version.id: version for version in _versions(client, model_name, every=every)}
    ours = _made(client, releases(folder) if every else chosen)
    if not every and not there.keys() <= ours.keys():  # someone not chosen has a stage
        ours = _made(client, releases(folder))
    right = stages(folder)
    for id, name in ours.items():
        if id not in there and right[name] in EXCLUSIVE:
            there[id] = client.get_model_version(model_version_name_or_number_or_id=id)
    for id, version in there.items():
        name, found = ours.get(id, ""), str(version.stage or NONE)
        wanted = _wanted(right.get(name), found)
        if found != wanted:
            yield StageDifference(name, version.number, found, wanted, id)


def _wanted(stage: Stage | None, found: str) -> str:
    """Return ZenML's word for a stage; a version that was never registered has none to hold."""
    if stage is None:
        return "archived" if found in EXCLUSIVE else found
    return NONE if stage == "candidate" else stage


def _versions(
    client: "Client", model_name: str, *, every: bool
) -> Iterator["ModelVersionResponse"]:
    """Yield the model versions: every one, or those in staging and in production."""
    for stage in [None] if every else EXCLUSIVE:
        page = 1
        while True:
            try:
                found = client.list_model_versions(model_name, stage=stage, page=page, size=PAGE)
            except KeyError:  # no such model yet
                return
            yield from found.items
            if page >= found.total_pages:
                break
            page += 1


def _made(client: "Client", known: Iterable[Release]) -> dict["UUID", str]:
    """Return the id of the model version that each release's run made → our version.

    Releases whose run ZenML does not know are left out.
    """
    made: dict[UUID, str] = {}
    for release in known:
        if release.run is None:
            continue
        try:
            run = client.get_pipeline_run(release.run, allow_name_prefix_match=False)
        except KeyError:
            continue
        # A dynamic pipeline names its model with the step that releases, not for the whole run.
        own = (run.model_version, *(step.model_version for step in run.steps.values()))
        made |= {version.id: release.version for version in own if version is not None}
    return made
