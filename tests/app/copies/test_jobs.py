"""Jobs on disk: what was written is read again, what is damaged is passed over, what runs elsewhere left alone."""

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.copies.jobs import LOADING, Job, JobFiles
from converter.contract import Options
from converter.progress import Event

DEAD_SERVER = """
import os, pathlib, signal, sys
from app.copies.jobs import Job, JobFiles
files = JobFiles(pathlib.Path(sys.argv[1]))
files.write(Job.from_json(sys.argv[2]))
os.kill(os.getpid(), signal.SIGKILL)
"""
DEFAULTS = Options(target="trt")
OPTIONS = replace(DEFAULTS, precision="INT8", images=Path("/photos"), cached_engines=3, denylist=("Conv2D",))


def begun() -> Job:
    """One that builds engines."""
    job = Job(OPTIONS)
    job.note(Event(step="convert", state="done", number=4, of=9, seconds=1.5))
    job.note(Event(step="build", state="running", number=5, of=9, part=1, parts=2))
    job.log.extend(["W tensorflow: {it} says", "\x1b[1mthis\udcff"])
    return job


def ended(state: str = "succeeded", reason: str = "") -> Job:
    job = begun()
    job.report = {"target": "trt", "facts": {"engines": 3}}
    job.end(state, reason)
    return job


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "1_jobs"


@pytest.mark.parametrize("make", [begun, ended, lambda: ended("failed", "the converter crashed"), lambda: Job(OPTIONS)])
def test_a_job_is_read_as_it_was_written(make: Callable[[], Job]) -> None:
    job = make()
    again = Job.from_json(job.to_json())
    assert again == job
    assert (again.log.maxlen, again.progress, again.doing) == (job.log.maxlen, job.progress, job.doing)


def test_a_job_of_an_older_server_is_read_too() -> None:
    job = ended()
    assert Job.from_json(json.dumps({**json.loads(job.to_json()), "defaults": {"target": "trt"}})) == job


@pytest.mark.parametrize(
    ("events", "progress"),
    [
        ([], 0),
        ([Event(step="check", state="started", number=1, of=4)], 0),
        ([Event(step="check", state="done", number=1, of=4)], 0.25),
        ([Event(step="build", state="running", number=3, of=4, part=1, parts=2)], 0.625),
        ([Event(step="build", state="running", number=3, of=4, part=0, parts=0)], 0.5),
        ([Event(step="check", state="done", number=1, of=4), Event(step="wait", state="started")], 0.25),
        ([Event(step="publish", state="done", number=4, of=4)], 1),
    ],
)
def test_progress_is_the_share_of_its_steps(events: list[Event], progress: float) -> None:
    job = Job(OPTIONS)
    for event in events:
        job.note(event)
    assert job.progress == progress


def test_a_job_says_what_it_does() -> None:
    job = Job(OPTIONS)
    assert (job.step, job.doing) == ("", "starting")
    job.note(Event(step="wait", state="started"))
    assert job.doing == "waiting for another conversion to the same place"
    job.state = LOADING
    assert (job.doing, job.progress, job.running) == ("loading the copy, and comparing it with native", 1, True)
    job.end("succeeded")
    assert (job.step, job.doing, job.running) == ("wait", "", False)


def test_jobs_of_earlier_servers_are_listed_in_their_order(folder: Path) -> None:
    jobs = [ended() for _ in range(3)]
    for number, job in enumerate(jobs):
        job.created = f"2026-11-25T09:00:0{number}.000+00:00"
    for job in (jobs[2], jobs[0], jobs[1]):
        JobFiles(folder).write(job)
    assert JobFiles(folder).read() == jobs


def test_a_job_that_its_server_did_not_survive_has_failed(folder: Path) -> None:
    job = begun()
    done = subprocess.run([sys.executable, "-c", DEAD_SERVER, folder, job.to_json()], check=False)
    assert done.returncode == -signal.SIGKILL
    (again,) = JobFiles(folder).read()
    assert (again.id, again.state, again.reason) == (job.id, "failed", "interrupted: the server ended while it ran")
    assert again.finished is not None
    assert JobFiles(folder).read() == [again], "and stays so"


def test_a_job_that_runs_in_another_server_is_left_alone(folder: Path) -> None:
    other, job = JobFiles(folder), begun()
    other.write(job)
    before = (folder / f"{job.id}.json").read_bytes()
    assert JobFiles(folder).read() == []
    assert (folder / f"{job.id}.json").read_bytes() == before
    job.end("succeeded")
    other.write(job)
    assert JobFiles(folder).read() == [job]
    assert [path.name for path in folder.iterdir()] == [f"{job.id}.json"], "no lock and no part is left"


GOOD = json.loads(ended().to_json())
DAMAGED = {
    "empty": "",
    "cut off": json.dumps(GOOD)[:200],
    "another object": "{}",
    "a list": "[]",
    "deep": "[" * 100_000,
    "of bytes": "\udcff",
    "with options that are none": json.dumps({**GOOD, "options": {**GOOD["options"], "precision": "FP64"}}),
    "with a field more": json.dumps({**GOOD, "token": "?"}),
    "with a number for its state": json.dumps({**GOOD, "state": 7}),
    "with no time": json.dumps({**GOOD, "created": None}),
    "with words for seconds": json.dumps({**GOOD, "seconds": {"load": "long"}}),
    "with a report that is none": json.dumps({**GOOD, "report": ["engines"]}),
    "of another name": json.dumps({**GOOD, "id": "../escape"}),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_passed_over_with_a_line_in_the_log(
    text: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = ended()
    JobFiles(folder).write(good)
    (folder / f"{GOOD['id']}.json").write_text(text, errors="surrogateescape")
    assert JobFiles(folder).read() == [good]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"job unreadable file='{GOOD['id']}.json'" in record.getMessage()


def test_what_is_forgotten_is_removed(folder: Path) -> None:
    files, first, second = JobFiles(folder), ended(), begun()
    for job in (first, second):
        files.write(job)
        files.forget(job)
        files.forget(job)  # twice is well, too
    assert list(folder.iterdir()) == []


def test_where_nothing_can_be_written_it_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    files = JobFiles(tmp_path / "file" / "1_jobs")
    for job in (begun(), ended()):
        files.write(job)
        files.forget(job)
    assert files.read() == []
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"jobs are not kept folder='{tmp_path}/file/1_jobs' reason='Not a directory'"]


def test_where_nothing_was_ever_written_there_are_none(folder: Path) -> None:
    assert JobFiles(folder).read() == []
    assert not folder.exists()
