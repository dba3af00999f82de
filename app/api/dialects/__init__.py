"""The protocols that detections are asked for in, one file each: it reads its requests and writes its answers.

May import: app.api.
"""

from collections.abc import Callable, Mapping
from importlib import import_module

from fastapi import APIRouter

from app.api.error_forms import ErrorForm
from app.api.pipeline import Pipeline

Dialect = Callable[[Pipeline], APIRouter]  # the protocol's routes, all of which need the detection token if one is set

# A protocol is one file beside this one, with a function `routes`, and a word here. Where its clients read errors in
# another form than ours, it has `ERRORS` besides: by the beginning of a path, what makes the body of an error.
_FILES = ("detect", "open_inference", "tensorflow_serving", "deepstack", "hugging_face")


def error_forms() -> Mapping[str, ErrorForm]:
    """The forms of errors that are not ours, by the beginning of the paths."""
    modules = (import_module(f"{__name__}.{name}") for name in _FILES)
    return {path: form for module in modules for path, form in getattr(module, "ERRORS", {}).items()}


def dialects() -> Mapping[str, Dialect]:
    """All protocols by name."""
    return {name: import_module(f"{__name__}.{name}").routes for name in _FILES}
