"""Stretches of a carved part: each as TensorFlow runs it, and as an ONNX model of its own on the same values."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import onnxruntime
import tensorflow as tf

from converter.graph import to_onnx
from converter.graph.carve import Carved, Source, carve
from converter.graph.flat import import_graph
from converter.graph.likeness import Difference, difference
from converter.graph.weights import fed

_MOST = 64  # operations that are converted at once
_SILENT = frozenset({"Const", "Placeholder", "Identity", "NoOp", "Assert"})
_HALF = frozenset({tf.float16, tf.bfloat16})
_PASSABLE = frozenset({tf.float16, tf.float32, tf.float64, tf.int32, tf.int64, tf.uint8, tf.int8, tf.bool})

Values = Mapping[str, Any]
Convert = Callable[[Carved, str], Any]


class _Unsure(Exception):
    """A stretch can't be converted or run by itself."""


class Stretches:
    """A part, and what it read of each photo (by the names of its values)."""

    def __init__(self, part: Carved, given: Sequence[Values], *, convert: Convert = to_onnx.convert) -> None:
        self._part, self._graph = part, import_graph(part.definition)
        self._given = [{part.feeds[name]: each[name] for name in part.feeds} for each in given]
        self._functions = {each.signature.name: each for each in part.definition.library.function}
        self._dependent = _after([each for each in self._graph.get_operations() if each.type == "Placeholder"])
        self._convert = convert
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        self._session = tf.compat.v1.Session(graph=self._graph, config=config)

    def parted(self) -> Iterator[tuple[Any, Difference]]:
        """The operations that compute something else than TensorFlow does with the same values, in order."""
        every = self._graph.get_operations()
        operations = [each for each in every if each.type not in _SILENT and each.name in self._dependent]
        for start in range(0, len(operations), _MOST):
            yield from self._within(operations[start : start + _MOST])

    def close(self) -> None:
        """End it."""
        self._session.close()

    def _within(self, stretch: Sequence[Any]) -> Iterator[tuple[Any, Difference]]:
        try:
            found = self._difference(stretch)
        except _Unsure:
            found = None if len(stretch) == 1 else Difference(0.0, 0.0, 0.0)
        if found is None:
            return
        if len(stretch) == 1:
            yield stretch[0], found
            return
        half = len(stretch) // 2
        yield from self._within(stretch[:half])
        yield from self._within(stretch[half:])

    def _difference(self, stretch: Sequence[Any]) -> Difference | None:
        """Of the results that others read, on the first photo on which one differs."""
        reads, writes = self._entering(stretch), self._leaving(stretch)
        if not writes:
            return None
        session = self._converted(reads, writes)
        for values in self._given:
            before = self._run([*reads, *writes], values)
            theirs = _ran(session, dict(zip(reads.values(), before, strict=False)), list(writes.values()))
            pairs = zip(before[len(reads) :], theirs, strict=True)
            if apart := [found for pair in pairs if (found := difference(*pair, half=_in_half(stretch)))]:
                self._check_steady(writes, values)
                return max(apart, key=lambda each: each.share)
        return None

    def _check_steady(self, tensors: Any, values: Values) -> None:
        """_Unsure if TensorFlow's own values differ from call to call."""
        calls = zip(self._run(tensors, values), self._run(tensors, values), strict=True)
        if any(difference(*pair) for pair in calls):
            raise _Unsure

    def _run(self, tensors: Any, values: Values) -> list[Any]:
        names = list(tensors)
        try:
            found: list[Any] = self._session.run(names, {**values, **fed(self._graph, self._part.weights, names)})
        except (tf.errors.OpError, ValueError) as error:  # a value inside a loop of the old kind, for one
            raise _Unsure from error
        return found

    def _converted(self, reads: Mapping[str, str], writes: Mapping[str, str]) -> Any:
        source = Source(self._graph, self._functions, self._part.weights)
        try:
            part = carve(source, reads, {name: tensor for tensor, name in writes.items()})
            model = self._convert(part, "stretch")
            return onnxruntime.InferenceSession(model.SerializeToString(), _settings(), ["CPUExecutionProvider"])
        # A library gives up by whatever it raises; then the halves are tried.
        except Exception as error:
            raise _Unsure from error

    def _entering(self, stretch: Sequence[Any]) -> dict[str, str]:
        """The tensors that a stretch reads, with names; what no value can be given for is computed anew."""
        inside, waiting = _names(stretch), list(stretch)
        found: dict[str, str] = {}
        while waiting:
            for tensor in waiting.pop().inputs:
                if tensor.op.name in inside or tensor.op.name not in self._dependent:
                    continue
                if tensor.dtype in _PASSABLE:
                    found.setdefault(tensor.name, f"given_{len(found)}")
                else:
                    inside.add(tensor.op.name)
                    waiting.append(tensor.op)
        return found

    def _leaving(self, stretch: Sequence[Any]) -> dict[str, str]:
        """The results of a stretch that others read, with names."""
        tensors = [tensor for each in stretch for tensor in each.outputs if tensor.dtype in _PASSABLE]
        read = [each.name for each in tensors if _names(each.consumers()) - _names(stretch)]
        return {name: f"made_{number}" for number, name in enumerate(read)}


def _in_half(stretch: Sequence[Any]) -> bool:
    """Whether TensorFlow computes some of it in half precision."""
    return any(each.dtype in _HALF for operation in stretch for each in (*operation.inputs, *operation.outputs))


def _names(operations: Iterable[Any]) -> set[str]:
    return {each.name for each in operations}


def _settings() -> Any:
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    return settings


def _ran(session: Any, values: Values, names: Sequence[str]) -> list[Any]:
    wanted = {each.name for each in session.get_inputs()}
    try:
        found: list[Any] = session.run(names, {name: value for name, value in values.items() if name in wanted})
    # ONNX Runtime's errors have no class in common.
    except Exception as error:
        raise _Unsure from error
    return found


def _after(operations: Sequence[Any]) -> set[str]:
    """These and all that depend on them."""
    waiting = list(operations)
    found = {each.name: each for each in operations}
    while waiting:
        readers = {each.name: each for tensor in waiting.pop().outputs for each in tensor.consumers()}
        new = {name: each for name, each in readers.items() if name not in found}
        found |= new
        waiting += new.values()
    return set(found)
