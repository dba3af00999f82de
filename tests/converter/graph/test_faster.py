"""What makes ONNX models faster changes nothing of what they give, and touches nothing that only looks alike."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from converter.graph.passes.faster import make_faster, move_orders

ALL = 10**9
KERNEL = np.random.default_rng(0).standard_normal((4, 12, 3, 3)).astype(np.float32)
CORNERS = [(0, 0), (1, 0), (0, 1), (1, 1)]
CHANNELS_BACKWARDS = ((0, ALL), (ALL, -ALL), (1, 2), (1, -1))  # as tf2onnx writes pixels[..., ::-1]

Sizes = Sequence[int | str]


def model(nodes: list[Any], given: Sizes, left: Sizes, **constants: NDArray[Any]) -> Any:
    """Reads `in`, writes `out`."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, left)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def run(made: Any, values: NDArray[Any]) -> Any:
    onnx.checker.check_model(made, full_check=True)
    return onnxruntime.InferenceSession(made.SerializeToString()).run(["out"], {"in": values})[0]


def kinds(made: Any) -> Counter[str]:
    return Counter(node.op_type for node in made.graph.node)


def numbers(*sizes: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal(sizes).astype(np.float32)


def faster(made: Any, values: NDArray[Any]) -> Counter[str]:
    """The kinds of operations of a model after it was made faster, which gives the same as before."""
    before = run(made, values)
    make_faster(made)
    np.testing.assert_allclose(run(made, values), before, atol=1e-5)
    return kinds(made)


def sliced(name: str, result: str, where: Sequence[Sequence[int]]) -> tuple[Any, dict[str, NDArray[Any]]]:
    parts = {f"{result}/{number}": np.array(each, np.int64) for number, each in enumerate(where)}
    return helper.make_node("Slice", [name, *parts], [result]), parts


def focus(
    sizes: Sizes = ("n", 8, 6, 3),
    corners: Sequence[tuple[int, int]] = CORNERS,
    *,
    step: int = 2,
    kernel: NDArray[Any] | None = KERNEL,
) -> Any:
    """As tf2onnx writes it: rows are taken, then columns, of (N, H, W, C); a convolution comes after it."""
    nodes: list[Any] = []
    constants: dict[str, NDArray[Any]] = {}
    for number, (row, column) in enumerate(corners):
        rows = ((0, row), (ALL, ALL), (0, 1), (1, step))
        columns = ((0, column, 0), (ALL, ALL, ALL), (1, 2, 3), (1, 2, 1))
        for place, (name, result) in ((rows, ("in", f"rows_{number}")), (columns, (f"rows_{number}", f"all_{number}"))):
            node, parts = sliced(name, result, place)
            nodes.append(node)
            constants |= parts
    nodes.append(helper.make_node("Concat", [f"all_{number}" for number in range(4)], ["joined"], axis=3))
    turned = "out" if kernel is None else "turned"
    nodes.append(helper.make_node("Transpose", ["joined"], [turned], perm=[0, 3, 1, 2]))
    if kernel is not None:
        nodes.append(helper.make_node("Conv", ["turned", "kernel"], ["out"], pads=[1, 1, 1, 1]))
        constants["kernel"] = kernel
    return model(nodes, sizes, ("n", "c", "h", "w"), **constants)


def test_a_focus_becomes_a_space_to_depth_and_its_order_the_kernels() -> None:
    made = focus()
    assert faster(made, numbers(2, 8, 6, 3)) == {"Transpose": 1, "SpaceToDepth": 1, "Identity": 1, "Conv": 1}
    assert [each.name for each in made.graph.initializer] == ["kernel/ordered"]


def test_a_focus_without_a_kernel_keeps_its_order() -> None:
    assert faster(focus(kernel=None), numbers(1, 8, 6, 3)) == {"Transpose": 1, "SpaceToDepth": 1, "Gather": 1}


def test_a_focus_in_the_order_of_onnx_needs_no_gather() -> None:
    made = focus(corners=sorted(CORNERS), kernel=None)
    assert faster(made, numbers(1, 8, 6, 3)) == {"Transpose": 1, "SpaceToDepth": 1}


@pytest.mark.parametrize(
    ("made", "sizes"),
    [
        (focus(("n", 8, "w", 3)), (1, 8, 6, 3)),
        (focus((1, 8, 6, "c")), (1, 8, 6, 3)),
        (focus(corners=[(0, 0)] * 4), (1, 8, 6, 3)),
        (focus(corners=[(0, 0), (1, 0), (0, 1), (0, 1)]), (1, 8, 6, 3)),
        (focus(corners=[(0, 0), (0, 0), (0, 1), (0, 1)], sizes=(1, 7, 6, 3)), (1, 7, 6, 3)),
        (focus(step=4), (1, 8, 6, 3)),
    ],
    ids=["unknown width", "unknown channels", "one corner", "a corner is missing", "odd height", "another step"],
)
def test_what_is_no_focus_stays(made: Any, sizes: tuple[int, ...]) -> None:
    assert faster(made, numbers(*sizes))["Slice"] == 8


def reversed_slice(sizes: Sizes, where: Sequence[Sequence[int]]) -> Any:
    node, constants = sliced("in", "out", where)
    return model([node], sizes, ["a", "b", "c"], **constants)


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        (CHANNELS_BACKWARDS, "Gather"),
        (((-1,), (-ALL,), (0,), (-1,)), "Gather"),
        (((4,), (-6,), (1,), (-1,)), "Gather"),
        (((3,), (-ALL,), (1,), (-1,)), "Slice"),
        (((ALL,), (0,), (2,), (-1,)), "Slice"),
        (((ALL,), (-ALL,), (2,), (-2,)), "Slice"),
        (((ALL, 1), (-ALL, ALL), (2, 1), (-1, 1)), "Slice"),
        (((ALL, ALL), (-ALL, -ALL), (2, 1), (-1, -1)), "Slice"),
    ],
)
def test_a_whole_axis_backwards_is_gathered(where: Sequence[Sequence[int]], kind: str) -> None:
    assert faster(reversed_slice((4, 5, 3), where), numbers(4, 5, 3)) == {kind: 1}


