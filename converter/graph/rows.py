"""Which tensors of a graph have a row for each picture: found by running it on some."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from converter.contract import UnusableModel
from converter.graph.flat import Flat
from converter.graph.weights import fed
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
        self.pictures = pictures  # in a call

    def run(self, tensors: Sequence[str], jpegs: Sequence[bytes], given: dict[str, Any] | None = None) -> list[Any]:
        """The values of these tensors for these JPEG files; `given` takes the place of what the graph computes."""
        weights = fed(self._flat.graph, self._flat.weights, tensors)
        values: list[Any] = self._session.run(
            tensors, {f"{self._flat.strings}:0": self._feed(jpegs), **weights, **(given or {})}
        )
        return values

    def batch(self, photo: bytes) -> list[bytes]:
        """A photo as often as pictures are in a call."""
        return [photo] * self.pictures

    def of_each(self, photos: Sequence[bytes]) -> Iterator[Any]:
        """What the graph takes in a call, for one photo after the other."""
        return (self._feed(self.batch(photo)) for photo in photos)

    def has_rows(self, tensor: Any) -> bool:
        """Whether a tensor has a row for each picture."""
        if tensor.name not in self._known:
            self._known[tensor.name] = self._has_rows(tensor)
        return self._known[tensor.name]

    def close(self) -> None:
        """End it."""
        self._session.close()

    def _has_rows(self, tensor: Any) -> bool:
        try:
            (value,) = self.run([tensor.name], self._photos[: self.pictures])
        except tf.errors.OpError as error:
            if self.pictures == 1:
                raise UnusableModel(f"the model doesn't run: {first_line(error)}") from error
            self.pictures = 1  # it may be made for one picture at a time
            return self._has_rows(tensor)
        return value.ndim > 0 and len(value) == self.pictures
