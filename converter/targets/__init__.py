"""The kinds of copies: one file each, named in one list, made in a child process.

May import: converter.graph, converter.machine, converter.model, converter.tftrt.
"""

from collections.abc import Mapping
from importlib import import_module

from converter.contract import BadOptions
from converter.kind import Kind

# A new kind is a file beside this one that has a KIND, and a line here.
_MODULES = (
    "frozen",
    "trt",
    "onnx",
)
KINDS: Mapping[str, Kind] = {name: import_module(f"{__name__}.{name}").KIND for name in _MODULES}


def kind(name: str) -> Kind:
    """The kind of this name; BadOptions if there is none."""
    if name not in KINDS:
        raise BadOptions(f"the target {name!r} is not one of {', '.join(KINDS)}")
    return KINDS[name]
