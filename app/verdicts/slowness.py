"""Live pairs that were timed: a copy that is slower than native on a size of pictures leaves these to native.

It comes back by the same measure, once it is as much faster as the gate asks: what is gained for sure and lost for sure
lie apart, so a copy that is about as fast as native does not come and go.
"""

from collections import deque
from math import log

from app.verdicts.routing import Routing
from app.verdicts.standing import Loss
from converter.comparison.stalls import stalls
from converter.comparison.timing import Ratio, paired_ratio
from converter.sizes import SizeName

FEWEST_PAIRS, MOST_PAIRS = 24, 200
LOOK = 6  # pairs between two looks
SURE = 0.99  # of the interval, at which one looks again and again
STALL_PAIRS = 600  # 8 calls of 400 that stall are as sure as this
STALLS_SURE = log(100)
NO_STALLS = 150  # pairs without one that are unlikely (5 %) if a call of 50 stalls
FEWEST_FOR_GATE, MOST_FOR_GATE = 40, 1280  # pairs before the gate, which found it slower, is asked again; they double

Key = tuple[str, SizeName]


class Slowness:
    """Watches the pairs of each copy, by size class; `speedup` is what a copy must gain."""

    def __init__(self, routing: Routing, *, speedup: float) -> None:
        self._routing, self._speedup = routing, speedup
        self._pairs: dict[Key, deque[tuple[float, float]]] = {}
        self._seen: dict[Key, int] = {}  # since the last change
        self._for_gate: dict[Key, int] = {}

    def forget(self, copy: str) -> None:
        """Begin anew with a copy: another one serves under its name."""
        for kept in (self._pairs, self._seen, self._for_gate):
            for key in [key for key in kept if key[0] == copy]:
                del kept[key]

    def ratio(self, copy: str, size: SizeName, *, confidence: float = 0.95) -> Ratio | None:
        """Native ÷ copy of the last pairs; None of few."""
        pairs = list(self._pairs.get((copy, size), ()))[-MOST_PAIRS:]
        if len(pairs) < FEWEST_PAIRS:
            return None
        native, ours = zip(*pairs, strict=True)
        return paired_ratio(native, ours, confidence=confidence)

    def add(self, copy: str, size: SizeName, seconds: tuple[float, float]) -> None:
        """Take note of a pair, native's seconds and the copy's, and act on what the last ones say."""
        key = (copy, size)
        self._pairs.setdefault(key, deque(maxlen=STALL_PAIRS)).append(seconds)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] % LOOK:
            return
        ratio = self.ratio(copy, size, confidence=SURE)
        if ratio is None:
            return
        if self._routing.standing(copy).passed_on(size):
            self._lose_if_slower(key, ratio)
        else:
            self._gain_if_faster(key, ratio)

    def _lose_if_slower(self, key: Key, ratio: Ratio) -> None:
        found = stalls(self._pairs[key])
        if ratio.high < 1:
            self._lose(key, Loss("slower", f"native ÷ {key[0]} is {_in_words(ratio)} in live pairs"))
        elif found.evidence >= STALLS_SURE:
            reason = f"{found.copy} of its last {found.pairs} live calls stalled, {found.native} of native's"
            self._lose(key, Loss("stalls", reason))

    def _lose(self, key: Key, loss: Loss) -> None:
        self._routing.lose(*key, loss)
        self._begin(key)

    def _gain_if_faster(self, key: Key, ratio: Ratio) -> None:
        if ratio.low <= self._speedup:
            return
        standing = self._routing.standing(key[0])
        if loss := standing.slower.get(key[1]):
            self._come_back(key, loss, ratio)
        elif standing.refused_on(key[1]) and self._seen[key] >= self._for_gate.get(key, FEWEST_FOR_GATE):
            standing.again.add(key[1])
            self._for_gate[key] = min(2 * self._for_gate.get(key, FEWEST_FOR_GATE), MOST_FOR_GATE)
            self._begin(key)

    def _come_back(self, key: Key, loss: Loss, ratio: Ratio) -> None:
        found = stalls(self._pairs[key])
        if loss.kind == "stalls" and (found.pairs < NO_STALLS or found.copy > found.native):
            return
        self._routing.regain(*key, reason=f"native ÷ {key[0]} is {_in_words(ratio)} in live pairs")
        self._begin(key)

    def _begin(self, key: Key) -> None:
        self._pairs[key].clear()
        self._seen[key] = 0


def _in_words(ratio: Ratio) -> str:
    return f"{ratio.value:.3g} ({100 * SURE:g} % interval {ratio.low:.3g} to {ratio.high:.3g})"
