"""A SavedModel, loaded to be called with numpy arrays and JPEG files. Imports TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from converter.description import Declared, Description
from converter.model.found import Outputs
from converter.model.signature import load


class Loaded:
    """The model in a folder, as a `converter.model.prediction.Predictor`; UnusableModel if it is no detector."""

    def __init__(self, folder: Path, *, may_have_engines: bool = False, declared: Declared | None = None) -> None:
        self._model, self.signature = load(folder, may_have_engines=may_have_engines, declared=declared)
        self.description: Description = self.signature.description
        self.shared = self.signature.shared

    def outputs(self, values: Any) -> Outputs:
        """Those that are read, by name (see `Predictor`); TensorFlow's errors."""
        found = self.signature(tf.constant(values))
        return {name: _array(found[name].numpy()) for name in self.description.outputs.values()}

    def every(self, values: Any) -> Outputs:
        """The signature's own outputs, with those that are read where these are others."""
        given = tf.constant(values)
        found = self.signature(given)
        if self.signature.own is not None:
            found = {**found, **self.signature.own(given)}
        return {name: _array(value.numpy()) for name, value in found.items()}


def _array(values: Any) -> Any:
    """As numbers that numpy knows: bfloat16 is none of them."""
    return values.astype(np.float32) if values.dtype.kind == "V" else values
