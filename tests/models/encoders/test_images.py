import struct
import zlib

import pytest
from PIL import Image

from models.encoders.images import check_image, open_image


def test_a_readable_image_has_the_hash_of_its_bytes(images):
    first, second = check_image("a.png", images), check_image("b.png", images)
    assert first.problem is None
    assert first.path == images / "a.png"
    assert first.hash != second.hash


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cut.png", "decoded"),
        ("text.png", "no image"),
        ("nowhere.png", "missing"),
        ("../other.png", "leads out"),
        ("/etc/hostname", "leads out"),
        (".", "missing"),
    ],
)
def test_anything_else_says_why_it_is_not_used(name, reason, images):
    checked = check_image(name, images)
    assert checked.path is None
    assert reason in checked.problem


def test_a_link_out_of_the_folder_is_not_followed(images, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (images / "link.png").symlink_to(tmp_path / "secret.png")
    assert "leads out" in check_image("link.png", images).problem


def test_an_image_bomb_is_not_unpacked(images):
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    for side in (9000, 50000):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        content = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", b"")
            + chunk(b"IEND", b"")
        )
        (images / "bomb.png").write_bytes(content)
        assert "too many" in check_image("bomb.png", images).problem


def test_a_sliver_is_not_used(images):
    Image.new("RGB", (500, 2)).save(images / "sliver.png")
    assert "too narrow" in check_image("sliver.png", images).problem


def test_transparent_images_stand_on_white(images):
    Image.new("RGBA", (2, 2), (255, 0, 0, 0)).save(images / "clear.png")
    assert open_image(images / "clear.png").getpixel((0, 0)) == (255, 255, 255)
    Image.new("L", (2, 2), 7).save(images / "grey.png")
    assert open_image(images / "grey.png").getpixel((0, 0)) == (7, 7, 7)
