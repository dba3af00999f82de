"""What tf2onnx (1.17) accepts and makes something else of, and no rewrite is at hand (see `substitutes`).

One list for every part that is carved: such an operation is left to TensorFlow, as one that ONNX doesn't have.
"""

from collections.abc import Callable, Mapping
from typing import Any


def mistaken(node: Any) -> bool:
    """Whether tf2onnx would make something else of a NodeDef."""
    return node.op in _MISTAKES and _MISTAKES[node.op](node)


def _always(node: Any) -> bool:
    return True


_MISTAKES: Mapping[str, Callable[[Any], bool]] = {
    "ResizeArea": _always,  # it makes the nearest pixel of it
    "ExtractImagePatches": _always,  # it multiplies the number of pictures, which isn't known
}
