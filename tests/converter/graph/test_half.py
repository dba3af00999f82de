"""Networks in half precision: which of their operations, and that a CPU can be made to round as a GPU does."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from converter.graph.passes.half import ends, halved, to_half
from converter.graph.passes.rounding import round_in_fp32

SIDE = 16
RANDOM = np.random.default_rng(3)
PICTURE = RANDOM.standard_normal((2, SIDE)).astype(np.float32)
MICROSOFT = "com.microsoft"  # whose operations ONNX does not know


def network(*kinds: str, results: tuple[str, ...] = ()) -> Any:
    """Operations one after the other, each with the name of its kind and its place: 0/MatMul, 1/Relu and so on."""
    weights, nodes, name = [], [], "in"
    for place, kind in enumerate(kinds):
        read, made = [name], f"{place}/{kind}"
        if kind == "MatMul":
            values = RANDOM.standard_normal((SIDE, SIDE)).astype(np.float32) / 4
            weights.append(numpy_helper.from_array(values, f"{made}/weight"))
            read.append(weights[-1].name)
        nodes.append(helper.make_node(kind, read, [made], domain=MICROSOFT if kind == "QuickGelu" else ""))
        name = made
    given = helper.make_tensor_value_info("in", TensorProto.FLOAT, PICTURE.shape)
    left = [helper.make_tensor_value_info(each, TensorProto.FLOAT, PICTURE.shape) for each in (*results, name)]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(
        helper.make_graph(nodes, "made", [given], left, weights), opset_imports=opsets, ir_version=8
    )


def run(model: Any) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run(None, {"in": PICTURE})
    return found


THREE = ("MatMul", "Relu", "MatMul", "Relu", "MatMul", "Sigmoid")


@pytest.mark.parametrize(
    ("depth", "names"),
    [
        (0.0, {"0/MatMul", "1/Relu", "2/MatMul", "3/Relu", "4/MatMul"}),
        (0.4, {"2/MatMul", "3/Relu", "4/MatMul"}),
        (1.0, set()),
    ],
)
def test_what_lies_deeper_is_in_fp16_up_to_the_last_learnt_operation(depth: float, names: set[str]) -> None:
    model = network(*THREE)
    assert halved(model, depth) == names
    half, count = to_half(model, depth=depth)
    onnx.checker.check_model(half, full_check=True)
    assert count == len(names)
    assert ends(model) == ["4/MatMul"]
    np.testing.assert_allclose(run(half)[0], run(model)[0], atol=0.01)


def test_what_follows_an_operation_of_unknown_types_stays_in_fp32() -> None:
    model = network("MatMul", "QuickGelu", "MatMul", "Relu", "MatMul")
    half, count = to_half(model, depth=0.0)
    assert (count, ends(network("MatMul", "QuickGelu"))) == (1, ["0/MatMul"])
    np.testing.assert_allclose(run(half)[0], run(model)[0], atol=0.01)


def test_each_result_can_be_rounded_on_a_cpu_too() -> None:
    model = network(*THREE, results=("0/MatMul", "3/Relu", "4/MatMul"))
    half, _ = to_half(model, depth=0.0)
    round_in_fp32(half)
    onnx.checker.check_model(half, full_check=True)
    assert {each.data_type for each in half.graph.initializer} == {TensorProto.FLOAT}
    *inner, last = run(half)
    for values in inner:
        np.testing.assert_array_equal(values, values.astype(np.float16))
    assert (last != last.astype(np.float16)).any(), "the last operation is in FP32"
