"""`make ray-check`: Ray Serve runs deploy/ray/serve.yaml with two replicas, one of which is killed under load."""

import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.settings import bundled_model
from benchmarks.ray_serve import BIN, CONFIG, ROOT, RayServe, ray_serving
from benchmarks.serving import TLS, assert_gone, children, copied, serving
from benchmarks.witnesses import boxes

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not BIN.exists(), reason="`make ray-check` installs Ray"),
]

CLIENTS, TRIES = 8, 10
PIXELS, SCORE = 0.5, 0.005
Box = tuple[str, float, tuple[float, ...]]
ADMIN = {"Authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: whoever comes first makes the copy in it."""
    return copied(bundled_model(), tmp_path_factory.mktemp("models") / "yolox_nano")


@pytest.fixture(scope="module", params=[False, True], ids=["Ray's own proxy", "HAProxy"])
def cluster(model: Path, request: pytest.FixtureRequest) -> Iterator[RayServe]:
    environ = {"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": "onnx", "DETECTOR_SHADOW_SHARE": "0"}
    environ |= {"DETECTOR_ADMIN_TOKEN": "secret", "DETECTOR_GATE_SECONDS": "0.2"}
    with ray_serving(environ, haproxy=request.param) as running:
        running.wait_until(lambda: len(running.own_urls()) == 2)
        yield running
        left = [*running.replicas, *running.worker_pids()]
    assert_gone(left)


@pytest.fixture(scope="module")
def expected(cluster: RayServe, model: Path, photos: dict[str, bytes]) -> dict[str, Any]:
    """What our own server finds in each photo."""
    with serving({"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": ""}) as server:
        server.wait_until_ready()
        return {name: server.detect(photo).json() for name, photo in photos.items()}


def ask(url: str, photo: bytes, **parameters: str) -> httpx.Response:
    return httpx.post(f"{url}/detect", content=photo, params=parameters, timeout=60, verify=TLS)


def same(one: Any, other: Any) -> bool:
    """Whether both have the same boxes; one whose score is almost the threshold may be there or not."""
    pairs = [(boxes(one), boxes(other)), (boxes(other), boxes(one))]
    return all(any(alike(box, each) for each in there) for here, there in pairs for box in here if box[1] > 0.26)


def alike(one: Box, other: Box) -> bool:
    near = all(abs(a - b) <= PIXELS for a, b in zip(one[2], other[2], strict=True))
    return one[0] == other[0] and abs(one[1] - other[1]) <= SCORE and near


def counted(cluster: RayServe) -> list[float]:
    """The pictures that each replica has answered, by its own metrics."""
    return cluster.counted("detector_images_total", result="ok")


@pytest.mark.parametrize("gpus", [0, 1])
def test_ray_takes_the_file(gpus: int) -> None:
    config = yaml.safe_load(CONFIG.read_text())
    config["applications"][0]["deployments"][0]["ray_actor_options"]["num_gpus"] = gpus
    done = read_by_ray(config)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == config, "Ray knows every word of it: others would be passed over"
    config["applications"][0]["deployments"][0]["max_ongoing_requests"] = "many"
    assert "max_ongoing_requests" in read_by_ray(config).stderr


def read_by_ray(config: Any) -> "subprocess.CompletedProcess[str]":
    """It by Ray's own schema, as that has read it."""
    script = "import json, sys; from ray.serve.schema import ServeDeploySchema as S; "
    script += "print(S.model_validate(json.load(sys.stdin)).model_dump_json(exclude_unset=True))"
    return subprocess.run([BIN / "python", "-c", script], input=json.dumps(config), capture_output=True, text=True)


def test_photos_get_the_boxes_of_our_server(
    cluster: RayServe, expected: dict[str, Any], photos: dict[str, bytes]
) -> None:
    for name, photo in photos.items():
        answer = ask(cluster.url, photo, backend="native")
        assert answer.status_code == 200, answer.text
        assert same(answer.json(), expected[name]), name


def test_both_answer_and_the_metrics_of_both_are_found(cluster: RayServe, photos: dict[str, bytes]) -> None:
    before = counted(cluster)
    assert len(before) == 2
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda _: ask(cluster.url, photos["dog"]).status_code, range(60)))
    assert answers == [200] * 60
    more = [after - earlier for after, earlier in zip(counted(cluster), before, strict=True)]
    assert sum(more) == 60
    assert min(more) > 5, f"both have had their share: {more}"


