"""The worker for ONNX copies, in its process, with a copy made by hand."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.backends.backend import BatchFailed, ModelRefused, Spec
from app.backends.worker import Worker, start_worker
from app.images import Image, check
from converter.model.onnx_layout import NETWORK
from tests.support.converter import graphs, pictures

pytestmark = pytest.mark.anyio

PICTURES = [check(pictures.jpeg(*size), max_pixels=10_000) for size in ((33, 31), (64, 48, 1), (9, 5, 4))]


@pytest.fixture(scope="module")
async def worker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Worker]:
    started = await start_worker(spec(graphs.copy(tmp_path_factory.mktemp("copies") / "1_onnx")))
    yield started
    await started.close()


def spec(folder: Path, *, batches_in_flight: int | None = None) -> Spec:
    return Spec("onnx", folder, max_batch=8, batches_in_flight=batches_in_flight)


async def test_it_says_what_runs_it(worker: Worker) -> None:
    facts = worker.facts
    assert (facts.device, set(facts.providers), facts.fallback, facts.fallback_reason) == ("CPU", {"CPU"}, None, None)
    assert facts.signature["input"] == "image_bytes: JPEG files as strings (N,)"
    assert facts.load_seconds < 5


async def test_on_a_cpu_a_picture_is_a_batch_and_every_core_has_one(worker: Worker) -> None:
    assert worker.facts.batch_sizes == (1,)
    assert worker.facts.batches_in_flight == len(os.sched_getaffinity(0)) + 1


async def test_it_answers_pictures_of_any_kind_in_their_own_pixels(worker: Worker) -> None:
    for image in PICTURES:
        (found,) = await worker.detect([image])
        assert found.boxes.tolist() == [[0, 0, image.width, image.height]]
        assert found.classes.tolist() == [18]
    assert [len(each) for each in await worker.detect(PICTURES)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PICTURES[0].data[:-2], "undecodable"),
        (PICTURES[0].data[:-60], "undecodable"),
        (pictures.jpeg(channels=4, subsampling=2), "unlike"),
    ],
)
async def test_a_picture_that_it_can_not_decode_is_told_by_kind(data: bytes, kind: str, worker: Worker) -> None:
    with pytest.raises(BatchFailed) as caught:
        await worker.detect([Image(data, 33, 31)])
    assert caught.value.kind == kind
    assert len(await worker.detect(PICTURES[:1])) == 1, "it serves on"


async def test_it_takes_little_memory_and_no_tensorflow(worker: Worker) -> None:
    process = of_process(worker.pid)
    assert process["VmRSS"] < 150_000
    assert not process["tensorflow"]


def of_process(pid: int) -> dict[str, int]:
    """The kilobytes that it holds, and whether TensorFlow's libraries are among its files."""
    status = (Path("/proc") / str(pid) / "status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    return {"VmRSS": kilobytes, "tensorflow": "tensorflow" in (Path("/proc") / str(pid) / "maps").read_text()}


async def test_settings_say_how_it_is_run(tmp_path: Path) -> None:
    folder = graphs.copy(tmp_path / "1_onnx")
    worker = await start_worker(spec(folder, batches_in_flight=5))
    assert worker.facts.batches_in_flight == 5
    await worker.close()


async def test_a_broken_copy_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = graphs.copy(tmp_path / "1_onnx")
    (folder / NETWORK).write_bytes(b"no graph")
    with pytest.raises(ModelRefused, match="ONNX Runtime can't load 1_onnx: "):
        await start_worker(spec(folder))


async def test_a_copy_without_a_detectors_outputs_is_refused(tmp_path: Path) -> None:
    folder = graphs.copy(tmp_path / "1_onnx", outputs=("detection_boxes",))
    with pytest.raises(ModelRefused, match="lacks the output 'detection_scores', 'detection_classes'"):
        await start_worker(spec(folder))
