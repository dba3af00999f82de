"""The bundled model taken apart, for models that give its network other inputs and outputs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import tensorflow as tf

from app.settings import bundled_model
from converter.graph import loops
from converter.graph.carve import Carved, Source, carve
from converter.graph.flat import Flat, flatten
from converter.graph.weights import Weights
from converter.model.signature import load

Tensor = Any  # TensorFlow carries no types.
Outputs = Mapping[str, Tensor]

SIDE = 416  # of the network's pictures


class Parts:
    """The bundled model's graph, cut behind its decoder."""

    def __init__(self) -> None:
        self._model, signature = load(bundled_model() / "1")
        flat = flatten(signature)
        self._flat: Flat = replace(flat, definition=flat.weights.restored(flat.definition), weights=Weights())
        cut = loops.pictures(self._flat)
        self._picture: Carved = cut.graph
        self._names = dict(cut.stacked)
        self.network = carve(Source(self._flat.graph), self._names, dict(self._flat.outputs))
        self._head = carve(Source(self._flat.graph), self._names, self._before_nms())

    def _before_nms(self) -> dict[str, str]:
        """The tensors with all places' numbers, and with their boxes by corners in pixels."""
        operations = self._flat.graph.get_operations()
        nms = next(each for each in operations if each.type == "CombinedNonMaxSuppression")
        shares, scores = (each.op for each in nms.inputs[:2])
        in_order = shares.inputs[0].op.inputs[0].op  # the quotient's dividend
        numbers = scores.inputs[0].op.inputs[0]
        return {"numbers": numbers.name, "corners": in_order.inputs[0].name}

    def head(self, pictures: Tensor) -> Tensor:
        """For pictures as `fitted_already` (N, places, 85): the box' centre and size, whether anything is, classes."""
        found = self._imported(self._head, self._fed(self._head, pictures))
        low, high = tf.split(found["corners"], 2, axis=-1)
        return tf.concat([(low + high) / 2, high - low, found["numbers"][..., 4:]], axis=-1)

    def found(self, pictures: Tensor, *, one: bool = False) -> Outputs:
        """The bundled model's outputs for pictures (N, height, width, 3), uint8; `one`: N is 1."""
        types = [spec for spec in self.network.specs if spec.name in self._names.values()]
        if one:
            values = [row[tf.newaxis] for row in self._fitted(pictures[0])]
        else:
            rows = [tf.TensorSpec(spec.shape[1:], spec.dtype) for spec in types]
            values = tf.map_fn(self._fitted, pictures, fn_output_signature=rows)
        return self._imported(self.network, dict(zip(self._picture.fetches, values, strict=True)))

    def fitted_already(self, pictures: Tensor) -> Outputs:
        """The outputs for pictures (N, SIDE, SIDE, 3), float32 of 0 to 255."""
        return self._imported(self.network, self._fed(self.network, pictures))

    @staticmethod
    def _fed(part: Carved, pictures: Tensor) -> Outputs:
        size = tf.tile(tf.constant([[SIDE, SIDE]], tf.float32), [tf.shape(pictures)[0], 1])
        return {spec.name: pictures[..., ::-1] if spec.shape.rank == 4 else size for spec in part.specs}

    def decoded(self, jpegs: Tensor, *, channels: int = 3, instead: Mapping[str, Tensor] | None = None) -> Outputs:
        """The outputs for JPEG files (N,); `instead` takes the place of tensors of the network."""

        def fitted(jpeg: Tensor) -> list[Tensor]:
            pixels = tf.io.decode_jpeg(jpeg, channels=channels)
            return self._fitted(tf.ensure_shape(pixels, [None, None, 3]))

        types = [spec for spec in self.network.specs if spec.name in self._names.values()]
        rows = [tf.TensorSpec(spec.shape[1:], spec.dtype) for spec in types]
        values = tf.map_fn(fitted, jpegs, fn_output_signature=rows)
        return self._imported(self.network, dict(zip(self._picture.fetches, values, strict=True)), instead)

    def _fitted(self, pixels: Tensor) -> list[Tensor]:
        """What the network reads of one picture."""
        return list(self._imported(self._picture, {loops.PIXELS: pixels}).values())

    def _imported(
        self, part: Carved, values: Mapping[str, Tensor], instead: Mapping[str, Tensor] | None = None
    ) -> Outputs:
        feeds = {**{tensor: values[name] for name, tensor in part.feeds.items()}, **(instead or {})}
        found = tf.graph_util.import_graph_def(part.definition, feeds, list(part.fetches.values()), name="part")
        return dict(zip(part.fetches, found, strict=True))