def test_each_keeps_to_a_core_of_its_own(cluster: RayServe) -> None:
    cores = [tuple(os.sched_getaffinity(pid)) for pid in cluster.worker_pids()]
    assert {len(each) for each in cores} == {1}
    assert len(set(cores)) == 2


def test_the_copy_was_made_once(cluster: RayServe) -> None:
    def jobs() -> list[Any]:
        return [httpx.get(f"{url}/convert/jobs", headers=ADMIN, verify=TLS).json() for url in cluster.own_urls()]

    cluster.wait_until(lambda: all(each and each[0]["finished"] for each in jobs()), within_s=300)
    made = [job for each in jobs() for job in each]
    assert {(job["state"], job["reason"]) for job in made} == {("succeeded", "")}
    reports = [{**job["report"], "gate": None} for job in made]
    assert all(report == reports[0] for report in reports), "there was one conversion"
    for url in cluster.own_urls():
        assert ask(url, (ROOT / "tests" / "data" / "dog.jpg").read_bytes(), backend="onnx").status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/compare", "/", "/convert/jobs", "/admin/backend"])
def test_what_concerns_one_replica_is_not_asked_of_any(cluster: RayServe, path: str) -> None:
    asked = httpx.get(cluster.url + path, headers=ADMIN, verify=TLS)
    assert (asked.status_code, asked.json()["code"]) == (404, "not_found")
    own = [httpx.get(url + path, headers=ADMIN, verify=TLS).status_code for url in cluster.own_urls()]
    assert own == [405 if path == "/admin/backend" else 200] * 2


@contextmanager
def clients(url: str, expected: dict[str, Any], photos: dict[str, bytes]) -> Iterator["Counter[int | str]"]:
    """Ask all the while with all photos; each must be answered rightly in the end. How often each status came."""
    seen: Counter[int | str] = Counter()
    stop, names = threading.Event(), list(photos)

    def client(number: int) -> list[str]:
        """What went wrong for good."""
        problems = []
        while not stop.is_set():
            number += 1
            name = names[number % len(names)]
            if not answered(url, photos[name], expected[name], seen):
                problems.append(name)
        return problems

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(client, number) for number in range(CLIENTS)]
        try:
            time.sleep(5)
            yield seen
            time.sleep(5)
        finally:
            stop.set()
    logging.getLogger(__name__).info("answers=%s", dict(seen))
    assert [problem for each in asking for problem in each.result()] == []


def test_a_killed_replica_costs_no_request_that_is_tried_again(
    cluster: RayServe, expected: dict[str, Any], photos: dict[str, bytes]
) -> None:
    with clients(cluster.url, expected, photos) as seen:
        victim = cluster.replicas[0]
        its_workers = children(victim)
        before = seen.total()
        os.kill(victim, signal.SIGKILL)
        assert_gone([victim, *its_workers])
        cluster.wait_until(lambda: len(cluster.own_urls()) == 2)
    assert set(seen) <= {200, 503, "broken"}
    assert seen[200] > before + CLIENTS, "the other one answered meanwhile"
    assert victim not in cluster.replicas
    assert len(counted(cluster)) == 2


def answered(url: str, photo: bytes, expected: Any, seen: "Counter[int | str]") -> bool:
    """Whether a client that tries again after 503 and after a broken connection gets the right boxes."""
    for _ in range(TRIES):
        try:
            answer = ask(url, photo, backend="native")
        except httpx.TransportError:
            seen["broken"] += 1
            continue
        seen[answer.status_code] += 1
        if answer.status_code == 200:
            return same(answer.json(), expected)
        if answer.status_code != 503:
            return False
        time.sleep(float(answer.headers.get("Retry-After", 1)))
    return False
