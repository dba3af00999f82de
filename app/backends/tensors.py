"""The tensors of a SavedModel's own signature, as a worker tells them: plain data, for clients that speak in tensors.

{"signature": its name, "inputs" and "outputs": {name: [type, shape]}, "gives": names of the outputs that can be had,
"picture": the input that takes pictures, "roles": what is read of the outputs and their names, "convention": their
kind, "unbatched": whether they lack a side for the batch, "shared": names of those that a call gives once}. A type is
TensorFlow's word; a shape is a list with null where a side may have any length, or null itself.
"""

from typing import Any

from converter.description import Description
from converter.model.signature import Signature
from converter.model.spec import plain


def of_signature(signature: Signature, description: Description) -> dict[str, Any]:
    """The tensors of a loaded signature."""
    takes, gives = signature.source.structured_input_signature[1], signature.source.structured_outputs
    return {
        "signature": description.signature,
        "inputs": {plain(name): _spec(spec) for name, spec in sorted(takes.items())},
        "outputs": {plain(name): _spec(spec) for name, spec in sorted(gives.items())},
        "gives": sorted(map(plain, (signature.own or signature.function).structured_outputs)),
        "picture": description.input.name,
        "roles": dict(description.outputs),
        "convention": description.convention,
        "unbatched": description.unbatched,
        "shared": sorted(signature.shared),
    }


def _spec(spec: Any) -> list[Any]:
    return [spec.dtype.name, None if spec.shape.rank is None else list(spec.shape)]
