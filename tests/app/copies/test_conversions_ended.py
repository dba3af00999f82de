"""A conversion that is ended on the way, by whomever: the job says how, no process is left and nothing half-written."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.copies.conversions import JobLimits
from app.copies.jobs import Job
from tests.support.app.converting import FROZEN, Converting, Programs, gone, until_in
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

STEPS = ("check", "native", "load", "convert", "save", "verify")
IN_WORDS = {
    "check": "looking at this machine",
    "native": "measuring the model as it came",
    "load": "loading the model",
    "convert": "converting the graph",
    "save": "saving",
    "verify": "running the copy",
    "publish": "publishing the copy",
}


@pytest.fixture
async def converting(tmp_path: Path, programs: Programs) -> AsyncIterator[Converting]:
    """Conversions of a model of which a copy exists."""
    made = Converting(tmp_path)
    made.put_model()
    made.put_copy()
    yield made
    await made.close()


async def begun(converting: Converting, programs: Programs, at: str) -> Job:
    """A conversion that has come as far as `at` and stays there."""
    converting.starter.open_gate.clear()
    programs.order(f"{at}: wait")
    job = converting.convert(FROZEN)
    if at == "loading":
        await until(lambda: job.state == "loading")
    elif at != "once":
        await until_in(job, at)
    return job


@pytest.mark.parametrize("at", ["once", "check", "native", "save", "verify"])
async def test_cancelled_by_an_admin(at: str, converting: Converting, programs: Programs) -> None:
    job = await begun(converting, programs, at)
    pids = converting.processes()
    assert await converting.copies.cancel(job.id) is job
    await gone(pids)
    assert (job.state, job.reason, job.running, job.report) == ("cancelled", "cancelled by an admin", False, None)
    assert job.finished is not None
    labels = {"target": "frozen", "result": "cancelled"}
    assert converting.metrics.registry.get_sample_value("detector_conversions_total", labels) == 1
    converting.assert_as_before()


async def test_cancelled_while_it_is_loaded_the_copy_stays(converting: Converting, programs: Programs) -> None:
    job = await begun(converting, programs, "loading")
    await converting.copies.cancel(job.id)
    assert (job.state, job.reason) == ("cancelled", "cancelled by an admin")
    assert (converting.place / "report.json").is_file(), "it was complete"


@pytest.mark.parametrize("at", ["once", "save", "loading"])
async def test_stopped_with_the_server(at: str, converting: Converting, programs: Programs) -> None:
    job = await begun(converting, programs, at)
    pids = converting.processes()
    await converting.copies.close()
    await gone(pids)
    assert (job.state, job.reason) == ("failed", "interrupted: the server was stopped")
    await converting.copies.close()  # twice is well, too
    assert converting.server().job(job.id) == job
    if at != "loading":
        converting.assert_as_before()


@pytest.mark.parametrize("again", ["cancel", "close"])
async def test_who_is_impatient_cuts_nothing_off(again: str, converting: Converting, programs: Programs) -> None:
    job = await begun(converting, programs, "save")
    copies, pids = converting.copies, converting.processes()
    first = asyncio.create_task(copies.cancel(job.id))
    await asyncio.sleep(0)
    await (copies.cancel(job.id) if again == "cancel" else copies.close())
    assert (job.state, job.reason) == ("cancelled", "cancelled by an admin")
    await first
    await gone(pids)
    converting.assert_as_before()


async def test_after_a_cancelled_one_the_next_begins(converting: Converting, programs: Programs) -> None:
    job = await begun(converting, programs, "save")
    await converting.copies.cancel(job.id)
    programs.order("")
    converting.starter.open_gate.set()
    after = converting.convert(FROZEN)
    await converting.finished()
    assert after.state == "succeeded"
    await converting.copies.cancel(after.id)
    assert converting.conversions.jobs == [job], "one that has ended is forgotten"
    converting.conversions.forget_ended()
    assert converting.conversions.jobs == converting.server().jobs == []


async def test_forgetting_what_has_ended_leaves_what_runs(converting: Converting, programs: Programs) -> None:
    first = await begun(converting, programs, "once")
    await converting.copies.cancel(first.id)
    second = await begun(converting, programs, "check")
    converting.conversions.forget_ended()
    assert converting.conversions.jobs == [second]


@pytest.mark.parametrize(
    ("order", "allowed", "reason"),
    [
        ("native: wait", JobLimits(seconds=1), "running the model took longer than it may, and was ended"),
        ("load: wait", JobLimits(seconds=2), "the converter took longer than it may while loading the model, and was"),
        (
            "save: take memory",
            JobLimits(seconds=60, memory_mib=100),
            "MiB of memory, 100 are allowed while saving, and",
        ),
        ("verify: take memory", JobLimits(seconds=60, memory_mib=100), "MiB of memory, 100 are allowed, and was ended"),
    ],
)
async def test_over_its_limits(
    order: str, allowed: JobLimits, reason: str, converting: Converting, programs: Programs
) -> None:
    programs.order(order)
    converting.allowed = allowed
    copies = converting.over(converting.server())
    job = copies.convert(FROZEN)
    await copies.converted()
    assert job.state == "failed"
    assert reason in job.reason
    assert converting.processes() == []
    converting.assert_as_before()


@pytest.mark.parametrize("step", STEPS)
async def test_the_converter_is_killed(step: str, converting: Converting, programs: Programs) -> None:
    job = await begun(converting, programs, step)
    await until(lambda: len(converting.processes()) == 2)
    pids = converting.processes()
    os.kill(pids[0], signal.SIGKILL)
    await converting.finished()
    assert (job.state, job.reason) == ("failed", f"the converter was ended by SIGKILL while {IN_WORDS[step]}")
    await gone(pids)
    converting.assert_as_before()


async def test_the_converter_is_killed_while_it_publishes(converting: Converting, programs: Programs) -> None:
    programs.hold_before("1_frozen")
    job = await begun(converting, programs, "verify")
    programs.go()
    await until_in(job, "publish")
    pids = converting.processes()
    os.kill(pids[0], signal.SIGKILL)
    await gone(pids)
    await converting.finished()
    assert job.reason == "the converter was ended by SIGKILL while publishing the copy"
    converting.assert_as_before()


async def test_the_model_changes_meanwhile(converting: Converting, programs: Programs) -> None:
    job = await begun(converting, programs, "save")
    (converting.source / "saved_model.pb").write_bytes(b"another model")
    programs.go()
    await converting.finished()
    assert job.state == "failed"
    assert job.reason.startswith("the model changed while it was converted")
    converting.assert_as_before()


async def test_no_process_can_be_started(converting: Converting) -> None:
    with no_more_files():
        job = converting.convert(FROZEN)
        await converting.finished()
    assert (job.state, job.reason) == ("failed", "it could not be run: [Errno 24] Too many open files")
    converting.assert_as_before()


@contextmanager
def no_more_files() -> Iterator[None]:
    """This process can open none: the first three are open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
