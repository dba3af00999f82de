"""A program that saves a network whose head is read after NMS, and writes which outputs it gives of one picture."""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from app.backends.tensors import of_signature
from converter.description import Declared
from converter.model.savedmodel import Loaded

PLACES, CLASSES = 84, 3
folder = Path(sys.argv[1])


class Network(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    """A head of boxes and scores by class: what a network says before NMS."""

    @tf.function(input_signature=[tf.TensorSpec([None, 64, 64, 3], tf.float32, "images")])  # type: ignore[untyped-decorator]  # likewise
    def serve(self, images: "tf.Tensor") -> "dict[str, tf.Tensor]":
        """Every picture has the same."""
        head = tf.ones([1, 4 + CLASSES, PLACES]) * 0.25
        return {"output_0": tf.tile(head, [tf.shape(images)[0], 1, 1])}


network = Network()
tf.saved_model.save(network, str(folder), signatures={"serving_default": network.serve})
loaded = Loaded(folder, declared=Declared(input_scale="0..1", input_fit="stretch"))
found = loaded.every(np.zeros((2, 64, 64, 3), np.float32))
told = of_signature(loaded.signature, loaded.description)
shapes = {name: np.shape(value) for name, value in found.items()}
json.dump({"told": told, "shapes": shapes, "read": sorted(loaded.description.outputs.values())}, sys.stdout)
