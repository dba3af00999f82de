"""Cases that schemathesis makes from the server's own OpenAPI document: right ones, and ones that break one rule."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from benchmarks.fuzz.expectation import Answer, Fault, check
from benchmarks.fuzz.finding import Found
from benchmarks.fuzz.pictures import broken

# Not `not_a_server_error` (ours knows which 503 is meant), and none that needs several requests to say something.
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
_ROUND = 40  # cases of an operation at a time; of detections so many more, as most of the code is behind them
_WEIGHT = {"/detect": 10, "/convert": 3, "/admin/backend": 2, "/admin/reload": 2}
_LOADS = 3  # how often a copy is really loaded again
_COPY = {"backend": "frozen"}


class Cases:
    """The operations of the server at `url`; `headers` by path are what opens them."""

    def __init__(self, url: str, *, headers: Callable[[str], Mapping[str, str]], photos: Sequence[bytes]) -> None:
        load_all_checks()
        random = st.randoms(use_true_random=False)
        good = st.sampled_from(photos)
        schemathesis.openapi.media_type("image/jpeg", good | st.builds(broken, good, random))
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        self._operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
        self._headers, self._session, self._loads = headers, requests.Session(), 0

    def send(self, found: Found, *, cases: int, first_seed: int, after_round: Callable[[], None]) -> None:
        """Send this many or as many as the time allows; `after_round` is called now and then."""
        for number in count():
            for operation in self._operations:
                for mode in schemathesis.GenerationMode:
                    if found.cases >= cases or found.over:
                        return
                    most = min(_ROUND * _WEIGHT.get(operation.path, 1), cases - found.cases)
                    with contextlib.suppress(Unsatisfiable):  # an operation that takes nothing has nothing to break
                        self._some(operation.as_strategy(generation_mode=mode), most, first_seed + number, found)
            after_round()

    def _some(self, strategy: "st.SearchStrategy[Any]", most: int, number: int, found: Found) -> None:
        @seed(number)
        @settings(
            max_examples=most,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def one(case: schemathesis.Case[Any]) -> None:
            assume(not found.over)
            self._one(case, found)

        one()

    def _one(self, case: schemathesis.Case[Any], found: Found) -> None:
        if case.path == "/admin/reload" and case.body == _COPY:
            self._loads += 1
            assume(self._loads <= _LOADS)
        try:
            response = case.call(session=self._session, headers=dict(self._headers(case.path)), timeout=60)
        # What its HTTP library can't send (line breaks in a header and the like) is tried over a bare socket elsewhere.
        except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
            return
        except requests.exceptions.RequestException as error:
            found.note(f"no answer: {type(error).__name__}", as_bytes(getattr(error, "request", None)))
            return
        found.cases += 1
        found.statuses[response.status_code] += 1
        sent = as_bytes(response.request)
        kind = response.headers.get("content-type", [""])[0]
        try:
            check(Answer(response.status_code, kind, response.content), sent=sent, head_only=case.method == "HEAD")
            case.validate_response(response, checks=CHECKS)
        except Fault as fault:
            found.note(f"{case.method} {case.operation.path}: {fault}", sent)
        except FailureGroup as failures:
            for each in failures.exceptions:
                found.note(f"{case.method} {case.operation.path}: {_in_words(each)}", sent)


def _in_words(failure: BaseException) -> str:
    if isinstance(failure, Failure):
        return f"{failure.title}: {' '.join(failure.message.split())[:300]}"
    return str(failure)


def as_bytes(request: "requests.PreparedRequest | None") -> bytes:
    """A request as it goes over the wire; without what only this connection needed, and its token in a word."""
    if request is None:
        return b""
    body = request.body.encode() if isinstance(request.body, str) else request.body
    if not isinstance(body, bytes):  # there is none, or it was read from a stream
        body = b""
    skipped = {"connection", "content-length", "transfer-encoding", "user-agent", "accept-encoding"}
    fields = [(name, value) for name, value in request.headers.items() if name.lower() not in skipped]
    lines = [f"{request.method} {request.path_url} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close"]
    lines += [_latin(name) + b": " + _latin(value) for name, value in fields]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", b""]) + body


def _latin(text: "str | bytes") -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1", "replace")
