"""YOLOX-Nano's ONNX graph, translated to TensorFlow operations."""

from collections.abc import Callable, Mapping
from typing import Any

import onnx
import tensorflow as tf
from numpy.typing import NDArray
from onnx import numpy_helper

Tensor = Any  # TensorFlow carries no types.
Attributes = Mapping[str, Any]


class Network:
    """The ONNX graph as TensorFlow operations, in NHWC (the file is written for NCHW).

    The operations below know only what this one file holds, which its checksum guarantees.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.input = model.graph.input[0].name
        self.output = model.graph.output[0].name
        self.nodes = [node for node in model.graph.node if node.op_type != "Constant"]
        self.constants: dict[str, NDArray[Any]] = {
            item.name: numpy_helper.to_array(item) for item in model.graph.initializer
        }
        for node in model.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)

    def __call__(self, images: Tensor) -> Tensor:
        """Map [N, 416, 416, 3] BGR pixels to [N, anchors, 85]: x, y, w, h, objectness, classes."""
        values: dict[str, Tensor] = {**self.constants, self.input: images}
        for node in self.nodes:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            arguments = [values[name] for name in node.input]
            values[node.output[0]] = OPERATIONS[node.op_type](attributes, *arguments)
        return values[self.output]


def convolve(attributes: Attributes, x: Tensor, weight: NDArray[Any], bias: Tensor) -> Tensor:
    """Conv, plain or depthwise."""
    top, left, bottom, right = attributes["pads"]
    pads = [[0, 0], [top, bottom], [left, right], [0, 0]]
    strides = [1, *attributes["strides"], 1]
    # With stride 1, SAME is the same padding and one operation less.
    same = attributes["strides"] == [1, 1]
    if attributes["group"] == 1:
        x = tf.nn.conv2d(x, weight.transpose(2, 3, 1, 0), strides, "SAME" if same else pads)
    else:
        padding = "SAME" if same else "VALID"
        x = x if same else tf.pad(x, pads)
        x = tf.nn.depthwise_conv2d(x, weight.transpose(2, 3, 0, 1), strides, padding)
    return tf.nn.bias_add(x, bias)


def cut(_: Attributes, x: Tensor, *bounds: NDArray[Any]) -> Tensor:
    """Slice: starts, ends, axes and steps are inputs of the node."""
    parts = [slice(None)] * 4
    for start, end, axis, step in zip(*bounds, strict=True):
        stop = None if end > 1 << 30 else int(end)
        parts[NHWC_AXIS[int(axis)]] = slice(int(start), stop, int(step))
    return x[tuple(parts)]


def join(attributes: Attributes, *parts: Tensor) -> Tensor:
    """Concat, of pictures or (after the heads' Reshape) of [N, anchors, 85]."""
    axes = NHWC_AXIS if len(parts[0].shape) == 4 else {1: 2, 2: 1}
    return tf.concat(parts, axes[attributes["axis"]])


def pool(attributes: Attributes, x: Tensor) -> Tensor:
    """MaxPool of stride 1."""
    return tf.nn.max_pool2d(x, attributes["kernel_shape"], 1, "SAME")


def double(_: Attributes, x: Tensor, _roi: Tensor, _scales: Tensor) -> Tensor:
    """Resize to twice the size, nearest neighbour."""
    _, height, width, _ = x.shape
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=[height * 2, width * 2])


def flatten(_: Attributes, x: Tensor, _shape: Tensor) -> Tensor:
    """Reshape of a head: to [N, anchors, 85] at once, so that the Transpose after it is nothing."""
    _, height, width, channels = x.shape
    return tf.reshape(x, [-1, height * width, channels])


NHWC_AXIS = {0: 0, 1: 3, 2: 1, 3: 2}
OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda _, x, y: x + y,
    "Concat": join,
    "Conv": convolve,
    "MaxPool": pool,
    "Mul": lambda _, x, y: x * y,
    "Reshape": flatten,
    "Resize": double,
    "Sigmoid": lambda _, x: tf.sigmoid(x),
    "Slice": cut,
    "Transpose": lambda _, x: x,
}
