"""Decoding without TensorFlow: the same bytes as TensorFlow's own operation, or a refusal where it refuses."""

from collections.abc import Sequence

import numpy as np
import pytest

from converter.model import jpeg
from converter.model.onnx_layout import Decode
from tests.support.converter import pictures
from tests.support.converter.decoded import by_tensorflow

GOOD = {
    "colour": pictures.jpeg(),
    "full colour": pictures.jpeg(subsampling=0),
    "422": pictures.jpeg(subsampling=1),
    "440": pictures.subsampled("440"),
    "411": pictures.subsampled("411", 67, 9),
    "grey": pictures.jpeg(channels=1),
    "grey from colour": pictures.subsampled("Gray"),
    "rgb": pictures.jpeg(keep_rgb=True),
    "progressive": pictures.jpeg(progressive=True),
    "progressive grey": pictures.jpeg(channels=1, progressive=True, quality=30),
    "restarts": pictures.jpeg(restart_marker_blocks=1),
    "progressive with restarts": pictures.jpeg(progressive=True, restart_marker_rows=1),
    "one pixel": pictures.jpeg(1, 1),
    "one wide": pictures.jpeg(1, 40),
    "one high": pictures.jpeg(41, 1, subsampling=1),
    "two wide": pictures.jpeg(2, 17),
    "large": pictures.jpeg(161, 97, quality=95),
    "best": pictures.jpeg(quality=100, optimize=True),
    "worst": pictures.jpeg(quality=1),
    "cmyk": pictures.jpeg(channels=4),
    "cmyk progressive": pictures.jpeg(channels=4, progressive=True),
    "cmyk not Adobe's": pictures.adobe(pictures.jpeg(channels=4), None),
    "ycck": pictures.adobe(pictures.jpeg(channels=4), 2),
    "turned": pictures.oriented(pictures.jpeg()),
    "bytes behind the end": pictures.jpeg() + b"\xff\xd8 a second picture",
    "fill bytes": pictures.jpeg().replace(b"\xff\xdb", b"\xff\xff\xff\xdb"),
}
WHOLE = GOOD["colour"]
DAMAGED = {
    "many bytes between segments": WHOLE.replace(b"\xff\xdb", bytes(60_000) + b"\xff\xdb", 1),
    "bytes between segments": WHOLE.replace(b"\xff\xdb", b"12345\xff\xdb", 1),
    "a byte of the picture changed": WHOLE[:-60] + b"\x55" + WHOLE[-59:],
    "bytes of the picture lost": WHOLE[:-60] + WHOLE[-50:],
    "cut off, with an end": WHOLE[:-60] + b"\xff\xd9",
    "no Huffman table, as in films": WHOLE.replace(b"\xff\xc4", b"\xff\xe5"),
    "a restart lost": GOOD["restarts"].replace(b"\xff\xd2", b"", 1),
    "a restart out of order": GOOD["restarts"].replace(b"\xff\xd2", b"\xff\xd5", 1),
}
REFUSED = {
    "no end": WHOLE[:-2],
    "no end, grey": GOOD["grey"][:-2],
    "no end, progressive": GOOD["progressive"][:-2],
    "half": WHOLE[:-60],
    "half, progressive": GOOD["progressive"][:-60],
    "header only": WHOLE[: WHOLE.index(b"\xff\xda")],
    "two bytes": WHOLE[:2],
    "two starts": WHOLE[:2] + WHOLE,
    "a reserved marker": WHOLE[:2] + b"\xff\x05" + WHOLE[2:],
    "lossless": pictures.frame_marker(WHOLE, 0xC3),
    "hierarchical": pictures.frame_marker(WHOLE, 0xC5),
    "no quantisation table": WHOLE.replace(b"\xff\xdb", b"\xff\xe5"),
    "12 bits": WHOLE.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    "no scan": WHOLE[: WHOLE.index(b"\xff\xda")] + b"\xff\xd9",
}
ATTRIBUTES = (
    Decode(),
    Decode(channels=3),
    Decode(channels=3, dct_method="INTEGER_ACCURATE"),
    Decode(channels=3, dct_method="INTEGER_FAST", fancy_upscaling=False),
    Decode(channels=3, dct_method="INTEGER_ACCURATE", fancy_upscaling=False),
    *(Decode(channels=3, ratio=ratio) for ratio in (2, 4, 8)),
    Decode(channels=1, ratio=2, fancy_upscaling=False),
)


