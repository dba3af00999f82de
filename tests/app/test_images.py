import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import BadRequest, ImageTooLarge, InvalidImage, NotAJpeg, ServiceError
from app.images import MAX_SCANS, Image, Intake, check, count_scans
from tests.support.app import jpegs

MAX_PIXELS = 1_000_000
PHOTO = jpegs.photo()
WHOLE_SCAN = b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11"  # the beginning of its header: three components
EXIF = b"Exif\0\0"
# Little-endian TIFF: one entry, x-resolution, whose value lies behind the end of the file.
TORN_EXIF = EXIF + b"II*\0\x08\0\0\0\x01\0" + b"\x1a\x01\x05\0\x01\0\0\0\xff\xff\0\0" + bytes(4)

GOOD = {
    "baseline": PHOTO,
    "progressive": jpegs.photo(progressive=True),
    "grey": jpegs.photo(mode="L"),
    "cmyk": jpegs.photo(mode="CMYK"),
    "restart markers": jpegs.photo(restart_marker_blocks=1),
    "as many scans as may be": jpegs.with_scans(MAX_SCANS),
    "two pictures in one file": jpegs.mpo(),
    "junk behind its end": PHOTO + b"junk" * 100,
    "fill bytes before a marker": jpegs.with_bytes(PHOTO, b"\xff" * 7),
    "junk before a marker": jpegs.with_bytes(PHOTO, b"\x12\x34"),
    "a comment longer than it says": jpegs.with_bytes(PHOTO, jpegs.segment(0xFE, b"") + bytes(1_500)),
    "a byte that a marker does not begin with": jpegs.with_bytes(PHOTO, b"\xff\0"),
    "scan markers in its metadata": jpegs.with_segment(PHOTO, 0xE1, EXIF + b"\xff\xda" * 273),
    "metadata in 300 segments": jpegs.with_bytes(PHOTO, jpegs.segment(0xE2, b"ICC_PROFILE\0more") * 300),
    "torn EXIF": jpegs.with_segment(PHOTO, 0xE1, TORN_EXIF),
    "17 MB of Exif": jpegs.with_bytes(PHOTO, jpegs.segment(0xE1, EXIF + bytes(9_000)) * 1_900),
    "a short JFIF": jpegs.with_segment(PHOTO, 0xE0, b"JFIF\0"),
    "a short Adobe": jpegs.with_segment(PHOTO, 0xEE, b"Adobe"),
    "half a profile": jpegs.with_segment(PHOTO, 0xE2, b"ICC_PROFILE\0\x01\x02" + bytes(20)),
    "a cut Photoshop block": jpegs.with_segment(PHOTO, 0xED, b"Photoshop 3.0\x008BIM\x04\x04"),
    "a torn list of pictures": jpegs.with_segment(PHOTO, 0xE2, b"MPF\0nothing"),
    # Seen only when a batch fails: nothing is decoded here.
    "cut off in its scan's header": PHOTO[: PHOTO.index(WHOLE_SCAN) + 4],
    "cut off in its scan": jpegs.cut(PHOTO, share=0.9),
}
BAD: dict[str, tuple[bytes, type[ServiceError], str]] = {
    "empty": (b"", BadRequest, "the body is empty"),
    "text": (b"hello", NotAJpeg, "does not begin with ff d8 ff"),
    "PNG": (jpegs.other_format("PNG"), NotAJpeg, "does not begin"),
    "GIF": (jpegs.other_format("GIF"), NotAJpeg, "does not begin"),
    "BMP": (jpegs.other_format("BMP"), NotAJpeg, "does not begin"),
    "WebP": (jpegs.other_format("WEBP"), NotAJpeg, "does not begin"),
    "two bytes of a JPEG": (PHOTO[:2], NotAJpeg, "does not begin"),
    "three bytes of a JPEG": (PHOTO[:3], InvalidImage, "header"),
    "cut off in its header": (jpegs.cut_in_header(PHOTO), InvalidImage, "header"),
    "nothing but an end": (PHOTO[:2] + b"\xff\xd9", InvalidImage, "header"),
    "two starts": (PHOTO[:2] + PHOTO, InvalidImage, "no decoder takes its marker ff d8"),
    "12 bits": (jpegs.with_precision(PHOTO, 12), InvalidImage, "header"),
    "lossless": (PHOTO.replace(b"\xff\xc0", b"\xff\xc3", 1), InvalidImage, "header"),
    "two components": (PHOTO.replace(b"\0\x40\x03\x01", b"\0\x40\x02\x01", 1), InvalidImage, "header"),
    "megabytes of tables": (jpegs.with_bytes(PHOTO, jpegs.segment(0xDB, bytes(65_000)) * 2), InvalidImage, "tables"),
    "no width": (jpegs.with_size(PHOTO, 0, 48), InvalidImage, "header"),
    "no height": (jpegs.with_size(PHOTO, 64, 0), InvalidImage, "header"),
    "too many scans": (jpegs.with_scans(MAX_SCANS + 1), InvalidImage, "more than 64 scans"),
    "too many pixels": (
        jpegs.with_size(PHOTO, 1001, 1000),
        ImageTooLarge,
        "1001 x 1000 pixels; the limit is 1,000,000",
    ),
    "pixels beyond Pillow's warning": (jpegs.with_size(PHOTO, 10_000, 10_000), ImageTooLarge, "pixels"),
    "pixels beyond Pillow's error": (jpegs.with_size(PHOTO, 65_500, 65_500), ImageTooLarge, "pixels"),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD.keys())
def test_a_jpeg_file_passes_with_its_size(data: bytes) -> None:
    image = check(data, max_pixels=MAX_PIXELS)
    assert (image.data, image.width, image.height) == (data, 64, 48)


