"""Conversion jobs: what they are, and how they outlive the server: one file each, in a folder beside the copies."""

import json
import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from converter.contract import ConverterError, Options
from converter.disk import locks
from converter.disk.locks import Took
from converter.disk.opening import make_folder, open_file, read_file, replace_file
from converter.progress import DONE, Event, in_words

log = logging.getLogger(__name__)

KEPT_JOBS = 100
LOG_LINES = 50
_TRIES, _BETWEEN_TRIES_S = 20, 0.005  # whoever looks at a lock holds it for a moment
_LARGEST = 16 << 20  # bytes of a job's file, most of which is its report
RUNNING, LOADING = "running", "loading"


@dataclass(slots=True)
class Job:
    """A conversion as it stands; `state` is running, loading, succeeded, unavailable, refused, failed or cancelled."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    options: Options
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    state: str = RUNNING
    reason: str = ""
    event: Event | None = None  # the last one: which step, and how far in it
    reached: float = 0.0  # the share of its steps that were done when it was last heard of
    seconds: dict[str, float] = field(default_factory=dict)  # by finished step
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    finished: str | None = None
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    report: dict[str, Any] | None = None
    cancelled: bool = False  # an admin wants it ended

    @property
    def running(self) -> bool:
        """Whether it still may change."""
        return self.state in (RUNNING, LOADING)

    @property
    def step(self) -> str:
        """The step that it is in, or was in last; empty before the first."""
        return self.event.step if self.event else ""

    @property
    def doing(self) -> str:
        """What it does now, in words: "building engines"; empty once it has ended."""
        if not self.running:
            return ""
        return "loading the copy, and comparing it with native" if self.state == LOADING else in_words(self.step)

    @property
    def progress(self) -> float:
        """0 to 1: the share of its steps that are done, with what is done of the present one."""
        return 1.0 if self.state in (LOADING, "succeeded") else self.reached

    def note(self, event: Event) -> None:
        """Take note of a step that began, moved or ended."""
        self.event = event
        if event.seconds is not None:
            self.seconds[event.step] = event.seconds
        if event.number is not None and event.of:  # else it was not foreseen, like waiting for another conversion
            inside = event.part / event.parts if event.part is not None and event.parts else 0.0
            done = event.number - 1 + (1.0 if event.state == DONE else inside)
            self.reached = max(self.reached, round(done / event.of, 3))

    def end(self, state: str, reason: str = "") -> None:
        """Nothing changes after this."""
        self.state, self.reason = state, reason
        self.finished = datetime.now(UTC).isoformat(timespec="milliseconds")

    def to_json(self) -> str:
        """One JSON object; `from_json` reads it."""
        return json.dumps(_FORM.dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """The job that `to_json` wrote; ValueError if it is none."""
        try:
            raw = json.loads(text)
            raw.pop("defaults", None)  # older servers kept them
            job = _FORM.validate_python(raw)
        except (AttributeError, TypeError, ValueError, RecursionError, ConverterError) as error:
            raise ValueError(f"it is not a job: {error}") from error
        job.log = deque(job.log, maxlen=LOG_LINES)
        return job


_FORM = TypeAdapter(Job)


class JobFiles:
    """Keeps jobs in `folder`; where nothing can be written they are kept in memory only, which is said once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._warned = False  # that nothing can be written
        self._handles: dict[str, int] = {}  # locks of jobs that run in this server

    def read(self) -> list[Job]:
        """The jobs of earlier servers, oldest first. One that was cut off by its server's end has failed."""
        jobs = sorted(self._readable(), key=lambda job: job.created)
        for job in jobs:
            if job.running:
                job.end("failed", "interrupted: the server ended while it ran")
                self.write(job)
        return jobs

    def write(self, job: Job) -> None:
        """Keep the job as it is now; while it runs, other servers see that it does."""
        path = self._path(job.id)
        try:
            make_folder(self._folder)
            if job.running:
                self._lock(job.id)
            replace_file(path, job.to_json().encode(), beside=path.with_suffix(".part"))
        except OSError as error:
            if not self._warned:
                log.warning("jobs are not kept folder=%r reason=%r", str(self._folder), error.strerror)
            self._warned = True
        if not job.running:
            self._unlock(job.id)

    def forget(self, job: Job) -> None:
        """Remove the job's file."""
        with suppress(OSError):
            self._path(job.id).unlink(missing_ok=True)
        self._unlock(job.id)

    def adopt(self, folder: Path, source_sha256: str) -> list[Job]:
        """Take over the jobs that are kept in another folder, have ended, and made a copy of this source."""
        earlier = JobFiles(folder)
        ours = [job for job in earlier._readable() if not job.running and _source_of(job) == source_sha256]
        for job in ours:
            self.write(job)
            if self._path(job.id).exists():
                earlier.forget(job)
        return ours

    def _readable(self) -> Iterator[Job]:
        followed = self._folder.is_dir() and not self._folder.is_symlink()
        for path in self._folder.glob("*.json") if followed else ():
            try:
                job = Job.from_json(read_file(path, most=_LARGEST).decode())
                if job.id != path.stem:
                    raise ValueError(f"it is the job {job.id!r}")
            except (OSError, ValueError) as error:
                log.warning("job unreadable file=%r reason=%r", path.name, str(error))
                continue
            if not (job.running and self._runs_elsewhere(job.id)):
                yield job

    def _runs_elsewhere(self, job_id: str) -> bool:
        """Whether another server that shares the folder holds the job's lock."""
        try:
            handle = open_file(self._lock_path(job_id), os.O_RDONLY)  # it may be another user's
        except OSError:
            return False
        try:
            return locks.take(handle, shared=True) is Took.BUSY
        finally:
            os.close(handle)

    def _lock(self, job_id: str) -> None:
        if job_id not in self._handles:
            handle = open_file(self._lock_path(job_id), os.O_RDWR | os.O_CREAT)
            self._handles[job_id] = handle
            for _ in range(_TRIES):
                if locks.take(handle) is not Took.BUSY:
                    break
                time.sleep(_BETWEEN_TRIES_S)

    def _unlock(self, job_id: str) -> None:
        handle = self._handles.pop(job_id, None)
        if handle is not None:
            os.close(handle)
        with suppress(OSError):
            self._lock_path(job_id).unlink(missing_ok=True)

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"

    def _lock_path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.lock"


def _source_of(job: Job) -> Any:
    """The hash of the model that it converted; None where there is no report that tells."""
    identity = (job.report or {}).get("identity")
    return identity.get("source_sha256") if isinstance(identity, dict) else None
