"""How a fresh copy gets its verdict: on small pictures before it takes its place, on other sizes after that."""

import asyncio
import logging
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from app.backends.backend import Backend, BatchFailed, ModelRefused, Spec, Starter, WorkerDied
from app.backends.served import Served
from app.choices import NATIVE
from app.verdicts.gate import Gate
from app.verdicts.live_pairs import LivePairs
from app.verdicts.routing import Routing
from app.verdicts.standing import Standing
from app.verdicts.verdict import SizeVerdict, Verdict
from converter.contract import BadOptions, ConverterError
from converter.machine import child
from converter.sizes import SIZES, SizeName
from converter.targets import KINDS, yardstick

log = logging.getLogger(__name__)

NATIVE_IS_COLD = "native was not warm, so it could not be compared"
_YARDSTICK_SECONDS = 600.0
# At a copy that may be faster and was not shown to be: each look promotes one that is no faster in 0.3 % at most.
MOST_LOOKS = 3


class Judge:
    """Asks the gate about fresh copies of the served model, and tells the routing."""

    def __init__(self, routing: Routing, live_pairs: LivePairs, gate: Gate, *, start: Starter, served: Served) -> None:
        self._routing, self._live_pairs, self._gate = routing, live_pairs, gate
        self._start, self._served = start, served
        self._notes: dict[str, str] = {}  # what is to be said of a copy that has no verdict
        self._looks: Counter[tuple[str, SizeName]] = Counter()
        self._left: dict[str, list[SizeName]] = {}  # size classes that a copy is still to be judged on

    async def judge(self, fresh: Backend, *, note: str = "") -> None:
        """Compare the copy with native and take note of the verdict; WorkerDied if the copy ended over it.

        It is that on the smallest size class of which there are pictures; `unfinished` tells of the others. `note` is
        told of a copy that got none.
        """
        found = await self._find(fresh, self._gate)
        self._notes[fresh.name] = note
        self._record(fresh.name, *found)

    def unjudged(self) -> list[str]:
        """The warm copies that have no verdict for a reason that passes; none while native is cold."""
        if not self._routing.lanes[NATIVE].slot.ready:
            return []
        lanes = self._routing.lanes
        return [name for name in self._routing.copies if lanes[name].slot.ready and self.standing(name).passing]

    async def judge_again(self, copy: str, *, patience: float) -> None:
        """Compare a copy that serves with native, so many times as patiently as at first; WorkerDied as `judge`.

        It is judged beside the load, if no quiet moment comes, and takes a small share of the time from the answers.
        """
        serving, standing = self._routing.lanes[copy].slot.backend, self.standing(copy)
        if serving is None:
            return
        found = await self._find(serving, self._gate.patient(patience))
        if self._routing.lanes[copy].slot.backend is serving and self.standing(copy) is standing:
            self._record(copy, *found)

    def unfinished(self) -> list[str]:
        """The warm copies that are still to be judged on a size class, or again; none while native is cold."""
        lanes = self._routing.lanes
        for name in self._left:
            self._left[name] += [size for size in self.standing(name).again if size not in self._left[name]]
            self.standing(name).again.clear()
        left = [name for name, sizes in self._left.items() if sizes and lanes[name].slot.ready]
        return left if lanes[NATIVE].slot.ready else []

    async def go_on(self, copy: str) -> None:
        """Compare a copy that serves with native on the next size class; WorkerDied as `judge`."""
        serving, standing = self._routing.lanes[copy].slot.backend, self.standing(copy)
        native, left = self._routing.lanes[NATIVE].slot.backend, self._left[copy]
        if serving is None or native is None:
            return
        size = left.pop(0)
        try:
            found = await self._look(native, serving, size)
        except (BatchFailed, ConverterError, ModelRefused) as error:
            log.warning("copy not judged on a size copy=%s size=%s reason=%r", copy, size, str(error))
            return
        except WorkerDied:
            if not await _has_ended(serving):  # else it is not tried again: it may be what ended it
                left.append(size)
            raise
        if standing.verdict and self.standing(copy) is standing:  # no other one was loaded meanwhile
            self._amend(copy, size, standing.verdict, found)

    async def _look(self, native: Backend, serving: Backend, size: SizeName) -> SizeVerdict | None:
        """The gate's verdict on a size class; a copy that had to beat another one on it must do so again."""
        name, verdict = KINDS[serving.name].yardstick, self.standing(serving.name).verdict
        before = verdict.sizes.get(size) if verdict else None
        if name is None or before is None or not before.over_frozen:
            return await self._gate.patient(1).judge(native, serving, size=size)
        async with self._yardstick(name) as other:
            return await self._gate.patient(1).judge(native, serving, other, size=size)

    def _amend(self, copy: str, size: SizeName, verdict: Verdict, found: SizeVerdict | None) -> None:
        """Take note of the gate's verdict on a size class; without its pictures live pairs time the copy anew."""
        before = verdict.sizes.get(size)
        if found is not None and (before is None or before.word != "disagrees"):  # by live pairs, meanwhile
            self._routing.amend_verdict(copy, verdict.with_size(size, found))
            self._look_again(copy, size, found)
        elif before is not None and before.word == "slower":
            self._routing.amend_verdict(copy, verdict.with_size(size, before.untimed()))

    def _look_again(self, copy: str, size: SizeName, found: SizeVerdict) -> None:
        """Have a size class judged again, a few times, if it was not for sure that the copy is slower."""
        self._looks[copy, size] += 1
        if self._looks[copy, size] < MOST_LOOKS and self._gate.unsure(found):
            self._left[copy].append(size)

    def _record(self, copy: str, verdict: Verdict | None, reason: str, passing: bool) -> None:
        judged = verdict.sizes if verdict else ()
        goes_on = verdict is not None and verdict.word != "disagrees"
        self._left[copy] = [size for size in SIZES if size not in judged] if goes_on else []
        for size in SIZES:
            self._looks.pop((copy, size), None)
        if verdict is not None:
            self._look_again(copy, next(iter(judged)), verdict.first)
        self._live_pairs.forget(copy)
        told = "; ".join(part for part in (self._notes.get(copy, ""), reason) if part)
        self._routing.record_verdict(copy, verdict, told, passing=passing)

    async def _find(self, copy: Backend, gate: Gate) -> tuple[Verdict | None, str, bool]:
        """The verdict, or why there is none and whether that passes."""
        native = self._routing.lanes[NATIVE].slot.backend
        if native is None:
            return None, NATIVE_IS_COLD, True
        try:
            return await self._ask(native, copy, gate), "", False
        except TimeoutError:
            return None, "it could not be compared: the server never came to rest", True
        except (BatchFailed, BadOptions, ConverterError) as error:
            return None, f"it could not be compared: {error}", False
        except (WorkerDied, ModelRefused) as error:
            if await _has_ended(copy):
                raise
            return None, f"it could not be compared, since what it is compared with failed: {error}", True

    def standing(self, copy: str) -> Standing:
        """What is known of the copy now."""
        return self._routing.standing(copy)

    async def _ask(self, native: Backend, fresh: Backend, gate: Gate) -> Verdict:
        name = KINDS[fresh.name].yardstick
        if name is None:
            return await self._on_the_smallest(native, fresh, gate, None)
        async with self._yardstick(name) as other:
            return await self._on_the_smallest(native, fresh, gate, other)

    async def _on_the_smallest(self, native: Backend, fresh: Backend, gate: Gate, other: Backend | None) -> Verdict:
        for size in SIZES:
            if found := await gate.judge(native, fresh, other, size=size):
                return Verdict({size: found})
        raise BadOptions("there is no picture that can be used to compare it on")

    @asynccontextmanager
    async def _yardstick(self, name: str) -> AsyncIterator[Backend]:
        """The copy that another one must beat too: the one that serves, or one made for this."""
        serving = self._routing.lanes[name].slot.backend
        if serving is not None:
            yield serving
            return
        native = self._served.spec
        with tempfile.TemporaryDirectory(prefix="yardstick-") as folder:
            place = Path(folder) / name
            await asyncio.to_thread(_make, name, native, place)
            backend = await self._start(replace(native, name=name, folder=place))
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


def _make(name: str, native: Spec, place: Path) -> None:
    limits = child.Limits.within(_YARDSTICK_SECONDS)
    yardstick.make(name, native.folder, place, declared=native.declared, limits=limits)
