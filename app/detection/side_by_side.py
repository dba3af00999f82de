"""`backend=both`: a picture is answered by native and by the best copy, and the two answers are compared."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.choices import NATIVE
from app.detection.detector import Detector, Query, Result
from app.errors import ServiceError
from app.metrics import NO_BACKEND
from app.verdicts.live_pairs import LivePairs, Pair
from app.verdicts.routing import Routing
from converter.comparison.matching import BoxPair
from converter.sizes import size_class


@dataclass(frozen=True, slots=True)
class SideBySideResult:
    """Two answers to one picture, and how the copy's differs from native's."""

    native: Result
    copy: Result | ServiceError  # an error if only native has an answer
    comparison: dict[str, Any] | None


class SideBySide:
    """Asks both, native first: one after the other, so that neither takes the other's time."""

    def __init__(self, detector: Detector, routing: Routing, live_pairs: LivePairs) -> None:
        self._detector, self._routing, self._live_pairs = detector, routing, live_pairs

    async def detect(
        self, pictures: Sequence[bytes | ServiceError], query: Query, request_id: str, *, copy: str | None = None
    ) -> list[SideBySideResult | ServiceError]:
        """Both answers to each picture, or why native has none; without a name the copy is the best one.

        BackendUnavailable if that copy, or every one, is not warm.
        """
        started = time.monotonic()
        copy = self._warm_copy(copy, pictures)
        standing = self._routing.standing(copy)
        native = await self._detector.detect(pictures, replace(query, backend=NATIVE))
        good = [result for result in native if isinstance(result, Result)]
        asked = replace(query, backend=copy, timeout_s=_left(query.timeout_s, time.monotonic() - started))
        found = await self._ask(good, asked)
        if self._routing.standing(copy) is standing:  # else it was judged anew or swapped, and is not to blame
            self._count(good, found, request_id)
        others = iter(found)
        return [
            item if isinstance(item, ServiceError) else self._twin(item, next(others), query, request_id)
            for item in native
        ]

    def _warm_copy(self, name: str | None, pictures: Sequence[object]) -> str:
        try:
            lane = self._routing.route(name) if name else self._routing.best_copy()
            return lane.slot.name
        except ServiceError as error:
            self._detector.failed(NO_BACKEND, [error] * len(pictures))
            raise

    async def _ask(self, good: Sequence[Result], query: Query) -> Sequence[Result | ServiceError]:
        if not good:
            return []
        try:
            return await self._detector.detect([result.image.data for result in good], query)
        except ServiceError as error:  # native's answers are there, and worth something alone
            return [error] * len(good)

    def _count(self, natives: Sequence[Result], copies: Sequence[Result | ServiceError], request_id: str) -> None:
        for native, copy in zip(natives, copies, strict=True):
            if isinstance(copy, Result):
                self._live_pairs.add(_pair(native, copy, request_id))

    def _twin(self, native: Result, copy: Result | ServiceError, query: Query, request_id: str) -> SideBySideResult:
        if isinstance(copy, ServiceError):
            return SideBySideResult(native, copy, None)
        pair = _pair(native, copy, request_id)
        seen = self._live_pairs.judge(pair, threshold=query.threshold, classes=query.classes)
        times = {"native_ms": _ms(native.infer_s), "copy_ms": _ms(copy.infer_s)}
        pairs = self._live_pairs.box_pairs(native.found, copy.found, threshold=query.threshold, classes=query.classes)
        told = {**seen.to_json(), "pairs": _answered(pairs, len(native.detections), len(copy.detections))}
        return SideBySideResult(native, copy, {"copy": copy.backend, **times, **told})


def _pair(native: Result, copy: Result, request_id: str) -> Pair:
    return Pair(
        copy=copy.backend,
        source="both",
        request_id=request_id,
        native=native.found,
        found=copy.found,
        size=size_class(native.image.pixels),
        photo=native.image.digest,
    )


def _answered(pairs: Iterable[BoxPair], native: int, copy: int) -> list[dict[str, Any]]:
    """The pairs as plain data. Both are best first: what was answered are the first so many of the rows compared."""
    found = []
    for pair in pairs:
        places = {"native": _place(pair.native, native), "copy": _place(pair.copy, copy)}
        if places != {"native": None, "copy": None}:
            numbers = {"iou": _rounded(pair.iou, 4), "score_diff": _rounded(pair.score_diff, 5)}
            found.append({"kind": pair.kind, **places, **numbers})
    return found


def _place(row: int | None, answered: int) -> int | None:
    return row if row is not None and row < answered else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _left(timeout_s: float | None, spent_s: float) -> float | None:
    return None if timeout_s is None else max(0.001, timeout_s - spent_s)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
