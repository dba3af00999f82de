"""Two workers of native on two cores, with the real TensorFlow: they share the load, and one's death is not felt."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import bundled_model
from benchmarks.serving import Server, assert_gone, children, clean_environ, serving
from benchmarks.traffic import traffic
from converter.machine import cores
from tests.support.zoo import BARE

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(cores.usable() < 2, reason="two workers need two cores"),
]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replicas") / "model"
    shutil.copytree(bundled_model() / "1", folder / "1")
    return folder


@pytest.fixture(scope="module")
def two(versions: Path) -> Iterator[Server]:
    """A server with two workers of native, both warm."""
    environ = {"DETECTOR_MODEL": str(versions), "DETECTOR_REPLICAS": "2", "DETECTOR_COPIES": ""}
    with serving({**BARE, **environ, "DETECTOR_ADMIN_TOKEN": "secret"}) as running:
        running.wait_until_ready()
        running.wait_until(lambda: both_serve(running))
        yield running


def replicas(server: Server) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = server.model()["backends"]["native"]["replicas"]
    return told


def both_serve(server: Server) -> bool:
    return server.metric("detector_backend_replicas_ready", backend="native") == 2


def cpu_seconds(server: Server, replica: int) -> float:
    return server.metric("detector_process_cpu_seconds_total", process="native", replica=str(replica))


def test_both_answer_the_same_and_share_the_load(two: Server, photos: dict[str, bytes]) -> None:
    told = replicas(two)
    assert {each["state"] for each in told} == {"ready"}
    assert sorted(each["pid"] for each in told) == sorted(children(two.process.pid))
    first, second = (set(each["cores"]) for each in told)
    assert first | second == set(cores.which())
    assert not first & second
    for each in told:
        assert os.sched_getaffinity(each["pid"]) == set(each["cores"])
    before = [cpu_seconds(two, number) for number in (0, 1)]
    with traffic(two.url, [photos["dog"]], connections=8) as sent:
        sent.wait_for(60)
    assert (sent.errors, set(sent.statuses)) == ([], {200})
    boxes = [response.json()["detections"] for _, response in sent.answers]
    assert boxes == [boxes[0]] * len(boxes)
    spent = [cpu_seconds(two, number) - before[number] for number in (0, 1)]
    assert min(spent) > 0.25 * sum(spent)


def test_one_that_is_killed_costs_no_answer_and_the_other_goes_on(two: Server, photos: dict[str, bytes]) -> None:
    killed, left = (each["pid"] for each in replicas(two))
    with (
        traffic(two.url, list(photos.values()), connections=4) as to_auto,
        traffic(two.url, list(photos.values()), connections=4, backend="native") as to_native,
    ):
        to_auto.wait_for(10)
        os.kill(killed, signal.SIGKILL)
        two.wait_until(lambda: replicas(two)[0]["state"] != "ready", within_s=5)
        to_auto.wait_for(10)
        to_native.wait_for(10)
        meanwhile = replicas(two)
    for sent in (to_auto, to_native):
        assert (sent.errors, set(sent.statuses)) == ([], {200}), "a backend that is named has another worker, too"
    assert [each["state"] == "ready" for each in meanwhile] == [False, True], "twenty were answered by the other one"
    two.wait_until(lambda: both_serve(two))
    assert two.model()["backends"]["native"]["state"] == "active"
    assert [each["pid"] for each in replicas(two)][1] == left
    assert two.metric("detector_worker_restarts_total", backend="native") == 1


@pytest.mark.heavy
def test_a_new_version_takes_the_place_of_both_under_load(
    two: Server, versions: Path, photos: dict[str, bytes]
) -> None:
    old = [each["pid"] for each in replicas(two)]
    shutil.copytree(versions / "1", versions.with_name("beside"))
    versions.with_name("beside").rename(versions / "2")
    with traffic(two.url, [photos["dog"]], connections=4, pause_s=0.5) as sent:
        sent.wait_for(10)
        swapped = two.admin("POST", "/admin/reload", json={"backend": "native"})
        assert swapped.status_code == 200, swapped.text
        two.wait_until(lambda: both_serve(two))
        sent.wait_for(10)
    assert (sent.errors, set(sent.statuses)) == ([], {200})
    told = {response.json()["model"]["version"] for _, response in sent.answers}
    assert told == {"1", "2"}
    assert not {each["pid"] for each in replicas(two)} & set(old)
    assert_gone(old)


def test_more_workers_than_cores_are_refused_by_name() -> None:
    environ = clean_environ({"DETECTOR_REPLICAS": "64", "DETECTOR_COPIES": ""})
    command = ["taskset", "-c", str(cores.which()[0]), sys.executable, "-m", "app", "serve", "--bind", "127.0.0.1:0"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "serve: DETECTOR_REPLICAS=64: without a GPU each replica needs a core" in done.stderr
