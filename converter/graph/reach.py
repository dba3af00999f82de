"""Which operations of a graph lie before or after others, and where a cut between them is possible at all."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import cached_property
from typing import Any

import tensorflow as tf

from converter.graph.flat import Flat
from converter.graph.to_onnx import unknown

LEARNT = frozenset({"Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3D", "MatMul", "BatchMatMulV2"})
_PASSABLE = frozenset({tf.float32, tf.float64, tf.int32, tf.int64, tf.uint8, tf.int8, tf.bool})


class Reach:
    """A flat graph, and questions about its operations; operations are known by their names."""

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self.operations = {each.name: each for each in flat.graph.get_operations()}

    @cached_property
    def dependent(self) -> set[str]:
        """What depends on the files, and not only on how many there are."""
        counting = {each.name for each in self.flat.count_readers}
        return self.after([self.flat.strings], stop=lambda each: each.name in counting) - counting

    @cached_property
    def inconvertible(self) -> list[str]:
        """What depends on the files and has no counterpart in ONNX, itself or in its loops and branches."""
        return [name for name in self.dependent if self._inconvertible(self.operations[name])]

    @cached_property
    def enclosed(self) -> set[str]:
        """What lies in a loop or a branch of the old kind, made of single operations."""
        loops = self._between(("Enter",), ("Exit",), frozenset())
        return loops | self._between(("Switch",), ("Exit", "Merge"), loops)

    @cached_property
    def learnt(self) -> set[str]:
        """Convolutions and the like, also in loops."""
        return {
            name
            for name, each in self.operations.items()
            if each.type in LEARNT or any(node.op in LEARNT for node in self.flat.inside(each))
        }

    def after(self, names: Iterable[str], *, stop: Callable[[Any], bool] = lambda each: False) -> set[str]:
        """These operations and all that read their results; what is stopped at is reached, not passed."""
        return self._closure(names, self._readers, stop)

    def before(self, names: Iterable[str]) -> set[str]:
        """These operations and all that they need or wait for."""
        return self._closure(names, self._needs, lambda each: False)

    def passable(self, tensor: Any) -> bool:
        """Whether a tensor can be handed from one part to another."""
        return tensor.dtype in _PASSABLE and tensor.op.name not in self.enclosed

    def leaving(self, names: set[str]) -> Iterator[tuple[Any, Any]]:
        """The tensors that go from these operations to others, and to whom; only what depends on the files."""
        for name in sorted(names & self.dependent):
            for tensor in self.operations[name].outputs:
                yield from ((tensor, each) for each in tensor.consumers() if each.name not in names)

    def entering(self, names: set[str]) -> Iterator[Any]:
        """The tensors that these operations read from others; only what depends on the files."""
        for name in sorted(names):
            for tensor in self.operations[name].inputs:
                if tensor.op.name in self.dependent - names:
                    yield tensor

    def owners(self, node: str) -> list[str]:
        """The operation of this name, or those in whose loops and branches there is one."""
        if node in self.operations:
            return [node]
        return [
            name
            for name, each in self.operations.items()
            if name in self.dependent and any(inner.name == node for inner in self.flat.inside(each))
        ]

    def _between(self, opens: Sequence[str], closes: Sequence[str], loops: Set[str]) -> set[str]:
        begins = [name for name, each in self.operations.items() if each.type in opens]
        closed = {name for name, each in self.operations.items() if each.type in closes} - loops
        return self.after(begins, stop=lambda each: each.name in closed) - closed

    def _inconvertible(self, operation: Any) -> bool:
        if any(tensor.dtype == tf.string for tensor in (*operation.inputs, *operation.outputs)):
            return True
        return unknown(operation.node_def) or any(unknown(node) for node in self.flat.inside(operation))

    def _readers(self, operation: Any) -> Iterator[Any]:
        for tensor in operation.outputs:
            yield from tensor.consumers()

    def _needs(self, operation: Any) -> Iterator[Any]:
        yield from (tensor.op for tensor in operation.inputs)
        yield from operation.control_inputs

    def _closure(
        self, names: Iterable[str], step: Callable[[Any], Iterator[Any]], stop: Callable[[Any], bool]
    ) -> set[str]:
        found = set(names)
        waiting = [self.operations[name] for name in found]
        while waiting:
            for each in step(waiting.pop()):
                if each.name not in found:
                    found.add(each.name)
                    if not stop(each):
                        waiting.append(each)
        return found
