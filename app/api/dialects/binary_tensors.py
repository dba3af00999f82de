"""Requests and tensors of the Open Inference Protocol: JSON, and the binary tensor extension behind it."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from app.api.dialects.json_bodies import Reader
from app.api.dialects.steps import Steps
from app.api.pipeline import MAX_PICTURES
from app.api.serving import Tensors
from app.errors import BadRequest, ServiceError

HEADER = "Inference-Header-Content-Length"
BYTES = "BYTES"
# From TensorFlow's words, which are numpy's, to the protocol's.
DATATYPES = {
    "bfloat16": "FP32",  # numpy has no such numbers, so that is how they are given
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "string": BYTES,
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_LENGTH = struct.Struct("<I")  # before each element of BYTES
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Read:
    """A request: its JSON, and what lies behind it."""

    data: Mapping[str, Any]
    reader: Reader
    binary: memoryview
    is_raw: bool = False  # Triton's raw binary request: no JSON, and all of the body is the element of the only input

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Those of the request as a whole."""
        return parameters_of(self.data)

    async def pictures(self, signature: Tensors) -> list[bytes | ServiceError]:
        """The JPEG files in the one input that takes pictures; BadRequest if there are none, or others are given."""
        if self.is_raw:
            return [bytes(self.binary)]
        tensor = only_input(self.data, signature)
        size = parameters_of(tensor).get("binary_data_size")
        if size is None:
            found = [await self.reader.picture(_encoded(each)) for each in _flat(tensor.get("data"))]
        else:
            found = list(elements(self.binary, size))
        if size is None and len(self.binary):
            raise BadRequest("bytes follow the JSON, and no input names them by its binary_data_size")
        self.reader.check_used(found)
        check_shape(tensor, len(found))
        return found


async def read(body: bytes, headers: Mapping[str, str], steps: Steps) -> Read:
    """The request in `body`; BadRequest if it is none."""
    end = _json_bytes(headers.get(HEADER.lower()), len(body))
    if body and not end:
        return Read({}, Reader(b"", steps), memoryview(body), is_raw=True)
    reader = Reader(body if end == len(body) else body[:end], steps)
    data = await reader.parsed()
    if not isinstance(data, dict):
        raise BadRequest('the JSON must be an object with "inputs"')
    return Read(data, reader, memoryview(body)[end:])


def _json_bytes(told: str | None, most: int) -> int:
    """How long the JSON is before what is binary."""
    if told is None:
        return most
    if told.isascii() and told.isdigit() and len(told) <= _MOST_DIGITS and int(told) <= most:
        return int(told)
    raise BadRequest(f"{HEADER} must be the length of the JSON in bytes, at most that of the body")


def parameters_of(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `parameters` of a request or a tensor."""
    found = holder.get("parameters")
    if not isinstance(found, dict | None):
        raise BadRequest('"parameters" must be an object')
    return found or {}


def flag(said: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """What a parameter says that is true or false; BadRequest if it is neither."""
    found = said.get(name)
    if found is None:
        return default
    if not isinstance(found, bool):
        raise BadRequest(f"{name} must be true or false; it is {str(found)[:20]!r}")
    return found


def check_not_shared(said: Mapping[str, Any], whose: str) -> None:
    """BadRequest if a tensor is to lie in memory that the client shares with the server."""
    if said.get("shared_memory_region"):
        raise BadRequest(f"{whose} is said to be in shared memory, which is not supported here")


def datatype(array: NDArray[Any]) -> str:
    """The protocol's word for an array's type."""
    return BYTES if array.dtype.kind == "O" else DATATYPES[array.dtype.name]


def packed(array: NDArray[Any]) -> bytes:
    """Little-endian numbers by rows; texts each behind its length."""
    if array.dtype.kind != "O":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return b"".join(_LENGTH.pack(len(text)) + text for text in map(bytes, array.ravel()))


def listed(array: NDArray[Any]) -> list[Any]:
    """One flat list, by rows."""
    flat = array.ravel().tolist()
    return [bytes(text).decode("utf-8", "replace") for text in flat] if array.dtype.kind == "O" else flat


def objects(found: object, name: str) -> Sequence[Mapping[str, Any]]:
    """The tensors of a list; BadRequest if it is not a list of objects."""
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadRequest(f'"{name}" must be a list of objects, each with a name')
    return found


def only_input(data: Mapping[str, Any], signature: Tensors) -> Mapping[str, Any]:
    """The one input, which takes pictures; BadRequest if others are given, or it is no tensor of BYTES."""
    inputs = objects(data.get("inputs"), "inputs")
    names = [str(each.get("name"))[:100] for each in inputs]
    if names != [signature.picture]:
        given = ", ".join(map(repr, names[:5])) or "none"
        raise BadRequest(f"the one input to be given is {signature.picture!r}; there is {given}")
    if inputs[0].get("datatype") != BYTES:
        raise BadRequest(
            f"the input {signature.picture!r} is taken as {BYTES}, JPEG files; its datatype is "
            f"{str(inputs[0].get('datatype'))[:20]!r}"
        )
    check_not_shared(parameters_of(inputs[0]), f"the input {signature.picture!r}")
    return inputs[0]


def check_shape(tensor: Mapping[str, Any], count: int) -> None:
    """BadRequest unless the tensor's shape is that of so many JPEG files."""
    shape = tensor.get("shape")
    if not isinstance(shape, list) or [type(side) for side in shape] not in ([int], [int, int]):
        raise BadRequest(f"the shape of the input must be [N], or [N, 1], of N JPEG files; it is {str(shape)[:40]}")
    if count == 0 or shape not in ([count], [count, 1]):
        raise BadRequest(f"the shape of the input is {shape}, and its data has {count} JPEG files")
    if count > MAX_PICTURES:
        raise BadRequest(f"the request has {count} pictures; the limit is {MAX_PICTURES}")


def _flat(data: object) -> Sequence[object]:
    if not isinstance(data, list):
        raise BadRequest("the data of the input must be a list of base64 strings, or follow the JSON as binary")
    flat = [each for row in data for each in (row if isinstance(row, list) else [row])]
    if len(flat) > MAX_PICTURES:
        raise BadRequest(f"the request has {len(flat)} pictures; the limit is {MAX_PICTURES}")
    return flat


def _encoded(item: object) -> object:
    return item["b64"] if isinstance(item, dict) and set(item) == {"b64"} else item


def elements(binary: memoryview, size: object) -> Iterator[bytes]:
    """The elements of a tensor of BYTES; BadRequest if their lengths don't add up."""
    if type(size) is not int or size != len(binary):
        raise BadRequest(f"binary_data_size is {str(size)[:20]}, and {len(binary):,} bytes follow the JSON")
    at = 0
    for _ in range(MAX_PICTURES + 1):
        if at == len(binary):
            return
        end = at + _LENGTH.size
        end += _LENGTH.unpack_from(binary, at)[0] if end <= len(binary) else 1
        if end > len(binary):
            raise BadRequest(f"the binary data of the input is not a list of {BYTES}, each after its length in 4 bytes")
        yield bytes(binary[at + _LENGTH.size : end])
        at = end
    raise BadRequest(f"the request has more than {MAX_PICTURES} pictures")
