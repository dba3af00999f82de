"""Constants that loops and branches are given, put into them: what is learnt stays a constant there."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from converter.graph.scopes import Scope, called, data_inputs, maker, scopes
from converter.graph.weights import copied

_BRANCHES, _LOOPS = frozenset({"If", "StatelessIf"}), frozenset({"While", "StatelessWhile"})


def put_constants_inside(definition: Any) -> None:
    """Have each function of a GraphDef with one caller hold the constants that it is given."""
    known = {scope.name: scope for scope in scopes(definition)}
    own = _called_once(known.values())
    waiting = [known[""]]
    while waiting:
        scope = waiting.pop()
        for node in _callers(scope):
            inner = {name: known[name] for name in own.intersection(called(node))}
            waiting += inner.values()
            _put(scope, node, inner)


def _called_once(known: Iterable[Scope]) -> set[str]:
    """The names of the functions that have one caller."""
    counts = Counter(name for scope in known for node in _callers(scope) for name in called(node))
    return {name for name, count in counts.items() if count == 1}


def _callers(scope: Scope) -> list[Any]:
    return [node for node in scope.nodes if node.op in _BRANCHES | _LOOPS]


def _put(scope: Scope, node: Any, functions: dict[str, Scope]) -> None:
    """Into the functions that one node calls."""
    nodes = scope.known
    given = data_inputs(node)[1 if node.op in _BRANCHES else 0 :]
    for number, tensor in enumerate(given):
        constant = _constant(nodes, tensor)
        if constant is not None and _stays(node, functions, number):
            for function in functions.values():
                _hold(function, function.arguments[number], constant)


def _constant(nodes: dict[str, Any], tensor: str) -> Any:
    """The NodeDef of the constant that a tensor is, also where it is passed on; None if it is none."""
    node = nodes.get(maker(tensor))
    while node is not None and node.op == "Identity":
        node = nodes.get(maker(node.input[0]))
    return node if node is not None and node.op == "Const" else None


def _stays(node: Any, functions: dict[str, Scope], number: int) -> bool:
    """Whether an argument is what it was given in each round, where the node is a loop."""
    if node.op in _BRANCHES:
        return True
    body = functions.get(node.attr["body"].func.name)
    if body is None:
        return False
    nodes, result = body.known, body.function.ret[body.function.signature.output_arg[number].name]
    while maker(result) in nodes and nodes[maker(result)].op == "Identity":
        result = nodes[maker(result)].input[0]
    return bool(result == body.arguments[number])


def _hold(function: Scope, argument: str, constant: Any) -> None:
    """Have the nodes of a function read a constant in the place of an argument."""
    name = f"given/{function.name}/{argument}"  # tf2onnx looks for weights by these names alone
    readers = [node for node in function.nodes if argument in node.input]
    for node in readers:
        node.input[:] = [f"{name}:output:0" if each == argument else each for each in node.input]
    if readers:
        function.nodes.append(copied(constant, name))
