"""Transpositions that ONNX models can do without, or sooner: the results stay the same to the bit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from converter.graph.passes.faster import make_faster, move_orders

TO_PICTURE, TO_NETWORK = [1, 2, 0], [0, 3, 1, 2]


def model(nodes: list[Any], given: tuple[str, int, Sequence[Any]], *left: tuple[str, Sequence[Any]]) -> Any:
    """Reads `given`: a name, a type, sizes; writes `left`, in floats."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(*given)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in left],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(made: Any, values: NDArray[Any]) -> list[Any]:
    onnx.checker.check_model(made, full_check=True)
    name = made.graph.input[0].name
    results: list[Any] = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {name: values})
    return results


def kinds(made: Any) -> list[str]:
    return [node.op_type for node in made.graph.node]


def cast_and_turned(kind: int, *more: Any) -> Any:
    nodes = [
        helper.make_node("Cast", ["in"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["numbers"], ["out"], perm=[2, 0, 1]),
        *more,
    ]
    results = [("out", "cab"), *((node.output[0], "abc") for node in more)]
    return model(nodes, ("in", kind, "abc"), *results)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (cast_and_turned(TensorProto.UINT8), ["Transpose", "Cast"]),
        (cast_and_turned(TensorProto.INT32), ["Cast", "Transpose"]),
        (
            cast_and_turned(TensorProto.UINT8, helper.make_node("Neg", ["numbers"], ["negative"])),
            ["Cast", "Transpose", "Neg"],
        ),
    ],
    ids=["bytes", "already as large", "something else reads the numbers"],
)
def test_bytes_are_turned_before_they_are_cast(made: Any, expected: list[str]) -> None:
    kind = helper.tensor_dtype_to_np_dtype(made.graph.input[0].type.tensor_type.elem_type)
    values = np.arange(24).reshape(2, 3, 4).astype(kind)
    before = run(made, values)
    make_faster(made)
    for ours, theirs in zip(run(made, values), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert kinds(made) == expected


def picture(turned: Sequence[int] = TO_PICTURE, *more: Any) -> Any:
    """Works on (C, H, W) and gives (H, W, C), the value that a network reads."""
    nodes = [
        helper.make_node("Exp", ["in"], ["numbers"]),
        helper.make_node("Transpose", ["numbers"], ["value"], perm=turned),
        *more,
    ]
    sizes = [[3, 8, 6][axis] for axis in turned]
    return model(nodes, ("in", TensorProto.FLOAT, (3, 8, 6)), ("value", sizes), *((n.output[0], sizes) for n in more))


def network(turned: Sequence[int] = TO_NETWORK, *more: Any) -> Any:
    """Turns (N, H, W, C) into (N, C, H, W) and works on that."""
    nodes = [
        helper.make_node("Transpose", ["value"], ["numbers"], perm=turned),
        helper.make_node("Neg", ["numbers"], ["out"]),
        *more,
    ]
    others = [(node.output[0], ("n", 8, 6, 3)) for node in more]
    return model(nodes, ("value", TensorProto.FLOAT, ("n", 8, 6, 3)), ("out", "abcd"), *others)


def both(before: Any, after: Any) -> list[Any]:
    values = np.linspace(0, 1, 144, dtype=np.float32).reshape(3, 8, 6)
    return run(after, run(before, values)[0][np.newaxis])


def test_what_the_network_undoes_is_left_out_and_the_sizes_say_so() -> None:
    before, after = picture(), network()
    results = both(before, after)
    move_orders(before, after)
    np.testing.assert_array_equal(both(before, after)[0], results[0])
    assert (kinds(before), kinds(after)) == (["Exp", "Identity"], ["Identity", "Neg"])
    sizes = [each.dim_value for each in before.graph.output[0].type.tensor_type.shape.dim]
    assert sizes == [3, 8, 6]
    assert [each.dim_value for each in after.graph.input[0].type.tensor_type.shape.dim] == [0, *sizes]


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (picture(), network(), ["value"]),
        (picture(), network([0, 3, 2, 1]), []),
        (picture(), network(TO_NETWORK, helper.make_node("Sin", ["value"], ["sines"])), []),
        (picture(TO_PICTURE, helper.make_node("Cos", ["value"], ["cosines"])), network(), []),
    ],
    ids=["it is kept", "another order", "the network reads it too", "the picture graph reads it too"],
)
def test_what_somebody_needs_stays(before: Any, after: Any, kept: list[str]) -> None:
    results, were = both(before, after), (kinds(before), kinds(after))
    move_orders(before, after, kept=kept)
    for ours, theirs in zip(both(before, after), results, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (kinds(before), kinds(after)) == were
