"""Nobody is hurt by a neighbour: bad pictures in a batch, crashes, hangs, callers who leave."""

import asyncio
import io
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import PIL.Image
import pytest

from app.settings import bundled_model
from benchmarks.serving import TLS, Server, serving
from benchmarks.traffic import traffic
from tests.support.slower import SLOWER

pytestmark = pytest.mark.tensorflow


def jpeg(width: int, height: int, shade: int = 128, **options: Any) -> bytes:
    out = io.BytesIO()
    PIL.Image.new("RGB", (width, height), (shade, shade, shade)).save(out, "JPEG", **options)
    return out.getvalue()


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The same file declaring another size, in its SOF0 segment."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]


def with_precision(data: bytes, bits: int) -> bytes:
    at = data.index(b"\xff\xc0") + 4
    return data[:at] + bytes([bits]) + data[at + 1 :]


def with_scans(data: bytes, count: int) -> bytes:
    """A progressive file whose last scan is repeated."""
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + b"\xff\xd9"


PLAIN = jpeg(64, 48)
BAD = {
    "cut off": (jpeg(640, 480, quality=95)[:3000], 422),
    "12 bit": (with_precision(PLAIN, 12), 422),
    "zero size": (with_size(PLAIN, 0, 0), 422),
    "huge": (with_size(PLAIN, 13000, 13000), 413),
    "beyond all": (with_size(PLAIN, 65500, 65500), 413),
    "scan bomb": (with_scans(jpeg(64, 48, progressive=True), 2000), 422),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(100), 415),
    "empty": (b"", 400),
}


@pytest.mark.parametrize("kind", BAD)
def test_seven_good_pictures_beside_a_bad_one_are_as_if_alone(
    server: Server, photos: dict[str, bytes], kind: str
) -> None:
    bad, status = BAD[kind]
    good = [*photos.values(), photos["dog"]][:7]
    alone = together(server, good)
    mixed = together(server, [*good[:3], bad, *good[3:]])
    refused = mixed.pop(3)
    assert refused["status"] == status
    assert refused["code"] in ("invalid_image", "image_too_large", "not_a_jpeg", "bad_request")
    assert len(mixed) == len(alone) == 7
    for one, other in zip(alone, mixed, strict=True):
        assert [item["label"] for item in one["detections"]] == [item["label"] for item in other["detections"]]
        for a, b in zip(one["detections"], other["detections"], strict=True):
            assert a["score"] == pytest.approx(b["score"], abs=1e-4)


def together(server: Server, pictures: list[bytes]) -> list[dict[str, Any]]:
    with server.client as client:
        files = [("images", (f"{number}.jpg", picture)) for number, picture in enumerate(pictures)]
        results: list[dict[str, Any]] = client.post("/detect", files=files).json()["results"]
    return results


@pytest.mark.heavy
def test_each_of_500_requests_gets_its_own_answer(server: Server, photos: dict[str, bytes]) -> None:
    """Sizes tell the pictures apart: each answer must speak of the size that was sent."""
    with PIL.Image.open(io.BytesIO(photos["dog"])) as picture:
        sizes = [(300 + 4 * number, 225 + 3 * number) for number in range(50)]
        resized = []
        for size in sizes:
            out = io.BytesIO()
            picture.resize(size).save(out, "JPEG", quality=90)
            resized.append(out.getvalue())

    def ask(number: int) -> tuple[bool, float]:
        index = number % len(sizes)
        answer = server.detect(resized[index], classes="dog").json()
        width, height = sizes[index]
        right = (answer["image"]["width"], answer["image"]["height"]) == (width, height)
        return right, answer["detections"][0]["box"]["xmin"] / width

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(500)))
    assert all(right for right, _ in answers)
    assert {round(left, 1) for _, left in answers} == {0.2}  # the dog stands at the same place in all of them


@pytest.fixture
def quirky(photos: dict[str, bytes], tmp_path: Path) -> Any:
    """Starts a server whose model, and its copy if one is asked for, misbehaves on `unlucky(photos)`."""

    def start(quirk: str, **environ: str) -> Any:
        model = tmp_path / "quirky" / "1"
        command = [sys.executable, "-m", "tests.support.models.quirks", str(bundled_model() / "1"), str(model)]
        subprocess.run([*command, quirk, str(len(unlucky(photos)))], check=True, capture_output=True)
        shutil.copytree(model, model.with_name("1_frozen"))
        copies = {"DETECTOR_COPIES": "", "DETECTOR_STARTUP_CONVERSION": "off"}
        return serving({"DETECTOR_MODEL": str(model.parent), **copies, **SLOWER, **environ})

    return start


def unlucky(photos: dict[str, bytes]) -> bytes:
    return photos["dog"] + bytes(7)  # what follows the end of a JPEG file is ignored


