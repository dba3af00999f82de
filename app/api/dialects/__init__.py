"""The protocols that detections are asked for in, one file each: it reads its requests and writes its answers.

May import: app.api.
"""

from collections.abc import Callable, Mapping
from importlib import import_module

from fastapi import APIRouter

from app.api.pipeline import Pipeline

Dialect = Callable[[Pipeline], APIRouter]  # the protocol's routes, all of which need the detection token if one is set

_FILES = ("detect",)  # a protocol is one file beside this one, with a function `routes`, and a word here


def dialects() -> Mapping[str, Dialect]:
    """All protocols by name."""
    return {name: import_module(f"{__name__}.{name}").routes for name in _FILES}
