"""Under load: only answers and honest refusals, series that add up, crashes that nobody feels as a 500."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from benchmarks.serving import serving
from benchmarks.traffic import traffic

pytestmark = pytest.mark.tensorflow


@pytest.mark.heavy
def test_metrics_add_up_after_overload(model_folder: Path, photos: dict[str, bytes]) -> None:
    environ = {"DETECTOR_MODEL": str(model_folder), "DETECTOR_COPIES": "", "DETECTOR_QUEUE_LIMIT": "8"}
    with serving(environ) as server:
        server.wait_until_ready()
        with traffic(server.url, list(photos.values()), connections=32) as sent:
            sent.wait_for(300)
        statuses = sent.statuses
        assert sent.errors == []
        assert set(statuses) == {200, 429}
        assert server.metric("detector_images_total", result="ok") == statuses[200]
        assert server.metric("detector_images_total", result="overloaded") == statuses[429]
        assert server.metric("detector_images_total") == len(sent.answers)
        assert server.metric("detector_failures_total", reason="overloaded") == statuses[429]
        for stage in ("validate", "queue", "infer", "encode"):
            name = "detector_stage_duration_seconds_count"
            assert server.metric(name, stage=stage, backend="native") == statuses[200]
        durations = "detector_request_duration_seconds_count"
        assert server.metric(durations, route="/detect", code="200") == statuses[200]
        assert server.metric(durations, route="/detect", code="429") == statuses[429]
        assert server.metric("detector_batch_size_sum", backend="native") == statuses[200]
        assert server.metric("detector_queue_depth") == server.metric("detector_in_flight") == 0


def test_a_killed_worker_is_replaced_and_costs_no_answer(model_folder: Path, photos: dict[str, bytes]) -> None:
    with serving({"DETECTOR_MODEL": str(model_folder), "DETECTOR_COPIES": ""}) as server:
        server.wait_until_ready()
        first = server.worker_pid("native")
        with traffic(server.url, list(photos.values()), connections=8) as sent:
            sent.wait_for(20)
            os.kill(first, signal.SIGKILL)
            server.wait_until(lambda: server.model()["backends"]["native"]["state"] == "crashed", within_s=5)
            server.wait_until_ready(within_s=30)
            sent.wait_for(20)
        assert sent.errors == []
        assert set(sent.statuses) == {200}  # what was in it, and what came meanwhile, waited for the next one
        assert server.worker_pid("native") != first
        assert server.metric("detector_worker_restarts_total", backend="native") == 1
        assert sent.answers[-1][1].status_code == 200


def test_sigterm_under_load_loses_no_admitted_request(model_folder: Path, photos: dict[str, bytes]) -> None:
    environ = {"DETECTOR_MODEL": str(model_folder), "DETECTOR_COPIES": "", "DETECTOR_DRAIN_SECONDS": "2"}
    with serving(environ) as server:
        server.wait_until_ready()
        with traffic(server.url, list(photos.values()), connections=8) as sent:
            sent.wait_for(20)
            server.process.send_signal(signal.SIGTERM)
            server.wait_until(lambda: server.get("/readyz").status_code == 503, within_s=1)
            sent.wait_for(20)  # it still answers while load balancers look away
            code = server.process.wait(timeout=30)
        assert code == -signal.SIGTERM
        assert set(sent.statuses) == {200}
        # What was on its way when the connection was closed is reset by the system: nobody had taken it.
        unadmitted = {httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError}
        assert {type(error) for error in sent.errors} <= unadmitted
