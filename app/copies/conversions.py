"""Conversions: one at a time, each a child process `python -m converter`, watched line by line."""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.copies.jobs import KEPT_JOBS, LOADING, Job, JobFiles
from app.errors import ConversionRunning, NotFound
from app.metrics import Metrics
from app.streams import lines
from converter.contract import (
    BadOptions,
    ConversionFailed,
    CopyRefused,
    Options,
    Order,
    TargetUnavailable,
    UnusableModel,
)
from converter.disk import publish
from converter.machine import memory
from converter.progress import STARTED, in_words, parse

log = logging.getLogger(__name__)

# What a job is that the converter ended with one of its exit codes.
_RESULTS = {
    BadOptions.exit_code: "failed",
    UnusableModel.exit_code: "refused",
    TargetUnavailable.exit_code: "unavailable",
    ConversionFailed.exit_code: "failed",
    CopyRefused.exit_code: "refused",
}
_CANCELLED = "cancelled by an admin"
_STOPPED = "interrupted: the server was stopped"
_GRACE_S = 10.0  # for a converter that was told to end: it removes what it has written


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLimits:
    """What one conversion may take."""

    seconds: float
    memory_mib: int | None = None  # None: what there is


class Conversions:
    """Runs conversions and remembers them; what becomes of the copies is not its business.

    `order` is what all are asked for besides their options: how their reports judge the copies, as the gate does.
    """

    def __init__(self, *, files: JobFiles, metrics: Metrics, allowed: JobLimits, order: Order) -> None:
        self._files, self._metrics = files, metrics
        self._allowed, self._order = allowed, order
        self._jobs = {job.id: job for job in files.read()}
        metrics.conversion_in_progress.set_function(lambda: float(self.running is not None))

    async def adopt(self, folder: Path, source_sha256: str) -> None:
        """Remember the jobs of this source that earlier servers kept in another folder, and move them to ours."""
        adopted = await asyncio.to_thread(self._files.adopt, folder, source_sha256)
        both = sorted([*adopted, *self._jobs.values()], key=lambda job: job.created)
        self._jobs = {job.id: job for job in both}

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

    def begin(self, options: Options) -> Job:
        """A new job, to be run inside `tracked`; ConversionRunning while another one runs."""
        if running := self.running:
            raise ConversionRunning(
                f"the conversion {running.id} to {running.options.target!r} runs; there is one at a time"
            )
        job = Job(options)
        self._jobs[job.id] = job
        while len(self._jobs) > KEPT_JOBS:
            self._files.forget(self._jobs.pop(next(iter(self._jobs))))
        self._files.write(job)
        log.info("conversion started job=%s target=%s precision=%s", job.id, options.target, options.precision)
        return job

    def forget(self, job: Job) -> None:
        """Forget a job that has ended."""
        self._files.forget(self._jobs.pop(job.id))

    def forget_ended(self) -> None:
        """Forget every job that has ended."""
        for job in self.jobs:
            if not job.running:
                self.forget(job)

    def end(self, job: Job, state: str, reason: str = "") -> None:
        """Nothing changes after this; it is counted and kept."""
        target = job.options.target
        job.end(state, reason)
        self._metrics.conversions.labels(target, state).inc()
        for step, seconds in job.seconds.items():
            self._metrics.conversion_duration.labels(target, step).observe(seconds)
        level = logging.WARNING if state in ("failed", "refused") else logging.INFO
        log.log(level, "conversion ended job=%s target=%s state=%s reason=%r", job.id, target, job.state, job.reason)
        self._files.write(job)

    def abandon(self, job: Job) -> None:
        """End a job whose task was cancelled, if it has not ended by itself."""
        if job.running:
            self.end(job, *(("cancelled", _CANCELLED) if job.cancelled else ("failed", _STOPPED)))

    @asynccontextmanager
    async def tracked(self, job: Job) -> AsyncIterator[None]:
        """However the block ends, the job does: it must not stay "running" for ever."""
        try:
            yield
        except asyncio.CancelledError:
            self.abandon(job)
            raise
        # Whatever the new copy's worker did.
        except Exception as error:
            what = "the copy was made, but the server could not load it" if job.report else "it could not be run"
            self.end(job, "failed", f"{what}: {error}")

    async def run(self, job: Job, source: Path, place: Path, *, standard: Options) -> None:
        """Run the converter; then the job is `loading` and has a report, or has ended without one.

        `standard`: what this server would make by itself, which the report keeps.
        """
        order = replace(self._order, options=job.options, standard=standard)
        kills = memory.kills()
        process = await asyncio.create_subprocess_exec(
            *self._command(order, source, place),
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
            job.report, job.state = json.loads(report), LOADING
        elif code < 0:
            self.end(job, "failed", _killed(code, in_words(job.step), starved=memory.starved(code, kills)))
        else:
            said = (line for line in reversed(job.log) if line.startswith("convert: "))
            self.end(job, _RESULTS.get(code, "failed"), next(said, "it gave no reason").removeprefix("convert: "))

    async def _follow(self, job: Job, stream: asyncio.StreamReader | None) -> None:
        async for line in lines(stream):
            event = parse(line)
            if event is None:
                job.log.append(line)
                continue
            job.note(event)
            if event.state == STARTED:
                log.info("conversion step job=%s target=%s step=%s", job.id, job.options.target, event.step)
                self._files.write(job)

    def _command(self, order: Order, source: Path, place: Path) -> list[str]:
        command = [sys.executable, "-m", "converter", str(source), "--ends-with-stdin", "--background"]
        command += ["--output", str(place), "--time-limit-seconds", str(self._allowed.seconds)]
        if self._allowed.memory_mib is not None:
            command += ["--memory-limit-mib", str(self._allowed.memory_mib)]
        return [*command, "--order", order.to_json()]


def _killed(code: int, doing: str, *, starved: bool) -> str:
    """How a signal ended the converter; `starved`: the system did it for want of memory."""
    if starved:
        return f"the converter ran out of memory while {doing}, and the system ended it"
    return f"the converter was ended by {signal.Signals(-code).name} while {doing}"


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