def test_a_batch_fails_for_the_picture_that_the_model_rejects_alone(quirky: Any, photos: dict[str, bytes]) -> None:
    with quirky("rejects") as server:
        server.wait_until_ready()
        server.wait_until_settled()
        results = together(server, [photos["dog"], photos["coffee"], unlucky(photos), photos["chelsea"], photos["dog"]])
        assert [item["status"] for item in results] == [200, 200, 500, 200, 200]
        assert results[2]["code"] == "model_failed"
        assert "test wants" not in results[2]["error"]
        split, given_up = (server.metric("detector_batch_repairs_total", how=how) for how in ("split", "given_up"))
        assert (split >= 1, given_up) == (True, 1)


@pytest.mark.heavy
def test_a_batch_that_needs_too_much_memory_is_halved(quirky: Any, photos: dict[str, bytes]) -> None:
    with quirky("exhausts", DETECTOR_BATCHES_IN_FLIGHT="1") as server:
        server.wait_until_ready()
        server.wait_until_settled()
        pictures = [photos["dog"], photos["coffee"], unlucky(photos), photos["chelsea"]]
        assert [item["status"] for item in together(server, pictures)] == [200] * 4
        assert server.metric("detector_batch_repairs_total", how="halved") >= 1


@pytest.mark.heavy
def test_a_picture_that_crashes_two_workers_is_given_up(quirky: Any, photos: dict[str, bytes]) -> None:
    with quirky("crashes", DETECTOR_COPIES="frozen", DETECTOR_MAX_BATCH="1") as server:
        server.wait_until_ready()
        server.wait_until(lambda: server.model()["backends"]["frozen"]["state"] == "standby")
        pictures = [photos["dog"], photos["coffee"], unlucky(photos), photos["chelsea"]]
        assert [item["status"] for item in together(server, pictures)] == [200, 200, 422, 200]
        server.wait_until(lambda: server.metric("detector_backend_ready") == 2)
        again = [server.detect(unlucky(photos), backend=backend) for backend in ("auto", "native", "frozen") * 3]
        assert {(each.status_code, each.json()["code"]) for each in again} == {(422, "crashed_the_model")}
        assert server.metric("detector_worker_restarts_total") == 2


def test_requests_of_a_crashed_worker_are_answered_elsewhere(server: Server, photos: dict[str, bytes]) -> None:
    with traffic(server.url, list(photos.values()), connections=6) as sent:
        sent.wait_for(20)
        os.kill(server.worker_pid("native"), signal.SIGKILL)
        server.wait_until(lambda: server.model()["backends"]["native"]["state"] == "active", within_s=30)
        sent.wait_for(20)
    backends = {response.headers.get("X-Backend") for _, response in sent.answers if response.status_code == 200}
    assert backends == {"native", "frozen"}
    assert set(sent.statuses) == {200}


@pytest.mark.heavy
def test_a_hung_worker_is_ended_and_replaced(model_folder: Path, photos: dict[str, bytes]) -> None:
    environ = {"DETECTOR_MODEL": str(model_folder), "DETECTOR_COPIES": "", "DETECTOR_HANG_SECONDS": "1"}
    with serving(environ) as server:
        server.wait_until_ready()
        os.kill(server.worker_pid("native"), signal.SIGSTOP)
        assert server.detect(photos["dog"], backend="native").json()["code"] == "backend_unavailable"
        server.wait_until(lambda: server.detect(photos["dog"]).status_code == 200, within_s=30)
        assert server.metric("detector_worker_restarts_total", reason="hung") == 1


def test_work_of_callers_who_left_is_never_run(model_folder: Path, photos: dict[str, bytes]) -> None:
    with serving({"DETECTOR_MODEL": str(model_folder), "DETECTOR_COPIES": ""}) as server:
        server.wait_until_ready()
        worker = server.worker_pid("native")
        os.kill(worker, signal.SIGSTOP)
        try:
            asyncio.run(leave(server.url, photos["dog"], count=50))
            server.wait_until(lambda: server.metric("detector_images_total", result="gone") == 50)
        finally:
            os.kill(worker, signal.SIGCONT)
        assert server.detect(photos["dog"]).status_code == 200
        ran = server.metric("detector_batch_size_sum", backend="native")
        assert ran <= 2 * 8 + 1  # the two batches that the worker had already, and the last request
        assert server.metric("detector_queue_depth") == 0


async def leave(url: str, photo: bytes, *, count: int) -> None:
    """Send this many requests at once and close all connections before an answer comes."""
    async with httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=count), verify=TLS) as client:
        tasks = [asyncio.create_task(client.post("/detect", content=photo, timeout=60)) for _ in range(count)]
        await asyncio.wait(tasks, timeout=2)  # none is answered: the worker is stopped
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
