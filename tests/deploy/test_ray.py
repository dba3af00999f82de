"""deploy/ray without Ray: what Serve is told fits the server, and the parts of a replica do what they say."""

import asyncio
import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.backends.backend import ModelRefused
from app.misspelt import misspelt
from app.settings import Settings, bundled_model
from benchmarks.serving import free_port
from deploy.ray import cores, proxy, replica
from tests.support.fakes import FakeStarter, until
from tests.support.places import ROOT

pytestmark = pytest.mark.anyio

FOLDER = ROOT / "deploy" / "ray"
CONFIG = yaml.safe_load((FOLDER / "serve.yaml").read_text())
[APPLICATION] = CONFIG["applications"]
[DEPLOYMENT] = APPLICATION["deployments"]
ENVIRON = APPLICATION["runtime_env"]["env_vars"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_the_variables_are_settings() -> None:
    assert misspelt(ENVIRON) == []
    assert Settings.from_env(ENVIRON).host == "0.0.0.0"


def test_it_fits_the_server() -> None:
    settings = Settings.from_env(ENVIRON)
    assert DEPLOYMENT["max_ongoing_requests"] >= settings.queue_limit + 2 * settings.max_batch
    assert DEPLOYMENT["graceful_shutdown_timeout_s"] > settings.timeout_seconds
    assert CONFIG["http_options"]["request_timeout_s"] > settings.timeout_seconds
    assert CONFIG["http_options"]["keep_alive_timeout_s"] == settings.keep_alive_seconds
    module, _, name = APPLICATION["import_path"].partition(":")
    spec = importlib.util.find_spec(module)
    assert spec
    assert spec.origin
    assert re.search(rf"^{name} = {DEPLOYMENT['name']}\.bind\(\)", Path(spec.origin).read_text(), re.MULTILINE)


def test_prometheus_asks_at_the_ports_where_replicas_listen() -> None:
    text = (FOLDER / "prometheus.yml").read_text()
    first = Settings.from_env(ENVIRON).port
    assert [int(port) for port in re.findall(r"\$1:(\d+)", text)] == [first, first + 1]


@pytest.mark.system
def test_prometheus_takes_its_file() -> None:
    subprocess.run(["promtool", "check", "config", FOLDER / "prometheus.yml"], check=True, capture_output=True)


def test_the_lock_has_what_the_server_was_tested_with() -> None:
    pinned = [dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", path.read_text(), re.MULTILINE)) for path in LOCKS]
    both = pinned[0].keys() & pinned[1].keys()
    assert {"fastapi", "onnxruntime", "tensorflow", "uvicorn"} <= both
    assert {name for name in both if pinned[0][name] != pinned[1][name]} == set()
    assert "ray" in pinned[0]


LOCKS = (FOLDER / "requirements.lock", ROOT / "requirements.lock")
OURS = {"error": "the server failed", "code": "internal", "request_id": "1"}


async def asked(app: ASGIApp, path: str = "/") -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path, headers={"X-Request-Id": "abc"})


def layered(app: ASGIApp) -> ASGIApp:
    """Ray's proxy with what it is told to put around itself."""
    for layer in proxy.layers():
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return app


async def no_answer(scope: Scope, receive: Receive, send: Send) -> None:
    """What is left of a request in Ray's proxy when its replica has died."""


async def test_what_a_replica_worked_on_when_it_died_can_be_tried_again() -> None:
    answer = await asked(layered(no_answer))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert (answer.json()["code"], answer.json()["request_id"]) == ("backend_unavailable", "abc")


@pytest.mark.parametrize(
    "answer",
    [JSONResponse(OURS, 500), PlainTextResponse("figures", 200), JSONResponse(OURS, 429), Response(status_code=304)],
    ids=["the server's own 500", "200", "429", "304"],
)
async def test_all_other_answers_pass(answer: Response) -> None:
    passed = await asked(layered(answer))
    assert (passed.status_code, passed.content) == (answer.status_code, answer.body)


def settings(**more: Any) -> Settings:
    bind = f"127.0.0.1:{free_port()}"
    return Settings.model_validate({"model": bundled_model(), "copies": (), "bind": bind, **more})


@pytest.mark.parametrize("prefix", ["", "/detector"])
async def test_what_concerns_one_replica_is_not_served_through_proxies(prefix: str) -> None:
    built = replica.build(settings(root_path=prefix), start_backend=FakeStarter())
    for path in ("/", "/metrics", "/compare", "/page/page.js", "/convert", "/convert/jobs", "/admin/reload"):
        assert (await asked(built, prefix + path)).status_code == 404
        assert (await asked(built, path)).status_code == 404
    for path in ("/healthz", "/model", "/samples"):
        assert (await asked(built, prefix + path)).status_code == 200


async def test_a_replica_is_there_when_it_is_ready_and_listens_by_itself() -> None:
    starter, own = FakeStarter(), settings()
    url = f"http://{own.bind}"
    starter.open_gate.clear()
    built = replica.build(own, start_backend=starter)
    api = lifespan_of(built)
    starting = asyncio.create_task(api.__aenter__())
    async with httpx.AsyncClient(base_url=url) as client:
        await until(lambda: bool(starter.asked))
        assert not starting.done(), "native is not warm yet"
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        starter.open_gate.set()
        await starting
        assert (await client.get("/readyz")).status_code == 200
        assert "detector_model_info" in (await client.get("/metrics")).text
        await api.__aexit__(None, None, None)
        with pytest.raises(httpx.ConnectError):
            await client.get("/metrics")
    assert built.health.draining
    assert [backend.closed for backend in starter.started] == [True]


async def test_a_replica_whose_model_cannot_be_served_says_why() -> None:
    built = replica.build(settings(), start_backend=FakeStarter(ModelRefused("it has no boxes")))
    with pytest.raises(replica.NotReady, match="it has no boxes"):
        await lifespan_of(built).__aenter__()


def lifespan_of(built: replica.Ingress) -> Any:
    """What Serve runs around all requests."""
    api: FastAPI = built._api
    return api.router.lifespan_context(api)


def test_replicas_of_a_machine_listen_beside_each_other() -> None:
    port = free_port()
    with replica.listen("127.0.0.1", port) as first, replica.listen("127.0.0.1", port) as second:
        ports = [first.getsockname()[1], second.getsockname()[1]]
    assert ports[0] == port
    assert port < ports[1] < port + replica.MOST_ON_A_MACHINE


@pytest.fixture
def all_cores() -> Iterator[list[int]]:
    """Those that this process may run on, before and after the test."""
    before = os.sched_getaffinity(0)
    yield sorted(before)
    os.sched_setaffinity(0, before)


HOLDER = """
import sys, time
from pathlib import Path
from deploy.ray import cores
print(*cores.take(1, folder=Path(sys.argv[1])), flush=True)
time.sleep(60)
"""


def test_cores_are_a_replicas_own_until_it_ends_however_it_does(tmp_path: Path, all_cores: list[int]) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline().split() == [str(all_cores[0])]
        assert cores.take(len(all_cores), folder=tmp_path) == (), "one of them is taken"
        other.send_signal(signal.SIGKILL)
    mine = cores.take(len(all_cores), folder=tmp_path)
    assert mine == tuple(all_cores)
    cores.keep_to(mine[:1])
    assert os.sched_getaffinity(0) == {mine[0]}
    assert cores.take(0, folder=tmp_path) == ()
