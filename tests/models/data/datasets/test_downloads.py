import gzip
import tarfile
import zipfile
from pathlib import Path

import pytest

from models.data.datasets.downloads import expect_files
from models.errors import DataError, MissingDataError

REQUIRED = ("ratings.csv", "movies.csv")


def expect(folder: Path):
    return expect_files(folder, REQUIRED, layout="MovieLens 20M", setting="settings.path")


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("a,b\n1,2\n")
    return folder


def refused(folder: Path) -> MissingDataError:
    with pytest.raises(MissingDataError) as error:
        expect(folder)
    return error.value


def test_files_that_are_there_are_returned_packed_or_not(tmp_path: Path) -> None:
    fill(tmp_path, "ratings.csv")
    (tmp_path / "movies.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert expect(tmp_path) == {
        "ratings.csv": tmp_path / "ratings.csv",
        "movies.csv": tmp_path / "movies.csv.gz",
    }


def test_a_wrong_path_is_told_with_what_there_is_instead(tmp_path: Path) -> None:
    fill(tmp_path / "ml-1m", *REQUIRED)
    error = refused(tmp_path / "ml-20m")
    assert "no such folder" in error.what
    assert error.allowed.endswith("ml-1m")
    assert "settings.path" in error.do


def test_a_folder_of_something_else_is_told_with_what_is_in_it(tmp_path: Path) -> None:
    error = refused(fill(tmp_path / "photos", *(f"{i}.jpg" for i in range(9))))
    assert "none of its files is in the folder" in error.what
    assert error.allowed.endswith("0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg and 3 more")


def zipped(path: Path, inside: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in REQUIRED:
            archive.writestr(f"{inside}{name}", "a,b\n1,2\n")
    return path


@pytest.mark.parametrize("inside", ["", "ml-20m/"])
def test_an_archive_in_the_folder_is_to_be_unpacked(tmp_path: Path, inside: str) -> None:
    archive = zipped(tmp_path / "ml-20m.zip", inside)
    error = refused(tmp_path)
    assert "not unpacked" in error.what
    assert error.do.startswith(f"Unpack it: unzip {archive} -d {tmp_path}")
    with zipfile.ZipFile(archive) as opened:  # do what it says
        opened.extractall(tmp_path)
    path = Path(error.do.rsplit(" is ", 1)[1])
    assert set(expect(path)) == set(REQUIRED)


def test_an_archive_beside_the_folder_that_is_not_there_is_to_be_unpacked(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "ml-20m.zip", "ml-20m/")
    error = refused(tmp_path / "ml-20m")
    assert "not unpacked" in error.what
    assert str(archive) in error.do
    assert error.do.endswith(f"settings.path is {tmp_path / 'ml-20m'}")
    assert "not unpacked" in refused(archive).what  # the path names the archive itself


def test_a_tar_file_is_to_be_unpacked(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "data.tar.gz", "w:gz") as archive:
        archive.add(fill(tmp_path / "x", "other.csv") / "other.csv")
    assert f"tar -xf {tmp_path / 'data.tar.gz'} -C {tmp_path}" in refused(tmp_path).do


def test_an_archive_cut_short_is_to_be_downloaded_again(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "ml-20m.zip", "")
    archive.write_bytes(archive.read_bytes()[:-30])
    error = refused(tmp_path)
    assert "cut short" in error.what
    assert "download it again" in error.do


@pytest.mark.parametrize("deep", ["ml-20m", "downloads/ml-20m"])
def test_files_in_a_folder_below_are_pointed_at(tmp_path: Path, deep: str) -> None:
    place = fill(tmp_path / deep, *REQUIRED)
    zipped(tmp_path / "ml-20m.zip", "ml-20m/")  # unpacked, and left where it was
    assert refused(tmp_path).do == f"Set settings.path to {place}"


def test_files_in_the_folder_above_are_pointed_at(tmp_path: Path) -> None:
    fill(tmp_path, *REQUIRED)
    assert refused(fill(tmp_path / "images")).do == f"Set settings.path to {tmp_path}"


def test_half_a_download_is_told_by_what_lacks(tmp_path: Path) -> None:
    error = refused(fill(tmp_path, "ratings.csv"))
    assert error.what == "The download is not all there: ratings.csv is, movies.csv is not."


@pytest.mark.parametrize("ending", [".crdownload", ".part"])
def test_a_download_still_going_on_is_told(tmp_path: Path, ending: str) -> None:
    error = refused(fill(tmp_path, "ratings.csv", f"movies.csv{ending}"))
    assert f"not finished: movies.csv{ending} is part of a file" in error.what


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("ratings.csv", b"", r"is empty \(0 bytes\)"),
        ("ratings.csv", b"\n <!DOCTYPE html><html>Sign in", "is a web page"),
        ("ratings.csv", b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer"),
        ("ratings.csv.gz", b"userId,movieId\n", r"is no \.gz file"),
        ("ratings.csv.zst", b"userId,movieId\n", r"is no \.zst file"),
    ],
)
def test_a_file_that_is_no_data_is_told(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    fill(tmp_path, "movies.csv")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} of MovieLens 20M {problem}"):
        expect(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "ratings.csv")
    assert "this is a file" in refused(tmp_path / "ratings.csv").what
