"""The gate's pictures, by size."""

import io
from pathlib import Path

import PIL.Image
import pytest

from app.images import Intake
from app.verdicts.gate_pictures import pictures, timed
from converter.contract import BadOptions
from converter.sizes import SIZES, SizeName
from tests.support.app import jpegs


@pytest.fixture
def gate_images(tmp_path: Path) -> Path:
    (tmp_path / "street.jpg").write_bytes(jpegs.photo())
    return tmp_path


@pytest.mark.parametrize("broken", [jpegs.with_scans(100), jpegs.with_size(jpegs.photo(), 9000, 9000)])
def test_pictures_that_could_not_be_detected_in_are_left_out(broken: bytes, gate_images: Path) -> None:
    (gate_images / "broken.jpg").write_bytes(broken)
    (picture,) = pictures(gate_images, Intake(1_000_000), "small")
    assert (picture.image.width, picture.image.height) == (64, 48)
    (gate_images / "street.jpg").unlink()
    with pytest.raises(BadOptions, match="has no picture that can be used"):
        pictures(gate_images, Intake(1_000_000), "small")


def test_a_large_folder_is_sampled_which_the_log_tells(gate_images: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(150):
        (gate_images / f"{number}.jpg").write_bytes(jpegs.photo())
    with caplog.at_level("INFO"):
        assert len(pictures(gate_images, Intake(1_000_000), "small")) == 100
    assert "gate pictures sampled taken=100 there=151" in caplog.text


def test_the_packaged_pictures_are_photos_and_variations_of_them() -> None:
    found = pictures(None, Intake(25_000_000), "small")
    assert (len(found), {each.source for each in found}) == (20, set("01234"))
    with pytest.raises(BadOptions):
        pictures(None, Intake(1000), "small")


@pytest.mark.parametrize(("size", "pixels"), [("medium", 2e6), ("large", 12e6)])
def test_enlarged_they_are_as_a_camera_writes_them(size: SizeName, pixels: float) -> None:
    found = pictures(None, Intake(25_000_000), size)
    assert (len(found), {each.source for each in found}) == (8, set("01234"))
    assert {round(each.image.pixels / pixels, 2) for each in found} == {1}
    forms = {(PIL.Image.open(io.BytesIO(each.image.data)).mode, b"\xff\xc2" in each.image.data) for each in found}
    assert forms >= {("RGB", False), ("RGB", True), ("CMYK", False), ("L", False)}
    modes = [PIL.Image.open(io.BytesIO(image.data)).mode for image in timed(found)]
    assert (set(modes), len(modes)) == ({"RGB", "L"}, 7), "all but those in CMYK"
    cmyk = [each for each in found if each.image not in timed(found)]
    assert timed(cmyk) == [each.image for each in cmyk], "there are no others"
    assert pictures(None, Intake(1_000_000), size) == [], "none that could not be sent"


def test_those_of_a_folder_are_judged_as_large_as_they_are(gate_images: Path) -> None:
    (gate_images / "large.jpg").write_bytes(jpegs.photo(1000, 800))
    assert [len(pictures(gate_images, Intake(1_000_000), size)) for size in SIZES] == [1, 1, 0]
