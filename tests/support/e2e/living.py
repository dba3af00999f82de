"""A server whose native is slow and whose copy, the detector as it is bundled, is really faster and finds the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from tests.support.agreeing import same_everywhere
from tests.support.altering import empty, fill, framed, put

WINDOW = 40


@dataclass(frozen=True)
class Living:
    """The server, where its copy lies, and pictures with persons."""

    server: Server
    place: Path
    photos: list[bytes]
    more: list[bytes]  # the same, and what is another photo for who counts photos

    def put(self, **wanted: Any) -> Any:
        """PUT /admin/backend; what it answers."""
        response = self.server.admin("PUT", "/admin/backend", json=wanted)
        assert response.status_code == 200, response.text
        return response.json()

    def told(self) -> dict[str, Any]:
        """What is said of the copy, everywhere alike."""
        found: dict[str, Any] = same_everywhere(self.server)["backends"]["frozen"]
        return found

    def until(self, *states: str) -> dict[str, Any]:
        """What is said of the copy once it is in one of these states."""
        self.server.wait_until(lambda: self.server.model()["backends"]["frozen"]["state"] in states)
        return self.told()

    def window(self) -> Any:
        """The copy's window of live pairs."""
        return self.server.get("/compare").json()["copies"]["frozen"]["window"]


@contextmanager
def living(root: Path, native: Path, photos: dict[str, bytes]) -> Iterator[Living]:
    """The gate of this server has pictures without a box: it leaves its verdict to live traffic."""
    put(native, root / "models" / "1")
    put(bundled_model() / "1", root / "models" / "1_frozen")
    fill(root / "gate", empty())
    environ = {
        "DETECTOR_MODEL": str(root / "models"),
        "DETECTOR_COPIES": "frozen",
        "DETECTOR_STARTUP_CONVERSION": "off",
        "DETECTOR_GATE_IMAGES": str(root / "gate"),
        "DETECTOR_GATE_SECONDS": "10",
        "DETECTOR_MAX_BATCH": "1",
        "DETECTOR_SHADOW_SHARE": "0",
        "DETECTOR_ROLLBACK_WINDOW": str(WINDOW),
        "DETECTOR_ADMIN_TOKEN": "secret",
    }
    with serving(environ) as server:
        server.wait_until_ready()
        persons = [photos["astronaut"], photos["camera"]]
        yield Living(server, root / "models" / "1_frozen", persons, [*persons, *framed(persons)])
