"""Where a graph is cut: what comes before the network, the network, and what comes after it.

What ONNX has no counterpart for is left to TensorFlow, with all that comes before it (a head) where nothing learnt
has come yet, or with all that comes after it (a tail). No names are looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converter.contract import UnusableModel
from converter.graph import loops, to_onnx
from converter.graph.carve import Carved, Source, carve, count_nodes
from converter.graph.flat import Flat, values
from converter.graph.passes.faster import move_orders
from converter.graph.reach import Reach
from converter.graph.rows import Runs
from converter.model.onnx_layout import COUNT

_MOST_ROUNDS = 20  # of finding out what can't be converted


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The parts of a graph, and the tensors between them."""

    network: Carved
    network_model: Any  # onnx.ModelProto
    pictures: loops.Pictures | None = None  # where it is cut at the decoder
    picture_model: Any = None
    head: Carved | None = None
    tail: Carved | None = None
    begins: Mapping[str, str]  # tensors of the graph, from which the network starts -> values (see move_orders)
    ends: Mapping[str, str]  # values that the network gives -> tensors of the graph
    why: Mapping[str, str]  # why a part of TensorFlow's is needed, by its name
    pixels: str | None = None  # the value that is the pictures, where the graph decodes none


def cut(flat: Flat, runs: Runs) -> Cut:
    """Cut a graph; UnusableModel if it can't be cut, with the reason."""
    reach = Reach(flat)
    _check_outputs(flat, reach)
    if flat.pixels:
        begins = values("pixels", [flat.files[0].name], flat.outputs)
        return Cut(begins=begins, pixels=begins[flat.files[0].name], **_network(flat, reach, runs, begins))
    try:
        pictures = loops.pictures(flat)
        model = to_onnx.convert(pictures.graph, "picture graph")
    except (loops.Uncut, to_onnx.Unconvertible) as error:
        return _with_head(flat, reach, runs, _reason(error))
    made = _network(flat, reach, runs, pictures.stacked)
    read_later = made["tail"].feeds if "tail" in made else ()
    move_orders(model, made["network_model"], kept={*flat.outputs, *read_later})
    return Cut(pictures=pictures, picture_model=model, begins=pictures.stacked, **made)


def _check_outputs(flat: Flat, reach: Reach) -> None:
    if COUNT in flat.outputs:
        raise UnusableModel(f"an output is called {COUNT!r}, which a copy keeps for the number of pictures")
    if not any(flat.maker(each) in reach.dependent for each in flat.outputs.values()):
        raise UnusableModel("what it answers doesn't depend on the pictures")


def _reason(error: Exception) -> str:
    if isinstance(error, to_onnx.Unconvertible):
        return f"what it does with a picture has operations that ONNX doesn't have: {error}"
    return str(error)


def _with_head(flat: Flat, reach: Reach, runs: Runs, why: str) -> Cut:
    """Cut where the first operations end that only TensorFlow has."""
    late = reach.after(reach.learnt & reach.dependent)
    names = _head(reach, runs, [name for name in reach.inconvertible if name not in late])
    if learnt := sorted(names & reach.learnt & reach.dependent):
        raise UnusableModel(f"{why}; and TensorFlow would be needed for the network itself: {_some(reach, learnt)}")
    left = {tensor.name for tensor, _ in reach.leaving(names)}
    left |= {each for each in flat.outputs.values() if flat.maker(each) in names}
    begins = values("head", sorted(left), flat.outputs)
    files = flat.graph.get_operation_by_name(flat.strings).outputs[0].name
    fetches = {value: tensor for tensor, value in begins.items()}
    head = carve(Source(flat.graph, flat.functions, flat.weights), {files: flat.input_name}, fetches, ordered=True)
    made = _network(flat, reach, runs, begins)
    return Cut(head=head, begins=begins, **{**made, "why": {"head": why, **made["why"]}})


def _head(reach: Reach, runs: Runs, names: Iterable[str]) -> set[str]:
    """These operations, what they need, and what follows until all that leaves them can be handed on."""
    head = reach.before([*names, reach.flat.strings])
    while True:
        more = {
            each.name
            for tensor, each in reach.leaving(head)
            if not reach.passable(tensor) or (each.name not in reach.learnt and not runs.has_rows(tensor))
        }
        if not more:
            return head
        head = reach.before([*head, *more])


