"""What libraries complain of, in one line."""

# How every error from inside a graph begins (TensorFlow 2.14).
_SAY_NOTHING = ("Graph execution error:", "Detected at node ", "<stack traces unavailable>")


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something, cut to 300 characters: TensorFlow's go on for pages."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line[:300] for line in lines if line and not line.startswith(_SAY_NOTHING)), type(error).__name__)
