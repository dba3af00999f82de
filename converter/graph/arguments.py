"""Constants that loops and branches are given, put into them: what is learnt stays a constant there."""

from collections import Counter
from typing import Any

from converter.graph.scopes import Scope, called, data_inputs, maker, scopes
from converter.graph.weights import copied

_BRANCHES, _LOOPS = frozenset({"If", "StatelessIf"}), frozenset({"While", "StatelessWhile"})


def put_constants_inside(definition: Any) -> None:
    """Have each function of a GraphDef with one caller hold the constants that it is given."""
    known = {scope.name: scope for scope in scopes(definition)}
    callers = Counter(name for scope in known.values() for node in scope.nodes for name in called(node))
    waiting = [known[""]]
    while waiting:
        scope = waiting.pop()
        for node in scope.nodes:
            if node.op in _BRANCHES | _LOOPS:
                inner = [known[name] for name in called(node) if callers[name] == 1]
                waiting += inner
                _put(scope, node, {each.name: each for each in inner})


def _put(scope: Scope, node: Any, functions: dict[str, Scope]) -> None:
    """Into the functions that one node calls."""
    nodes = scope.known
    given = data_inputs(node)[1 if node.op in _BRANCHES else 0 :]
    for number, tensor in enumerate(given):
        constant = _constant(nodes, tensor)
        stays = node.op in _BRANCHES or _stays(functions.get(node.attr["body"].func.name), number)
        if constant is not None and stays:
            for function in functions.values():
                _hold(function, function.arguments[number], constant)


def _constant(nodes: dict[str, Any], tensor: str) -> Any:
    """The NodeDef of the constant that a tensor is, also where it is passed on; None if it is none."""
    node = nodes.get(maker(tensor))
    while node is not None and node.op == "Identity":
        node = nodes.get(maker(node.input[0]))
    return node if node is not None and node.op == "Const" else None


def _stays(body: Scope | None, number: int) -> bool:
    """Whether a loop with this body never changes its variable of this number."""
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
