"""The bundled network as TensorFlow 1 saved models: reference variables, loops of single operations, two sets of tags.

One graph is tagged {serve}, the same again {serve, tpu}; JPEG files are decoded without a word on their colours.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support.models.parts import Outputs, Parts, Tensor

_LARGE = 64  # numbers in a constant that becomes a variable

v1 = tf.compat.v1


def save(parts: Parts, folder: Path) -> None:
    """Write it."""
    v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default(), v1.Session() as session:
            jpegs = v1.placeholder(tf.string, [None], "image_bytes")
            outputs = parts.decoded(jpegs, channels=0, instead=_variables(parts))
            session.run(v1.global_variables_initializer())
            _write(session, jpegs, outputs, folder)
    finally:
        v1.enable_control_flow_v2()


def _variables(parts: Parts) -> dict[str, Tensor]:
    """A reference variable for each large constant of the network, by the constant's tensor."""
    found = {}
    for node in parts.network.definition.node:
        value = tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else np.zeros(0)
        if value.dtype == np.float32 and value.size >= _LARGE:
            variable = v1.get_variable(node.name, initializer=value, use_resource=False)
            assert variable.op.type == "VariableV2"
            found[f"{node.name}:0"] = variable.value()
    return found


def _write(session: Any, jpegs: Tensor, outputs: Outputs, folder: Path) -> None:
    signature = v1.saved_model.predict_signature_def({"image_bytes": jpegs}, dict(outputs))
    builder = v1.saved_model.Builder(str(folder))
    builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map={"serving_default": signature})
    builder.add_meta_graph(["serve", "tpu"], signature_def_map={"serving_default": signature})
    builder.save()
