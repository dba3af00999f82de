"""Who takes part: the program of each, its environment, and how a picture is sent to it and its objects are read."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_BOUNDARY = b"----a-picture-and-nothing-else"
_V2 = "/v2/models/detect/infer"


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture as the body of a request."""

    body: bytes
    content_type: str
    header: tuple[str, str] = ("Accept", "*/*")


def as_jpeg(picture: bytes) -> Sent:
    """The file as it is."""
    return Sent(picture, "image/jpeg")


def as_form(picture: bytes) -> Sent:
    """The file in a form."""
    head = b'Content-Disposition: form-data; name="images"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = b"--%b\r\n%b%b\r\n--%b--\r\n" % (_BOUNDARY, head, picture, _BOUNDARY)
    return Sent(body, f"multipart/form-data; boundary={_BOUNDARY.decode()}")


def as_v2_json(picture: bytes) -> Sent:
    """Base64 in JSON, as the Open Inference Protocol has it."""
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(picture).decode()]}
    return Sent(json.dumps({"inputs": [tensor]}).encode(), "application/json")


def as_v2_binary(picture: bytes) -> Sent:
    """Bytes behind a JSON header: the protocol's binary extension. The header is of one length for all pictures."""
    size = len(picture) + 4
    tensor = {"name": "image", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor]}).ljust(200).encode()
    body = head + len(picture).to_bytes(4, "little") + picture
    return Sent(body, "application/octet-stream", ("Inference-Header-Content-Length", str(len(head))))


def _listed(answer: Any) -> Any:
    return answer


def _first(answer: Any) -> Any:
    return answer[0]


def _v2(answer: Any) -> Any:
    return json.loads(answer["outputs"][0]["data"][0])


@dataclass(frozen=True, slots=True)
class Peer:
    """Another server."""

    name: str
    program: str  # the module in `benchmarks.peers.programs`
    environment: str  # the file with its requirements
    path: str = "/detect"
    send: Callable[[bytes], Sent] = as_jpeg
    objects: Callable[[Any], Any] = _listed


PEERS = (
    Peer("FastAPI, plain", "plain_fastapi", "fastapi"),
    Peer("FastAPI, micro-batches by hand", "batching_fastapi", "fastapi"),
    Peer("LitServe", "with_litserve", "litserve"),
    Peer("BentoML", "with_bentoml", "bentoml", send=as_form, objects=_first),
    Peer("Ray Serve", "with_ray", "ray"),
    Peer("MLServer", "with_mlserver", "mlserver", _V2, as_v2_json, _v2),
    Peer("PyTriton", "with_pytriton", "pytriton", _V2, as_v2_binary, _v2),
)
