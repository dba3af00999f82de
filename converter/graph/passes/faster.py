"""ONNX models that give the same for less: what ONNX Runtime's own optimisations leave (see each module)."""

from collections.abc import Collection, Sequence
from typing import Any

from converter.graph.passes.focus import replace_focus
from converter.graph.passes.nodes import Nodes, attribute, order, same
from converter.graph.passes.permuting import fold, fold_orders
from converter.graph.passes.reversing import gather_reversals
from converter.graph.passes.turning import cast_after_turning, drop_undone


def make_faster(model: Any) -> None:
    """Change a model for the better; its inputs and outputs stay as they are."""
    nodes = Nodes(model)
    gather_reversals(nodes)
    replace_focus(nodes)
    fold_orders(nodes)
    cast_after_turning(nodes)
    nodes.write()


def move_orders(picture: Any, network: Any, *, kept: Collection[str] = ()) -> None:
    """Leave out what the picture graph does to the order of channels where the network's kernels can take it over.

    And of axes, where the network undoes it. The values in between, other than those `kept`, then have another order;
    nothing else may read them.
    """
    before, after = Nodes(picture), Nodes(network)
    for name in [each.name for each in network.graph.input if each.name not in kept and each.name in before.producers]:
        _learn_sizes(before, name, after.sizes[name][1:])
        gather_reversals(before)
        found = _order(before, name)
        if found and fold(after, name, found[1] + 1, found[2]):
            before.drop(found[0])
        drop_undone(before, after, name)
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
    node, turned = _untransposed(nodes, name)
    if node is None or node.op_type != "Gather":
        return None
    places, axis = order(nodes.constant(node.input[1])), attribute(node, "axis", 0)
    if places is None or same(places) or nodes.size(node.output[0], axis) != len(places):
        return None
    return node.output[0], turned.index(axis), places


def _untransposed(nodes: Nodes, name: str) -> tuple[Any, Sequence[int]]:
    """What makes an output, apart from a transposition, if nothing else reads that; and the order of its axes then."""
    node = nodes.producers[name]
    if node.op_type != "Transpose":
        return None if nodes.readers.get(name) else node, range(len(nodes.sizes.get(name, ())))
    turned, source = attribute(node, "perm"), node.input[0]
    if turned is None or nodes.reader(source) is None:
        return None, ()
    return nodes.producers.get(source), turned
