"""One request's images, tried on one backend after another while there is hope for an answer."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

from app.choices import NATIVE
from app.errors import NotReproducible, ServiceError
from app.images import Image
from app.lanes.lane import Deadline, Lane, Lost, submit_and_wait
from app.lanes.queued import Answer
from app.verdicts.failures import Failures
from app.verdicts.routing import Routing
from converter.sizes import size_class

MOST_TRIES = 4  # two workers may die with a picture in them, and copies that can't take it may come before


class Outcome(NamedTuple):
    """What a backend made of one image: an answer, or why there is none."""

    backend: str
    answer: Answer | ServiceError


class Attempts:
    """Sends images to the lane that the routing says and, if that fails, to another one where any backend will do."""

    def __init__(self, routing: Routing, failures: Failures) -> None:
        self._routing, self._failures = routing, failures

    def route(self, backend: str, images: Sequence[Image]) -> Sequence[Lane]:
        """For each image the lane that is tried first; BackendUnavailable with the reason if there is none."""
        return [self._routing.route(backend, image.pixels) for image in images]

    def answer(
        self, lanes: Sequence[Lane], images: Sequence[Image], deadline: Deadline, *, elsewhere: bool
    ) -> Awaitable[Sequence[Outcome]]:
        """What becomes of each image in its lane, or `elsewhere` if that has no answer; Overloaded if one has no place.

        What has been taken keeps its place in line, and waits for a worker that is started again if there is no other.
        A copy that fails on a picture that native then takes has that counted against it.
        """
        if all(lane is lanes[0] for lane in lanes):
            return self._in_one(lanes[0], images, deadline, elsewhere=elsewhere)
        return self._in_several(lanes, images, deadline, elsewhere=elsewhere)

    async def _in_several(
        self, lanes: Sequence[Lane], images: Sequence[Image], deadline: Deadline, *, elsewhere: bool
    ) -> Sequence[Outcome]:
        """The images of a request that have different sizes, some of which another backend answers."""
        parts = [(lane, [at for at, each in enumerate(lanes) if each is lane]) for lane in dict.fromkeys(lanes)]
        asked = [
            asyncio.ensure_future(self._in_one(lane, [images[at] for at in places], deadline, elsewhere=elsewhere))
            for lane, places in parts
        ]
        try:
            answers = await asyncio.gather(*asked)
        finally:
            for each in asked:
                each.cancel()
        found: dict[int, Outcome] = {}
        for (_, places), outcomes in zip(parts, answers, strict=True):
            found |= zip(places, outcomes, strict=True)
        return [found[at] for at in range(len(images))]

    async def _in_one(
        self, lane: Lane, images: Sequence[Image], deadline: Deadline, *, elsewhere: bool
    ) -> Sequence[Outcome]:
        request = _Request(images)
        for number in range(MOST_TRIES):
            images_left = [images[at] for at in request.left]
            request.note(lane, await submit_and_wait(lane, images_left, deadline, admitted=number > 0))
            other = await self._other(lane, request, deadline, elsewhere=elsewhere) if request.left else None
            if other is None:
                break
            lane = other
        if elsewhere:
            self._count(request)
        return [request.outcomes[at] for at in range(len(images))]

    async def _other(self, lane: Lane, request: "_Request", deadline: Deadline, *, elsewhere: bool) -> Lane | None:
        """Where to try those that `lane` has lost: in it too, if other workers of it live."""
        if not elsewhere:
            return lane if lane.slot.ready and not request.model_failed else None
        return await self._routing.next_lane(
            lane, failed=request.model_failed, within_s=deadline.left_s(), sizes=request.sizes
        )

    def _count(self, request: "_Request") -> None:
        for at, outcome in request.outcomes.items():
            if not isinstance(outcome.answer, Answer):
                continue
            if outcome.backend != NATIVE:
                self._failures.answered(outcome.backend)
            elif at in request.failed:
                self._failures.failed(*request.failed[at])


class _Request:
    """The images of one request: what has become of them, and which are left to be tried."""

    def __init__(self, images: Sequence[Image]) -> None:
        self.sizes = {size_class(image.pixels) for image in images}
        self.left: Sequence[int] = range(len(images))
        self.outcomes: dict[int, Outcome] = {}
        self.failed: dict[int, tuple[str, str]] = {}  # which copy failed on an image, and how
        self.model_failed = False  # on one of those that are left, rather than its worker

    def note(self, lane: Lane, answers: Sequence[Answer | ServiceError | Lost]) -> None:
        """Take note of what `lane` made of those that are left."""
        name, lost = lane.slot.name, []
        self.model_failed = False
        for at, answer in zip(self.left, answers, strict=True):
            if isinstance(answer, Lost):
                self.outcomes[at] = Outcome(name, answer.error)
                if not (answer.failed and name == NATIVE):  # what native says of a picture holds
                    lost.append(at)
                    self.model_failed |= answer.failed
                if answer.failed and not isinstance(answer.error, NotReproducible):  # this one is foreseen
                    self.failed[at] = (name, str(answer.error))
            else:
                self.outcomes[at] = Outcome(name, answer)
        self.left = lost
