"""What answers leave out: where things lie on this machine, and how TensorFlow calls the nodes of its graphs.

Sentences of our own name folders by their last name. Those of libraries, of Python and of the converter's children
come as they are, so answers pass through here; the log has them whole.
"""

import re
from pathlib import PurePath
from typing import Any

# Our own routes stay as they are. A folder with such a path is told too, which tells no more than the route does.
_ROUTES = (
    r"/(?:(?:detect|compare|metrics|healthz|readyz|startupz|docs|openapi\.json|model(?:/versions)?)|admin/(?:backend|reload)"
    r"|v2(?:/health/(?:live|ready)|/models/\{name\}(?:/ready|/infer)?)?|v1/vision/detection"
    r"|(?:v1/)?models/(?:\{name\}|NAME)(?:/metadata|:predict)?"
    r"|samples(?:/[\w{}-]+(?:/preview)?)?|convert(?:/jobs(?:/[\w{}-]+(?:/report)?)?)?)(?![\w@%+=~{/-]|\.\w)"
)
# Not after a word, a dot or another slash: neither a/b nor http://… is a path from the root.
_ROOT = r"file:/+|(?<![\w.~+/:-])/+|(?<=:)/(?!/)"
_NAME = r"[\w.@%+=~-]+"
# A folder's name may have a space or two, which only a slash behind it tells; a path in quotes ends with them.
_PATH = re.compile(
    rf"(?P<route>(?<![\w.~+/:-]){_ROUTES})"
    rf"|(?P<quote>['\"])(?!{_ROUTES}['\"])(?:file:)?/(?P<quoted>(?:(?!(?P=quote))[^\n])+)(?P=quote)"
    rf"|(?:{_ROOT})(?:{_NAME}(?: {_NAME}){{0,2}}/+)*(?P<last>{_NAME})/?"
)
_NODE = re.compile(r"\s?(?:\[\[[^\[\]]*\]\]|\{\{[^{}]*\}\})")  # from one bracket to the next: in linear time


def discreet(text: str) -> str:
    """The text with the last name of each absolute path in its place, and without names of nodes."""
    if "{{" in text:
        text = _NODE.sub("", text).strip()
    return _PATH.sub(_last_name, text) if "/" in text else text


def _last_name(found: re.Match[str]) -> str:
    if found["route"]:
        return found["route"]
    quote = found["quote"]
    return f"{quote}{found['quoted'].rstrip('/').rpartition('/')[2]}{quote}" if quote else found["last"]


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
