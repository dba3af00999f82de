"""Which tensors of a graph have a row for each picture: found by running it on some."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from converter.contract import UnusableModel
from converter.graph.flat import Flat
from converter.graph.weights import marked
from converter.machine.error_text import first_line


class Runs:
    """Runs a flat graph, on the CPU; `feed` makes what it takes of JPEG files."""

    def __init__(
        self, flat: Flat, photos: Sequence[bytes], *, feed: Callable[[Sequence[bytes]], Any] = list, pictures: int = 2
    ) -> None:
        self._flat, self._feed = flat, feed
        self._photos = list(photos)
        self._known: dict[str, bool] = {}
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        self._session = tf.compat.v1.Session(graph=flat.graph, config=config)
        self._pictures = pictures  # in a call

    def run(self, tensors: Sequence[str], jpegs: Sequence[bytes], given: dict[str, Any] | None = None) -> list[Any]:
        """The values of these tensors for these JPEG files; `given` takes the place of what the graph computes."""
        fed = {f"{self._flat.strings}:0": self._feed(jpegs), **self._weights(tensors), **(given or {})}
        values: list[Any] = self._session.run(tensors, fed)
        return values

    def has_rows(self, tensor: Any) -> bool:
        """Whether a tensor has a row for each picture."""
        if tensor.name not in self._known:
            self._known[tensor.name] = self._has_rows(tensor)
        return self._known[tensor.name]

    def close(self) -> None:
        """End it."""
        self._session.close()

    def _weights(self, tensors: Sequence[str]) -> dict[str, Any]:
        """The weights on which tensors depend, by the tensors that are marks in their place."""
        waiting = [self._flat.graph.get_tensor_by_name(each).op for each in tensors]
        needed: dict[str, Any] = {}
        while waiting:
            operation = waiting.pop()
            if operation.name not in needed:
                needed[operation.name] = operation
                waiting += [*(each.op for each in operation.inputs), *operation.control_inputs]
        marks = {f"{name}:0": marked(each.node_def) for name, each in needed.items()}
        return {tensor: self._flat.weights[weight] for tensor, weight in marks.items() if weight}

    def _has_rows(self, tensor: Any) -> bool:
        try:
            (value,) = self.run([tensor.name], self._photos[: self._pictures])
        except tf.errors.OpError as error:
            if self._pictures == 1:
                raise UnusableModel(f"the model doesn't run: {first_line(error)}") from error
            self._pictures = 1  # it may be made for one picture at a time
            return self._has_rows(tensor)
        return value.ndim > 0 and len(value) == self._pictures
