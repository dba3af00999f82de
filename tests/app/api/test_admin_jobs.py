"""Conversion jobs over HTTP: followed, ended, forgotten, and their reports. No TensorFlow runs here."""

from pathlib import Path

import pytest

from app.copies.jobs import Job, JobFiles
from converter.contract import Options
from tests.app.api.conftest import Admin, Start, assert_is_error
from tests.support.app.converting import Programs

pytestmark = pytest.mark.anyio


async def test_a_conversion_is_a_job_that_can_be_followed_and_outlives_the_server(
    admin: Admin, programs: Programs, start: Start
) -> None:
    programs.order("save: wait")
    job = await admin.convert(target="frozen")
    assert (job["state"], job["doing"], job["progress"], job["step"]) == ("running", "starting", 0, "")
    assert (job["reason"], job["finished"], job["report"], job["log"], job["seconds"]) == ("", None, None, [], {})
    saving = await admin.until(job, step="save")
    assert (saving["id"], saving["doing"], saving["progress"]) == (job["id"], "saving", 0.571)
    assert saving["seconds"]["convert"] == 0.25
    assert saving["log"][:2] == ["TensorFlow says something in load", "TensorFlow says something in convert"]
    assert [listed["id"] for listed in await admin.jobs()] == [job["id"]]
    assert await admin.api.metric("detector_conversion_in_progress") == 1
    shown = (await admin.client.get("/compare", headers={"Authorization": ""})).json()["conversion"]
    assert shown == {"target": "frozen", **{name: saving[name] for name in ("doing", "progress", "created")}}
    programs.go()
    *later, done = [now async for now in admin.following(job)]
    assert (done["state"], done["doing"], done["progress"], done["step"]) == ("succeeded", "", 1, "publish")
    seen = [each["progress"] for each in (job, saving, *later, done)]
    assert seen == sorted(seen)
    assert done["created"] < done["finished"]
    assert (await admin.model("frozen"))["state"] == "standby"
    assert (await admin.client.get("/compare")).json()["conversion"] is None
    restarted = Admin(await start(admin_token="sesame"))
    assert await restarted.jobs() == [done]
    assert (await restarted.client.get(f"/convert/jobs/{job['id']}/report")).json() == done["report"]


async def test_jobs_are_listed_newest_first(admin: Admin, programs: Programs) -> None:
    programs.order("check: SIGABRT")
    jobs = [await admin.ended(await admin.convert(target="frozen", batch_sizes=[size])) for size in (1, 2)]
    assert await admin.jobs() == [jobs[1], jobs[0]]


async def test_a_conversion_that_failed_says_how(admin: Admin, programs: Programs) -> None:
    programs.order("convert: SIGSEGV")
    job = await admin.ended(await admin.convert(target="frozen"))
    assert (job["state"], job["doing"], job["step"]) == ("failed", "", "convert")
    assert job["reason"] == "the converter crashed while converting the graph (SIGSEGV)"
    assert job["log"][-1] == f"convert: {job['reason']}"
    assert (await admin.model("frozen"))["reason"] == f"making the copy ended: {job['reason']}"


async def test_one_that_runs_is_cancelled(admin: Admin, programs: Programs) -> None:
    programs.order("save: wait")
    job = await admin.convert(target="frozen")
    await admin.until(job, step="save")
    response = await admin.client.delete(f"/convert/jobs/{job['id']}")
    assert response.status_code == 200
    told = response.json()
    assert (told["state"], told["reason"]) == ("cancelled", "cancelled by an admin")
    assert told["finished"]
    assert await admin.jobs() == [told], "it is told, not forgotten"
    assert await admin.api.metric("detector_conversions_total", target="frozen", result="cancelled") == 1


JSON, HTML = "application/json", "text/html"
REPORT = {"target": "frozen", "identity": {"tensorflow_build": "v2.14.1 cuda 11.8"}, "batch_sizes": [1, 8]}


@pytest.fixture
async def reported(saved_model: Path, start: Start, programs: Programs) -> tuple[Admin, str]:
    """Where the job is of a conversion that an earlier server made."""
    job = Job(Options(target="frozen"))
    job.report = REPORT
    job.end("succeeded")
    JobFiles(saved_model / "1_jobs").write(job)
    return Admin(await start(admin_token="sesame")), f"/convert/jobs/{job.id}"


async def test_one_that_has_ended_is_forgotten(reported: tuple[Admin, str]) -> None:
    admin, path = reported
    (job,) = await admin.jobs()
    assert (await admin.client.delete(path)).json() == job
    assert await admin.jobs() == []
    for method, gone in (("GET", path), ("DELETE", path), ("GET", f"{path}/report")):
        sentence = assert_is_error(await admin.client.request(method, gone), 404, "not_found")
        assert sentence == f"there is no conversion job '{job['id']}'"


async def test_all_that_have_ended_are_forgotten(reported: tuple[Admin, str], programs: Programs) -> None:
    admin, _ = reported
    programs.order("check: wait")
    running = await admin.convert(target="frozen")
    response = await admin.client.delete("/convert/jobs")
    assert response.status_code == 200
    assert [job["id"] for job in response.json()] == [job["id"] for job in await admin.jobs()] == [running["id"]]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", JSON),
        (JSON, JSON),
        (HTML, HTML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML),  # a browser's
        ("text/*", HTML),
        ("text/html;q=0.5, application/json", JSON),
        ("image/png", JSON),
    ],
)
async def test_a_report_is_json_or_a_page(accept: str, kind: str, reported: tuple[Admin, str]) -> None:
    admin, path = reported
    response = await admin.client.get(f"{path}/report", headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["Content-Type"].partition(";")[0] == kind
    if kind == JSON:
        assert response.json() == REPORT
    else:
        assert response.text.lstrip().lower().startswith("<!doctype html>")
        assert "v2.14.1 cuda 11.8" in response.text


async def test_without_a_copy_there_is_no_report(admin: Admin, programs: Programs) -> None:
    programs.order("check: wait")
    job = await admin.convert(target="frozen")
    path = f"/convert/jobs/{job['id']}"
    sentence = assert_is_error(await admin.client.get(f"{path}/report"), 404, "not_found")
    assert sentence == f"the conversion {job['id']} has no report: it is running"
    await admin.client.delete(path)
    sentence = assert_is_error(await admin.client.get(f"{path}/report"), 404, "not_found")
    assert sentence == f"the conversion {job['id']} has no report: it is cancelled, cancelled by an admin"
