"""A network's FP16 as a GPU computes it, on a CPU.

There ONNX Runtime computes chains of FP16 operations in FP32, and leaves out all casts between them: nothing but the
weights would be rounded.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from converter.graph.passes.half import HALF

# What is multiplied by it loses, when it is taken away again, as many bits as FP32 has more than FP16: 13 of 24.
_FACTOR = 2.0**13 + 1
_FACTOR_NAME = "rounding/factor"


def round_in_fp32(model: Any) -> None:
    """Change a model that `half.to_half` has made: in FP32 throughout, with each value rounded that was in FP16.

    Values beyond FP16 stay what they are: see `ranges`.
    """
    nodes = [each for node in model.graph.node for each in _rounded(node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for weight in model.graph.initializer:
        if weight.name.endswith(HALF) and weight.data_type == TensorProto.FLOAT16:
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float32), weight.name))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(_FACTOR), _FACTOR_NAME))


def _rounded(node: Any) -> Iterator[Any]:
    """A node, and what rounds its results."""
    made = [name for name in node.output if name.endswith(HALF)]
    if node.op_type == "Cast" and made:
        yield from _round(node.input[0], made[0])
    elif node.op_type == "Cast" and node.input[0].endswith(HALF):
        yield helper.make_node("Identity", node.input, node.output, node.name)
    else:
        new = onnx.NodeProto()
        new.CopyFrom(node)
        new.output[:] = [f"{name}/exact" if name in made else name for name in node.output]
        yield new
        for name in made:
            yield from _round(f"{name}/exact", name)


def _round(given: str, made: str) -> Iterator[Any]:
    """Dekker's way to the leading bits of a number (Numerische Mathematik 18, 1971), nearest first."""
    large, rest = f"{made}/large", f"{made}/rest"
    yield helper.make_node("Mul", [given, _FACTOR_NAME], [large], large)
    yield helper.make_node("Sub", [large, given], [rest], rest)
    yield helper.make_node("Sub", [large, rest], [made], made)
