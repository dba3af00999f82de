"""Native, and fresh copies of it to be judged."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.backends.backend import Spec
from app.images import Image
from app.lanes.quiet import Quiet
from app.rules import GateRules
from app.verdicts.gate import Gate
from app.verdicts.gate_pictures import GatePicture
from app.verdicts.judge import Judge
from converter.sizes import SizeName
from tests.support.app import jpegs
from tests.support.app.comparing import FOLDER, ServerSetup, boxes
from tests.support.app.gating import sourced
from tests.support.fakes import FakeBackend, FakeStarter

SOON_S = 0.01
ONE_SMALL: Mapping[SizeName, int] = {"small": 50_000}


class Judging(ServerSetup):
    """Native, and fresh copies of it that are not published yet."""

    def __init__(self, model: Path, **changes: Any) -> None:
        super().__init__(model, gate_seconds=1e-9, **changes)
        self.judge = self.parts.judge

    def fresh(self, name: str, *, seconds: float = 0, count: int = 60) -> FakeBackend:
        made = FakeBackend(Spec(name, FOLDER, max_batch=8))
        made.answer = self.clock.work(seconds, lambda image: boxes(count))
        return made

    def another(
        self,
        native: Spec,
        start: FakeStarter,
        sizes: Mapping[SizeName, int] = ONE_SMALL,
        *,
        measuring: asyncio.Lock | None = None,
    ) -> Judge:
        """A judge who does not wait long for a quiet moment, with a picture of so many pixels of each class.

        `measuring` is held while he measures.
        """

        async def load(size: SizeName) -> Sequence[GatePicture]:
            images = [Image(jpegs.photo(), 1000, sizes[size] // 1000)] if size in sizes else []
            return sourced(images)

        batchers = [lane.batcher for lane in self.routing.lanes.values()]
        restless = Quiet(batchers, measuring=measuring or asyncio.Lock(), patience_s=SOON_S, hold_s=SOON_S)
        gate = Gate(GateRules(seconds=1e-9), pictures=load, quiet=restless, clock=self.clock)
        served = replace(self.parts.served, run=native)
        return Judge(self.routing, self.live_pairs, gate, start=start, served=served)

    def native(self, *, seconds: float) -> FakeBackend:
        """Native, that takes so long from now on."""
        found = self.backend("native")
        found.answer = self.clock.work(seconds, lambda image: boxes(60))
        return found
