import io
from pathlib import Path

import PIL.Image
import pytest

from app.errors import NotFound
from app.web.samples import PREVIEW_PIXELS, Samples
from converter.model import sampling

SAMPLES = Samples(sampling.PHOTOS)


def test_all_packaged_photos_are_samples() -> None:
    assert [each.data for each in SAMPLES.all()] == sampling.packaged()
    assert {each.name for each in SAMPLES.all()} >= {"chelsea", "coffee"}


def test_a_sample_knows_its_size() -> None:
    sample = SAMPLES.get("chelsea")
    assert (sample.width, sample.height) == (451, 300) == sampling.size_of(sample.data)


@pytest.mark.parametrize("name", [each.name for each in SAMPLES.all()])
def test_a_preview_is_small(name: str) -> None:
    preview = SAMPLES.preview(name)
    assert len(preview) < 8000
    with PIL.Image.open(io.BytesIO(preview)) as picture:
        assert max(picture.size) == PREVIEW_PIXELS
        assert picture.format == "JPEG"


def test_what_is_no_sample_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no sample \.\./coffee: astronaut, "):
        SAMPLES.get("../coffee")
    with pytest.raises(NotFound, match="there are none"):
        Samples(tmp_path).preview("coffee")
