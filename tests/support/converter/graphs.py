"""Small ONNX graphs made by hand, and a copy of a model made of them: its one box is as bright as the picture."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from converter.description import Description, Input
from converter.model.detections import BOXES, CLASSES, COUNT, SCORES
from converter.model.onnx_layout import COUNT as PICTURES
from converter.model.onnx_layout import NETWORK, PICTURE, Decode, Layout, Part

LAYOUT = Layout(
    input_name="image_bytes",
    outputs=(BOXES, CLASSES, SCORES, COUNT),
    decode=Decode(channels=3),
    picture=Part(reads=("pixels",), writes=("brightness",)),
    network=Part(reads=("brightness", PICTURES), writes=(BOXES, CLASSES, SCORES, COUNT)),
)

DESCRIPTION = Description(
    input=Input(name="image_bytes"), outputs={name: name for name in (BOXES, SCORES, CLASSES, COUNT)}, boxes="yxyx_norm"
)


def copy(folder: Path, **changes: Any) -> Path:
    """Write a copy into `folder`: the score of each picture's box is its mean brightness, 0 to 1."""
    folder.mkdir(parents=True)
    replace(LAYOUT, **changes).write(folder)
    DESCRIPTION.write(folder)
    written(folder / PICTURE, picture())
    written(folder / NETWORK, network())
    return folder


def picture() -> ModelProto:
    """The mean of a picture's bytes, 0 to 1."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["brightness"]),
    ]
    return _model(
        nodes,
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["h", "w", 3])],
        [helper.make_tensor_value_info("brightness", TensorProto.FLOAT, [])],
        {"white": np.float32(255)},
    )


def network() -> ModelProto:
    """One box for each picture: the whole of it, class 18, with the brightness as its score."""
    nodes = [
        helper.make_node("Unsqueeze", ["brightness", "last"], [SCORES]),
        helper.make_node("Unsqueeze", [PICTURES, "last"], ["number"]),
        helper.make_node("Cast", ["number"], ["rows"], to=TensorProto.INT64),
        helper.make_node("Concat", ["rows", "one", "four"], ["box_shape"], axis=0),
        helper.make_node("Concat", ["rows", "one"], ["class_shape"], axis=0),
        helper.make_node("Expand", ["whole", "box_shape"], [BOXES]),
        helper.make_node("Expand", ["dog", "class_shape"], [CLASSES]),
        helper.make_node("Expand", ["found", "rows"], [COUNT]),
    ]
    shapes: Sequence[tuple[str, list[Any]]] = (
        (BOXES, ["n", 1, 4]),
        (CLASSES, ["n", 1]),
        (SCORES, ["n", 1]),
        (COUNT, ["n"]),
    )
    return _model(
        nodes,
        [
            helper.make_tensor_value_info("brightness", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info(PICTURES, TensorProto.INT32, []),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes],
        {
            "last": np.array([-1]),
            "one": np.array([1]),
            "four": np.array([4]),
            "whole": np.array([[[0, 0, 1, 1]]], np.float32),
            "dog": np.array([[18]], np.float32),
            "found": np.array([1], np.float32),
        },
    )


def suppressing() -> ModelProto:
    """The same box found twice for each picture, of which NonMaxSuppression keeps one."""
    model = network()
    graph = model.graph
    del graph.node[0]
    graph.node.extend(
        [
            helper.make_node("Unsqueeze", ["brightness", "last_two"], ["surer"]),
            helper.make_node("Mul", ["surer", "half"], ["less_sure"]),
            helper.make_node("Concat", ["surer", "less_sure"], ["both"], axis=2),
            helper.make_node("Concat", [BOXES, BOXES], ["twice"], axis=1),
            helper.make_node("NonMaxSuppression", ["twice", "both", "one", "iou"], ["kept"]),
            helper.make_node("GatherND", ["both", "kept"], ["kept_scores"]),
            helper.make_node("Unsqueeze", ["kept_scores", "last"], [SCORES]),
        ]
    )
    constants = {"last_two": np.array([1, 2]), "half": np.float32(0.5), "iou": np.array([0.5], np.float32)}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    return model


def written(path: Path, model: ModelProto) -> Path:
    """The model as a file."""
    path.write_bytes(model.SerializeToString())
    return path


def _model(
    nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], constants: dict[str, Any]
) -> ModelProto:
    known = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "made by hand", inputs, outputs, known)
    model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model
