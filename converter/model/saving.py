"""How copies are saved as SavedModels: without gradients, which serving never asks for. Imports TensorFlow."""

from typing import Any

import tensorflow as tf


def options() -> Any:
    """For tf.saved_model.save, and whatever calls it.

    TensorFlow traces custom gradients (SiLU has one) again when it saves, and can't in a graph that was frozen.
    """
    return tf.saved_model.SaveOptions(experimental_custom_gradients=False)
