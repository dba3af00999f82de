"""Tells systemd how the service is, where it asks for that (man 3 sd_notify)."""

import contextlib
import socket
from collections.abc import MutableMapping

_ASKS_BY = "NOTIFY_SOCKET"
READY, STOPPING = "READY=1", "STOPPING=1"


class Supervisor:
    """Whoever started the server and waits for word of it; without an address nobody does."""

    def __init__(self, address: str | None = None) -> None:
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> "Supervisor":
        """The one that the environment names; no child inherits the name."""
        return cls(environ.pop(_ASKS_BY, None))

    def tell(self, word: str) -> None:
        """Send one word; where nobody listens any more it is lost."""
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.sendto(word.encode(), self._address)
