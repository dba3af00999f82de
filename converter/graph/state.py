"""What changes in a graph as it runs: whether its answers depend on it, and the graph without it where they don't."""

from collections.abc import Iterable, Mapping
from typing import Any

from converter.graph.handles import Handles, Use, is_table
from converter.graph.scopes import Scope, called, data_inputs, leave_out, maker, scopes

_FROZEN = "ReadVariableOp"  # what freezing puts a constant in the place of
_READS = frozenset({_FROZEN, "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"})
_LOOK_UPS = frozenset({"LookupTableFindV2", "LookupTableSizeV2", "LookupTableExportV2"})
_OLD_VARIABLES = frozenset({"VariableV2", "Variable"})

Places = Mapping[str, set[str]]  # names of nodes, by the name of their scope


class State:
    """The variables and tables of a GraphDef; `names` are the variables', by the nodes that stand for them."""

    def __init__(self, definition: Any, names: Mapping[str, str]) -> None:
        self._scopes = {scope.name: scope for scope in scopes(definition)}
        self._nodes = self._scopes[""].known
        self._names = names
        self._uses = list(Handles([*self._scopes.values()]).uses())
        changes = (use for use in self._uses if use.node.op not in _READS | _LOOK_UPS)
        self._changes = {use.handle: use.node for use in changes}

    def problem(self, ends: Iterable[str]) -> str | None:
        """Why the tensors `ends` of the main graph can't be had from constants, half a sentence; None if they can."""
        read = self._read(ends)
        concerned = (use for use in self._uses if self._is_read(use, read))
        return next((said for use in concerned if (said := self._said(use))), None)

    def cut_off(self, ends: Iterable[str]) -> None:
        """Leave out what changes, or asks for, what can't be frozen; `ends` don't depend on it."""
        read = self._read(ends)
        places: dict[str, set[str]] = {name: set() for name in self._scopes}
        for use in self._uses:
            if self._said(use):
                places[use.scope.name].add(use.node.name)
        self._add_callers(places)
        for name, scope in self._scopes.items():
            kept = read.get(name) or scope.read()
            leave_out(scope, _dependents(scope, places[name] - kept))

    def _read(self, ends: Iterable[str]) -> dict[str, set[str]]:
        """What is read on the way to these tensors, here and in functions that are called on the way."""
        main = Scope("", self._scopes[""].nodes, tuple(ends))
        found, waiting = dict[str, set[str]](), [main]
        while waiting:
            scope = waiting.pop()
            found[scope.name] = scope.read()
            callers = (node for node in scope.nodes if node.name in found[scope.name])
            names = {name for node in callers for name in called(node)}
            waiting += [self._scopes[name] for name in names & self._scopes.keys() - found.keys()]
        return found

    def _is_read(self, use: Use, read: Places) -> bool:
        if self._nodes[use.handle].op in _OLD_VARIABLES:  # whose readers don't know that they read a variable
            return use.handle in read[""]
        return use.node.name in read.get(use.scope.name, ())

    def _said(self, use: Use) -> str | None:
        """Why what a node does with a variable or a table can't be had from constants."""
        if use.handle not in self._names and (said := self._said_of_other(use)):
            return said
        name, change = self._names.get(use.handle, use.handle), self._changes.get(use.handle)
        if change:
            return f"the graph changes its variable {name} as it runs ({change.op}, {change.name})"
        more = f"the graph asks its variable {name} for more than its value: {use.node.name} ({use.node.op})"
        return None if use.node.op == _FROZEN else more

    def _said_of_other(self, use: Use) -> str | None:
        """Of what is no variable."""
        asking, change = f"{use.node.name} ({use.node.op})", self._changes.get(use.handle)
        if self._is_tables(use):
            changed = f" and changes it as it runs ({change.op}, {change.name})" if change else ""
            return f"the graph holds a table, asked by {asking}{changed}"
        other = self._nodes[use.handle].op == "Placeholder"
        return f"the graph holds a resource that only TensorFlow has, used by {asking}" if other else None

    def _is_tables(self, use: Use) -> bool:
        return use.node.op.startswith("LookupTable") or is_table(self._nodes[use.handle])

    def _add_callers(self, places: dict[str, set[str]]) -> None:
        """To these places those of nodes that call functions whose results come from there, and so on."""
        size = -1
        while size < (size := sum(map(len, places.values()))):
            inner = {name for name, nodes in places.items() if name and nodes & self._scopes[name].read()}
            for scope in self._scopes.values():
                places[scope.name] |= {node.name for node in scope.nodes if inner.intersection(called(node))}


def _dependents(scope: Scope, names: set[str]) -> set[str]:
    """These nodes and all that read their results."""
    found = set(names)
    while True:
        more = {
            node.name
            for node in scope.nodes
            if node.name not in found and any(maker(each) in found for each in data_inputs(node))
        }
        if not more:
            return found
        found |= more
