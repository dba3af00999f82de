"""What libraries complain of, in one line that says what failed and where in the model, without their own marks."""

import re
from pathlib import Path

# How every error from inside a graph begins, and how a stack of Python's looks (TensorFlow 2.14).
_SAY_NOTHING = re.compile(
    r"Graph execution error:|Detected at node |in user code:|<stack traces unavailable>|Node: '|File \""
    r"|\d+ root error|\(\d+\) \w+:?$"
)
_PLACE = re.compile(r"\[\[\{\{node ([^}]+)\}\}|Node: '([^']+)'")
# Names of functions, addresses in sources of C++, and what they call themselves; none of it is in the model.
_MARKS = re.compile(
    r"\{\{function_node [^}]*\}\}\s*|\s*\[\[.*?\]\]|\s*\[Op:[^\]]*\].*|^\(\d+\) \w+: *"
    r"|\[ONNXRuntimeError\] : \d+ : \w+ : |(?:Exception during initialization: )?/onnxruntime_src/\S+ .*\) "
    r"|\b\w+\.cc:\d+ (?:\w+ )?"
)
_IN_OTHER_WORDS = (
    (re.compile(r"Op type not registered '(\w+)'.*"), r"it has the operation \1, which this TensorFlow doesn't know"),
    (
        re.compile(r"Non-zero status code returned while running (\w+) node\. Name:'([^']*)' Status Message: (.*)"),
        r"its operation \1 (\2) fails: \3",
    ),
    (
        re.compile(r".*Could not find an implementation for (\w+)\(\d+\) node with name '([^']*)'.*"),
        r"ONNX Runtime has no \1 for the types of \2",
    ),
)
_OF_PYTHON = (IndexError, KeyError, AttributeError, TypeError, AssertionError, NotImplementedError)
_LONGEST = 300


def first_line(error: BaseException, *folders: Path) -> str:
    """What an error's text says first, and at which operation, cut to 300 characters: TensorFlow's go on for pages.

    What libraries tell of one of `folders` has its name alone, not where it lies: a path may have anything in it.
    """
    text = str(error)
    for folder in folders:
        text = text.replace(str(folder), folder.name)
    if isinstance(error, _OF_PYTHON):  # that is about its own code
        return f"it broke off with {type(error).__name__} ({text[:100].strip()})"
    lines = (line.strip() for line in text.splitlines())
    said = next((line for line in lines if line and not _SAY_NOTHING.match(line)), type(error).__name__)
    where = _where(text)
    return _in_our_words(said)[: _LONGEST - len(where)] + where


def _where(text: str) -> str:
    place = _PLACE.search(text)
    return f" (at {next(filter(None, place.groups()))})" if place else ""


def _in_our_words(line: str) -> str:
    bare = _MARKS.sub("", line).strip()
    for theirs, ours in _IN_OTHER_WORDS:
        bare = theirs.sub(ours, bare)
    return bare
