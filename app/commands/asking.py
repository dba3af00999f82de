"""Asking a server for detections from the command line: one connection a thread, refusals honoured."""

import http.client
import json
import re
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

_TIMEOUT_S = 120.0
# Tries of a picture that is refused, by the status: a full queue has room soon; a backend may be started again, or is
# one that never comes.
_TRIES = {429: 60, 503: 5}
_LONGEST_PAUSE_S = 30.0
_ERRORS = 400
_OF_ALL = ("bad_parameter", "not_found", "wrong_host")  # codes of errors that every picture would get
_PORTS = {"http": 80, "https": 443}
_DIGITS = re.compile(r"[0-9]{1,9}")


class NoServer(Exception):
    """Nobody answers at the URL, or what is asked of it can't be answered at all; one sentence."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the server at `url` with these parameters in each request."""

    url: str
    parameters: dict[str, Any]
    token: str | None
    own: threading.local

    @classmethod
    def of(cls, url: str, parameters: dict[str, Any], token: str | None) -> "Asker":
        """NoServer if the URL is none."""
        try:
            parts = urlsplit(url)
            named = parts.scheme in _PORTS and parts.hostname and parts.port != 0
        except ValueError:  # as of a port that is no number, or too large
            named = False
        if not named:
            raise NoServer(f"{url!r} is not the URL of a server, like http://127.0.0.1:8000")
        return cls(url.rstrip("/"), parameters, token, threading.local())

    def detect(self, picture: bytes) -> dict[str, Any]:
        """The server's answer, or the error that it gives, each as JSON. NoServer if it can't be reached."""
        broken: Exception | None = None
        for number in range(1, max(_TRIES.values()) + 1):
            try:
                status, retry_after, body = self._post(picture)
            except (OSError, http.client.HTTPException) as error:
                self._forget()
                if broken is not None:
                    # What is no HTTP may be any bytes, which no terminal should be shown.
                    reason = str(error) if isinstance(error, OSError) else "what is there does not speak HTTP"
                    raise NoServer(f"{self.url} does not answer: {reason}") from error
                broken = error  # a connection that was kept may have been closed meanwhile
                continue
            broken = None
            if retry_after is None or number >= _TRIES.get(status, 0):
                break
            time.sleep(min(retry_after, _LONGEST_PAUSE_S))
        return _answer(status, body)

    def _post(self, picture: bytes) -> tuple[int, float | None, bytes]:
        connection = self._connection()
        target = f"{urlsplit(self.url).path}/detect?{urlencode(self.parameters)}"
        headers: dict[str, str | bytes] = {"Content-Type": "image/jpeg", **_authorization(self.token)}
        connection.request("POST", target, picture, headers)
        response = connection.getresponse()
        body, after = response.read(), response.getheader("Retry-After", "")
        return response.status, float(after) if _DIGITS.fullmatch(after) else None, body

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self.own, "connection"):
            parts = urlsplit(self.url)
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            self.own.connection = kind(parts.hostname or "", parts.port or _PORTS[parts.scheme], timeout=_TIMEOUT_S)
        connection: http.client.HTTPConnection = self.own.connection
        return connection

    def _forget(self) -> None:
        self._connection().close()
        del self.own.connection


def _authorization(token: str | None) -> dict[str, bytes]:
    """In UTF-8, as the server compares it; a header that is text would be sent in Latin-1."""
    return {"Authorization": f"Bearer {token}".encode()} if token else {}


def _answer(status: int, body: bytes) -> dict[str, Any]:
    answer = _ours(body)
    if answer is None and status < _ERRORS:
        raise NoServer(f"what answers there is no detection server: it said {status}")
    if answer is None:
        return {"error": f"the answer was {status}, in words that are not the server's", "code": "unknown"}
    if status in (401, 403):
        raise NoServer(f"{answer.get('error')}: set DETECTOR_TOKEN or DETECTOR_TOKEN_FILE")
    if answer.get("code") in _OF_ALL:
        raise NoServer(str(answer["error"]))
    return answer


def _ours(body: bytes) -> dict[str, Any] | None:
    """What a detection server's body says; None if it is another's."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    is_ours = isinstance(answer, dict) and not answer.keys().isdisjoint(("error", "detections"))
    return answer if is_ours else None