def assert_same(cases: Sequence[tuple[bytes, Decode]]) -> None:
    """Every byte and every refusal is TensorFlow's."""
    for (data, wanted), expected in zip(cases, by_tensorflow(cases), strict=True):
        if expected is None:
            with pytest.raises(jpeg.Undecodable):
                jpeg.decode(data, wanted)
        else:
            np.testing.assert_array_equal(jpeg.decode(data, wanted), expected, err_msg=str(wanted))


@pytest.mark.tensorflow
def test_every_byte_is_tensorflows() -> None:
    rng = np.random.default_rng(7)
    sources = [GOOD[name] for name in ("colour", "grey", "cmyk", "progressive", "restarts", "422")]
    files = [damaged(sources[index % len(sources)], rng) for index in range(300)]
    known = [(data, wanted) for data in (*GOOD.values(), *DAMAGED.values()) for wanted in ATTRIBUTES]
    assert_same([*known, *((data, Decode()) for data in files if not unlike(data))])


def test_channels_are_as_asked() -> None:
    assert jpeg.decode(GOOD["grey"], Decode()).shape == (31, 33, 1)
    assert jpeg.decode(GOOD["grey"], Decode(channels=3)).shape == (31, 33, 3)
    assert jpeg.decode(GOOD["colour"], Decode(channels=1)).shape == (31, 33, 1)
    assert jpeg.decode(GOOD["cmyk"], Decode()).shape == (31, 33, 3)


@pytest.mark.parametrize("name", GOOD)
def test_a_picture_is_the_same_in_room_that_is_filled_again_and_again(name: str) -> None:
    place = np.full(1 << 20, 7, np.uint8)
    for wanted in (Decode(channels=3), Decode(channels=1, ratio=2)):
        if jpeg.components(GOOD[name]) == 4 and wanted.channels == 1:
            continue
        found = jpeg.decode(GOOD[name], wanted, lambda size: place if size <= place.nbytes else None)
        np.testing.assert_array_equal(found, jpeg.decode(GOOD[name], wanted))
        assert np.shares_memory(found, place) == (jpeg.components(GOOD[name]) != 4), (
            "ink is turned into colours beside it"
        )


@pytest.mark.tensorflow
def test_what_tensorflow_refuses_is_refused() -> None:
    cases = [(data, wanted) for data in REFUSED.values() for wanted in ATTRIBUTES]
    cases.append((GOOD["cmyk"], Decode(channels=1)))
    told = by_tensorflow(cases)
    assert [case for case, pixels in zip(cases, told, strict=True) if pixels is not None] == []
    for data, wanted in cases:
        with pytest.raises(jpeg.Undecodable, match="Invalid JPEG data"):
            jpeg.decode(data, wanted)


@pytest.mark.parametrize(
    ("data", "wanted", "says"),
    [
        (b"\x89PNG\r\n\x1a\n", Decode(), "does not begin as a JPEG file"),
        (REFUSED["half"], Decode(try_recover_truncated=True), "asks to recover"),
        (GOOD["progressive"][:-40] + b"\xff\xd9", Decode(), "progressive"),
        (pictures.jpeg(channels=4, subsampling=2), Decode(), "of a rare kind"),
    ],
)
def test_what_can_not_be_known_is_left_to_tensorflow(data: bytes, wanted: Decode, says: str) -> None:
    with pytest.raises(jpeg.NotReproducible, match=says):
        jpeg.decode(data, wanted)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Decode(channels=4), "channels"),
        (Decode(ratio=3), "scales by 1, 2, 4 or 8"),
        (Decode(dct_method="FLOAT"), "'FLOAT'"),
        (Decode(acceptable_fraction=0.5), "acceptable fraction"),
    ],
)
def test_attributes_that_can_not_be_followed_are_told(wanted: Decode, says: str) -> None:
    with pytest.raises(jpeg.NotReproducible, match=says):
        jpeg.check(wanted)


def test_attributes_that_can_be_followed_pass() -> None:
    for wanted in (*ATTRIBUTES, Decode(try_recover_truncated=True, acceptable_fraction=0.5)):
        jpeg.check(wanted)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with three bytes behind its header changed: a header that lies about the size would take long."""
    changed = bytearray(data)
    for at in rng.integers(data.index(b"\xff\xda") + 14, len(data), 3):
        changed[at] = rng.integers(256)
    return bytes(changed)


def unlike(data: bytes) -> bool:
    """Whether it is left to TensorFlow."""
    try:
        jpeg.decode(data, Decode())
    except jpeg.NotReproducible:
        return True
    except jpeg.Undecodable:
        pass
    return False
