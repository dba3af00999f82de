"""What all programs share: the SavedModel called by its signature, and its outputs as what JSON can say."""

import os
from typing import Any

BATCH = 8
IN_FLIGHT = 2
THRESHOLD = 0.25


class Model:
    """The model of TensorFlow's object detection API in `folder`, warm for single pictures.

    Each batch in flight gets its share of the cores, as in the raw call that is the yardstick.
    """

    def __init__(self, folder: str, *, in_flight: int = IN_FLIGHT) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        cores = len(os.sched_getaffinity(0))
        tf.config.threading.set_inter_op_parallelism_threads(min(cores, in_flight))
        tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // in_flight))
        self._constant, self._refusal = tf.constant, tf.errors.InvalidArgumentError
        self._call = tf.saved_model.load(folder).signatures["serving_default"]
        self._input = next(iter(self._call.structured_input_signature[1]))
        self.detect([tf.io.encode_jpeg(tf.zeros((64, 64, 3), tf.uint8)).numpy()])

    def detect(self, jpegs: list[bytes]) -> list[list[dict[str, Any]]]:
        """The objects in each picture of a batch; ValueError if one of them can't be decoded."""
        try:
            tensors = self._call(**{self._input: self._constant(jpegs)})
        except self._refusal as error:  # some servers pickle errors, and would import TensorFlow to read this one
            raise ValueError(str(error).partition("\n")[0]) from None
        outputs = {name: tensor.numpy() for name, tensor in tensors.items()}
        keys = ("detection_boxes", "detection_scores", "detection_classes")
        return [_objects(*(outputs[key][at] for key in keys)) for at in range(len(jpegs))]


def _objects(boxes: Any, scores: Any, classes: Any) -> list[dict[str, Any]]:
    keep = scores >= THRESHOLD
    rows = zip(boxes[keep].tolist(), scores[keep].tolist(), classes[keep].tolist(), strict=True)
    return [{"box": box, "score": score, "class_id": int(class_id)} for box, score, class_id in rows]
