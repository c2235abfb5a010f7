"""Finds where a line of releases disagrees with its own pointer, and puts it right.

The pointer and the history are the truth. All else is looked at against them: ZenML's stages, the
production store, ``latest``, ``stages.json``, the archives, and what killed writers left.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import ProjectError, ReleaseError
from models.files import leftovers, remove_leftovers
from steps.adapters.release_lock import exclusive
from steps.adapters.release_log import (
    HISTORY,
    LOCK,
    POINTER,
    damaged_lines,
    locked,
    read_history,
    read_pointer,
    replay,
)
from steps.adapters.release_mending import rebuild_pointer
from steps.adapters.release_stages import astray, settle
from steps.adapters.release_store_checks import archives, bentos, records, strays
from steps.adapters.release_trouble import Trouble

Check = Callable[[Path], Iterable[Trouble]]


@dataclass(frozen=True)
class Line:
    """What is examined.

    Attributes:
        folder: The line's folder.
        stores: BENTOML_HOMEs in which a lost Bento may still stand: those that runs build in.
        model: The line's model in ZenML; ``None`` leaves ZenML out.
    """

    folder: Path
    stores: tuple[Path, ...] = ()
    model: str | None = None


def diagnose(line: Line) -> list[Trouble]:
    """Return all that is wrong, changing nothing; an empty list means that all agree.

    While somebody releases, what he has not finished yet is found as well.
    """
    return [trouble for check in _checks(line) for trouble in check(line.folder)]


def repair(line: Line) -> list[Trouble]:
    """Put right what can be, and return all that was wrong, each with whether it is right now.

    Raises:
        ReleaseError: the folder cannot be written.
    """
    found: dict[tuple[str, str], Trouble] = {}
    for check in _checks(line):
        for trouble in check(line.folder):
            found[trouble.key] = _cured(trouble)
    left = {trouble.key for trouble in diagnose(line)}
    return [replace(t, repaired=key not in left) for key, t in found.items()]


def _cured(trouble: Trouble) -> Trouble:
    try:
        if trouble.cure is not None:
            trouble.cure()
    except ProjectError as error:
        return replace(trouble, do=str(error))
    return trouble


def _checks(line: Line) -> list[Check]:
    """Return the checks in the order in which their cures build on one another."""
    found: list[Check] = [
        _pointer,
        _history,
        _leftovers,
        records,
        lambda folder: archives(folder, line.stores),
        bentos,
        strays,
        _derived,
    ]
    if line.model is not None:
        model = line.model
        found.append(lambda folder: _zenml(folder, model))
    return found


def _pointer(folder: Path) -> Iterator[Trouble]:
    def cure() -> None:
        with exclusive(folder / LOCK):
            rebuild_pointer(folder)

    path = str(folder / POINTER)
    try:
        pointer = read_pointer(folder)
    except ReleaseError as error:
        yield Trouble("pointer", error.what, path, cure=cure)
        return
    led_to = replay(read_history(folder))
    if pointer is None and led_to is not None:
        what = "The pointer is missing, but the history tells of promotions."
        yield Trouble("pointer", what, path, cure=cure)
    elif pointer is not None and led_to != pointer:
        yield Trouble(
            "history",
            f"The history does not lead to what {POINTER} says ({pointer.production}): events are "
            "missing from it.",
            str(folder / HISTORY),
            do="Production is what the pointer says. Restore the history from a backup.",
        )


def _history(folder: Path) -> Iterator[Trouble]:
    path = folder / HISTORY

    def cure() -> None:
        with locked(folder):
            pass  # taking the lock completes it

    try:
        noted, all_events = _lines(path), len(read_history(folder))
    except ReleaseError:
        return  # the pointer is to blame, which has its own check
    damaged = damaged_lines(folder)
    for number in damaged:
        yield Trouble(
            "history",
            f"Line {number} of the history is no event; readers pass over it.",
            str(path),
            do="Restore the line from a backup.",
        )
    if noted - len(damaged) != all_events or _is_cut(path):
        missing = all_events - (noted - len(damaged))
        what = f"{missing} events are not noted yet." if missing else "Its last line is cut short."
        yield Trouble("history", what, str(path), cure=cure)


def _leftovers(folder: Path) -> Iterator[Trouble]:
    found = leftovers(folder) if folder.is_dir() else []

    def cure() -> None:
        with exclusive(folder / LOCK):
            remove_leftovers(folder)

    if found:
        what = f"{len(found)} half-written files or folders of writers that were killed."
        yield Trouble("leftover", what, str(found[0]), cure=cure)


def _derived(folder: Path) -> Iterator[Trouble]:
    def cure() -> None:
        with locked(folder):
            settle(folder)

    try:
        if read_pointer(folder) is None and replay(read_history(folder)) is not None:
            return  # what they follow is missing, which has its own check
        wrong = astray(folder)
    except ReleaseError:
        return
    for path, held, wanted in wrong:
        kind = "latest" if path.name == "latest" else "stages"
        if kind == "latest":
            what = f"BentoML's latest is {held or 'missing'}; in production is {wanted or 'none'}."
        else:
            what = "The stages beside the Bentos are not those of the pointer."
        yield Trouble(kind, what, str(path), cure=cure)


def _zenml(folder: Path, model: str) -> Iterator[Trouble]:
    from steps.adapters.release_zenml import correct_zenml, zenml_differences

    def cure() -> None:
        correct_zenml(folder, model)

    where = f"ZenML model {model}"
    try:
        found = zenml_differences(folder, model)
    except ReleaseError:
        return
    except Exception as error:  # whatever ZenML's store raises, the rest was examined
        what = f"ZenML could not be asked: {str(error).splitlines()[0] if str(error) else error!r}"
        yield Trouble("zenml", what, where, do="Look at ZenML, then do it again.")
        return
    for one in found:
        name = one.version or "of no registered version"
        what = f"Its version {one.number} ({name}) is {one.found}; it must be {one.wanted}."
        yield Trouble("zenml", what, f"{where}, version {one.number}", cure=cure)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def _is_cut(path: Path) -> bool:
    content = path.read_bytes() if path.is_file() else b""
    return bool(content) and not content.endswith(b"\n")
