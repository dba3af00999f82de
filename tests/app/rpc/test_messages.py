"""What is in a message besides its files has little room, before anything is built of it."""

from collections.abc import Callable
from typing import Any

import pytest
from open_inference.grpc import protocol

from app.errors import BadRequest
from app.rpc.messages import MAX_REST_BYTES, parsed
from tests.app.rpc.conftest import ELEMENT, PHOTO, infer

LARGE = bytes(1_000_000)
Request = protocol.ModelInferRequest


@pytest.mark.parametrize(
    "message", [infer(raw=[LARGE, ELEMENT]), infer(contents=[LARGE] * 3), infer(raw=[b""] * 100), Request()]
)
def test_files_have_all_the_room_there_is(message: Any) -> None:
    assert parsed(message.SerializeToString(), Request) == message


def many(change: Callable[[Any, int], object]) -> Any:
    message = infer(contents=[PHOTO])
    for number in range(MAX_REST_BYTES):
        change(message, number)
    return message


@pytest.mark.parametrize(
    "message",
    [
        many(lambda message, _: message.inputs.add()),
        many(lambda message, _: message.outputs.add()),
        many(lambda message, _: message.raw_input_contents.append(b"")),
        many(lambda message, _: message.inputs[0].contents.bytes_contents.append(b"")),
        many(lambda message, _: message.inputs[0].contents.fp32_contents.append(0)),
        many(lambda message, _: message.inputs[0].shape.append(1)),
        many(lambda message, number: message.parameters[str(number)].SetInParent()),
        infer(contents=[PHOTO], name="x" * MAX_REST_BYTES),
        Request(id="x" * MAX_REST_BYTES),
    ],
    ids=["inputs", "outputs", "raw", "bytes", "numbers", "shape", "parameters", "name", "id"],
)
def test_all_else_has_little(message: Any) -> None:
    with pytest.raises(BadRequest, match=r"more than 16,384 bytes besides its JPEG files"):
        parsed(message.SerializeToString(), Request)


@pytest.mark.parametrize("tail", [b"\xf8\x07\x01", b"\xfd\x07abcd", b"\xf9\x07abcdefgh", b"\xfb\x07\xfc\x07"])
def test_fields_that_nobody_knows_count_too(tail: bytes) -> None:
    message = infer(raw=[ELEMENT]).SerializeToString()
    assert parsed(message + tail, Request).id == "mine"
    with pytest.raises(BadRequest, match="besides its JPEG files"):
        parsed(message + tail * MAX_REST_BYTES, Request)


@pytest.mark.parametrize(
    "message",
    [b"\x38", b"\x3a", b"\x3a\x05abc", b"\x2a\x7f", b"\xff" * 11, b"\x0a\x01\xff", b"\xfd\x07abc", b"\xfb\x07"],
)
def test_what_can_not_be_read_is_told(message: bytes) -> None:
    with pytest.raises(BadRequest, match=r"the message is no inference\.ModelInferRequest"):
        parsed(message, Request)
    with pytest.raises(BadRequest, match=r"the message is no inference\.ModelReadyRequest"):
        parsed(b"\x0a\x05abc", protocol.ModelReadyRequest)
