"""Loads a frozen copy directly and as TensorFlow does, twice each, and prints how they differ: FOLDER SOURCE PHOTO."""

import gc
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from converter.model import signature

folder, source, photo = map(Path, sys.argv[1:])


def answers(function: Any, count: int) -> dict[str, Any]:
    return {name: each.numpy() for name, each in function(tf.constant([photo.read_bytes()] * count)).items()}


loaded = [signature.load(folder)[1] for _ in range(2)]
model = tf.saved_model.load(str(folder))
usual = signature.read(model, None, folder)
names = [each.function._called for each in loaded]
said = {
    "kinds": sorted({type(each.function).__name__ for each in loaded}),
    "same_specs": [
        [spec.dtype.name, str(spec.shape)] == [loaded[0].function.structured_outputs[name].dtype.name, str(spec.shape)]
        for name, spec in usual.function.structured_outputs.items()
    ],
    "largest_difference": max(
        float(np.abs(answers(each, count)[name] - values).max())
        for each in loaded
        for count in (1, 2)
        for name, values in answers(usual, count).items()
    ),
    "source": type(signature.load(source)[1].function).__name__ == "DirectFunction",
}
registered = [context.context().has_function(name) for name in names]
del loaded
gc.collect()
left = [context.context().has_function(name) for name in names]
sys.stdout.write(json.dumps({**said, "registered": registered, "left": left}) + "\n")
