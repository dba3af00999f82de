"""The real FastAPI app in this process: no worker, no TensorFlow, a client that speaks ASGI to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from app.main import assemble
from app.settings import Settings
from app.wiring import Parts, build
from tests.support.app.converting import Programs
from tests.support.fakes import FakeBackend, FakeStarter, until

Start = Callable[..., Awaitable["Api"]]


@dataclass
class Api:
    """A running app."""

    app: FastAPI
    client: httpx.AsyncClient
    starter: FakeStarter
    failures: list[str]
    parts: Parts

    @property
    def native(self) -> FakeBackend:
        """The backend that was started last under this name."""
        return next(backend for backend in reversed(self.starter.started) if backend.name == "native")

    async def ready(self) -> None:
        """Return when native serves."""
        health = self.app.state.health
        await until(lambda: health.unready() is None)

    async def detect(self, photo: bytes, **parameters: Any) -> httpx.Response:
        """POST one picture; headers apart from its type go by `self.client.headers`."""
        return await self.client.post(
            "/detect", content=photo, params=parameters, headers={"Content-Type": "image/jpeg"}
        )

    async def until_metric(self, name: str, value: float, /, **labels: str) -> None:
        """Let everything else run until a metric has this value."""
        async with asyncio.timeout(10):
            while await self.metric(name, **labels) != value:  # noqa: ASYNC110  # nothing signals it
                await asyncio.sleep(0.001)

    async def series(self, name: str = "") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """All samples of /metrics, or those whose names begin like this, by name and labels."""
        text = (await self.client.get("/metrics")).text
        wanted = "".join(line for line in text.splitlines(keepends=True) if line.startswith(name))
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(wanted)
            for sample in family.samples
        }

    async def metric(self, name: str, /, **labels: str) -> float:
        """The sum of the samples called `name` that have these labels."""
        found = (await self.series(name)).items()
        return sum(value for (sample, have), value in found if sample == name and labels.items() <= dict(have).items())


class Admin:
    """Somebody who has the admin's token."""

    def __init__(self, api: Api) -> None:
        self.api, self.client = api, api.client
        self.client.headers["Authorization"] = "Bearer sesame"

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """POST a JSON object."""
        return await self.client.post(path, json=body)

    async def convert(self, **options: Any) -> dict[str, Any]:
        """The job that a conversion became."""
        response = await self.post("/convert", **options)
        assert response.status_code == 202, response.text
        body: dict[str, Any] = response.json()
        return body

    async def job(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as it stands now."""
        body: dict[str, Any] = (await self.client.get(f"/convert/jobs/{job['id']}")).json()
        return body

    async def jobs(self) -> list[dict[str, Any]]:
        """All that are remembered."""
        body: list[dict[str, Any]] = (await self.client.get("/convert/jobs")).json()
        return body

    async def until(self, job: dict[str, Any], *, step: str) -> dict[str, Any]:
        """The job once it has come to this step."""
        return await anext(now async for now in self.following(job) if now["step"] == step or now["finished"])

    async def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job once it has ended."""
        return [now async for now in self.following(job)][-1]

    async def following(self, job: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The job as it stands, again and again until it has ended."""
        async with asyncio.timeout(20):
            while not (now := await self.job(job))["finished"]:
                yield now
                await asyncio.sleep(0.02)
        yield now

    async def model(self, backend: str) -> dict[str, Any]:
        """What /model says of a backend."""
        body: dict[str, Any] = (await self.client.get("/model")).json()["backends"][backend]
        return body


@asynccontextmanager
async def starting(model: Path) -> AsyncIterator[Start]:
    """Starts the app with some settings, and by another starter if one is given; all of them end with this."""
    async with AsyncExitStack() as stack:

        async def api(starter: FakeStarter | None = None, **changes: Any) -> Api:
            made = starter or FakeStarter()
            settings = Settings.model_validate({"model": model, "copies": (), **changes})
            failures: list[str] = []
            parts = build(settings, made)
            parts.routing.lanes["native"].slot.replicas[0].pause_s = 0.05
            app = assemble(parts, settings, fail=failures.append)
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app=app)
            client = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://localhost")
            )
            return Api(app, client, made, failures, parts)

        yield api


@pytest.fixture
async def start(saved_model: Path) -> AsyncIterator[Start]:
    async with starting(saved_model) as start:
        yield start


@pytest.fixture(scope="module")
async def start_shared(shared_model: Path) -> AsyncIterator[Start]:
    """The same for apps that many tests of a module ask, and none changes."""
    async with starting(shared_model) as start:
        yield start


@pytest.fixture(scope="module")
async def shared(start_shared: Start) -> Api:
    """Like `api`, one for all tests of a module: what it has counted or got in its headers is anybody's."""
    running = await start_shared()
    await running.ready()
    return running


@pytest.fixture
async def api(start: Start) -> Api:
    """The app with the settings it has by itself, ready."""
    running = await start()
    await running.ready()
    return running


@pytest.fixture
async def admin(start: Start, programs: Programs) -> Admin:
    """The app with its admin routes open; its converters run no TensorFlow."""
    return Admin(await start(admin_token="sesame"))


def assert_is_error(response: httpx.Response, status: int, code: str) -> str:
    """The sentence of an error that has this status, this code and the one body that all have."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"error", "code", "request_id"}
    assert body["code"] == code
    assert body["request_id"] == response.headers["X-Request-Id"]
    assert body["error"]
    assert "Traceback" not in body["error"]
    return str(body["error"])
