"""Where tf2onnx was when it broke off: its errors say nothing of the model."""

from typing import Any

from tf2onnx.graph import Node


def operation(error: BaseException) -> str | None:
    """The name of the operation that tf2onnx worked on, by the innermost of its functions that had one; None: none."""
    found, trace = None, error.__traceback__
    while trace is not None:
        held: dict[str, Any] = trace.tb_frame.f_locals
        found = next((held[name].name for name in ("node", "op") if isinstance(held.get(name), Node)), found)
        trace = trace.tb_next
    return found