@pytest.mark.parametrize(("data", "error", "says"), BAD.values(), ids=BAD.keys())
def test_what_can_not_be_used_is_refused_with_its_reason(data: bytes, error: type[ServiceError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        check(data, max_pixels=MAX_PIXELS)
    assert type(caught.value) is error


def test_as_many_pixels_as_may_be_pass() -> None:
    assert check(jpegs.with_size(PHOTO, 1000, 1000), max_pixels=MAX_PIXELS).width == 1000


def test_scans_are_looked_at_before_pixels() -> None:
    with pytest.raises(InvalidImage, match="scans"):
        check(jpegs.with_size(jpegs.with_scans(65), 9999, 9999), max_pixels=MAX_PIXELS)


def test_the_orientation_that_metadata_declares_turns_the_picture_where_it_is_to_be_upright() -> None:
    turned = EXIF + b"II*\0\x08\0\0\0\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(4)
    data = jpegs.with_segment(PHOTO, 0xE1, turned)
    image = check(data, max_pixels=MAX_PIXELS)
    assert (image.width, image.orientation, image.applied_orientation) == (64, 6, 1)
    assert image.upright() == Image(data, 48, 64, 6, 6)
    for upright, width in ((False, 64), (True, 48)):
        assert Intake(MAX_PIXELS, upright=upright).check(data).width == width
        assert Intake(MAX_PIXELS, upright=not upright).check(data, upright=upright).width == width
    assert check(PHOTO, max_pixels=MAX_PIXELS).upright() == Image(PHOTO, 64, 48)


@pytest.mark.parametrize(
    "hides",
    [
        b"\0",
        b"\x12\x34",
        b"\xff\0",
        b"\xff\xff\xff",
        b"\xff\x01",
        jpegs.segment(0xE1, EXIF + b"\xff\xd9"),
    ],
    ids=bytes.hex,
)
def test_what_decoders_pass_over_hides_no_scans(hides: bytes) -> None:
    assert count_scans(jpegs.with_bytes(jpegs.with_scans(65), hides), limit=64) == 65


def test_counting_ends_one_above_the_limit() -> None:
    assert count_scans(jpegs.with_scans(200), limit=64) == 65


@pytest.mark.parametrize(
    ("header", "counted"),
    [(WHOLE_SCAN, 1), (b"\xff\xda\0\x08\x01\x01\0", 65), (WHOLE_SCAN[:3] + b"\x0d" + WHOLE_SCAN[4:], 65)],
    ids=["of all components", "of one", "longer than it must be"],
)
def test_behind_a_scan_of_the_whole_picture_no_decoder_takes_another(header: bytes, counted: int) -> None:
    data = jpegs.with_scans(65, progressive=False)
    assert data.count(WHOLE_SCAN) == 65
    assert count_scans(data.replace(WHOLE_SCAN, header), limit=64) == counted


def test_scans_of_a_second_picture_are_not_counted() -> None:
    assert count_scans(PHOTO + jpegs.with_scans(65), limit=64) == 1


def endless(piece: bytes) -> bytes:
    """2 MB of `piece`."""
    return piece * (2_000_000 // len(piece))


ENDLESS = {
    "fill bytes": jpegs.with_bytes(PHOTO, endless(b"\xff")),
    "junk": jpegs.with_bytes(PHOTO, endless(b"\x12")),
    "junk and nothing more": jpegs.cut_in_header(PHOTO) + endless(b"\x12"),
    "junk behind an end": PHOTO[:2] + b"\xff\xd9\xff\xd9" + endless(b"\x12"),
    "restart markers": jpegs.with_bytes(PHOTO, endless(b"\xff\xd0")),
    "empty segments": jpegs.with_bytes(PHOTO, endless(jpegs.segment(0xEF, b""))),
    "comments": jpegs.with_bytes(PHOTO, endless(jpegs.segment(0xFE, b""))),
    "crumbs of EXIF": jpegs.with_bytes(PHOTO, endless(jpegs.segment(0xE1, EXIF + b"crumb"))),
    # For Pillow these markers stand alone and what follows is junk; decoders refuse them.
    "large extensions": jpegs.with_bytes(PHOTO, endless(jpegs.segment(0xF0, b"\x12" * 60_000))),
}


@pytest.mark.parametrize("data", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_header_without_end_is_refused_soon(data: bytes) -> None:
    """Pillow walks a header byte by byte, and joins the parts of its metadata anew for each one."""
    started = time.thread_time()
    with pytest.raises(InvalidImage):
        check(data, max_pixels=MAX_PIXELS)
    assert time.thread_time() - started < 0.1


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good file after a few small accidents."""
    data = draw(st.sampled_from(list(GOOD.values())))[:20_000]
    for _ in range(draw(st.integers(1, 4))):
        # Most of what is looked at is in a file's first bytes.
        at = draw(st.integers(0, min(len(data), 800)) | st.integers(0, len(data)))
        gone = draw(st.sampled_from([0, 1, 1, 2, 50, len(data)]))
        put = draw(st.binary(max_size=4) | st.sampled_from([b"\xff", b"\xff\xda", b"\xff\xd9", b"\xff\xff", b"\0\0"]))
        data = data[:at] + put + data[at + gone :]
    return data


@settings(max_examples=500, deadline=None, derandomize=True)
@given(mutated())
def test_a_mutated_file_passes_or_is_refused(data: bytes) -> None:
    with contextlib.suppress(ServiceError):
        image = check(data, max_pixels=MAX_PIXELS)
        assert 0 < image.width * image.height <= MAX_PIXELS


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_behind_the_start_are_refused(data: bytes) -> None:
    with pytest.raises(ServiceError):
        check(b"\xff\xd8\xff" + data, max_pixels=MAX_PIXELS)
