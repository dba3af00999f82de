"""What libraries complain of, in one line."""

from pathlib import Path

# How every error from inside a graph begins (TensorFlow 2.14).
_SAY_NOTHING = ("Graph execution error:", "Detected at node ", "<stack traces unavailable>")


def first_line(error: BaseException, *folders: Path) -> str:
    """The first line of an error's text that says something, cut to 300 characters: TensorFlow's go on for pages.

    What libraries tell of one of `folders` has its name alone, not where it lies: a path may have anything in it.
    """
    text = str(error)
    for folder in folders:
        text = text.replace(str(folder), folder.name)
    lines = (line.strip() for line in text.splitlines())
    return next((line[:300] for line in lines if line and not line.startswith(_SAY_NOTHING)), type(error).__name__)
