"""How a copy that has just been loaded gets its verdict, before it takes its place."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.backends.backend import Backend, BatchFailed, ModelRefused, Spec, Starter, WorkerDied
from app.errors import ServiceError
from app.images import Image, check
from app.verdicts.gate import Gate, Verdict
from app.verdicts.live_pairs import Comparison
from app.verdicts.routing import NATIVE, Election
from converter.contract import BadOptions, ConverterError
from converter.machine import child
from converter.model import sampling
from converter.targets import KINDS, yardstick

log = logging.getLogger(__name__)

NATIVE_IS_COLD = "native was not warm, so it could not be compared"
_YARDSTICK_SECONDS = 600.0


class Judge:
    """Asks the gate about fresh copies and tells the election; `native_spec` is of the model they are made from."""

    def __init__(
        self, election: Election, comparison: Comparison, gate: Gate, *, start: Starter, native_spec: Spec
    ) -> None:
        self._election, self._comparison, self._gate = election, comparison, gate
        self._start, self._native_spec = start, native_spec

    def follow(self, spec: Spec) -> None:
        """From now on copies are made from what `spec` says."""
        self._native_spec = spec

    async def judge(self, fresh: Backend, *, note: str = "") -> None:
        """Compare the copy with native and take note of the verdict; WorkerDied if the copy ended over it.

        `note` is told of a copy that got none.
        """
        copy = fresh.name
        verdict, reason = None, NATIVE_IS_COLD
        native = self._election.lanes[NATIVE].slot.backend
        if native is not None:
            try:
                verdict, reason = await self._ask(native, fresh), ""
            except TimeoutError:
                reason = "it could not be compared: the server never came to rest"
            except (BatchFailed, BadOptions, ConverterError) as error:
                reason = f"it could not be compared: {error}"
            except (WorkerDied, ModelRefused) as error:
                if await _has_ended(fresh):
                    raise
                reason = f"it could not be compared, since what it is compared with failed: {error}"
        self._comparison.forget(copy)
        self._election.judged(copy, verdict, "; ".join(part for part in (note, reason) if part))

    def told(self, copy: str) -> dict[str, Any]:
        """What is known of the copy now, as plain data."""
        return self._election.to_json(copy)

    async def _ask(self, native: Backend, fresh: Backend) -> Verdict:
        name = KINDS[fresh.name].yardstick
        if name is None:
            return await self._gate.judge(native, fresh)
        async with self._yardstick(name) as other:
            return await self._gate.judge(native, fresh, other)

    @asynccontextmanager
    async def _yardstick(self, name: str) -> AsyncIterator[Backend]:
        """The copy that another one must beat too: the one that serves, or one made for this."""
        serving = self._election.lanes[name].slot.backend
        if serving is not None:
            yield serving
            return
        with tempfile.TemporaryDirectory(prefix="yardstick-") as folder:
            place = Path(folder) / name
            await asyncio.to_thread(_make, name, self._native_spec, place)
            backend = await self._start(replace(self._native_spec, name=name, folder=place))
            try:
                yield backend
            finally:
                await backend.close()


async def _has_ended(backend: Backend) -> bool:
    """Whether it has ended by itself."""
    try:
        async with asyncio.timeout(0):
            await backend.died()
    except TimeoutError:
        return False
    return True


def pictures(folder: Path | None, *, max_pixels: int) -> Sequence[Image]:
    """The gate's pictures, those left out that could not be detected in; BadOptions if none is left."""
    found: list[Image] = []
    for data in sampling.pictures(folder):
        try:
            found.append(check(data, max_pixels=max_pixels))
        except ServiceError as error:
            log.warning("gate picture left out reason=%r", str(error))
    if not found:
        raise BadOptions(f"{folder or 'the package'} has no picture that can be used")
    return found


def _make(name: str, native: Spec, place: Path) -> None:
    limits = child.Limits.within(_YARDSTICK_SECONDS)
    yardstick.make(name, native.folder, place, declared=native.declared, limits=limits)
