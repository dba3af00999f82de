"""The loads under which the gate times two backends in pairs: each batch size alone, and many calls in flight.

Between 1 and the largest batch each size is timed too, a few times: what is slower only there is found, not measured.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice

from app.backends.backend import Backend
from app.images import Image
from app.lanes.quiet import Quiet
from app.verdicts.verdict import IN_FLIGHT
from converter.comparison.timing import Ratio, Role, order, paired_ratio
from converter.sizes import LARGE_PIXELS

# Of timed calls at each load; with 6, one slow call made an interval of 0.006 to 392.
FEWEST_PAIRS, MOST_PAIRS = 12, 60
FEW_PAIRS = 5  # at a batch size between the others
MOST_BETWEEN = 6  # such sizes
ROUND = 8  # pictures that go through both while as many calls are in flight as serving has
FEWEST_ROUNDS = 10  # of 6 or 8 one interval in ten has bounds more than twice and half the ratio

Clock = Callable[[], float]  # seconds since some moment; never goes back


class Loads:
    """Times backends on `pictures`, each load for `seconds` at most, a least number of pairs apart."""

    def __init__(self, pictures: Sequence[Image], quiet: Quiet, clock: Clock, *, seconds: float) -> None:
        self._pictures, self._quiet, self._clock, self._seconds = pictures, quiet, clock, seconds

    async def alone(self, reference: Backend, copy: Backend, sizes: Sequence[int]) -> dict[str, Ratio]:
        """Reference ÷ copy, one call at a time, at each of these batch sizes."""
        return {str(size): await self._at(reference, copy, size) for size in sizes}

    async def between(self, reference: Backend, copy: Backend, sizes: Sequence[int]) -> dict[str, Ratio]:
        """The same at these sizes, in changing order, a few times each."""
        seconds: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
        for pair in range(FEW_PAIRS):
            turned = [*sizes[pair % max(1, len(sizes)) :], *sizes[: pair % max(1, len(sizes))]]
            for size in turned if pair % 2 else turned[::-1]:
                seconds[size].append(await self._pair(reference, copy, size, pair))
        return {str(size): _ratio(found) for size, found in seconds.items()}

    async def in_flight(self, reference: Backend, copy: Backend, most: int) -> dict[str, Ratio]:
        """Reference ÷ copy of the time for a round of pictures, each in batches as it takes them and calls at once."""
        found: list[tuple[float, float]] = []
        both: dict[Role, Backend] = {"native": reference, "copy": copy}
        large = max(image.pixels for image in self._pictures) > LARGE_PIXELS
        count = ROUND // 2 if large else ROUND  # requests wait meanwhile
        while self._goes_on(found, FEWEST_ROUNDS):
            pictures = self._some(len(found), count)
            took = {}
            async with self._quiet.moment():
                for role in order(len(found)):
                    begun = self._clock()
                    await _rush(both[role], pictures, most, len(found))
                    took[role] = self._clock() - begun
            found.append((took["native"], took["copy"]))
        return {IN_FLIGHT: _ratio(found)}

    async def _at(self, reference: Backend, copy: Backend, size: int) -> Ratio:
        found: list[tuple[float, float]] = []
        while self._goes_on(found):
            found.append(await self._pair(reference, copy, size, len(found)))
        return _ratio(found)

    def _goes_on(self, found: Sequence[tuple[float, float]], fewest: int = FEWEST_PAIRS) -> bool:
        if len(found) < fewest:
            return True
        return len(found) < MOST_PAIRS and sum(map(sum, found)) <= self._seconds

    async def _pair(self, reference: Backend, copy: Backend, size: int, pair: int) -> tuple[float, float]:
        batch = self._some(pair, size)
        both: dict[Role, Backend] = {"native": reference, "copy": copy}
        async with self._quiet.moment():
            took = {role: await seconds_of(both[role], batch, self._clock) for role in order(pair)}
        return took["native"], took["copy"]

    def _some(self, turn: int, count: int) -> list[Image]:
        """So many pictures, in turn: neighbouring turns share none, so what they say of pictures is not said again."""
        return list(islice(cycle(self._pictures), turn * count, (turn + 1) * count))


def between(largest: int) -> list[int]:
    """Batch sizes between 1 and the largest: all of them, or some evenly over them, 3 always."""
    every = range(2, largest)
    if len(every) <= MOST_BETWEEN:
        return [*every]
    return sorted({3, *(every[number * len(every) // MOST_BETWEEN] for number in range(1, MOST_BETWEEN))})


async def seconds_of(backend: Backend, batch: Sequence[Image], clock: Clock = time.perf_counter) -> float:
    """Seconds of one call."""
    start = clock()
    await backend.detect(batch)
    return clock() - start


async def _rush(backend: Backend, pictures: Sequence[Image], most: int, turn: int) -> None:
    """Run the pictures in batches of at most `most`, as many at once as serving runs.

    Each round has the same sizes, in changing order: rounds of other sizes would differ by more than noise.
    """
    sizes = _parts(len(pictures), min(most, backend.facts.batch_sizes[-1]))
    first = turn % len(sizes)
    left = iter(pictures)
    calls = [list(islice(left, size)) for size in (*sizes[first:], *sizes[:first])]
    places = asyncio.Semaphore(backend.facts.batches_in_flight)

    async def call(batch: Sequence[Image]) -> None:
        async with places:
            await backend.detect(batch)

    # All of them end before one's error is told: none runs beside requests.
    for failed in filter(None, await asyncio.gather(*map(call, calls), return_exceptions=True)):
        raise failed


def _parts(count: int, most: int) -> list[int]:
    """So many pictures in batches: each takes half of what is left, at most `most`."""
    sizes = []
    while count:
        sizes.append(min(most, -(-count // 2)))
        count -= sizes[-1]
    return sizes


def _ratio(pairs: Sequence[tuple[float, float]]) -> Ratio:
    native, copy = zip(*pairs, strict=True)
    return paired_ratio(native, copy)
