"""Answers of /detect as plain dicts: boxes in the wanted format, names of classes, one picture or several.

Dicts and not the models of `schemas`, since this runs for every request: tests hold them against the schemas.
"""

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.api.discretion import discreet
from app.api.errors import STATUS
from app.api.pipeline import Found
from app.detection.detector import Result
from app.detection.draw import Labelled
from app.errors import ServiceError
from app.images import Image
from app.model_folder import Model
from converter.model.orientation import QUALITY

log = logging.getLogger(__name__)

# From corners to the numbers of a format: left, top, right, bottom in pixels; a column each, a row a box.
_Convert = Callable[[NDArray[np.float64], Image], NDArray[np.float64]]


def _xyxy(boxes: NDArray[np.float64], _: Image) -> NDArray[np.float64]:
    return boxes


def _xywh(boxes: NDArray[np.float64], _: Image) -> NDArray[np.float64]:
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def _cxcywh(boxes: NDArray[np.float64], _: Image) -> NDArray[np.float64]:
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


def _xyxy_norm(boxes: NDArray[np.float64], image: Image) -> NDArray[np.float64]:
    return boxes / (image.width, image.height, image.width, image.height)


def _yxyx_norm(boxes: NDArray[np.float64], image: Image) -> NDArray[np.float64]:
    return _xyxy_norm(boxes, image)[:, [1, 0, 3, 2]]


# By format: the names of its numbers, how they follow from corners, and the digits that they are told with.
BOXES: Mapping[str, tuple[tuple[str, ...], _Convert, int]] = {
    "xyxy": (("xmin", "ymin", "xmax", "ymax"), _xyxy, 2),
    "xywh": (("x", "y", "width", "height"), _xywh, 2),
    "cxcywh": (("cx", "cy", "width", "height"), _cxcywh, 2),
    "xyxy_norm": (("xmin", "ymin", "xmax", "ymax"), _xyxy_norm, 6),
    "yxyx_norm": (("ymin", "xmin", "ymax", "xmax"), _yxyx_norm, 6),
}


def picture_answer(result: Result, model: Model, box: str) -> dict[str, Any]:
    """What a `PictureAnswer` has: pixels to a hundredth, fractions to six digits, scores to five."""
    found, image = result.detections, result.image
    names, convert, digits = BOXES[box]
    corners = convert(found.boxes.astype(np.float64), image)
    scores = found.scores.astype(np.float64).round(5).tolist()
    rows = zip(corners.round(digits).tolist(), scores, found.classes.tolist(), strict=True)
    labels = model.labels
    objects = [
        {
            "class_id": class_id,
            "label": labels.get(class_id) or _name(model, class_id),
            "score": score,
            "box": dict(zip(names, numbers, strict=True)),
        }
        for numbers, score, class_id in rows
    ]
    return {
        "backend": result.backend,
        "image": _picture(image, encoded_again=result.found.encoded_again),
        "detections": objects,
        "count": len(objects),
        "batch_size": result.batch_size,
    }


def _picture(image: Image, *, encoded_again: bool) -> dict[str, Any]:
    return {
        "width": image.width,
        "height": image.height,
        "orientation": image.orientation,
        "applied_orientation": image.applied_orientation,
        **({"encoded_quality": QUALITY} if encoded_again else {}),
    }


def timing(result: Result, total_s: float) -> dict[str, float]:
    """Milliseconds."""
    times = {"queue": round(1000 * result.queue_s, 2), "infer": round(1000 * result.infer_s, 2)}
    if result.found.decode_s is not None:
        times["decode"] = round(1000 * result.found.decode_s, 2)
    times["total"] = round(1000 * total_s, 2)
    return times


def failed_picture(error: ServiceError) -> dict[str, Any]:
    """A `FailedPicture`: one of several that has no answer."""
    return {"status": STATUS[type(error)], "error": discreet(str(error)), "code": error.code}


@dataclass(frozen=True, slots=True)
class Object:
    """One object in whole pixels."""

    label: str
    score: float
    corners: Mapping[str, int]  # xmin, ymin, xmax, ymax


def sole(results: Sequence[Found]) -> Result:
    """The answer to the only picture; its error, if it has one, is raised."""
    (found,) = results
    return of_one_backend(found)


def of_one_backend(found: Found) -> Result:
    """The answer where one backend was asked; its error, if it has one, is raised."""
    if isinstance(found, ServiceError):
        raise found
    if not isinstance(found, Result):
        raise TypeError("two backends have answered where one was asked")
    return found


def objects(result: Result, model: Model) -> list[Object]:
    """The objects, best first, for clients that want whole pixels."""
    found = result.detections
    rows = zip(found.boxes.round().astype(int).tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    return [
        Object(_name(model, class_id), round(score, 5), dict(zip(BOXES["xyxy"][0], box, strict=True)))
        for box, score, class_id in rows
    ]


def labelled(result: Result, model: Model) -> list[Labelled]:
    """What to draw."""
    found = result.detections
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    return [Labelled(tuple(box), f"{_name(model, class_id)} {score:.2f}", class_id) for box, score, class_id in rows]


def data_uri(jpeg: bytes) -> str:
    """The picture in a form that a page can show."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _name(model: Model, class_id: int) -> str:
    """A class without a name is called by its id, always the same; the first time a line in the log says so."""
    name = model.labels.get(class_id)
    if name is None:
        _warn(model.folder, class_id, bool(model.labels))
        return f"class {class_id}"
    return name


@cache
def _warn(folder: Path, class_id: int, named: bool) -> None:
    if named:
        log.warning("class without a name class_id=%d model=%s", class_id, folder)
