"""tf.switch_case as tf.conds inside each other: TensorFlow keeps those whole when it inlines, and ONNX has them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import function_pb2, node_def_pb2

from converter.graph.carve import constant
from converter.graph.scopes import Scope, data_inputs, scopes

_CASES = {"Case": "If", "StatelessCase": "StatelessIf"}
_BOOL, _INT32 = tf.bool.as_datatype_enum, tf.int32.as_datatype_enum
_WHICH = "which_branch"  # the last argument of the functions made here: the number of the branch


def nest(definition: Any) -> None:
    """Rewrite, in a GraphDef and its functions, each choice between several branches as choices between two."""
    known = {each.signature.name: each for each in definition.library.function}
    for scope in scopes(definition):
        for case in _cases(scope):
            branches = [known[each.name] for each in case.attr["branches"].list.func]
            definition.library.function.extend(_rest(case, branches))
            _rewrite(scope, case)


def _cases(scope: Scope) -> list[Any]:
    return [node for node in scope.nodes if node.op in _CASES and len(node.attr["branches"].list.func) > 1]


def _rewrite(scope: Scope, case: Any) -> None:
    """Into the first of the choices."""
    index, *inputs = data_inputs(case)
    *compared, choice = _choice(case, 0, index, inputs, in_function=bool(scope.name))
    choice.name = case.name
    choice.input.extend(name for name in case.input if name.startswith("^"))
    _take(scope, case, [*compared, choice])


def _take(scope: Scope, case: Any, nodes: Sequence[Any]) -> None:
    """Put nodes in the place of one."""
    place = next(number for number, node in enumerate(scope.nodes) if node.name == case.name)
    del scope.nodes[place]
    scope.nodes.extend(nodes)


def _rest(case: Any, branches: Sequence[Any]) -> Iterator[Any]:
    """The functions that a row of choices needs: of each the branch that it takes, and what comes after it."""
    last = len(branches) - 1
    for number, branch in enumerate(branches):
        copy = function_pb2.FunctionDef()
        copy.CopyFrom(branch)
        copy.signature.name = _branch(case, number)
        if number < last - 1:
            copy.signature.input_arg.add(name=_WHICH, type=_INT32)
        yield copy
        if 0 < number < last:
            yield _after(case, number, branch.signature)


def _after(case: Any, number: int, signature: Any) -> Any:
    """A function that chooses between the branch of a number and those after it."""
    function = function_pb2.FunctionDef()
    function.signature.name = _later(case, number)
    for each in signature.input_arg:
        function.signature.input_arg.add().CopyFrom(each)
    function.signature.input_arg.add(name=_WHICH, type=_INT32)
    for each in signature.output_arg:
        function.signature.output_arg.add().CopyFrom(each)
    inputs = [each.name for each in signature.input_arg]
    function.node_def.extend(_choice(case, number, _WHICH, inputs, in_function=True))
    for place, each in enumerate(signature.output_arg):
        function.ret[each.name] = f"{function.node_def[-1].name}:output:{place}"
    return function


def _choice(case: Any, number: int, index: str, inputs: Sequence[str], *, in_function: bool) -> list[Any]:
    """The nodes that compare and choose; the last one chooses."""
    name = f"{case.name}/branch_{number}"
    this = constant(f"{name}/number", np.int32(number))
    output = (lambda node, result: f"{node}:{result}:0") if in_function else (lambda node, result: node)
    same = node_def_pb2.NodeDef(name=f"{name}/same", op="Equal", input=[index, output(this.name, "output")])
    same.attr["T"].type = _INT32
    last = len(case.attr["branches"].list.func) - 1
    is_last = number == last - 1
    choice = node_def_pb2.NodeDef(name=name, op=_CASES[case.op], input=[output(same.name, "z"), *inputs])
    for key, value in case.attr.items():
        if key not in ("branches", "_read_only_resource_inputs"):
            choice.attr[key].CopyFrom(value)
    choice.attr["Tcond"].type = _BOOL
    choice.attr["then_branch"].func.name = _branch(case, number)
    choice.attr["else_branch"].func.name = _branch(case, last) if is_last else _later(case, number + 1)
    if not is_last:
        choice.input.append(index)
        choice.attr["Tin"].list.type.append(_INT32)
    return [this, same, choice]


def _branch(case: Any, number: int) -> str:
    return f"{case.attr['branches'].list.func[number].name}_of_{case.name.replace('/', '_')}"


def _later(case: Any, number: int) -> str:
    return f"{_branch(case, number)}_or_later"
