"""Python's collector of garbage, held back while a large library is imported."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def none_looked_for() -> Iterator[None]:
    """Import a library in here: what it makes stays, and looking through it again and again takes long.

    TensorFlow's import takes 1.5 s in place of 2.1. What is there at the end is never looked at again either.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
