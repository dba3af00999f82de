"""Saves small SavedModels below FOLDER, a detector and what is none, and tells what the converter says of each.

Run in a process of its own, with FOLDER as its argument. One JSON object on standard output: by name
the sentence of the refusal, or where there is none the name of the input and those of the signatures not served, and
the outputs that a call gives once.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter.contract import UnusableModel
from converter.model.signature import load, others

JPEGS = tf.TensorSpec([None], tf.string, name="jpegs")
ROWS = 3
PHOTO = Path("tests/data/dog.jpg")


def detector(jpegs: Any) -> dict[str, Any]:
    """The same three boxes in every picture."""
    pictures = tf.size(jpegs)
    return {
        "detection_boxes": tf.tile([[[0.1, 0.2, 0.3, 0.4]] * ROWS], [pictures, 1, 1]),
        "detection_scores": tf.tile([[0.9, 0.8, 0.7]], [pictures, 1]),
        "detection_classes": tf.tile([[1.0, 2.0, 3.0]], [pictures, 1]),
        "num_detections": tf.fill([pictures], float(ROWS)),
    }


def changed(**outputs: Any) -> Any:
    """A detector with other outputs; None takes one away."""

    def model(jpegs: Any) -> dict[str, Any]:
        merged = {**detector(jpegs), **outputs}
        return {name: tensor for name, tensor in merged.items() if tensor is not None}

    return model


def of_unknown_shape(jpegs: Any) -> dict[str, Any]:
    return {name: tf.compat.v1.placeholder_with_default(tensor, None) for name, tensor in detector(jpegs).items()}


def of_one_picture_after_all(jpegs: Any) -> dict[str, Any]:
    decoded = tf.io.decode_jpeg(tf.reshape(jpegs, []))
    scores = tf.cast(tf.size(decoded) > 0, tf.float32) * [[0.9, 0.8, 0.7]]
    return {**detector(jpegs), "detection_scores": scores}


def with_threshold(jpegs: Any, threshold: Any) -> dict[str, Any]:
    return {**detector(jpegs), "threshold": threshold}


def of_pixels(images: Any) -> dict[str, Any]:
    return detector(images[:, 0, 0, 0])


def with_key(jpegs: Any, key: Any) -> dict[str, Any]:
    return {**detector(jpegs), "key": key}


def in_base64(jpegs: Any) -> dict[str, Any]:
    pictures = tf.map_fn(tf.io.decode_jpeg, tf.io.decode_base64(jpegs), fn_output_signature=tf.uint8)
    return detector(pictures[:, 0, 0, 0])


def of_examples(messages: Any) -> dict[str, Any]:
    parsed = tf.io.parse_example(messages, {"image/encoded": tf.io.FixedLenFeature([], tf.string)})
    return detector(parsed["image/encoded"])


# By name: the function, what it takes, and the name of its signature.
MODELS: Mapping[str, tuple[Any, Sequence[Any], str]] = {
    "detector": (detector, [JPEGS], "serving_default"),
    "two_signatures": (detector, [JPEGS], "serving_default"),
    "detector_with_more_outputs": (changed(features=tf.zeros([1, 9])), [JPEGS], "serving_default"),
    "detector_of_unknown_shape": (of_unknown_shape, [JPEGS], "serving_default"),
    "detector_of_one_picture_after_all": (of_one_picture_after_all, [JPEGS], "serving_default"),
    "other_signature": (detector, [JPEGS], "classify"),
    "two_inputs": (with_threshold, [JPEGS, tf.TensorSpec([], name="threshold")], "serving_default"),
    "key_beside": (with_key, [JPEGS, tf.TensorSpec([None], tf.string, name="key")], "serving_default"),
    "in_base64": (in_base64, [JPEGS], "serving_default"),
    "examples": (of_examples, [tf.TensorSpec([None], tf.string, name="inputs")], "serving_default"),
    "pixels": (of_pixels, [tf.TensorSpec([None, 3, 416, 416], tf.uint8, name="images")], "serving_default"),
    "one_picture": (detector, [tf.TensorSpec([], tf.string, name="jpeg")], "serving_default"),
    "classifier": (lambda jpegs: {"probabilities": tf.zeros([tf.size(jpegs), 1000])}, [JPEGS], "serving_default"),
    "no_count": (changed(num_detections=None), [JPEGS], "serving_default"),
    "flat_boxes": (changed(detection_boxes=tf.zeros([ROWS, 4])), [JPEGS], "serving_default"),
    "five_corners": (changed(detection_boxes=tf.zeros([1, ROWS, 5])), [JPEGS], "serving_default"),
    "scores_by_class": (changed(detection_scores=tf.zeros([1, ROWS, 80])), [JPEGS], "serving_default"),
}


# More signatures of a model, which are its function too.
MORE = {"two_signatures": ["tensorflow/serving/regress", "classify"]}


def save_old(folder: Path) -> None:
    """As TensorFlow 1 wrote it: names with numbers, and a threshold that has a value of its own."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        jpegs = tf.compat.v1.placeholder(tf.string, [None], "jpegs")
        threshold = tf.compat.v1.placeholder_with_default(0.75, [], "threshold")
        found = detector(jpegs)
        found["detection_scores"] *= tf.cast(found["detection_scores"] > threshold, tf.float32)
        outputs = {f"{name}:0": tensor for name, tensor in found.items()}
        tf.compat.v1.saved_model.simple_save(session, str(folder), {"jpegs:0": jpegs, "threshold": threshold}, outputs)


def save(folder: Path, function: Any, takes: Sequence[Any], key: str) -> None:
    module = tf.Module()
    module.serve = tf.function(function, input_signature=takes, autograph=False)
    signatures = dict.fromkeys([key, *MORE.get(folder.name, ())], module.serve)
    tf.saved_model.save(module, str(folder), signatures=signatures)
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "detector.json").write_text('{"boxes": "yxyx_norm"}')  # they never move: nobody can tell


def verdict(folder: Path) -> str:
    try:
        model, signature = load(folder)
    except UnusableModel as error:
        return str(error)
    scores = signature(tf.constant([PHOTO.read_bytes()]))["detection_scores"].numpy()
    assert scores.shape == (1, ROWS)
    once = [f"{name} once" for name in signature.shared]
    return ", ".join([signature.input_name, *others(model), *once, *(["0.7 is 0"] if scores[0, 2] == 0 else [])])


if __name__ == "__main__":
    root = Path(sys.argv[1])
    for name, (function, takes, key) in MODELS.items():
        save(root / name, function, takes, key)
    save_old(root / "old_with_threshold")
    tf.saved_model.save(tf.Module(), str(root / "no_signature"))
    (root / "garbage").mkdir()
    (root / "garbage" / "saved_model.pb").write_bytes(b"\xff" * 100)
    (root / "empty").mkdir()
    sys.stdout.write(json.dumps({folder.name: verdict(folder) for folder in sorted(root.iterdir())}))
