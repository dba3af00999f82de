"""What no request may bring about, whatever its bytes: the one property of all of `make fuzz`."""

import json
import re
import site
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.api.errors import STATUS

CODES = {error.code for error in STATUS} | {"bad_request", "not_found", "method_not_allowed"}
_TRACES = re.compile(rb"Traceback \(most recent|\{\{node|, line \d+, in ")
_ABSENT = re.compile(rb"trt|onnx|frozen|both")  # backends that a server may lack
_HURRY = re.compile(rb"timeout", re.IGNORECASE)
_ADMIN = (b"/convert", b"/admin")  # admins are told what happened, in the words of other programs


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came over the wire."""

    status: int
    content_type: str
    body: bytes


class Fault(AssertionError):
    """The server did what it never may; the message says what."""


def check(answer: Answer, *, sent: bytes, head_only: bool = False) -> None:
    """Fault if the answer to the bytes `sent` is one that must not be. `head_only`: it has no body by its method."""
    if answer.status >= 500 and not _by_design(answer, sent):
        raise Fault(f"status {answer.status}: {answer.body[:300]!r}")
    if answer.status < 400 and sent.partition(b" ")[2].startswith(_ADMIN):
        return
    if found := _told(answer):
        raise Fault(f"status {answer.status} tells {found!r}: {answer.body[:300]!r}")
    if answer.status >= 400 and not head_only:
        _check_error(answer)


def private_places() -> tuple[bytes, ...]:
    """Folders of this machine that an answer must not name."""
    places = {Path.cwd(), Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix), Path(site.__file__).parent}
    return tuple(str(place).encode() for place in places if len(place.parts) > 1)


def _told(answer: Answer) -> bytes | None:
    """What of this machine or this program an answer tells."""
    if answer.content_type.startswith("text/html"):
        return None  # a page that is the same for everybody
    places: Iterable[bytes] = (place + b"/" for place in private_places())
    found = next((place for place in places if place in answer.body), None)
    trace = _TRACES.search(answer.body)
    return found or (trace.group() if trace else None)


def _by_design(answer: Answer, sent: bytes) -> bool:
    """503 to who asks for a backend that can't answer now, 504 to who would not wait: as documented, and no more."""
    code = _code(answer.body)
    if answer.status == 503:
        return code == "backend_unavailable" and bool(_ABSENT.search(sent))
    return answer.status == 504 and code == "deadline_exceeded" and bool(_HURRY.search(sent))


def _check_error(answer: Answer) -> None:
    known = {*CODES, answer.status}  # DeepStack's clients are told the status
    if not answer.content_type.startswith("application/json") or _code(answer.body) not in known:
        raise Fault(f"status {answer.status} is no error with a known code: {answer.body[:300]!r}")


def _code(body: bytes) -> str | int | None:
    try:
        data = json.loads(body)
    except ValueError:
        return None
    return data.get("code") if isinstance(data, dict) else None
