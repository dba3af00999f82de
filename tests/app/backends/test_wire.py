import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.backends import wire
from converter.model.detections import Detections


def detections(count: int, *, dropped: int = 0, start: int = 0) -> Detections:
    """`count` detections whose numbers all differ."""
    numbers = np.arange(start, start + count, dtype=np.float32)
    boxes = np.stack([numbers, numbers + 0.25, numbers + 0.5, numbers + 0.75], axis=1) if count else np.zeros((0, 4))
    classes = np.arange(count, dtype=np.int32) + 7
    return Detections(boxes.astype(np.float32), 1 / (numbers + 1), classes, dropped, encoded_again=count == 1)


def travelled(batch: list[Detections]) -> list[Detections]:
    """The batch as it comes out at the other end."""
    header, payload = wire.pack(batch)
    return wire.unpack(json.loads(json.dumps(header)), payload)


def assert_same(batch: list[Detections], other: list[Detections]) -> None:
    assert len(batch) == len(other)
    for one, same in zip(batch, other, strict=True):
        for name in ("boxes", "scores", "classes"):
            before, after = getattr(one, name), getattr(same, name)
            assert (after.dtype, after.shape) == (before.dtype, before.shape)
            np.testing.assert_array_equal(after, before)
        assert (same.dropped, same.encoded_again) == (one.dropped, one.encoded_again)


@pytest.mark.parametrize(
    "counts", [[1], [0], [3, 1, 2], [0, 0], [0, 2, 0], [2, 0, 0, 1], [100] * 8], ids=lambda counts: repr(counts)
)
def test_detections_arrive_as_they_were_sent(counts: list[int]) -> None:
    batch = [detections(count, dropped=number, start=10 * number) for number, count in enumerate(counts)]
    assert_same(batch, travelled(batch))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=16))
def test_any_batch_arrives_as_it_was_sent(counts: list[int]) -> None:
    batch = [detections(count, start=number) for number, count in enumerate(counts)]
    assert_same(batch, travelled(batch))


def test_a_message_is_its_sizes_its_header_and_its_payload() -> None:
    pieces = wire.frame({"id": 7, "text": "Straße"}, [b"first", memoryview(b"second")])
    data = b"".join(pieces)
    head, size = wire.PREFIX.unpack_from(data)
    assert json.loads(data[wire.PREFIX.size : wire.PREFIX.size + head]) == {"id": 7, "text": "Straße"}
    assert data[wire.PREFIX.size + head :] == b"firstsecond"
    assert size == len(b"firstsecond")


def test_pictures_are_not_copied_into_a_message() -> None:
    picture = b"\xff\xd8\xff" * 1000
    assert any(piece is picture for piece in wire.frame({"id": 1}, [picture]))


def test_a_message_may_be_a_header_alone() -> None:
    data = b"".join(wire.frame({}))
    assert wire.PREFIX.unpack_from(data) == (2, 0)
    assert data[wire.PREFIX.size :] == b"{}"


@pytest.mark.parametrize("payload", [bytes(23), bytes(25)])
def test_a_payload_of_torn_rows_is_an_error(payload: bytes) -> None:
    header, _ = wire.pack([detections(1)])
    with pytest.raises(ValueError, match=r"."):
        wire.unpack(header, payload)


def test_all_outputs_come_through_with_their_types_and_texts() -> None:
    raw: dict[str, NDArray[Any]] = {
        "boxes": np.array([[0, np.nan]], np.float32),
        "count": np.array(3, np.int64),
        "names": np.array([b"\xff"], object),
        "key": np.array(b"a\0", object),
    }
    fields, rows = wire.pack([replace(detections(2), raw=raw)] * 2)
    for one in wire.unpack(json.loads(json.dumps(fields)), rows):
        assert one.raw is not None
        assert {name: value.dtype for name, value in one.raw.items()} == {
            name: value.dtype for name, value in raw.items()
        }
        np.testing.assert_array_equal(one.raw["boxes"], raw["boxes"])
        assert (one.raw["count"].tolist(), one.raw["names"].tolist()) == (3, [b"\xff"])
        assert one.raw["key"].tolist() == b"a\0"
    assert wire.unpack(*wire.pack([detections(1)]))[0].raw is None
