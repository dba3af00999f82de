"""Conversion jobs: one at a time, each a child process `python -m converter`, watched line by line."""

import asyncio
import contextlib
import json
import logging
import sys
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.errors import ConversionRunning, NotFound
from app.metrics import Metrics
from app.streams import lines
from converter.contract import Options

log = logging.getLogger(__name__)

KEPT_JOBS = 100
# What the converter's exit codes say (converter/contract.py).
_RESULTS = {2: "failed", 3: "refused", 4: "unavailable", 5: "failed", 6: "refused"}
_IN_WORDS = {
    "load": "loading the model",
    "convert": "converting the graph",
    "build": "building engines",
    "save": "saving",
    "verify": "running the copy",
    "publish": "publishing the copy",
}


@dataclass(slots=True)
class Job:
    """A conversion as it stands; `state` is running, loading, succeeded, unavailable, refused, failed or cancelled."""

    options: Options
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    state: str = "running"
    reason: str = ""
    step: str = ""
    seconds: dict[str, float] = field(default_factory=dict)  # by finished step
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    finished: str | None = None
    log: deque[str] = field(default_factory=lambda: deque(maxlen=50))
    report: dict[str, Any] | None = None

    @property
    def running(self) -> bool:
        """Whether it still may change."""
        return self.state in ("running", "loading")


class Conversions:
    """Starts conversions of one model and remembers them. `adopt` loads the finished copy into the server."""

    def __init__(
        self,
        source: Path,
        *,
        location: Callable[[str], Path],
        adopt: Callable[[str], Awaitable[None]],
        metrics: Metrics,
        timeout_s: float,
    ) -> None:
        self._source, self._location, self._adopt = source, location, adopt
        self._metrics, self._timeout_s = metrics, timeout_s
        self._jobs: dict[str, Job] = {}
        self._task: asyncio.Task[None] | None = None
        metrics.conversion_in_progress.set_function(lambda: float(self.running is not None))

    @property
    def jobs(self) -> list[Job]:
        """All remembered jobs, newest first."""
        return list(reversed(self._jobs.values()))

    @property
    def running(self) -> Job | None:
        """The job that runs now."""
        return next((job for job in self.jobs if job.running), None)

    def job(self, job_id: str) -> Job:
        """The job of this id; NotFound if there is none."""
        if job_id not in self._jobs:
            raise NotFound(f"there is no conversion job {job_id[:40]!r}")
        return self._jobs[job_id]

    def start(self, options: Options) -> Job:
        """Begin a conversion; the running one if it has the same options, ConversionRunning if it has others."""
        running = self.running
        if running is not None:
            if running.options == options:
                return running
            raise ConversionRunning(
                f"the conversion {running.id} to {running.options.target!r} runs; there is one at a time"
            )
        job = Job(options)
        self._jobs[job.id] = job
        while len(self._jobs) > KEPT_JOBS:
            self._jobs.pop(next(iter(self._jobs)))
        self._task = asyncio.create_task(self._run(job))
        return job

    async def finished(self) -> None:
        """Wait until no job runs."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """End the running conversion and its process."""
        if self._task is not None:
            self._task.cancel()
            await self.finished()
        job = self.running
        if job is not None:  # it was cancelled before it began
            job.state, job.reason = "cancelled", "the server was stopped"
            self._ended(job)

    async def _run(self, job: Job) -> None:
        target = job.options.target
        log.info("conversion started job=%s target=%s precision=%s", job.id, target, job.options.precision)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._convert(job)
            if job.state == "running":
                job.state, job.step = "loading", "load into the server"
                await self._adopt(target)
                job.state = "succeeded"
        except TimeoutError:
            job.state, job.reason = "failed", f"the conversion was ended after {self._timeout_s:g} s"
        except asyncio.CancelledError:
            job.state, job.reason = "cancelled", "the server was stopped"
            raise
        # A job must not stay "running" for ever, whatever the new copy's worker did.
        except Exception as error:
            job.state, job.reason = "failed", f"the copy was made, but the server could not load it: {error}"
        finally:
            self._ended(job)

    def _ended(self, job: Job) -> None:
        target = job.options.target
        job.finished = datetime.now(UTC).isoformat(timespec="seconds")
        self._metrics.conversions.labels(target, job.state).inc()
        for step, seconds in job.seconds.items():
            self._metrics.conversion_duration.labels(target, step).observe(seconds)
        log.info("conversion ended job=%s target=%s state=%s reason=%r", job.id, target, job.state, job.reason)

    async def _convert(self, job: Job) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command(job.options),
            stdin=asyncio.subprocess.PIPE,  # the converter ends itself when this closes: no orphan if we are killed
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            report, _ = await asyncio.gather(_text(process.stdout), self._follow(job, process.stderr))
            code = await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if code == 0:
            job.report = json.loads(report)
        elif code < 0:
            job.state = "failed"
            job.reason = f"the converter crashed while {_IN_WORDS.get(job.step, 'starting')}"
        else:
            said = next(
                (line for line in reversed(job.log) if line.startswith("convert: ")), "convert: it gave no reason"
            )
            job.state, job.reason = _RESULTS.get(code, "failed"), said.removeprefix("convert: ")

    async def _follow(self, job: Job, stream: asyncio.StreamReader | None) -> None:
        async for line in lines(stream):
            event = _event(line)
            if event is None:
                job.log.append(line)
            elif event["state"] == "started":
                job.step = event["step"]
                log.info("conversion step job=%s target=%s step=%s", job.id, job.options.target, job.step)
            else:
                job.seconds[event["step"]] = event["seconds"]

    def _command(self, options: Options) -> list[str]:
        command = [sys.executable, "-m", "converter", str(self._source), "--ends-with-stdin"]
        command += ["--target", options.target, "--output", str(self._location(options.target))]
        command += ["--precision", options.precision, "--batch-sizes", ",".join(map(str, options.batch_sizes))]
        command += ["--minimum-segment-size", str(options.minimum_segment_size)]
        return [*command, "--workspace-mib", str(options.workspace_bytes >> 20)]


def _event(line: str) -> dict[str, Any] | None:
    """What converter.progress wrote; None for any other line: TensorFlow's may begin as they like."""
    if not line.startswith('{"step"'):
        return None
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return event if event.get("state") in ("started", "done") else None


async def _text(stream: asyncio.StreamReader | None) -> str:
    return "\n".join([line async for line in lines(stream)])
