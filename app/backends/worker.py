"""The server's side of a worker process: start it, send it batches, notice at once when it dies, read its log."""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from app.backends import wire
from app.backends.backend import BatchFailed, Facts, ModelRefused, Spec, WorkerDied, WorkerGone, program_of
from app.backends.worker_log import LogListener, WorkerLog
from app.images import Image
from converter.model.detections import Detections

log = logging.getLogger(__name__)

_END_SECONDS = 5.0
_LAST_ANSWERS_S = 0.1  # for the answers that are still in the socket when the process has ended


async def start_worker(spec: Spec, listen: LogListener | None = None) -> "Worker":
    """A warm worker for `spec`; ModelRefused if it will not serve the model, WorkerDied if it ended or was too slow."""
    return await start_program(program_of(spec.name), spec, listen)


async def start_program(program: str, spec: Spec, listen: LogListener | None = None) -> "Worker":
    """The same, by the module that is run in the process."""
    try:
        return await _start(program, spec, listen)
    except OSError as error:  # no memory, no handles
        raise WorkerDied(f"it could not be started: {error.strerror or error}") from error


async def _start(program: str, spec: Spec, listen: LogListener | None) -> "Worker":
    ours, theirs = socket.socketpair()
    said = WorkerLog(spec.name, listen)
    try:
        process = await asyncio.create_subprocess_exec(
            *_command(program, spec, theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said.handle,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            env={"TF_CPP_MIN_LOG_LEVEL": "1", "PYTHONUNBUFFERED": "1", **os.environ, **spec.environ},
        )
    except BaseException:
        ours.close()
        said.abandon()
        raise
    finally:
        theirs.close()
    await said.begin()
    reader, writer = await asyncio.open_connection(sock=ours)
    worker = Worker(spec, process, (reader, writer), said)
    try:
        async with asyncio.timeout(spec.load_seconds):
            await worker.wait_until_ready()
    except TimeoutError:
        await worker.close()
        raise WorkerDied(f"it did not load and warm up within {spec.load_seconds:.0f} s") from None
    except BaseException:
        await worker.close()
        raise
    return worker


class Worker:
    """A model in a child process (the protocol `Backend`)."""

    facts: Facts

    def __init__(
        self,
        spec: Spec,
        process: asyncio.subprocess.Process,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        said: WorkerLog,
    ) -> None:
        self.name = spec.name
        self._process, self._said = process, said
        self._reader, self._writer = streams
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[list[Detections]]] = {}
        self._answers: asyncio.Task[WorkerDied] | None = None
        self._closing = self._hung = False
        self._hang_seconds = spec.hang_seconds

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def wait_until_ready(self) -> None:
        """Read the worker's first message, then begin to read answers."""
        try:
            header, _ = await self._read()
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._how_it_ended() from None
        if "refused" in header:
            raise ModelRefused(header["refused"])
        ready = header["ready"]
        self.facts = Facts(**{**ready, "batch_sizes": tuple(ready["batch_sizes"])})
        self._answers = asyncio.create_task(self._read_answers())

    async def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Run one batch (see `Backend`)."""
        if self._answers is None or self._answers.done():
            raise WorkerGone("the worker has ended")
        number = next(self._numbers)
        future: asyncio.Future[list[Detections]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        told = [(image.width, image.height, len(image.data), image.applied_orientation) for image in images]
        header = {"id": number, "images": told}
        try:
            async with asyncio.timeout(self._hang_seconds):
                self._writer.writelines(wire.frame(header, [image.data for image in images]))
                with contextlib.suppress(ConnectionError):  # told by `_read_answers`, with how it ended
                    await self._writer.drain()  # a worker that does not read is as stuck as one that does not answer
                return await asyncio.shield(future)
        except TimeoutError:  # the watchdog: no more than `batches_in_flight` are in it, so the model itself is stuck
            self._hung = True
            self._kill()
            return await future  # WorkerDied, as soon as the process is gone
        finally:
            self._waiting.pop(number, None)

    async def died(self) -> WorkerDied:
        """Wait until the process ends by itself; how it ended."""
        if self._answers is None:
            return await self._how_it_ended()
        return await asyncio.shield(self._answers)

    async def close(self) -> None:
        """End the process: it goes when its socket closes, and is killed if it does not."""
        self._closing = True
        self._writer.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            await self._process.wait()
        if self._answers is not None:
            await self._answers
        await self._said.ended()

    async def _read(self) -> tuple[dict[str, Any], bytes]:
        head, size = wire.PREFIX.unpack(await self._reader.readexactly(wire.PREFIX.size))
        return json.loads(await self._reader.readexactly(head)), await self._reader.readexactly(size)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _read_answers(self) -> WorkerDied:
        """Pass answers on until the process has ended, or its socket; whichever ends first, the other one does."""
        answers, ended = asyncio.create_task(self._pass_on()), asyncio.create_task(self._process.wait())
        await asyncio.wait({answers, ended}, return_when=asyncio.FIRST_COMPLETED)
        # A process that it has left behind may hold its socket open, and one may close its socket and live.
        await asyncio.wait({answers}, timeout=_LAST_ANSWERS_S)
        answers.cancel()
        await asyncio.wait({ended}, timeout=_END_SECONDS)
        self._kill()
        await asyncio.wait({answers, ended})
        how = await self._how_it_ended()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(how)
        return how

    async def _pass_on(self) -> None:
        # What can't be understood ends it like the end of the stream: nothing after it can be trusted.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError, KeyError):
            while True:
                header, payload = await self._read()
                future = self._waiting.get(header["id"])
                if future is None or future.done():
                    continue  # its caller was cancelled
                if "failed" in header:
                    future.set_exception(BatchFailed(header["failed"], header["message"]))
                else:
                    future.set_result(wire.unpack(header, payload))

    async def _how_it_ended(self) -> WorkerDied:
        if self._closing:
            return WorkerDied("it was closed", closed=True)
        code = await self._process.wait()
        await self._said.ended()
        how = (
            f"its process ended by {signal.Signals(-code).name}" if code < 0 else f"its process ended with code {code}"
        )
        if self._hung:
            how = f"it did not answer a batch within {self._hang_seconds:g} s and was ended"
        last = self._said.last_line
        log.warning("worker ended backend=%s pid=%d how=%r last_line=%r", self.name, self.pid, how, last)
        return WorkerDied(how, hung=self._hung)


def _command(program: str, spec: Spec, handle: int) -> list[str]:
    command = [sys.executable, "-m", program, "--socket", str(handle), "--name", spec.name]
    command += ["--folder", str(spec.folder), "--max-batch", str(spec.max_batch)]
    if said := spec.declared.given():
        command += ["--declared", json.dumps(said)]
    if spec.finding is not None:
        command += ["--finding", str(spec.finding)]
    for size in spec.batch_sizes:
        command += ["--batch-size", str(size)]
    if spec.batches_in_flight is not None:
        command += ["--batches-in-flight", str(spec.batches_in_flight)]
    return command