def _network(flat: Flat, reach: Reach, runs: Runs, begins: Mapping[str, str]) -> dict[str, Any]:
    """The network from these tensors on, as far as it can be converted, and the tail, if there is one."""
    inside = _inside(reach, begins, flat.outputs.values())
    failed = inside.intersection(reach.inconvertible)
    for _ in range(_MOST_ROUNDS):
        tail = _tail(reach, runs, failed, inside)
        ends = _ends(flat, reach, tail, begins)
        network = _carved(flat, begins, ends)
        try:
            model = to_onnx.convert(network, "network")
        except to_onnx.Unconvertible as error:
            failed |= _at_fault(reach, error, inside - failed)
        else:
            break
    else:
        raise UnusableModel("too many of its operations have no counterpart in ONNX")
    found: dict[str, Any] = {"network": network, "network_model": model, "ends": ends, "why": {}}
    if tail and not network.operations:
        raise UnusableModel(
            f"ONNX has no counterpart for {_some(reach, sorted(failed))}: there is nothing left to convert"
        )
    if tail:
        found["tail"] = _carved_tail(flat, tail, begins, ends)
        found["why"] = {"tail": f"ONNX has no counterpart for {_some(reach, sorted(failed))}"}
    return found


def _at_fault(reach: Reach, error: to_onnx.Unconvertible, among: set[str]) -> set[str]:
    """The operations that could not be converted, or in whose loops and branches there is such a one."""
    found = {owner for name in error.names for owner in reach.owners(name)} & among
    if not found:
        raise UnusableModel(f"ONNX has no counterpart for {error}, in the middle of its network") from error
    return found


def _carved(flat: Flat, begins: Mapping[str, str], ends: Mapping[str, str]) -> Carved:
    """A part without files: their number is a value of its own."""
    instead = {each.name: count_nodes(each) for each in flat.count_readers}
    return carve(Source(flat.graph, flat.functions, flat.weights), begins, ends, instead=instead)


def _carved_tail(flat: Flat, tail: set[str], begins: Mapping[str, str], ends: Mapping[str, str]) -> Carved:
    """What makes the outputs that are the tail's, from what is there before it."""
    handed = {tensor: value for value, tensor in ends.items() if value not in flat.outputs}
    outputs = {name: tensor for name, tensor in flat.outputs.items() if flat.maker(tensor) in tail}
    return _carved(flat, {**begins, **handed}, outputs)


def _inside(reach: Reach, begins: Mapping[str, str], outputs: Iterable[str]) -> set[str]:
    """What lies between these tensors and the outputs."""
    graph = reach.flat.graph
    readers = {each.name for name in begins for each in graph.get_tensor_by_name(name).consumers()}
    after = reach.after(readers)
    return after & reach.before(graph.get_tensor_by_name(name).op.name for name in outputs)


def _tail(reach: Reach, runs: Runs, failed: set[str], inside: set[str]) -> set[str]:
    """These operations and all that comes after them, begun early enough that all can be handed over."""
    tail = reach.after(failed)
    while True:
        if learnt := sorted(tail & reach.learnt):
            raise UnusableModel(
                f"ONNX has no counterpart for {_some(reach, sorted(failed))}, in the middle of its network: "
                f"{learnt[0]} comes after"
            )
        handed = (tensor for tensor in reach.entering(tail) if tensor.op.name in inside)
        more = {tensor.op.name for tensor in handed if not _has_passable_rows(reach, runs, tensor)}
        if not more:
            return tail
        tail = reach.after([*tail, *more])


def _has_passable_rows(reach: Reach, runs: Runs, tensor: Any) -> bool:
    return reach.passable(tensor) and runs.has_rows(tensor)


def _ends(flat: Flat, reach: Reach, tail: set[str], begins: Mapping[str, str]) -> dict[str, str]:
    """What the network gives: the outputs, as far as they aren't the tail's, and what the tail reads."""
    handed = sorted({tensor.name for tensor in reach.entering(tail)} - set(begins))
    outputs = {name: tensor for name, tensor in flat.outputs.items() if flat.maker(tensor) not in tail}
    return {**outputs, **{value: tensor for tensor, value in values("network", handed, flat.outputs).items()}}


def _some(reach: Reach, names: Sequence[str]) -> str:
    """The first few of these operations, with their types."""
    texts = [f"{reach.operations[name].type} ({name})" for name in names[:3]]
    return ", ".join(texts) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
