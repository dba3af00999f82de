"""What TF-TRT made of a graph: its engines, their inputs and profiles, and the share of operations converted."""

import contextlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_shape_pb2

_INSTANCE = "detector.TRTEngineInstance"


def nodes(converter: Any) -> list[Any]:
    """The TRTEngineOp nodes of the converted graph and its functions."""
    found: list[Any] = []
    converter._for_each_trt_node(converter._converted_graph_def, found.append)
    return found


def read(converter: Any, folder: Path | None = None) -> dict[str, Any]:
    """Engines and the share of operations converted, as `summary()` counts them; profiles from the saved `folder`."""
    text = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()):
        converter.summary(line_length=160, detailed=True, print_fn=lambda line="": text.write(line + "\n"))
    lines = text.getvalue().splitlines()
    counts = re.search(r"\[(\d+)/(\d+)\]", text.getvalue())
    done, total = (int(counts[1]), int(counts[2])) if counts else (0, 0)
    engines = [_engine(node, _inside(node, converter), folder) for node in nodes(converter)]
    return {
        "engines": len(engines),
        "operations": total,
        "operations_converted": done,
        "engine_details": engines,
        "converted_by_type": dict(_converted(lines)),
    }


def _engine(node: Any, operations: int, folder: Path | None) -> dict[str, Any]:
    types = [tf.dtypes.as_dtype(each).name for each in node.attr["InT"].list.type]
    shapes = [_shape(each) for each in node.attr["input_shapes"].list.shape]
    return {
        "name": node.name,
        "operations": operations,
        "inputs": [f"{name} {shape}" for name, shape in zip(types, shapes, strict=True)],
        "precision": node.attr["precision_mode"].s.decode(),
        "profile_strategy": node.attr["profile_strategy"].s.decode(),
        "built_for": saved_shapes(folder / "assets" / f"trt-serialized-engine.{node.name}") if folder else [],
    }


def saved_shapes(asset: Path) -> list[list[list[int]]]:
    """The input shapes of each engine in a file that TF-TRT saved; empty without the file.

    It is a TFRecord of TRTEngineInstance messages (tensorflow/compiler/tf2tensorrt/utils/trt_engine_instance.proto:
    1 = input_shapes, 2 = the serialized engine), for which TensorFlow's package has no Python module.
    """
    if not asset.is_file():
        return []
    records = tf.compat.v1.io.tf_record_iterator(str(asset))
    return [[_shape(shape) for shape in _instance().FromString(record).input_shapes] for record in records]


def _instance() -> Any:
    """The message's class, declared with the one field that is wanted."""
    pool = descriptor_pool.Default()  # type: ignore[no-untyped-call]  # its stubs have no type for it
    try:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(_INSTANCE))
    except KeyError:
        pass
    file = descriptor_pb2.FileDescriptorProto(name="detector/trt_engine_instance.proto", package="detector")
    file.syntax = "proto3"
    shapes = tensor_shape_pb2.TensorShapeProto.DESCRIPTOR
    file.dependency.append(shapes.file.name)
    field = file.message_type.add(name="TRTEngineInstance").field.add(name="input_shapes", number=1)
    field.label, field.type = field.LABEL_REPEATED, field.TYPE_MESSAGE
    field.type_name = f".{shapes.full_name}"
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(_INSTANCE))


def _inside(node: Any, converter: Any) -> int:
    name = node.attr["segment_func"].func.name
    library = converter._converted_graph_def.library.function
    return next((len(each.node_def) for each in library if each.signature.name == name), 0)


def _shape(shape: Any) -> list[int]:
    return [dim.size for dim in shape.dim]


def _converted(lines: list[str]) -> Mapping[str, int]:
    """Operations inside engines by type, from lines like `	- Conv2D: 83x`."""
    found: dict[str, int] = {}
    for line in lines:
        match = re.fullmatch(r"\s+- (\w+): (\d+)x", line)
        if match:
            found[match[1]] = found.get(match[1], 0) + int(match[2])
    return found
