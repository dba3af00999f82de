from concurrent.futures import ThreadPoolExecutor

import pytest

from app.images import Image, check
from app.lanes.repair import find_culprits
from tests.support.app import jpegs

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo(640, 480)
LOADS = {
    "baseline": PHOTO,
    "progressive": jpegs.photo(progressive=True),
    "grey": jpegs.photo(mode="L"),
    "cmyk": jpegs.photo(mode="CMYK"),
    "one pixel": jpegs.photo(1, 1),
    "two pictures in one file": jpegs.mpo(),
    "junk behind its end": PHOTO + b"junk",
    "junk before a marker": jpegs.with_bytes(PHOTO, b"\x12\x34"),
    "a short Adobe": jpegs.with_segment(PHOTO, 0xEE, b"Adobe"),
    "half a profile": jpegs.with_segment(PHOTO, 0xE2, b"ICC_PROFILE\0\x01\x02" + bytes(20)),
    "a torn list of pictures": jpegs.with_segment(PHOTO, 0xE2, b"MPF\0nothing"),
}
# All of them pass the checks of the header.
BROKEN = {
    "cut in half": jpegs.cut(PHOTO, share=0.5),
    "without its last bytes": PHOTO[:-200],
    "without its tables": jpegs.without_tables(PHOTO),
}


def image(data: bytes) -> Image:
    return check(data, max_pixels=1_000_000)


@pytest.mark.parametrize("data", LOADS.values(), ids=LOADS.keys())
async def test_a_picture_that_decodes_is_no_culprit(data: bytes, executor: ThreadPoolExecutor) -> None:
    assert await find_culprits([image(data)], executor) == [False]


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
async def test_a_picture_that_does_not_decode_is_a_culprit(data: bytes, executor: ThreadPoolExecutor) -> None:
    assert await find_culprits([image(data)], executor) == [True]


async def test_verdicts_come_in_the_order_of_the_pictures(executor: ThreadPoolExecutor) -> None:
    mixed = [image(data) for pair in zip(LOADS.values(), BROKEN.values(), strict=False) for data in pair]
    assert await find_culprits(mixed, executor) == [False, True] * len(BROKEN)


async def test_no_pictures_have_no_culprit(executor: ThreadPoolExecutor) -> None:
    assert await find_culprits([], executor) == []
