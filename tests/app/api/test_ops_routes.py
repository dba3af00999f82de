import asyncio
import os
import random
import string
from pathlib import Path
from typing import Any

import pytest

from app.backends.backend import ModelRefused, WorkerDied
from converter.disk import trees
from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs
from tests.support.fakes import FACTS, FakeStarter, until

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()


async def statuses(api: Api) -> tuple[int, int, int]:
    """Of /healthz, /readyz and /startupz."""
    answers = [(await api.client.get(path)).status_code for path in ("/healthz", "/readyz", "/startupz")]
    return answers[0], answers[1], answers[2]


async def test_probes_from_start_to_end(start: Start) -> None:
    starter = FakeStarter()
    starter.open_gate.clear()
    api = await start(starter)
    await until(lambda: len(starter.asked) == 1)
    assert await statuses(api) == (200, 503, 503)
    response = await api.client.get("/readyz")
    assert "native is loading" in assert_is_error(response, 503, "backend_unavailable")
    assert "Retry-After" in response.headers
    starter.open_gate.set()
    await api.ready()
    assert await statuses(api) == (200, 200, 200)
    starter.open_gate.clear()
    api.native.die()
    await until(lambda: api.app.state.health.unready() is not None)
    assert await statuses(api) == (200, 503, 200)
    sentence = assert_is_error(await api.client.get("/readyz"), 503, "backend_unavailable")
    assert "native is crashed, its process ended by SIGKILL" in sentence
    starter.open_gate.set()
    await api.ready()
    assert await statuses(api) == (200, 200, 200)
    api.app.state.health.draining = True
    assert await statuses(api) == (200, 503, 200)
    assert "stopping" in assert_is_error(await api.client.get("/readyz"), 503, "backend_unavailable")
    assert (await api.detect(PHOTO)).status_code == 200, "what still comes is answered"


async def test_having_started_does_not_depend_on_who_asked_first(start: Start) -> None:
    """A server that was ready and whose worker has died has started, even if no probe came in between."""
    api = await start()
    await api.until_metric("detector_backend_active", 1, backend="native")
    api.starter.open_gate.clear()
    api.native.die()
    await api.until_metric("detector_backend_state", 1, backend="native", state="crashed")
    assert await statuses(api) == (200, 503, 200)


@pytest.mark.parametrize("mode", ["background", "off", "blocking"])
async def test_without_copies_every_way_of_starting_becomes_ready(mode: str, start: Start) -> None:
    api = await start(startup_conversion=mode)
    await api.ready()
    assert await statuses(api) == (200, 200, 200)


@pytest.mark.parametrize("error", [ModelRefused("the model has no signature"), WorkerDied("it ended by SIGABRT")])
async def test_a_model_that_can_not_be_served_is_told_in_one_sentence(
    error: Exception, start: Start, saved_model: Path
) -> None:
    api = await start(FakeStarter(error))
    await until(lambda: bool(api.failures))
    assert api.failures == [f"the model {saved_model}/1 can't be served: {error}"]
    assert await statuses(api) == (200, 503, 503)


async def test_the_model_is_described(api: Api, saved_model: Path) -> None:
    body = (await api.client.get("/model")).json()
    not_wanted = "it is not among the copies asked for (DETECTOR_COPIES)"
    unjudged: dict[str, Any] = {"verdict": None, "rolled_back": None, "slower_live": {}}
    unjudged |= {"providers": None, "fallback": None}
    facts = ("device", "batch_sizes", "batches_in_flight", "gpu_memory_bytes", "load_seconds", "warm_seconds")
    nothing = {**unjudged, **dict.fromkeys((*facts, "replicas"))}
    worker = {"state": "ready", "reason": "", "pid": os.getpid(), "device": "CPU", "gpu": None, "cores": None}
    assert body == {
        "name": "street_signs",
        "version": "1",
        "sha256": trees.source_sha256(saved_model / "1"),
        "signature": dict(FACTS.signature),
        "labels": {"64": "tram", "65": "traffic light"},
        "label_ids": "2 classes, 64 to 65, no gaps",
        "label_evidence": "lines of an id and a name, the first is class 64: by the ids in it",
        "active": "native",
        "backends": {
            "native": {
                "state": "active",
                "reason": "",
                **unjudged,
                "device": "CPU",
                "batch_sizes": [1, 8],
                "batches_in_flight": 2,
                "gpu_memory_bytes": None,
                "load_seconds": 0.1,
                "warm_seconds": 0.2,
                "replicas": [worker],
            },
            "trt": {"state": "unavailable", "reason": not_wanted, **nothing},
            "onnx": {"state": "unavailable", "reason": not_wanted, **nothing},
            "frozen": {"state": "unavailable", "reason": not_wanted, **nothing},
        },
    }


