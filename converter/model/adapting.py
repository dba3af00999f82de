"""A signature's function made to take pictures alone and to give what is read, where it does not by itself.

What is added lies in the graph, so that every copy has it. Imports TensorFlow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from converter.model.spec import plain

Tensors = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Adapted:
    """How a function is called, and what it takes."""

    function: Any  # a ConcreteFunction of one input
    spec: Any  # the TensorSpec of this input
    own: Any = None  # the same with its outputs before anything is done with them, where that is another one


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What has to be added to a function."""

    fills: Mapping[str, Any] = field(default_factory=dict)  # the values of its further inputs; None: empty strings
    base64: bool = False  # it takes JPEG files in base64
    end: Callable[[Tensors], Tensors] | None = None  # what is done with its outputs

    @property
    def anything(self) -> bool:
        """Whether there is anything to add."""
        return bool(self.fills or self.base64 or self.end)


def adapt(function: Any, picture: str, needs: Needs) -> Adapted:
    """The function with all that it needs besides pictures; itself if it needs nothing."""
    takes: Mapping[str, tf.TensorSpec] = function.structured_input_signature[1]
    spec = takes[picture]
    if not needs.anything and all(plain(name) == name for name in (picture, *function.structured_outputs)):
        return Adapted(function, spec)
    taken = tf.TensorSpec(spec.shape, spec.dtype, name=plain(picture))

    def own(pictures: Any) -> Tensors:
        given = tf.io.encode_base64(pictures) if needs.base64 else pictures
        others = {name: _filled(takes[name], value, pictures) for name, value in needs.fills.items()}
        return {plain(name): tensor for name, tensor in function(**{picture: given, **others}).items()}

    made = _made(own, taken)
    if needs.end is None:
        return Adapted(made, taken)
    end = needs.end
    return Adapted(_made(lambda pictures: end(own(pictures)), taken), taken, made)


def _made(serve: Callable[[Any], Tensors], taken: Any) -> Any:
    return tf.function(serve, input_signature=[taken], autograph=False).get_concrete_function()


def _filled(spec: Any, value: Any, pictures: Any) -> Any:
    """An input's own value, or empty strings: one for each picture, or a single one."""
    if value is not None:
        return tf.constant(value, spec.dtype)
    return tf.constant("") if spec.shape.rank == 0 else tf.fill(tf.shape(pictures)[:1], "")
