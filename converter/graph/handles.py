"""Which variable or table the nodes of a graph work on, through loops, branches and calls."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress, takewhile
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from converter.graph.scopes import Scope, called, data_inputs, maker

_PASSED_ON = frozenset(
    {"Identity", "Enter", "RefEnter", "Exit", "RefExit", "Switch", "RefSwitch", "Merge", "RefMerge"}
    | {"NextIteration", "RefNextIteration", "_SwitchN"}
)
_BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})  # whose first input chooses
_LOOPS = frozenset({"While", "StatelessWhile"})
_VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})
_PLACES = frozenset({tf.resource.as_datatype_enum})


@dataclass(frozen=True, slots=True)
class Use:
    """A node that works on a variable, a table or another resource."""

    scope: Scope
    node: Any  # NodeDef
    handle: str  # the node of the main graph that is the resource


class Handles:
    """The resources of a graph, which are nodes of its main graph: inputs, or made by the operations of variables."""

    def __init__(self, scopes: list[Scope]) -> None:
        self._scopes = {scope.name: scope for scope in scopes}
        self._known = {scope.name: scope.known for scope in scopes}
        self._callers: dict[str, list[tuple[str, Any]]] = {}
        for scope in scopes:
            for node in scope.nodes:
                for name in called(node):
                    self._callers.setdefault(name, []).append((scope.name, node))

    def uses(self) -> Iterator[Use]:
        """Each node with each resource that it works on itself: not those that only hand it on."""
        for scope in self._scopes.values():
            for node in scope.nodes:
                for tensor in () if node.op in _PASSED_ON else _worked_on(node):
                    yield from (Use(scope, node, handle) for handle in self.of(scope, tensor))

    def of(self, scope: Scope, tensor: str) -> set[str]:
        """The resources that a tensor may be; none, if it is made while the graph runs."""
        found, seen, waiting = set[str](), set[tuple[str, str]](), [(scope.name, tensor)]
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                where, name = place[0], maker(place[1])
                if not where and name in self._known[where] and _is_resource(self._known[where][name]):
                    found.add(name)
                waiting += self._before(where, place[1])
        return found

    def _before(self, where: str, tensor: str) -> Iterator[tuple[str, str]]:
        """The tensors, and the scopes where they are, that are handed on as this one."""
        node = self._known[where].get(maker(tensor))
        if node is None:
            yield from self._given(where, maker(tensor))
        elif node.op in _LOOPS:
            yield where, data_inputs(node)[_number(tensor)]
        elif node.op in _PASSED_ON:
            yield from ((where, each) for each in data_inputs(node))

    def _given(self, function: str, argument: str) -> Iterator[tuple[str, str]]:
        """What the callers of a function give it as an argument."""
        if argument not in self._scopes[function].arguments:
            return
        number = self._scopes[function].arguments.index(argument)
        for where, node in self._callers.get(function, ()):
            inputs = data_inputs(node)[1 if node.op in _BRANCHES else 0 :]
            if number < len(inputs):
                yield where, inputs[number]


def _worked_on(node: Any) -> list[str]:
    """The inputs of a NodeDef that are resources, or variables of the old kind."""
    known = None if any(called(node)) else op_def_registry.get(node.op)
    single = takewhile(lambda each: not (each.number_attr or each.type_list_attr), known.input_arg if known else ())
    worked_on = (each.type in _PLACES or each.is_ref for each in single)
    return list(compress(data_inputs(node), worked_on))


def _number(tensor: str) -> int:
    """Which of its node's outputs a tensor is."""
    last = tensor.rpartition(":")[2]
    return int(last) if last.isdigit() else 0


def is_table(node: Any) -> bool:
    """Whether a NodeDef opens a lookup table."""
    return "Hash" in node.op and "Table" in node.op


def _is_resource(node: Any) -> bool:
    if node.op == "Placeholder":
        return bool(node.attr["dtype"].type in _PLACES)
    return node.op in _VARIABLES or is_table(node)
