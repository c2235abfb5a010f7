"""Tells a wrong path from a download that is packed, unfinished or not what it should be."""

import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from models.data.datasets.formats import PACKINGS
from models.errors import DataError, MissingDataError

_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_UNFINISHED = (".crdownload", ".part", ".partial", ".download", ".aria2", ".tmp")
_MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", ".parquet": b"PAR1"}
_DEPTH = 2  # folders that unpacking may have put around the files
_SHOWN = 6


def expect_files(
    folder: Path, required: Sequence[str], *, layout: str, setting: str
) -> dict[str, Path]:
    """Return the path of each required file, which is there and begins as it should.

    A file may lie there packed: for ``ratings.csv`` also ``ratings.csv.gz`` and ``.zst`` will do.

    Args:
        folder: Where the user says the files are.
        required: Names of the files, from ``folder``.
        layout: What the files are together, for messages: "MovieLens 1M".
        setting: The setting that names the folder, for messages: "settings.path".

    Raises:
        MissingDataError: the folder is wrong, one folder too high or too low, or holds an archive
            that was not unpacked, a download that was not finished, or only some of the files.
        DataError: a file is empty, a saved web page, or not what its name says.
    """
    if not folder.is_dir():
        raise _no_folder(folder, required, layout, setting)
    found = {name: path for name in required if (path := _find(folder, name)) is not None}
    for path in found.values():
        _check_start(path, layout)
    lacking = [name for name in required if name not in found]
    if lacking:
        raise _why_lacking(folder, required, lacking, layout, setting)
    return found


def _find(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}{packing}" for packing in ("", *PACKINGS))
    return next((path for path in candidates if path.is_file()), None)


def _no_folder(
    folder: Path, required: Sequence[str], layout: str, setting: str
) -> MissingDataError:
    if folder.is_file() and not folder.name.lower().endswith(_ARCHIVES):
        return MissingDataError(
            f"{layout} is read from a folder, and this is a file.",
            where=str(folder),
            do=f"Set {setting} to {folder.parent}, or to wherever its files are.",
        )
    beside = [folder] if folder.is_file() else _archives(folder.parent)
    named = [path for path in beside if path.name.lower().startswith(folder.name.lower())]
    if named:
        return _not_unpacked(named[0], required, layout, setting)
    nearest = next((parent for parent in folder.parents if parent.is_dir()), Path())
    folders = _names(path for path in nearest.iterdir() if path.is_dir())
    return MissingDataError(
        f"There is no such folder; {layout} was to be read from it.",
        where=str(folder),
        allowed=f"folders in {nearest}: {folders}",
        do=f"Correct {setting}, or fetch the data: dvc pull, or the download its docs page names.",
    )


def _why_lacking(
    folder: Path, required: Sequence[str], lacking: list[str], layout: str, setting: str
) -> MissingDataError:
    """Return the first explanation that fits, the most telling one first."""
    unfinished = [path for path in _files(folder) if path.name.lower().endswith(_UNFINISHED)]
    if unfinished:
        return MissingDataError(
            f"The download of {layout} is not finished: {unfinished[0].name} is part of a file.",
            where=str(unfinished[0]),
            allowed=", ".join(required),
            do="Wait for the download to end, or delete the part and download the file again.",
        )
    for place in (*_folders(folder), folder.parent):
        if all(_find(place, name) for name in required):
            return MissingDataError(
                f"The files of {layout} lie in a folder "
                f"{'above' if place == folder.parent else 'below'} this one.",
                where=str(folder),
                allowed=", ".join(required),
                do=f"Set {setting} to {place}",
            )
    there = [name for name in required if name not in lacking]
    if there:
        return _half_there(folder, there, lacking, layout)
    archives = _archives(folder)
    if archives:
        return _not_unpacked(archives[0], required, layout, setting)
    return MissingDataError(
        f"There is no {layout} data set here: none of its files is in the folder.",
        where=str(folder),
        allowed=f"{' and '.join(required)}; here are: {_names(folder.iterdir())}",
        do=f"Set {setting} to the folder of the unpacked files, or fetch the data: dvc pull",
    )


