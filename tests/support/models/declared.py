"""The kinds of models in the zoo, and what has to be said of each: it can't be read from the model."""

from typing import Any

KINDS: dict[str, dict[str, Any]] = {
    "uint8_one": {},
    "uint8_many": {},
    "uint8_fixed": {"input_fit": "pad"},
    "float_one": {"input_scale": "0..1"},
    "float_fixed": {"input_scale": "-1..1", "input_fit": "pad"},
    "jpeg_one": {},
    "jpeg_rows": {},
    "jpeg_keras": {},
    "jpeg_pixels": {},
    "several": {"signature": "detect"},
    "yolo_rows": {"input_scale": "-1..1", "input_fit": "pad"},
    "yolo_head": {"input_scale": "0..1", "input_fit": "pad"},
    "yolo_upright": {"input_scale": "0..1", "input_fit": "pad"},
    "old": {},
    "retinanet": {},
}
FROM_ZERO = ("yolo_head", "yolo_upright")  # kinds whose classes are a network's own
