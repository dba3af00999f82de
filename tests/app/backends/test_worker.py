import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from app.backends.backend import BatchFailed, GpuUse, ModelRefused, Spec, WorkerDied, WorkerGone
from app.backends.programs import environ_of
from app.backends.spare import Spare, environment
from app.backends.worker import Worker, start_program
from app.backends.worker_log import LogListener
from app.images import Image
from converter.model.detections import Detections
from tests.support.app import echo_worker as echo
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

Start = Callable[..., Awaitable[Worker]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts the echo program as `start_worker` starts a model's; what still runs is closed at the end."""
    started: list[Worker] = []

    async def worker(folder: str = "echo", listen: LogListener | None = None, **changes: Any) -> Worker:
        spec = Spec("native", Path(folder), max_batch=8, **changes)
        started.append(await start_program("tests.support.app.echo_worker", spec, listen))
        return started[-1]

    yield worker
    for each in started:
        await each.close()
        assert is_gone(each)


def picture(width: int, *, size_bytes: int = 10) -> Image:
    return Image(b"x" * size_bytes, width, 50)


def is_gone(worker: Worker) -> bool:
    return not Path(f"/proc/{worker.pid}").exists()


def echoed(detections: list[Detections]) -> list[tuple[float, int]]:
    """Width and length of each picture that was answered."""
    return [(float(each.boxes[0][2]), int(each.classes[0])) for each in detections]


async def test_it_says_what_it_is_when_it_is_warm(start: Start) -> None:
    worker = await start("street/1", batch_sizes=(1, 4), batches_in_flight=3)
    assert worker.facts.batch_sizes == (1, 4)
    assert (worker.facts.batches_in_flight, worker.facts.padded, worker.facts.device) == (3, True, "CPU")
    assert worker.facts.signature == {"folder": "street/1", "name": "native"}
    assert worker.name == "native"


async def test_it_is_told_how_to_use_a_gpu(start: Start) -> None:
    assert (await start(gpu=GpuUse((1, 2, 8), memory_mib=4000))).facts.batch_sizes == (1, 2, 8)


async def test_what_it_learns_of_its_model_while_it_serves_is_known(start: Start) -> None:
    worker = await start(environ={"ECHO_LATER": "16"}, batch_sizes=(1,))
    await asyncio.wait_for(worker.settled(), 10)
    assert worker.facts.batch_sizes == (1, 16)
    assert echoed(await worker.detect([picture(640, size_bytes=7)])) == [(640, 7)]


async def test_it_answers_while_it_learns(start: Start) -> None:
    worker = await start(environ={"ECHO_LATER": "16", "ECHO_LATER_WAITS": "1"}, batch_sizes=(1,), batches_in_flight=1)
    assert echoed(await asyncio.wait_for(worker.detect([picture(640, size_bytes=7)]), 10)) == [(640, 7)]
    await asyncio.wait_for(worker.settled(), 10)
    assert worker.facts.batch_sizes == (1, 16)


async def test_a_spare_process_serves_as_any_other_does() -> None:
    with Spare("tests.support.app.echo_worker", "native") as spare:
        spec = Spec("native", Path("street/1"), max_batch=8, batch_sizes=(1, 4))
        first, second = [await start_program("tests.support.app.echo_worker", spec, None, spare) for _ in range(2)]
        assert first.facts == second.facts
        assert echoed(await first.detect([picture(640, size_bytes=7)])) == [(640, 7)]
        os.kill(first.pid, signal.SIGKILL)
        assert str(await first.died()) == "its process ended by SIGKILL"
    for worker in (first, second):
        await worker.close()
        assert is_gone(worker)


@pytest.mark.parametrize("program", ["tests.support.app.echo_worker", "tests.support.app.nothing"])
def test_a_spare_process_that_nobody_takes_is_ended(program: str) -> None:
    with Spare(program, "native") as spare:
        assert spare.process is not None
        assert spare.take(program, "onnx") is None
        pid = spare.process.pid
    assert not Path(f"/proc/{pid}").exists()


async def test_batches_in_flight_each_get_their_own_answers(start: Start) -> None:
    worker = await start()
    batches = [[picture(100 + batch, size_bytes=batch * 7 + at) for at in range(batch % 8 + 1)] for batch in range(50)]
    answers = await asyncio.gather(*(worker.detect(batch) for batch in batches))
    assert [echoed(answer) for answer in answers] == [
        [(image.width, len(image.data)) for image in batch] for batch in batches
    ]


async def test_large_pictures_pass_the_pipe(start: Start) -> None:
    worker = await start()
    batches = [[picture(100 + at, size_bytes=1_000_000 + at) for at in range(8)] for _ in range(3)]
    answers = await asyncio.gather(*(worker.detect(batch) for batch in batches))
    assert all(echoed(answer) == [(100 + at, 1_000_000 + at) for at in range(8)] for answer in answers)


@pytest.mark.parametrize(
    ("order", "kind", "says"),
    [(echo.INVALID, "undecodable", r"^Invalid JPEG data$"), (echo.BUG, "other", r"^ZeroDivisionError: a bug")],
)
async def test_a_batch_that_fails_harms_no_other(order: int, kind: str, says: str, start: Start) -> None:
    worker = await start()
    failing, good = worker.detect([picture(100), picture(order)]), worker.detect([picture(101)])
    failed, answered = await asyncio.gather(failing, good, return_exceptions=True)
    assert isinstance(failed, BatchFailed)
    assert failed.kind == kind
    with pytest.raises(BatchFailed, match=says):
        raise failed
    assert isinstance(answered, list)
    assert echoed(answered) == [(101, 10)]


@pytest.mark.parametrize(
    ("order", "how"),
    [(echo.CRASH, "its process ended by SIGSEGV"), (echo.EXIT, "its process ended with code 3")],
)
async def test_its_death_is_told_to_all_who_wait_and_to_all_who_come_later(
    order: int, how: str, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await start()
    watching = asyncio.create_task(worker.died())
    doomed = [worker.detect([picture(echo.HANG)]), worker.detect([picture(order)])]
    for outcome in await asyncio.gather(*doomed, return_exceptions=True):
        assert isinstance(outcome, WorkerDied)
        assert str(outcome) == how
    assert str(await watching) == how
    assert str(await worker.died()) == how
    with pytest.raises(WorkerDied, match="has ended"):
        await worker.detect([picture(100)])
    assert ("last words" in caplog.text) == (order == echo.CRASH)


@pytest.mark.parametrize("leaving", [False, True], ids=["alone", "with a child that holds its log and its socket"])
async def test_a_kill_of_an_idle_worker_is_noticed(leaving: bool, start: Start) -> None:
    worker = await start()
    if leaving:
        (left,) = await worker.detect([picture(echo.FORK)])
    os.kill(worker.pid, signal.SIGKILL)
    assert str(await worker.died()) == "its process ended by SIGKILL"
    await worker.close()
    if leaving:
        os.kill(int(left.classes[0]), signal.SIGKILL)


@pytest.mark.parametrize("size_bytes", [10, 2_000_000], ids=["small", "more than the socket takes"])
async def test_a_worker_that_is_stopped_is_ended_whatever_was_sent_to_it(size_bytes: int, start: Start) -> None:
    worker = await start(hang_seconds=0.3)
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(WorkerDied, match=r"did not answer a batch within 0.3 s and was ended") as caught:
        await worker.detect([picture(100, size_bytes=size_bytes)])
    assert (caught.value.hung, (await worker.died()).hung) == (True, True)
    with pytest.raises(WorkerGone):
        await worker.detect([picture(100)])


async def test_an_answer_that_can_not_be_understood_ends_the_worker(start: Start) -> None:
    worker = await start()
    with pytest.raises(WorkerDied, match="ended by SIGKILL"):
        await worker.detect([picture(echo.BABBLE)])


async def test_a_model_that_is_refused_says_why(start: Start) -> None:
    with pytest.raises(ModelRefused, match=r"^it has no signature 'serving_default'$"):
        await start("refused")


async def test_a_crash_while_it_loads_says_how(start: Start) -> None:
    with pytest.raises(WorkerDied, match=r"^its process ended by SIGABRT$"):
        await start("crashes")


async def test_closing_ends_the_process_and_the_work_in_it(start: Start) -> None:
    worker = await start()
    running = asyncio.create_task(worker.detect([picture(echo.HANG)]))
    await worker.detect([picture(100)])
    await worker.close()
    assert is_gone(worker)
    with pytest.raises(WorkerDied, match="closed"):
        await running
    assert str(await worker.died()) == "it was closed"


async def test_a_caller_who_leaves_disturbs_nobody(start: Start) -> None:
    worker = await start(batches_in_flight=1)
    gone = asyncio.create_task(worker.detect([picture(100)]))
    staying = [asyncio.create_task(worker.detect([picture(101 + number)])) for number in range(5)]
    await asyncio.sleep(0)  # all have been sent
    gone.cancel()
    assert [echoed(answer) for answer in await asyncio.gather(*staying)] == [[(101 + at, 10)] for at in range(5)]
    assert gone.cancelled()


async def test_what_it_prints_becomes_log_lines_at_tensorflows_level(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="app.backends.worker_log")
    heard: list[tuple[str, str]] = []
    worker = await start(listen=lambda name, line: heard.append((name, line)))
    await worker.detect([picture(echo.TALK)])
    await until(lambda: sum(line.count("x") for _, line in heard) >= 200_000)
    said = [record for record in caplog.records if "Running native segment" in record.getMessage()]
    assert [record.levelno for record in said] == [logging.INFO]
    assert said[0].getMessage().endswith("text='tensorflow/core/x.cc:1: Running native segment for engine'")
    assert {name for name, _ in heard} == {"native"}
    assert any(line.endswith("Running native segment for engine") for _, line in heard)


@pytest.mark.parametrize(("said", "heard"), [(None, "glibc.malloc.hugetlb=1"), ("glibc.malloc.check=0",) * 2])
def test_what_an_operator_sets_for_a_worker_counts(
    said: str | None, heard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if said:
        monkeypatch.setenv("GLIBC_TUNABLES", said)
    assert environment({}, usual=environ_of("onnx"))["GLIBC_TUNABLES"] == heard
    assert environment({"GLIBC_TUNABLES": ""}, usual=environ_of("onnx"))["GLIBC_TUNABLES"] == ""
