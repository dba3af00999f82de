"""What an admin does during the soak: looks at everything, swaps and converts now and then, says who answers."""

import json
import threading
import time
from collections.abc import Sequence
from random import Random

from benchmarks.soak.clients import Client
from benchmarks.soak.requests import Request

TOKEN = "secret"
_HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
_LOOKS = ("/convert/jobs", "/model", "/compare", "/metrics", "/readyz", "/", "/samples", "/openapi.json")


class Admin:
    """One for all clients: swaps and conversions come one at a time, `rest_s` apart, and none after `until`."""

    def __init__(self, copy: str, *, rest_s: float) -> None:
        self._copy, self._rest_s = copy, rest_s
        self._acting, self._next = threading.Lock(), 0.0
        self.acts, self.until = 0, float("inf")  # `until`: a moment of time.monotonic

    def turn(self, client: Client, random: Random) -> None:
        """One look or one act."""
        if self._next <= time.monotonic() < self.until and self._acting.acquire(blocking=False):
            try:
                client.send(self.act(random))
                self.acts += 1
                self._next = time.monotonic() + self._rest_s
            finally:
                self._acting.release()
        elif random.random() < 0.3:
            client.send(self._choice(random))
        else:
            client.send(Request("admin", random.choice(_LOOKS), "GET", headers=_HEADERS))

    def act(self, random: Random) -> Request:
        """Load the copy again, or in one of four times make it anew."""
        if random.random() < 0.25:
            return _posted("/convert", {"target": self._copy})
        return self.reload()

    def reload(self) -> Request:
        """Swap the copy for itself."""
        return _posted("/admin/reload", {"backend": self._copy})

    def _choice(self, random: Random) -> Request:
        wanted: Sequence[dict[str, object]] = (
            {"backend": random.choice(("auto", "native", self._copy))},
            {"shadow_share": random.choice((0, 0.02, 0.2))},
        )
        body = json.dumps(random.choice(wanted)).encode()
        return Request("admin", "/admin/backend", "PUT", headers=_HEADERS, body=body)


def _posted(path: str, body: dict[str, object]) -> Request:
    return Request(f"admin {path}", path, headers=_HEADERS, body=json.dumps(body).encode())
