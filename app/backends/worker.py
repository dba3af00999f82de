"""The server's side of a worker process: start it, send it batches, notice at once when it dies, read its log."""

import asyncio
import contextlib
import itertools
import logging
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from app.alarms import Alarms
from app.backends import wire
from app.backends.adopted import Adopted, begun
from app.backends.backend import BatchFailed, Facts, ModelRefused, Spec, WorkerDied, WorkerGone
from app.backends.command_line import PROGRAM_WORDS, command_line
from app.backends.pipe import Pipe
from app.backends.programs import environ_of, program_of
from app.backends.spare import Spare, environment
from app.backends.worker_log import LogListener, WorkerLog
from app.images import Image
from converter.model.detections import Detections

log = logging.getLogger(__name__)

_END_SECONDS = 5.0
_AHEAD_BYTES = 1 << 20  # of pictures that the system takes at once, if it may: what it does not wakes the server again
_LAST_ANSWERS_S = 0.1  # for the answers that are still in the socket when the process has ended


async def start_worker(spec: Spec, listen: LogListener | None = None, spare: Spare | None = None) -> "Worker":
    """A warm worker for `spec`; ModelRefused if it will not serve the model, WorkerDied if it ended or was too slow.

    `spare`: a process that may wait for it.
    """
    return await start_program(program_of(spec.name), spec, listen, spare)


async def start_program(
    program: str, spec: Spec, listen: LogListener | None = None, spare: Spare | None = None
) -> "Worker":
    """The same, by the module that is run in the process."""
    waiting = spare.take(program, spec.name) if spare and not spec.environ else None
    try:
        if spare and waiting:
            return await _tell(program, spec, spare, Adopted(waiting), listen)
        return await _start(program, spec, listen)
    except OSError as error:  # no memory, no handles
        raise WorkerDied(f"it could not be started: {error.strerror or error}") from error


async def _tell(program: str, spec: Spec, spare: Spare, process: Adopted, listen: LogListener | None) -> "Worker":
    """Have a process that waits load the model."""
    said = WorkerLog(spec.name, listen, spare.log)
    await said.begin()
    worker = Worker(spec, process, said)
    await worker.connect(spare.socket)
    worker.tell(command_line(program, spec, spare.socket.fileno()))
    return await _ready(worker, spec)


async def _start(program: str, spec: Spec, listen: LogListener | None) -> "Worker":
    ours, theirs = socket.socketpair()
    said = WorkerLog(spec.name, listen)
    try:
        handle, own = theirs.fileno(), {**spec.environ, **spec.placement.environ()}
        environ = environment(own, usual=environ_of(spec.name))
        process = begun(command_line(program, spec, handle), handle, said.handle, environ)
    except BaseException:
        ours.close()
        said.abandon()
        raise
    finally:
        theirs.close()
    await said.begin()
    worker = Worker(spec, process, said)
    await worker.connect(ours)
    return await _ready(worker, spec)


async def _ready(worker: "Worker", spec: Spec) -> "Worker":
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

    def __init__(self, spec: Spec, process: Adopted, said: WorkerLog) -> None:
        self.name, self._version = spec.name, spec.version
        self._process, self._said = process, said
        self._pipe = Pipe(self._take, garbled=self._kill)
        self._first: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._settled = asyncio.Event()
        self._numbers, self._watchdog = itertools.count(), Alarms()
        self._waiting: dict[int, asyncio.Future[list[Detections]]] = {}
        self._end: asyncio.Task[WorkerDied] | None = None
        self._closing = self._hung = False
        self._hang_seconds = spec.hang_seconds

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def connect(self, ours: socket.socket) -> None:
        """Begin to talk over our end of the worker's socket."""
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _AHEAD_BYTES)
        await asyncio.get_running_loop().create_connection(lambda: self._pipe, sock=ours)

    def tell(self, command: Sequence[str]) -> None:
        """Give the rest of its command line to a process that waits for it."""
        self._pipe.send(wire.frame({"words": command[PROGRAM_WORDS:]}))

    async def wait_until_ready(self) -> None:
        """Wait for the worker's first message; from then on answers come."""
        either: set[asyncio.Future[Any]] = {self._first, self._pipe.lost}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._first.done():
            raise await self._how_it_ended()
        first = self._first.result()
        if "refused" in first:
            raise ModelRefused(first["refused"])
        self._learn(first["ready"])
        self._end = asyncio.create_task(self._watch())

    async def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Run one batch (see `Backend`)."""
        if self._end is None or self._end.done():
            raise WorkerGone("the worker has ended")
        loop, number = self._first.get_loop(), next(self._numbers)
        future: asyncio.Future[list[Detections]] = loop.create_future()
        self._waiting[number] = future
        # No more than `batches_in_flight` are in it, so if one takes too long, or is not even read, the model is stuck.
        watchdog = self._watchdog.start(loop, self._hang_seconds, self._hangs)
        told = [(image.width, image.height, len(image.data), image.applied_orientation) for image in images]
        header = {"id": number, "images": told, "raw": any(image.raw for image in images)}
        self._pipe.send(wire.framed(to_json(header), [image.data for image in images]))
        try:
            return await future  # WorkerDied as soon as the process is gone, if it hangs too
        finally:
            self._watchdog.stop(watchdog)
            del self._waiting[number]

    async def settled(self) -> None:
        """Wait until its facts stay as they are (see `Backend`)."""
        await self._settled.wait()

    async def died(self) -> WorkerDied:
        """Wait until the process ends by itself; how it ended."""
        if self._end is None:
            return await self._how_it_ended()
        return await asyncio.shield(self._end)

    async def close(self) -> None:
        """End the process: it goes when its socket closes, and is killed if it does not."""
        self._closing = True
        self._pipe.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            await self._process.wait()
        if self._end is not None:
            await self._end
        await self._said.ended()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _hangs(self) -> None:
        self._hung = True
        self._kill()

    def _take(self, header: dict[str, Any], payload: bytes) -> None:
        """A message of the worker's: the first, an answer, or what it has found of its model since."""
        if not self._first.done():
            self._first.set_result(header)
            return
        if "facts" in header:
            self._learn(header["facts"])
            log.info("backend settled backend=%s batch_sizes=%s", self.name, self.facts.batch_sizes)
            return
        future = self._waiting.get(header["id"])
        if future is None or future.done():
            return  # its caller was cancelled
        if "failed" in header:
            future.set_exception(BatchFailed(header["failed"], header["message"]))
        else:
            future.set_result(wire.unpack(header, payload, version=self._version))

    def _learn(self, told: Mapping[str, Any]) -> None:
        self.facts = Facts.read(told)
        if not self.facts.more_to_come:
            self._settled.set()

    async def _watch(self) -> WorkerDied:
        """Wait until the process has ended, or its pipe; whichever ends first, the other one does."""
        lost, ended = self._pipe.lost, asyncio.create_task(self._process.wait())
        either: set[asyncio.Future[Any]] = {lost, ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        # A process that it has left behind may hold its socket open, and one may close its socket and live.
        await asyncio.wait({lost}, timeout=_LAST_ANSWERS_S)
        self._pipe.close()
        await asyncio.wait({ended}, timeout=_END_SECONDS)
        self._kill()
        await asyncio.wait({ended})
        how = await self._how_it_ended()
        self._settled.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(how)
        return how

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
