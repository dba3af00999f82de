"""Conversions: one at a time, each a real converter in a process of its own, followed to its end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.backends.backend import ModelRefused
from app.copies.jobs import KEPT_JOBS
from app.errors import ConversionRunning, NotFound
from converter.contract import Options, Report
from converter.tolerance import Tolerance
from tests.support.app.converting import FROZEN, TRT, Converting, Programs
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

OTHERS = [TRT, replace(FROZEN, batch_sizes=(1, 8)), replace(FROZEN, precision="FP16")]


@pytest.fixture
async def refusing(tmp_path: Path) -> AsyncIterator[Converting]:
    """Conversions of a folder that is not a SavedModel: each is refused in a moment."""
    made = Converting(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def converting(refusing: Converting, programs: Programs) -> Converting:
    """Conversions of a model that has files."""
    refusing.put_model()
    return refusing


async def test_a_conversion_puts_a_copy_in_place_and_has_it_loaded(converting: Converting) -> None:
    job = converting.convert(FROZEN)
    assert (job.state, job.running, job.finished, job.report) == ("running", True, None, None)
    await converting.finished()
    assert (job.state, job.reason, job.running, job.step, job.progress) == ("succeeded", "", False, "publish", 1)
    assert [spec.folder for spec in converting.starter.asked] == [converting.place]
    report = Report.read(converting.place)
    assert report is not None
    assert (report.target, report.options) == ("frozen", FROZEN)
    assert job.report is not None
    assert job.report["identity"]["source_sha256"] == report.identity.source_sha256
    assert job.report["gate"] == {"verdict": None, "rolled_back": None, "slower_live": {}}
    assert set(job.seconds) == {"check", "native", "load", "convert", "save", "verify", "publish"}
    assert list(job.log) == [f"TensorFlow says something in {step}" for step in ("load", "convert", "save")]


@pytest.mark.parametrize(("fewest_rows", "verdict"), [(1, "agrees"), (500, "undecided")])
async def test_the_report_judges_by_the_servers_tolerance_and_has_what_it_makes_by_itself(
    tmp_path: Path, programs: Programs, fewest_rows: int, verdict: str
) -> None:
    tolerance = Tolerance(fewest_rows=fewest_rows)
    converting = Converting(tmp_path, tolerance=tolerance)
    converting.put_model()
    converting.convert(replace(FROZEN, batch_sizes=(2,)))
    await converting.finished()
    report = Report.read(converting.place)
    assert report is not None
    standard = converting.copies.folders.default_options("frozen")
    assert (report.agreement["2"]["verdict"], report.standard) == (verdict, standard)
    await converting.close()


async def test_progress_rises_with_the_steps(converting: Converting, programs: Programs) -> None:
    programs.order("save: wait")
    job = converting.convert(FROZEN)
    seen = [job.progress]
    await until(lambda: seen.append(job.progress) or job.step == "save")  # type: ignore[func-returns-value]  # append
    assert job.doing == "saving"
    assert job.progress == 0.571  # 4 of 7 steps
    programs.go()
    await until(lambda: seen.append(job.progress) or not job.running)  # type: ignore[func-returns-value]  # append
    assert seen == sorted(seen)
    assert (seen[0], seen[-1], job.doing) == (0, 1, "")


async def test_a_conversion_is_counted_and_its_steps_are_timed(converting: Converting) -> None:
    def value(name: str, **labels: str) -> float | None:
        return converting.metrics.registry.get_sample_value(f"detector_{name}", labels)

    converting.convert(FROZEN)
    assert value("conversion_in_progress") == 1
    await converting.finished()
    assert value("conversion_in_progress") == 0
    assert value("conversions_total", target="frozen", result="succeeded") == 1
    assert value("conversion_duration_seconds_sum", target="frozen", step="convert") == 0.25


@pytest.mark.parametrize(
    ("order", "options", "state", "reason"),
    [
        ("", TRT, "unavailable", "TensorRT's library libnvinfer.so.8 was not found"),
        ("", replace(FROZEN, images=Path("/no/such/folder")), "failed", "the pictures in folder can't be"),
        ("check: SIGABRT", FROZEN, "unavailable", "the check of TensorFlow failed: it ended by SIGABRT"),
        ("native: fail", FROZEN, "refused", "the model itself does not run: ValueError: no kernel"),
        ("load: fail", FROZEN, "failed", "TensorFlow gave up"),
        ("load: SIGKILL", FROZEN, "failed", "the converter crashed while loading the model (SIGKILL)"),
        ("convert: SIGSEGV", FROZEN, "failed", "the converter crashed while converting the graph (SIGSEGV)"),
        ("convert: SIGKILL", FROZEN, "failed", "the converter crashed while converting the graph (SIGKILL)"),
        ("save: SIGKILL", FROZEN, "failed", "the converter crashed while saving (SIGKILL)"),
        ("verify: fail", FROZEN, "refused", "the copy does not run: ValueError: no kernel"),
        ("verify: SIGSEGV", FROZEN, "refused", "the copy ended its process by SIGSEGV"),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" in value else "",
)
async def test_what_comes_to_nothing_says_why_in_the_converters_words(
    order: str, options: Options, state: str, reason: str, converting: Converting, programs: Programs
) -> None:
    converting.put_copy()
    programs.order(order)
    job = converting.convert(options)
    await converting.finished()
    assert (job.state, job.report, converting.starter.asked) == (state, None, [])
    assert job.reason.startswith(reason)
    converting.assert_as_before()


async def test_a_copy_that_can_not_be_loaded_is_a_failed_job_with_a_report(converting: Converting) -> None:
    converting.starter.failures = [ModelRefused("it is not what it says")]
    job = converting.convert(FROZEN)
    await converting.finished()
    assert (job.state, job.reason) == (
        "failed",
        "the copy was made, but the server could not load it: it is not what it says",
    )
    assert job.report is not None
    assert converting.place.is_dir()


async def test_what_the_converter_writes_never_breaks_the_job(tmp_path: Path) -> None:
    refusing = Converting(tmp_path, model='two\n{"step" lines')
    job = refusing.convert(FROZEN)
    await refusing.finished()
    assert job.state == "refused"
    assert any('{"step" lines is not a SavedModel' in line for line in job.log)


async def test_the_same_options_are_the_same_job(refusing: Converting) -> None:
    job = refusing.convert(FROZEN)
    assert refusing.convert(Options(target="frozen", batch_sizes=(1, 4))) is job
    await refusing.finished()
    assert refusing.convert(FROZEN) is not job
    await refusing.finished()
    assert len(refusing.conversions.jobs) == 2


@pytest.mark.parametrize("options", OTHERS, ids=repr)
async def test_other_options_have_to_wait(options: Options, refusing: Converting) -> None:
    job = refusing.convert(FROZEN)
    with pytest.raises(ConversionRunning, match=f"{job.id} to 'frozen' runs; there is one at a time"):
        refusing.convert(options)
    assert refusing.conversions.jobs == [job]


async def test_jobs_are_found_by_id_and_listed_newest_first(refusing: Converting) -> None:
    conversions = refusing.conversions
    first = refusing.convert(FROZEN)
    await refusing.finished()
    second = refusing.convert(TRT)
    assert conversions.jobs == [second, first]
    assert (conversions.job(first.id), conversions.job(second.id)) == (first, second)
    assert conversions.running is second
    await refusing.finished()
    assert conversions.running is None


async def test_jobs_are_listed_where_they_can_not_be_written(refusing: Converting) -> None:
    refusing.location("jobs").touch()
    job = refusing.convert(FROZEN)
    await refusing.finished()
    assert (refusing.conversions.jobs, job.state) == ([job], "refused")


async def test_an_unknown_job_is_not_found(refusing: Converting) -> None:
    with pytest.raises(NotFound, match=r"^there is no conversion job 'x{40}'$"):
        refusing.conversions.job("x" * 5000)


async def test_old_jobs_are_forgotten(refusing: Converting) -> None:
    conversions, before = refusing.conversions, asyncio.all_tasks()
    ids = []
    for _ in range(KEPT_JOBS + 3):
        job = refusing.convert(FROZEN)
        job.state = "failed"  # as if it had ended: so many processes would take their time
        ids.append(job.id)
    for task in asyncio.all_tasks() - before:
        task.cancel()
    assert [job.id for job in conversions.jobs] == ids[:2:-1]
    assert {path.stem for path in refusing.location("jobs").glob("*.json")} == set(ids[3:])
    with pytest.raises(NotFound):
        conversions.job(ids[0])


async def test_jobs_and_reports_outlive_the_server(converting: Converting, programs: Programs) -> None:
    first = converting.convert(FROZEN)
    await converting.finished()
    programs.order("load: fail")
    second = converting.convert(FROZEN)
    await converting.finished()
    assert converting.server().jobs == [second, first]


async def test_a_copy_is_wanted_as_an_admin_had_it_made_last(converting: Converting, programs: Programs) -> None:
    of_admin = replace(converting.copies.folders.default_options("frozen"), batch_sizes=(2,))
    standard = converting.copies.folders.default_options("frozen")
    assert await converting.copies.folders.wanted_options("frozen") == standard
    converting.convert(of_admin)
    await converting.finished()
    programs.order("load: fail")
    converting.convert(replace(of_admin, batch_sizes=(3,)))
    await converting.finished()
    later = converting.over(converting.server()).folders
    assert await converting.copies.folders.wanted_options("frozen") == of_admin
    assert await later.wanted_options("frozen") == of_admin, "it is what lies there"
    assert await later.wanted_options("trt") == later.default_options("trt")
    changed = converting.over(converting.server(), max_batch=16).folders
    assert await changed.wanted_options("frozen") == replace(standard, batch_sizes=(1, 16)), "settings have changed"
