"""A part of the graph as a SavedModel, for the operations that only TensorFlow has."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from converter.graph.carve import Carved
from converter.graph.flat import import_graph
from converter.model.signature import SERVING


def save(part: Carved, folder: Path) -> None:
    """Write a part; its signature takes and gives the values that the part reads and writes, by their names.

    As TensorFlow 1 did it: inside a tf.function, loops of the old kind don't run (TensorFlow 2.14).
    """
    graph = import_graph(part.weights.restored(part.definition))
    signature = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
    for infos, tensors in ((signature.inputs, part.feeds), (signature.outputs, part.fetches)):
        for name, tensor in tensors.items():
            infos[name].CopyFrom(_described(graph.get_tensor_by_name(tensor)))
    with tf.compat.v1.Session(graph=graph, config=tf.compat.v1.ConfigProto(device_count={"GPU": 0})) as session:
        builder = tf.compat.v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map={SERVING: signature})
        builder.save()


def _described(tensor: Any) -> Any:
    return meta_graph_pb2.TensorInfo(
        name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
    )
