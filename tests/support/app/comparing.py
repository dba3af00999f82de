"""The parts of the comparison, wired as the server wires them, on backends that find and take what a test wants."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.backends.backend import Spec
from app.images import Image
from app.lanes.door import Door
from app.lanes.replica import FIRST_PAUSE_S
from app.settings import Settings
from app.verdicts.states import state_of
from app.verdicts.verdict import SizeVerdict, Verdict, Word
from app.wiring import Parts, build
from converter.comparison.agreement import Agreement
from converter.comparison.sequential import Counted
from converter.comparison.timing import Ratio
from converter.model.detections import Detections
from tests.support.app import jpegs
from tests.support.converter.rows import Row, answer
from tests.support.fakes import FakeBackend, FakeStarter, until

DOG: Row = (10, 10, 50, 40, 0.9, 18)
CAT: Row = (5, 5, 30, 30, 0.8, 17)
FOLDER = Path("street/1")


def boxes(count: int, *, score: float = 0.9, class_id: int = 1) -> Detections:
    """So many boxes that lie apart."""
    rows: list[Row] = [(20 * place, 0, 20 * place + 10, 10, score, class_id) for place in range(count)]
    return answer(*rows)


def agreement(matched: int, *, missing: int = 0, extra: int = 0, score_diff: float = 0.0, photos: int = 5) -> Agreement:
    """What pictures of so many photos add up to in which so many boxes have a partner in the same place.

    For each box there are two rows, equal to rounding where the boxes are.
    """
    boxes = matched + missing + extra
    counted = [Counted(0, (boxes + place) // photos, str(place)) for place in range(photos)]
    counted[0] += Counted(missing + extra, 0)
    return Agreement(
        missing=missing,
        extra=extra,
        class_flips=0,
        ious=np.ones(matched),
        score_diffs=np.full(matched, score_diff),
        pictures=20,
        rows=2 * boxes,
        rows_apart=missing + extra + (matched if score_diff > 0.005 else 0),
        counted=tuple(counted),
    )


def ratio(low: float, *, value: float | None = None) -> Ratio:
    """A ratio whose interval begins here."""
    middle = value if value is not None else low + 0.05
    return Ratio(middle, low, 2 * middle - low, 60)


def size_verdict(word: Word, *, low: float = 1.5, boxes: int = 40) -> SizeVerdict:
    """A verdict that says this, on the pictures of a gate that found so many boxes."""
    found = {"1": agreement(boxes), "8": agreement(boxes)}
    return SizeVerdict(word=word, reason=f"for reasons of {word}", agreement=found, ratios={"1": ratio(low)})


def verdict(word: Word, *, low: float = 1.5, boxes: int = 40, **others: Word) -> Verdict:
    """This one on small pictures, and those on others, by their size class."""
    words: dict[Any, Word] = {"small": word, **others}
    return Verdict({size: size_verdict(each, low=low, boxes=boxes) for size, each in words.items()})


class Clock:
    """Its time passes by the work that it is told of, and a little at each reading: no busy machine disturbs it."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 0.0001
        return self._now

    def take(self, seconds: float) -> None:
        """So much time passes."""
        self._now += seconds

    def work(self, seconds: float, found: Callable[[Image], Detections]) -> Callable[[Image], Detections]:
        """Takes so long for each picture, and then finds."""

        def worked(image: Image) -> Detections:
            self._now += seconds
            return found(image)

        return worked


def numbered(count: int) -> list[Image]:
    """Pictures that can be told apart by their width."""
    return [Image(jpegs.photo(), 100 + number, 50) for number in range(count)]


class ServerSetup:
    """The server's parts for the model at `model`; nothing runs until it is opened."""

    def __init__(self, model: Path, **changes: Any) -> None:
        self.settings = Settings.model_validate({"model": model, "copies": (), "shadow_share": 1, **changes})
        self.starter, self.clock = FakeStarter(), Clock()
        self.parts: Parts = build(self.settings, self.starter, clock=self.clock)
        self.routing, self.live_pairs = self.parts.routing, self.parts.live_pairs
        self.metrics, self.shadow = self.parts.metrics, self.parts.shadow

    async def open(self, *names: str, verdicts: Mapping[str, Verdict] | None = None) -> None:
        """Load these backends; copies have these verdicts, and none that is not given."""
        for name in names:
            if verdicts and name in verdicts:
                self.routing.record_verdict(name, verdicts[name])
            await self.routing.lanes[name].slot.open(Door(Spec(name, FOLDER, max_batch=8)))

    async def crash(self, name: str, *, pause_s: float = FIRST_PAUSE_S) -> None:
        """The worker under this name dies, and is started again after the pause."""
        self.routing.lanes[name].slot.replicas[0].pause_s = pause_s
        self.backend(name).die()
        await until(lambda: self.told(name)[0] == "crashed")

    async def close(self) -> None:
        for lane in self.routing.lanes.values():
            await lane.slot.close()
        self.parts.executor.shutdown()

    def backend(self, name: str) -> FakeBackend:
        """The one that was started last under this name."""
        return next(backend for backend in reversed(self.starter.started) if backend.name == name)

    def told(self, name: str) -> tuple[str, str]:
        state = state_of(self.routing, name)
        return state.name, state.reason

    def counted(self, name: str, **labels: str) -> float:
        """The sum of the samples called `name` that have these labels."""
        families = self.metrics.registry.collect()
        samples = [sample for family in families for sample in family.samples if sample.name == f"detector_{name}"]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())
