"""The photos that engines are built on, and models are compared and warmed with."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converter.contract import BadOptions
from converter.model import sampling
from tests.support.converter.running import picture


def decoded(photo: bytes) -> Image.Image:
    """The picture, all of it."""
    image = Image.open(BytesIO(photo), formats=["JPEG"])
    image.load()
    return image


def test_the_packaged_photos_are_different_pictures_that_can_be_decoded() -> None:
    photos = sampling.packaged()
    assert len(set(photos)) == len(photos) >= 5
    for photo in photos:
        assert decoded(photo).size == sampling.size_of(photo)


def test_they_come_in_the_same_order_each_time() -> None:
    assert sampling.packaged() == sampling.packaged()


@pytest.mark.parametrize(
    ("size", "photos"),
    [(0, []), (1, [b"a"]), (3, [b"a", b"b", b"c"]), (7, [b"a", b"b", b"c", b"a", b"b", b"c", b"a"])],
)
def test_a_batch_takes_the_photos_in_turn(size: int, photos: list[bytes]) -> None:
    assert sampling.batch([b"a", b"b", b"c"], size) == photos


# Variations


def test_without_a_folder_there_are_three_variations_of_each_packaged_photo() -> None:
    photos, packaged = sampling.pictures(None), sampling.packaged()
    assert photos[: len(packaged)] == packaged
    assert len(set(photos)) == len(photos) == 4 * len(packaged)


def test_the_variations_are_the_same_each_time() -> None:
    first, second = (hashlib.sha256(b"".join(sampling.pictures(None))).hexdigest() for _ in range(2))
    assert first == second


def test_a_photo_is_mirrored_cropped_and_made_smaller() -> None:
    photo = sampling.packaged()[0]
    width, height = sampling.size_of(photo)
    mirrored, cropped, smaller = sampling.variations(photo)
    assert sampling.size_of(mirrored) == (width, height)
    assert sampling.size_of(cropped) == (width - 2 * (width // 10), height - 2 * (height // 10))
    assert sampling.size_of(smaller) == (width * 3 // 4, height * 3 // 4)
    there, back = np.asarray(decoded(photo), float), np.asarray(decoded(mirrored), float)[:, ::-1]
    assert np.abs(there - back).mean() < 3  # of 255: it was compressed once more


# A folder of one's own


def test_the_jpeg_files_of_a_folder_come_by_name(tmp_path: Path) -> None:
    for name, size in {"b.JPEG": 2, "a.jpg": 1, "c.Jpg": 3}.items():
        (tmp_path / name).write_bytes(picture(size, size))
    (tmp_path / "d.jpg").write_bytes(b"\x89PNG")
    (tmp_path / "e.png").write_bytes(picture(5, 5))
    assert [sampling.size_of(photo) for photo in sampling.pictures(tmp_path)] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize(
    ("limits", "taken"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"most": 3}, [1, 3, 6]),
        ({"most_bytes": 4 * 700}, [1, 3, 5, 7]),
        ({"most_bytes": 1}, [1]),
    ],
)
def test_of_a_large_folder_it_is_always_the_same_sample(
    limits: dict[str, int], taken: list[int], tmp_path: Path
) -> None:
    for size in range(1, 9):
        (tmp_path / f"{size}.jpg").write_bytes(picture(size, size).ljust(700, b"\0"))
    told: list[tuple[int, int]] = []
    for _ in range(2):
        photos = sampling.pictures(tmp_path, **limits, on_sample=lambda *of: told.append(of))
        assert [sampling.size_of(photo)[0] for photo in photos] == taken
    assert told == ([(len(taken), 8)] * 2 if len(taken) < 8 else [])


def test_a_picture_of_two_eyes_counts_by_its_first(tmp_path: Path) -> None:
    left, right = Image.new("RGB", (4, 3)), Image.new("RGB", (8, 6))
    left.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[right])
    assert [sampling.size_of(photo) for photo in sampling.pictures(tmp_path)] == [(4, 3)]


@pytest.mark.parametrize(("name", "content"), [("a.png", b"\x89PNG"), ("a.jpg", b"no picture"), ("a.jpg", b"")])
def test_a_folder_without_jpeg_files_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadOptions) as refusal:
        sampling.pictures(tmp_path)
    assert str(refusal.value) == f"{tmp_path.name} has no JPEG file (*.jpg, *.jpeg)"


@pytest.mark.parametrize(("name", "why"), [("nowhere", "No such file or directory"), ("file", "Not a directory")])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadOptions) as refusal:
        sampling.pictures(tmp_path / name)
    assert str(refusal.value) == f"the pictures in {name} can't be read: {why}"


@pytest.mark.parametrize("length", [3, 20, 100])
def test_a_broken_picture_is_named(tmp_path: Path, length: int) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(9, 9))
    (tmp_path / "b.jpg").write_bytes(picture(9, 9)[:length])
    with pytest.raises(BadOptions) as refusal:
        sampling.pictures(tmp_path)
    assert str(refusal.value) == "b.jpg is a broken JPEG file"


def test_a_folder_called_like_a_picture_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(BadOptions, match="can't be read: Is a directory"):
        sampling.pictures(tmp_path)