def test_an_axis_of_unknown_size_is_left_as_it_is() -> None:
    assert faster(reversed_slice(("h", "w", "c"), CHANNELS_BACKWARDS), numbers(4, 5, 3)) == {"Slice": 1}


def backwards() -> Any:
    return reversed_slice(("h", "w", "c"), CHANNELS_BACKWARDS)


def network(*between: Any, kernel: NDArray[Any] = KERNEL[:, :3], **constants: NDArray[Any]) -> Any:
    """Reads pictures (N, H, W, C), does something with each number, then comes a convolution."""
    nodes = [*between, helper.make_node("Transpose", ["between" if between else "in"], ["turned"], perm=[0, 3, 1, 2])]
    nodes.append(helper.make_node("Conv", ["turned", "kernel"], ["out"]))
    return model(nodes, ("n", 8, 6, 3), ("n", "c", "h", "w"), kernel=kernel, **constants)


def moved(network: Any, *, kept: Sequence[str] = ()) -> Counter[str]:
    """What a picture graph that reverses the channels consists of after their order was moved into the network."""
    picture, values = backwards(), numbers(8, 6, 3)
    picture.graph.output[0].name = picture.graph.node[0].output[0] = "pictures"
    network.graph.input[0].name = "pictures"
    for node in network.graph.node:
        node.input[:] = ["pictures" if name == "in" else name for name in node.input]

    def both() -> Any:
        (between,) = onnxruntime.InferenceSession(picture.SerializeToString()).run(None, {"in": values})
        session = onnxruntime.InferenceSession(network.SerializeToString())
        return session.run(None, {"pictures": between[np.newaxis]})[0]

    before = both()
    move_orders(picture, network, kept=kept)
    np.testing.assert_allclose(both(), before, atol=1e-5)
    return kinds(picture)


@pytest.mark.parametrize("kind", ["Add", "Div", "Mul", "Sub"])
def test_the_order_of_channels_moves_into_the_networks_kernel(kind: str) -> None:
    assert moved(network()) == {"Identity": 1}
    scaled = helper.make_node(kind, ["in", "scale"], ["between"])
    assert moved(network(scaled, scale=np.array(2, np.float32))) == {"Identity": 1}


def test_the_order_of_channels_moves_through_a_focus() -> None:
    made = focus()
    make_faster(made)
    assert moved(made) == {"Identity": 1}


def test_the_order_of_channels_moves_through_a_border() -> None:
    pads = np.array([0, 1, 1, 0, 0, 1, 1, 0])
    assert moved(network(helper.make_node("Pad", ["in", "pads"], ["between"]), pads=pads)) == {"Identity": 1}


def test_the_order_of_channels_stays_where_the_network_needs_it() -> None:
    per_channel = helper.make_node("Sub", ["in", "means"], ["between"])
    assert moved(network(per_channel, means=np.array([1, 2, 3], np.float32))) == {"Gather": 1}
    wider = helper.make_node("Pad", ["in", "pads"], ["between"])
    pads = np.array([0, 0, 0, 1, 0, 0, 0, 0])
    assert moved(network(wider, kernel=KERNEL[:, :4], pads=pads)) == {"Gather": 1}
    twice = helper.make_node("Mul", ["in", "in"], ["between"])
    assert moved(network(twice)) == {"Gather": 1}


def test_the_order_of_channels_stays_where_something_else_reads_the_pictures() -> None:
    assert moved(network(), kept=["pictures"]) == {"Slice": 1}
