"""Conversions: one at a time, each a child process `python -m converter`, watched line by line."""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.copies.jobs import KEPT_JOBS, LOADING, RUNNING, Job, JobFiles
from app.errors import ConversionRunning, NotFound
from app.metrics import Metrics
from app.streams import lines
from converter.contract import Options, Order
from converter.disk import publish
from converter.progress import STARTED, in_words, parse
from converter.tolerance import Tolerance

log = logging.getLogger(__name__)

# What the converter's exit codes say (converter/contract.py).
_RESULTS = {2: "failed", 3: "refused", 4: "unavailable", 5: "failed", 6: "refused"}
_CANCELLED = "cancelled by an admin"
_STOPPED = "interrupted: the server was stopped"
_GRACE_S = 10.0  # for a converter that was told to end: it removes what it has written


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What conversions need from the server around them."""

    location: Callable[[Path, str], Path]  # where the copy of a model for a target goes
    defaults: Callable[[str], Options]  # how a target is made at start
    adopt: Callable[[Options], Awaitable[dict[str, Any]]]  # load the finished copy; what the gate says of it
    began: Callable[[Job], None] = lambda job: None
    ended: Callable[[Job], None] = lambda job: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What one conversion may take, and how far its copy may be from native."""

    seconds: float
    memory_mib: int | None = None  # None: what there is
    tolerance: Tolerance = field(default_factory=Tolerance)


class Conversions:
    """Starts conversions of one model and remembers them."""

    def __init__(self, source: Path, ways: Ways, *, files: JobFiles, metrics: Metrics, allowed: Allowed) -> None:
        self._source, self._ways, self._files = source, ways, files
        self._metrics, self._allowed = metrics, allowed
        self._jobs = {job.id: job for job in files.read()}
        self._task: asyncio.Task[None] | None = None
        self._why_cancelled = _STOPPED
        metrics.conversion_in_progress.set_function(lambda: float(self.running is not None))

    def follow(self, source: Path) -> None:
        """From now on copies are made of this model."""
        self._source = source

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

    def wanted(self, target: str) -> Options:
        """How the copy of `target` is to be made: as an admin had it made last, unless the settings changed since."""
        defaults = self._ways.defaults(target)
        made = (job for job in self.jobs if job.state == "succeeded" and job.options.target == target)
        last = next(made, None)
        return last.options if last is not None and last.defaults == defaults else defaults

    def start(self, options: Options) -> Job:
        """Begin a conversion; the running one if it has the same options, ConversionRunning if it has others."""
        running = self.running
        if running is not None:
            if running.options == options:
                return running
            raise ConversionRunning(
                f"the conversion {running.id} to {running.options.target!r} runs; there is one at a time"
            )
        job = Job(options, self._ways.defaults(options.target))
        self._jobs[job.id] = job
        while len(self._jobs) > KEPT_JOBS:
            self._files.forget(self._jobs.pop(next(iter(self._jobs))))
        self._files.write(job)
        self._why_cancelled = _STOPPED
        self._task = asyncio.create_task(self._run(job))
        return job

    async def cancel(self, job_id: str) -> Job:
        """End the job if it runs, and forget it if it has ended; NotFound if there is none."""
        job = self.job(job_id)
        if job.running:
            self._why_cancelled = _CANCELLED
            await self.close()
        else:
            self._files.forget(self._jobs.pop(job.id))
        return job

    def forget_ended(self) -> None:
        """Forget every job that has ended."""
        for job in self.jobs:
            if not job.running:
                self._files.forget(self._jobs.pop(job.id))

    async def finished(self) -> None:
        """Wait until no job runs."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """End the running conversion and its process."""
        if self._task is not None:
            if not self._task.cancelling():  # a second time would cut off the end of its process
                self._task.cancel()
            await self.finished()
        job = self.running
        if job is not None:  # it was cancelled before it began
            self._cancelled(job)
            self._ended(job)

    async def _run(self, job: Job) -> None:
        target = job.options.target
        log.info("conversion started job=%s target=%s precision=%s", job.id, target, job.options.precision)
        self._ways.began(job)
        try:
            await self._convert(job)
            if job.state == RUNNING:
                job.state = LOADING
                job.report = {**(job.report or {}), "gate": await self._ways.adopt(job.options)}
                job.end("succeeded")
        except asyncio.CancelledError:
            self._cancelled(job)
            raise
        # A job must not stay "running" for ever, whatever the new copy's worker did.
        except Exception as error:
            what = "the copy was made, but the server could not load it" if job.report else "it could not be run"
            job.end("failed", f"{what}: {error}")
        finally:
            self._ended(job)

    def _cancelled(self, job: Job) -> None:
        job.end("failed" if self._why_cancelled == _STOPPED else "cancelled", self._why_cancelled)

    def _ended(self, job: Job) -> None:
        target = job.options.target
        self._metrics.conversions.labels(target, job.state).inc()
        for step, seconds in job.seconds.items():
            self._metrics.conversion_duration.labels(target, step).observe(seconds)
        log.info("conversion ended job=%s target=%s state=%s reason=%r", job.id, target, job.state, job.reason)
        self._files.write(job)
        self._ways.ended(job)

    async def _convert(self, job: Job) -> None:
        place = self._ways.location(self._source, job.options.target)
        process = await asyncio.create_subprocess_exec(
            *self._command(job, place),
            stdin=asyncio.subprocess.PIPE,  # the converter ends itself when this closes: no orphan if we are killed
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            report, _ = await asyncio.gather(_text(process.stdout), self._follow(job, process.stderr))
            code = await process.wait()
        finally:
            await _end(process)
            await asyncio.to_thread(publish.recover, place)  # what a converter that was killed could not remove
        if code == 0:
            job.report = json.loads(report)
        elif code < 0:
            how = signal.Signals(-code).name
            job.end("failed", f"the converter was ended by {how} while {in_words(job.step)}")
        else:
            said = (line for line in reversed(job.log) if line.startswith("convert: "))
            job.end(_RESULTS.get(code, "failed"), next(said, "it gave no reason").removeprefix("convert: "))

    async def _follow(self, job: Job, stream: asyncio.StreamReader | None) -> None:
        async for line in lines(stream):
            event = parse(line)
            if event is None:
                job.log.append(line)
                continue
            job.hear(event)
            if event.state == STARTED:
                log.info("conversion step job=%s target=%s step=%s", job.id, job.options.target, event.step)
                self._files.write(job)

    def _command(self, job: Job, place: Path) -> list[str]:
        made = [sys.executable, "-m", "converter", str(self._source), "--ends-with-stdin", "--background"]
        made += ["--output", str(place), "--time-limit-seconds", str(self._allowed.seconds)]
        if self._allowed.memory_mib is not None:
            made += ["--memory-limit-mib", str(self._allowed.memory_mib)]
        order = Order(options=job.options, tolerance=self._allowed.tolerance, standard=job.defaults)
        return [*made, "--order", order.to_json()]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Tell the process to end and wait; kill it if it does not."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _text(stream: asyncio.StreamReader | None) -> str:
    return "\n".join([line async for line in lines(stream)])
