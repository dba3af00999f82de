"""ONNX models as files: weights inside while protobuf can hold them well, else in a file beside it."""

import math
from pathlib import Path
from typing import IO, Any

from onnx import TensorProto, helper

from converter.graph.passes.nodes import shell
from converter.graph.wire import inside

MOST_INSIDE = 1 << 30  # bytes; protobuf ends at 2 GiB, and a reader holds what is inside twice
_BESIDE = ".weights"
_ALIGNED = 64 << 10  # where a tensor begins: a reader maps it instead of copying it
_LARGE = 64 << 10  # bytes of a tensor that is not copied with the others
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # the numbers of these fields in onnx.proto


def save(model: Any, path: Path, *, most_inside: int = MOST_INSIDE) -> None:
    """Write a model."""
    made = shell(model)
    made.graph.node.extend(model.graph.node)
    made.graph.value_info.extend(model.graph.value_info)
    large = []
    for tensor in model.graph.initializer:
        if tensor.HasField("raw_data") and _size(tensor) >= _LARGE:
            large.append(tensor)
        else:
            made.graph.initializer.append(tensor)
    if sum(map(_size, large)) > most_inside:
        with path.with_name(path.name + _BESIDE).open("wb") as beside:
            made.graph.initializer.extend(_moved(tensor, beside) for tensor in large)
        large = []
    with path.open("wb") as file:
        file.write(made.SerializeToString())
        for tensor in large:
            written = [_head(tensor).SerializeToString(), *inside([tensor.raw_data], _RAW_DATA)]
            file.writelines(inside(written, _GRAPH, _INITIALIZER))


def _head(tensor: Any) -> Any:
    """A tensor without its contents."""
    return TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)


def _size(tensor: Any) -> int:
    size: int = math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return size


def _moved(tensor: Any, file: IO[bytes]) -> Any:
    """The tensor with its contents at the end of a file."""
    file.write(b"\0" * (-file.tell() % _ALIGNED))
    where = {"location": Path(file.name).name, "offset": file.tell(), "length": _size(tensor)}
    file.write(tensor.raw_data)
    moved = _head(tensor)
    moved.data_location = TensorProto.EXTERNAL
    for key, value in where.items():
        moved.external_data.add(key=key, value=str(value))
    return moved
