"""ONNX models as files: what is read is what was written, with the weights inside or beside."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.graph import onnx_files

WEIGHTS = {
    "large": np.random.default_rng(1).normal(size=(200, 100)).astype(np.float32),
    "larger": np.random.default_rng(2).normal(size=(100, 300)).astype(np.float32),
    "small": np.ones(300, np.float32),
}


@pytest.mark.parametrize(("most_inside", "files"), [(200_000, ["made.onnx"]), (0, ["made.onnx", "made.onnx.weights"])])
def test_a_model_is_saved_with_its_weights(most_inside: int, files: list[str], tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["in", "large"], ["middle"]),
        helper.make_node("MatMul", ["middle", "larger"], ["wide"]),
        helper.make_node("Add", ["wide", "small"], ["out"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, n]) for name, n in (("in", 200), ("out", 300))
    ]
    weights = [numpy_helper.from_array(values, name) for name, values in WEIGHTS.items()]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx_files.save(model, tmp_path / "made.onnx", most_inside=most_inside)
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    read = onnx.load(tmp_path / "made.onnx")
    assert {each.name: numpy_helper.to_array(each).tobytes() for each in read.graph.initializer} == {
        name: values.tobytes() for name, values in WEIGHTS.items()
    }
    values = np.ones((2, 200), np.float32)
    (found,) = onnxruntime.InferenceSession(str(tmp_path / "made.onnx")).run(["out"], {"in": values})
    assert np.allclose(found, values @ WEIGHTS["large"] @ WEIGHTS["larger"] + 1, atol=1e-2)