async def test_the_model_is_described_before_it_is_loaded(start: Start) -> None:
    starter = FakeStarter()
    starter.open_gate.clear()
    api = await start(starter)
    await until(lambda: len(starter.asked) == 1)
    body = (await api.client.get("/model")).json()
    assert (body["active"], body["signature"], body["backends"]["native"]["state"]) == (None, None, "loading")
    starter.open_gate.set()


async def test_metrics_are_prometheus_text(api: Api) -> None:
    response = await api.client.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    labels = {"name": "street_signs", "version": "1"}
    assert await api.metric("detector_model_info", **labels) == 1
    for backend, state in (("native", "active"), ("trt", "unavailable"), ("frozen", "unavailable")):
        assert await api.metric("detector_backend_state", backend=backend, state=state) == 1
        assert await api.metric("detector_backend_state", backend=backend) == 1
        assert await api.metric("detector_backend_ready", backend=backend) == (backend == "native")
        assert await api.metric("detector_backend_active", backend=backend) == (backend == "native")


async def test_metrics_add_up(api: Api) -> None:
    bodies = [PHOTO] * 20 + [b"", b"hello"] + [jpegs.cut_in_header(PHOTO)] * 3
    await asyncio.gather(*(api.detect(body) for body in bodies))
    assert await api.metric("detector_images_total") == 25
    assert await api.metric("detector_images_total", result="ok", backend="native") == 20
    assert await api.metric("detector_request_duration_seconds_count", route="/detect") == 25
    assert await api.metric("detector_request_duration_seconds_count", route="/detect", code="200") == 20
    for stage in ("validate", "queue", "infer", "encode"):
        assert await api.metric("detector_stage_duration_seconds_count", stage=stage, backend="native") == 20
    assert await api.metric("detector_batch_size_sum", backend="native") == 20
    assert await api.metric("detector_batch_size_count", backend="native") == len(api.native.batches)
    assert await api.metric("detector_failures_total") == 5
    assert await api.metric("detector_in_flight") == await api.metric("detector_queue_depth") == 0


async def test_a_restart_is_counted(api: Api) -> None:
    api.native.die()
    await until(lambda: len(api.starter.started) == 2)
    await api.ready()
    assert await api.metric("detector_worker_restarts_total", backend="native") == 1
    assert (await api.detect(PHOTO)).status_code == 200


async def test_unknown_paths_and_methods_add_no_series(api: Api) -> None:
    chance = random.Random(7)
    await api.client.get("/nothing")
    await api.client.get("/convert/nothing")
    await api.client.request("BREW", "/detect")
    await api.client.request("BREW", "/")
    await api.client.get("/metrics")
    before = set(await api.series())
    for _ in range(200):
        path = "".join(chance.choices(string.ascii_letters + "/%?.é", k=chance.randrange(1, 40)))
        method = "".join(chance.choices(string.ascii_uppercase, k=5))
        await api.client.request(method, f"http://localhost/{path}")
        await api.client.request(method, "/detect")
        await api.client.get(f"/convert/jobs/{chance.random()}")
    new = set(await api.series()) - before
    assert {dict(labels).get("route") for _, labels in new} <= {"/convert/jobs/{job_id}", "/convert/jobs", None}
    assert len(new) < 50


async def test_routes_are_counted_by_their_template(start: Start) -> None:
    api = await start(admin_token="sesame")
    await api.client.get("/convert/jobs/abc", headers={"Authorization": "Bearer sesame"})
    await api.client.get("/healthz")
    await api.client.get("/nothing")
    await api.client.get("/healthz/nothing")
    routes = {
        dict(labels)["route"] for name, labels in await api.series() if name.endswith("request_duration_seconds_count")
    }
    assert routes == {"/convert/jobs/{job_id}", "/healthz", "unmatched"}