def _half_there(
    folder: Path, there: list[str], lacking: list[str], layout: str
) -> MissingDataError:
    is_there = f"{', '.join(there)} {'is' if len(there) == 1 else 'are'}"
    is_not = f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not"
    return MissingDataError(
        f"The download is not all there: {is_there}, {is_not}.",
        where=str(folder),
        allowed=f"{layout}: {' and '.join([*there, *lacking])}",
        do="Unpack the whole archive again, fetch the files that lack, or run: dvc pull",
    )


def _not_unpacked(
    archive: Path, required: Sequence[str], layout: str, setting: str
) -> MissingDataError:
    """Return how to unpack ``archive``, or that it is cut short itself."""
    if not archive.stat().st_size or not _is_whole(archive):
        return MissingDataError(
            f"The archive of {layout} is cut short or no archive at all "
            f"({archive.stat().st_size} bytes).",
            where=str(archive),
            do="Delete it and download it again; compare its size with the source's.",
        )
    target, inside = archive.parent, _folder_inside(archive, required[0])
    tool = {".zip": "unzip {0} -d {1}", ".7z": "7z x {0} -o{1}", ".rar": "unrar x {0} {1}"}
    command = tool.get(archive.suffix.lower(), "tar -xf {0} -C {1}").format(archive, target)
    return MissingDataError(
        f"The archive of {layout} is not unpacked.",
        where=str(archive),
        allowed=", ".join(required),
        do=f"Unpack it: {command}"
        + ("" if inside is None else f" ; then {setting} is {target / inside}"),
    )


def _is_whole(archive: Path) -> bool:
    if archive.suffix.lower() == ".zip":
        return zipfile.is_zipfile(archive)
    if archive.suffix.lower() in (".7z", ".rar"):
        return True
    return tarfile.is_tarfile(archive)


def _folder_inside(archive: Path, name: str) -> Path | None:
    """Return the folder in a zip file, whose list is at its end, that holds the file ``name``."""
    if archive.suffix.lower() != ".zip":
        return None
    with zipfile.ZipFile(archive) as opened:
        inside = [Path(entry) for entry in opened.namelist()]
    depth = len(Path(name).parts)
    return next(
        (
            Path(*entry.parts[:-depth])
            for entry in inside
            if Path(*entry.parts[-depth:]) in (Path(name), *(Path(name + end) for end in PACKINGS))
        ),
        None,
    )


def _check_start(path: Path, layout: str) -> None:
    """Check the first bytes of a file against what a download often turns out to be."""
    with path.open("rb") as file:
        start = file.read(512)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    problem = ""
    if not start:
        problem = "is empty (0 bytes)"
    elif text.startswith((b"<!doctype html", b"<html", b"<head")):
        problem = "is a web page, saved in the place of the data (a log-in or an error page?)"
    elif text.startswith((b"version https://git-lfs", b"outs:")):
        problem = "is a pointer to the data, which were not fetched"
    elif not start.startswith(_MAGIC.get(path.suffix.lower(), b"")):
        problem = f"is no {path.suffix} file, whatever its name says"
    if problem:
        raise DataError(
            f"{path.name} of {layout} {problem}.",
            where=str(path),
            allowed="the file as its publisher has it",
            do="Download it again (git lfs pull or dvc pull, if it comes from there).",
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _archives(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in _files(folder) if path.name.lower().endswith(_ARCHIVES)]


def _folders(folder: Path, depth: int = _DEPTH) -> list[Path]:
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    deeper = [below for path in inside for below in _folders(path, depth - 1)] if depth > 1 else []
    return inside + deeper


def _names(paths: Iterable[Path]) -> str:
    names = sorted(path.name for path in paths)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more
