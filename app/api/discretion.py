"""What answers leave out: where things lie on this machine, and how TensorFlow calls the nodes of its graphs.

Sentences of our own name folders by their last name. Those of libraries, of Python and of the converter's children
come as they are, so answers pass through here; the log has them whole.
"""

import re
from pathlib import PurePath
from typing import Any

# Not after a word, a dot or another slash: neither a/b nor http://… is a path from the root; nor is a route of ours.
_ROOT = r"file:/+|(?<!GET )(?<!PUT )(?<!POST )(?<!DELETE )(?<![\w.~+/:-])/+|(?<=:)/(?!/)"
_PATH = re.compile(rf"(?:{_ROOT})(?:[\w.@%+=~-]+/+)*([\w.@%+=~-]+)/?")
_NODE = re.compile(r"\s*(?:\[\[.*?\]\]|\{\{.*?\}\})")


def discreet(text: str) -> str:
    """The text with the last name of each absolute path in its place, and without names of nodes."""
    if "{{" in text:
        text = _NODE.sub("", text).strip()
    return _PATH.sub(lambda found: found[1], text) if "/" in text else text


def discreet_in(value: Any) -> Any:
    """A JSON value, or what becomes one, with each text in it `discreet`; names of fields stay."""
    if isinstance(value, str):
        return discreet(value)
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, dict):
        return {name: discreet_in(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [discreet_in(each) for each in value]
    return value
