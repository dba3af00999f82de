"""A GraphDef as its main graph and its functions: which nodes their results are made from, and which only run beside.

What others only wait for (checks, prints, assignments) has no part in an answer.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# What only looks at a value and passes it on; all call what they give `output`.
_LOOK_ON = frozenset(
    {
        "Print",
        "CheckNumerics",
        "CheckNumericsV2",
        "DebugIdentity",
        "DebugIdentityV2",
        "DebugIdentityV3",
        "PreventGradient",
    }
)
_PLACED_BESIDE = "_class"  # has names as loc:@name
_OLD_CONTROL_FLOW = frozenset({"Enter", "Switch", "RefSwitch"})


@dataclass(frozen=True, slots=True)
class Scope:
    """The main graph, whose name is empty, or one of the functions."""

    name: str
    nodes: Any  # a protobuf's list of NodeDefs
    ends: tuple[str, ...]  # the tensors that are its results
    function: Any = None  # its FunctionDef

    @property
    def arguments(self) -> list[str]:
        """The names of a function's."""
        return [each.name for each in self.function.signature.input_arg] if self.function else []

    @property
    def known(self) -> dict[str, Any]:
        """Its nodes by their names."""
        return {node.name: node for node in self.nodes}

    @property
    def framed(self) -> set[str]:
        """The names of the nodes in loops and branches of the old kind, which are made of single operations."""
        found = {node.name for node in self.nodes if node.op in _OLD_CONTROL_FLOW}
        size = -1
        while found and size < len(found):
            size = len(found)
            found |= {each.name for each in self.nodes if any(maker(name) in found for name in _places(each))}
        return found

    def read(self) -> set[str]:
        """The names of the nodes from which its results are made."""
        known, framed = self.known, self.framed
        waiting, found = [maker(end) for end in self.ends], set[str]()
        while waiting:
            name = waiting.pop()
            if name in known and name not in found:
                found.add(name)
                waiting += map(maker, kept_inputs(known[name], framed=framed))
        return found


def scopes(definition: Any, ends: Iterable[str] = ()) -> list[Scope]:
    """All of a GraphDef's; `ends` are the tensors that are the results of its main graph."""
    functions = [
        Scope(each.signature.name, each.node_def, tuple(each.ret.values()), each)
        for each in definition.library.function
    ]
    return [Scope("", definition.node, tuple(ends)), *functions]


def maker(tensor: str) -> str:
    """The name of the node, or the function's argument, that an input of a node stands for."""
    return tensor.removeprefix("^").partition(":")[0]


def data_inputs(node: Any) -> list[str]:
    """The tensors that a NodeDef reads."""
    return [name for name in node.input if not name.startswith("^")]


def kept_inputs(node: Any, *, framed: Collection[str]) -> list[str]:
    """What a NodeDef reads; of one that reads nothing, those that it waits for which say in which loop it is."""
    return data_inputs(node) or [name for name in node.input if maker(name) in framed]


def _places(node: Any) -> list[str]:
    """The inputs that say in which loop or branch of the old kind a NodeDef is."""
    return data_inputs(node) or list(node.input)


def called(node: Any) -> Iterator[str]:
    """The names of the functions that a NodeDef calls."""
    for value in node.attr.values():
        yield from (each.name for each in (value.func, *value.list.func) if each.name)


def leave_out_waited_for(definition: Any, ends: Iterable[str]) -> None:
    """Leave out, in a GraphDef and its functions, what is not read on the way to their results, or only looks on."""
    for scope in scopes(definition, ends):
        for node in (node for node in scope.nodes if node.op in _LOOK_ON):
            _pass_on(node)
        framed, read = scope.framed, scope.read()
        leave_out(scope, scope.known.keys() - read)
        for node in scope.nodes:
            node.input[:] = kept_inputs(node, framed=framed)
    for function in definition.library.function:
        function.control_ret.clear()
        del function.signature.control_output[:]


def leave_out(scope: Scope, names: Collection[str]) -> None:
    """Take these nodes out, and have nobody wait for them; a graph's inputs stay."""
    known = scope.known
    gone = {name for name in names if known[name].op != "Placeholder"}
    for place in reversed(range(len(scope.nodes))):
        if scope.nodes[place].name in gone:
            del scope.nodes[place]
    for node in scope.nodes if gone else ():
        _forget(node, gone)


def keep_free(definition: Any, names: Iterable[str]) -> None:
    """Rename the nodes of a main graph whose results would be called as one of these names is: `node:0`."""
    taken = {maker(name) for name in names if ":" in name}
    for node in definition.node if taken else ():
        node.name += "/inside" if node.name in taken else ""
        node.input[:] = [_moved(name) if maker(name) in taken else name for name in node.input]


def _moved(name: str) -> str:
    before, colon, number = name.partition(":")
    return f"{before}/inside{colon}{number}"


def _forget(node: Any, gone: Collection[str]) -> None:
    """Have a NodeDef not wait for nodes that are gone, nor be placed beside one."""
    left = [name for name in node.input if maker(name) not in gone]
    if len(left) < len(node.input):
        node.input[:] = left
    if _PLACED_BESIDE in node.attr and {name.decode()[5:] for name in node.attr[_PLACED_BESIDE].list.s} & {*gone}:
        del node.attr[_PLACED_BESIDE]


def _pass_on(node: Any) -> None:
    """Make a NodeDef an Identity of the first that it reads."""
    node.op, kind = "Identity", node.attr["T"].type
    node.input[:] = data_inputs(node)[:1]
    node.attr.clear()
    node.attr["T"].type = kind
