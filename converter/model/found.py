"""One picture's rows out of a model's outputs, as the model gave them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.description import API, LAYOUTS, Description
from converter.outputs import BOXES, CLASSES, COUNT, INFO, NAMES, ROWS, SCORES

_LONGEST_NAME = 200  # characters
COUNTING = 0.05  # scores below tell nothing of the boxes, and count in no comparison

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """One picture's rows."""

    boxes: NDArray[np.float32]  # (n, 4) in the model's own order and unit
    scores: NDArray[np.float32]
    classes: NDArray[np.float32]
    info: NDArray[np.float32] | None = None  # the picture's image_info
    names: NDArray[Any] | None = None  # (n,) of the classes, as bytes

    def at_least(self, score: float) -> "Found":
        """Those of them with numbers that are finite, and with this score or more."""
        with np.errstate(invalid="ignore"):
            kept = np.isfinite(self.boxes).all(axis=1) & np.isfinite(self.classes) & (self.scores >= score)
        return self.only(kept)

    def only(self, kept: NDArray[Any]) -> "Found":
        """Those of them that are marked, or numbered."""
        names = None if self.names is None else self.names[kept]
        return replace(self, boxes=self.boxes[kept], scores=self.scores[kept], classes=self.classes[kept], names=names)

    def named(self) -> dict[int, str]:
        """The names of the classes in these rows, by their ids; those that can't be shown are left out."""
        if self.names is None:
            return {}
        rows = zip(self.classes[np.isfinite(self.classes)], self.names[np.isfinite(self.classes)], strict=True)
        texts = {int(kind): _text(name) for kind, name in rows}
        return {kind: text for kind, text in texts.items() if text.isprintable() and 0 < len(text) <= _LONGEST_NAME}


def found(outputs: Outputs, description: Description, number: int) -> Found:
    """The rows of the picture with this number in its batch."""
    given = {role: np.asarray(outputs[name])[number] for role, name in description.outputs.items()}
    rows = _of_rows(given[ROWS], description) if ROWS in given else _of_columns(given)
    if COUNT in given:
        kept = int(
            np.clip(np.nan_to_num(float(np.ravel(given[COUNT])[0])), 0, len(rows.scores))
        )  # it comes from the model too
        rows = rows.only(np.arange(kept))
    if description.convention != API:  # these fill up with rows of scores below 0
        rows = rows.only(~(rows.scores < 0))
    return replace(rows, info=given.get(INFO))


def _of_columns(given: Mapping[str, NDArray[Any]]) -> Found:
    return Found(given[BOXES], given[SCORES], given[CLASSES], names=given.get(NAMES))


def _text(name: object) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _of_rows(rows: NDArray[Any], description: Description) -> Found:
    layout = LAYOUTS[description.convention]
    return Found(rows[:, layout.box : layout.box + 4], rows[:, layout.score], rows[:, layout.kind])
