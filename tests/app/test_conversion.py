import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.conversion import KEPT_JOBS, Conversions
from app.errors import ConversionRunning, NotFound
from app.metrics import Metrics
from converter.contract import Options
from tests.fakes import until
from tests.serving import children

pytestmark = pytest.mark.anyio

FROZEN = Options(target="frozen", batch_sizes=(1, 4))
OTHERS = [
    Options(target="trt", batch_sizes=(1, 4)),
    Options(target="frozen", batch_sizes=(1, 8)),
    Options(target="frozen", batch_sizes=(1, 4), precision="FP16"),
]

Make = Callable[..., Conversions]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def make(tmp_path: Path, metrics: Metrics) -> AsyncIterator[Make]:
    """Makes Conversions of a folder, which run in real child processes; all of them are closed at the end."""
    made: list[Conversions] = []

    async def adopt(target: str) -> None:
        raise AssertionError("nothing is converted here")

    def conversions(source: Path, *, timeout_s: float = 60) -> Conversions:
        made.append(
            Conversions(
                source,
                location=lambda target: tmp_path / f"copy_{target}",
                adopt=adopt,
                metrics=metrics,
                timeout_s=timeout_s,
            )
        )
        return made[-1]

    yield conversions
    for each in made:
        await each.close()


@pytest.fixture
def no_model(tmp_path: Path) -> Path:
    """A folder that is no SavedModel: its conversion is refused in a moment."""
    folder = tmp_path / "no_model"
    folder.mkdir()
    return folder


def converters() -> list[int]:
    """Process ids of the converters that this process has started."""
    return [pid for pid in children(os.getpid()) if b"converter" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def test_a_folder_that_is_no_savedmodel_is_refused_in_the_converters_words(
    make: Make, no_model: Path, metrics: Metrics
) -> None:
    conversions = make(no_model)
    job = conversions.start(FROZEN)
    assert (job.state, job.running, job.finished) == ("running", True, None)
    assert metrics.registry.get_sample_value("detector_conversion_in_progress") == 1
    await conversions.finished()
    assert (job.state, job.running, job.report) == ("refused", False, None)
    assert job.reason == f"{no_model} is no SavedModel: it has no saved_model.pb"
    assert job.finished is not None
    assert job.finished >= job.created
    assert metrics.registry.get_sample_value("detector_conversion_in_progress") == 0
    labels = {"target": "frozen", "result": "refused"}
    assert metrics.registry.get_sample_value("detector_conversions_total", labels) == 1


async def test_what_the_converter_writes_never_breaks_the_job(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "two\n{lines"
    folder.mkdir()
    conversions = make(folder)
    job = conversions.start(FROZEN)
    await conversions.finished()
    assert job.state == "refused"
    assert any("{lines is no SavedModel" in line for line in job.log)


async def test_the_same_options_are_the_same_job(make: Make, no_model: Path) -> None:
    conversions = make(no_model)
    job = conversions.start(FROZEN)
    assert conversions.start(Options(target="frozen", batch_sizes=(1, 4))) is job
    await conversions.finished()
    assert conversions.start(FROZEN) is not job
    await conversions.finished()
    assert len(conversions.jobs) == 2


@pytest.mark.parametrize("options", OTHERS, ids=repr)
async def test_other_options_have_to_wait(options: Options, make: Make, no_model: Path) -> None:
    conversions = make(no_model)
    job = conversions.start(FROZEN)
    with pytest.raises(ConversionRunning, match=f"{job.id} to 'frozen' runs; there is one at a time"):
        conversions.start(options)
    assert conversions.jobs == [job]


async def test_jobs_are_found_by_id_and_listed_newest_first(make: Make, no_model: Path) -> None:
    conversions = make(no_model)
    first = conversions.start(FROZEN)
    await conversions.finished()
    second = conversions.start(OTHERS[0])
    assert conversions.jobs == [second, first]
    assert (conversions.job(first.id), conversions.job(second.id)) == (first, second)
    assert conversions.running is second
    await conversions.finished()
    assert conversions.running is None


async def test_an_unknown_job_is_not_found(make: Make, no_model: Path) -> None:
    with pytest.raises(NotFound, match=r"^there is no conversion job 'x{40}'$"):
        make(no_model).job("x" * 5000)


async def test_old_jobs_are_forgotten(make: Make, no_model: Path) -> None:
    conversions, before = make(no_model), asyncio.all_tasks()
    ids = []
    for _ in range(KEPT_JOBS + 3):
        job = conversions.start(FROZEN)
        job.state = "failed"  # as if it had ended: so many processes would take their time
        ids.append(job.id)
    for task in asyncio.all_tasks() - before:
        task.cancel()
    assert [job.id for job in conversions.jobs] == ids[:2:-1]
    with pytest.raises(NotFound):
        conversions.job(ids[0])


@pytest.mark.parametrize("at", ["once", "work"])
async def test_closing_ends_the_child_and_the_job(at: str, make: Make, saved_model: Path, metrics: Metrics) -> None:
    conversions = make(saved_model / "1")
    job = conversions.start(FROZEN)
    if at == "work":
        await until(lambda: job.step == "check")
        assert len(converters()) == 1
    await conversions.close()
    assert converters() == []
    assert (job.state, job.running, job.reason) == ("cancelled", False, "the server was stopped")
    assert job.finished is not None
    labels = {"target": "frozen", "result": "cancelled"}
    assert metrics.registry.get_sample_value("detector_conversions_total", labels) == 1
    await conversions.close()  # twice is well, too


async def test_a_conversion_that_takes_too_long_is_ended(make: Make, saved_model: Path) -> None:
    conversions = make(saved_model / "1", timeout_s=0.2)
    job = conversions.start(FROZEN)
    await conversions.finished()
    assert converters() == []
    assert job.state == "failed"
    assert "ended after 0.2 s" in job.reason


async def test_closing_what_never_ran_is_well(make: Make, no_model: Path) -> None:
    conversions = make(no_model)
    await conversions.finished()
    await conversions.close()
    assert conversions.jobs == []
