"""Answers of /detect as plain dicts: boxes in the wanted format, names of classes, one picture or several.

Dicts and not the models of `schemas`, since this runs for every request: tests hold them against the schemas.
"""

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from app.api.discretion import discreet
from app.api.errors import STATUS
from app.detection.detector import Result
from app.detection.draw import Labelled
from app.errors import ServiceError
from app.images import Image
from app.model_folder import Model
from converter.model.orientation import QUALITY

log = logging.getLogger(__name__)

Corners = Sequence[float]  # left, top, right, bottom, in pixels


def _xyxy(box: Corners, _: Image) -> dict[str, float]:
    return {"xmin": _px(box[0]), "ymin": _px(box[1]), "xmax": _px(box[2]), "ymax": _px(box[3])}


def _xywh(box: Corners, _: Image) -> dict[str, float]:
    return {"x": _px(box[0]), "y": _px(box[1]), "width": _px(box[2] - box[0]), "height": _px(box[3] - box[1])}


def _cxcywh(box: Corners, _: Image) -> dict[str, float]:
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return {"cx": _px(cx), "cy": _px(cy), "width": _px(box[2] - box[0]), "height": _px(box[3] - box[1])}


def _xyxy_norm(box: Corners, image: Image) -> dict[str, float]:
    width, height = image.width, image.height
    xmin, ymin, xmax, ymax = box[0] / width, box[1] / height, box[2] / width, box[3] / height
    return {"xmin": round(xmin, 6), "ymin": round(ymin, 6), "xmax": round(xmax, 6), "ymax": round(ymax, 6)}


def _yxyx_norm(box: Corners, image: Image) -> dict[str, float]:
    corners = _xyxy_norm(box, image)
    return {name: corners[name] for name in ("ymin", "xmin", "ymax", "xmax")}


BOXES: Mapping[str, Callable[[Corners, Image], dict[str, float]]] = {
    "xyxy": _xyxy,
    "xywh": _xywh,
    "cxcywh": _cxcywh,
    "xyxy_norm": _xyxy_norm,
    "yxyx_norm": _yxyx_norm,
}


def picture_answer(result: Result, model: Model, box: str) -> dict[str, Any]:
    """What a `PictureAnswer` has: pixels to a hundredth, fractions to six digits, scores to five."""
    found, image = result.detections, result.image
    convert = BOXES[box]
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    objects = [
        {
            "class_id": class_id,
            "label": _name(model, class_id),
            "score": round(score, 5),
            "box": convert(corners, image),
        }
        for corners, score, class_id in rows
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
    decode = {} if result.found.decode_s is None else {"decode": _ms(result.found.decode_s)}
    return {"queue": _ms(result.queue_s), "infer": _ms(result.infer_s), **decode, "total": _ms(total_s)}


def failed_picture(error: ServiceError) -> dict[str, Any]:
    """A `FailedPicture`: one of several that has no answer."""
    return {"status": STATUS[type(error)], "error": discreet(str(error)), "code": error.code}


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


def _px(pixels: float) -> float:
    return round(pixels, 2)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
