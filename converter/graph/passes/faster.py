"""ONNX models that give the same for less: what ONNX Runtime's own optimisations leave (see each module)."""

from collections.abc import Collection
from typing import Any

from converter.graph.passes.focus import focus
from converter.graph.passes.nodes import Nodes, attribute, order, same
from converter.graph.passes.permuting import fold, permuting
from converter.graph.passes.reversing import reversing
from converter.graph.passes.turning import turning, undo


def make_faster(model: Any) -> None:
    """Change a model for the better; its inputs and outputs stay as they are."""
    nodes = Nodes(model)
    reversing(nodes)
    focus(nodes)
    permuting(nodes)
    turning(nodes)
    nodes.write()


def move_orders(picture: Any, network: Any, *, kept: Collection[str] = ()) -> None:
    """Leave out what the picture graph does to the order of channels where the network's kernels can take it over.

    And of axes, where the network undoes it. The values in between, other than those `kept`, then have another order;
    nothing else may read them.
    """
    before, after = Nodes(picture), Nodes(network)
    for name in [each.name for each in network.graph.input if each.name not in kept and each.name in before.producers]:
        _learn_sizes(before, name, after.sizes[name][1:])
        reversing(before)
        found = _order(before, name)
        if found and fold(after, name, found[1] + 1, found[2]):
            before.drop(found[0])
        undo(before, after, name)
    before.write()
    after.write()


def _learn_sizes(nodes: Nodes, name: str, sizes: tuple[int | None, ...]) -> None:
    """TensorFlow often knows the size of all stacked pictures better than that of one."""
    if not sizes:
        return
    nodes.sizes[name] = sizes
    node = nodes.producers[name]
    turned = attribute(node, "perm") if node.op_type == "Transpose" else None
    if turned and len(turned) == len(sizes):
        nodes.sizes[node.input[0]] = tuple(sizes[turned.index(axis)] for axis in range(len(sizes)))


def _order(nodes: Nodes, name: str) -> tuple[str, int, list[int]] | None:
    """What makes an output, apart from a transposition, if it changes the order of an axis; the axis and the order."""
    found = _before_turning(nodes, name)
    if found is None:
        return None
    node, turned = found
    gathered = _gathered(nodes, node)
    if gathered is None:
        return None
    axis, places = gathered
    return node.output[0], turned.index(axis) if turned else axis, places


def _before_turning(nodes: Nodes, name: str) -> tuple[Any, list[int] | None] | None:
    """What makes a tensor, apart from a transposition, and how that turns the axes; None if others read it too."""
    node = nodes.producers[name]
    if node.op_type != "Transpose":
        return None if nodes.readers.get(name) else (node, None)
    turned, source = attribute(node, "perm"), node.input[0]
    if turned is None or nodes.reader(source) is None or source not in nodes.producers:
        return None
    return nodes.producers[source], turned


def _gathered(nodes: Nodes, node: Any) -> tuple[int, list[int]] | None:
    """The axis whose order a Gather changes, and the order; None if it does something else."""
    places = order(nodes.constant(node.input[1])) if node.op_type == "Gather" else None
    axis = attribute(node, "axis", 0)
    if places is None or same(places) or nodes.size(node.output[0], axis) != len(places):
        return None
    return axis, places
