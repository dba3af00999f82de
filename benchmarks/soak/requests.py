"""What the soak's clients send: good requests, made once, and odd ones, made of a seed."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from benchmarks.fuzz.pictures import broken

_FORM = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `photos`: the indices of those that it has, in order."""

    kind: str
    path: str = "/detect"
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    photos: tuple[int, ...] = ()


class Requests:
    """The requests over some photos."""

    def __init__(self, photos: Sequence[bytes], *, copy: str) -> None:
        self._photos = photos
        makers: dict[str, Callable[[int], Request]] = {
            "raw": self._raw,
            "form": self._form,
            "JSON": self._json,
            "several": self._several,
            "both": lambda number: self._raw(number, "both", f"?backend=both&compare_with={copy}"),
            "native": lambda number: self._raw(number, "native", "?backend=native"),
            "copy": lambda number: self._raw(number, "copy", f"?backend={copy}"),
            "annotate": lambda number: self._raw(number, "annotate", "?annotate=true"),
            "picture": lambda number: self._raw(number, "picture", Accept="image/jpeg"),
        }
        self._good = {kind: [make(number) for number in range(len(photos))] for kind, make in makers.items()}

    def good(self, random: Random) -> Request:
        """One that must be answered rightly."""
        kinds = random.choices(list(self._good), weights=(25, 10, 10, 10, 10, 5, 5, 10, 5))
        return random.choice(self._good[kinds[0]])

    def several(self, random: Random) -> Request:
        """Three pictures in one."""
        return random.choice(self._good["several"])

    def odd(self, random: Random) -> Request:
        """A picture with one to four faults: any answer but a failure of the server's will do."""
        made = broken(random.choice(self._photos), random)
        query = random.choice(("", "", "?annotate=true", "?backend=native"))
        return Request("odd", f"/detect{query}", headers={"Content-Type": "image/jpeg"}, body=made)

    def _raw(self, number: int, kind: str = "raw", query: str = "", **headers: str) -> Request:
        fields = {"Content-Type": "image/jpeg", **headers}
        return Request(kind, f"/detect{query}", headers=fields, body=self._photos[number], photos=(number,))

    def _form(self, number: int) -> Request:
        body = _FORM + self._photos[number] + b"\r\n--x--\r\n"
        return Request("form", headers={"Content-Type": "multipart/form-data; boundary=x"}, body=body, photos=(number,))

    def _json(self, number: int) -> Request:
        return _as_json("JSON", {"image": _encoded(self._photos[number])}, (number,))

    def _several(self, number: int) -> Request:
        numbers = tuple((number + more) % len(self._photos) for more in range(3))
        return _as_json("several", {"images": [_encoded(self._photos[each]) for each in numbers]}, numbers)


def _as_json(kind: str, body: Mapping[str, object], photos: tuple[int, ...]) -> Request:
    return Request(kind, headers={"Content-Type": "application/json"}, body=json.dumps(body).encode(), photos=photos)


def _encoded(photo: bytes) -> str:
    return base64.b64encode(photo).decode()
