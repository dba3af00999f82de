"""The real FastAPI app over a bench: copies are loaded and judged by the test, not from a folder."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from app.api.dialects import Dialect
from app.main import assemble
from app.verdicts.verdict import Verdict
from tests.support.agreeing import assert_same
from tests.support.app.comparing import ServerSetup
from tests.support.fakes import until

ADMIN = {"Authorization": "Bearer sesame"}


class Compared(ServerSetup):
    """A bench whose app runs; `client` speaks to it."""

    client: httpx.AsyncClient

    async def load(self, **verdicts: Verdict) -> None:
        """Load these copies."""
        await self.open(*verdicts, verdicts=verdicts)

    async def get(self, path: str) -> Any:
        return (await self.client.get(path)).json()

    async def put(self, **wanted: Any) -> httpx.Response:
        """PUT /admin/backend, as an admin."""
        return await self.client.put("/admin/backend", json=wanted, headers=ADMIN)

    async def detect(self, photo: bytes, **parameters: Any) -> httpx.Response:
        headers = {"Content-Type": "image/jpeg"}
        return await self.client.post("/detect", content=photo, params=parameters, headers=headers)

    async def until_counted(self, name: str, count: float, **labels: str) -> None:
        """Let everything else run until so many have been counted."""
        await until(lambda: self.counted(name, **labels) == count)

    async def same_everywhere(self) -> Any:
        """What /model says; /compare and /metrics must say the same."""
        model = await self.get("/model")
        assert_same(model, await self.get("/compare"), (await self.client.get("/metrics")).text)
        return model


@asynccontextmanager
async def compared(
    model: Path, *, protocols: Mapping[str, Dialect] | None = None, **changes: Any
) -> AsyncIterator[Compared]:
    """The app for `model` with these settings, and these protocols; native is warm."""
    bench = Compared(model, **{"admin_token": "sesame", **changes})
    app = assemble(bench.parts, bench.settings, protocols=protocols)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as bench.client:
            await until(lambda: bench.told("frozen")[0] == "unavailable")  # it has looked at all copies
            yield bench
