"""How far the raw boxes and scores of a RetinaNet move when it is converted, before anything is left out of them.

Run in a process of its own: `python tests/support/converter/onnx_retinanet.py`. One JSON object on standard output: by
precision the largest differences to TensorFlow, of scores and of boxes in shares of their anchors.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from benchmarks import retinanet
from converter.description import Description, Input
from converter.graph.cut import cut
from converter.graph.flat import flatten
from converter.graph.precision import of_copy
from converter.graph.rows import Runs
from converter.model import sampling
from converter.model.detections import BOXES
from converter.model.signature import Signature
from tests.support.models import retinanet_raw
from tests.support.models.retinanet_raw import ALL_SCORES

SIZE = 256


def differences(network: Any, reads: Mapping[str, Any], native: Mapping[str, Any]) -> dict[str, float]:
    """The largest ones, of one picture."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [BOXES, ALL_SCORES]
    found = session.run(names, {each.name: reads[each.name] for each in session.get_inputs()})
    boxes, scores = (np.abs(ours - native[name]) for ours, name in zip(found, names, strict=True))
    sides = np.tile(retinanet.anchors(SIZE)[:, 2:] / SIZE, 2)
    return {
        "scores": float(scores.max()),
        "boxes": float(boxes.max()),
        "boxes_in_anchors": float((boxes / sides).max()),
        "bytes": network.ByteSize(),
    }


def description() -> Description:
    """Of what is compared here; it is not read."""
    return Description(input=Input(name="image_bytes"), outputs={})


def main() -> None:
    photos = sampling.packaged()
    module = retinanet_raw.detector(SIZE)  # as it is: to save it and to load it again takes longer than the rest
    function = module.serve.get_concrete_function()
    flat = flatten(Signature(description(), function, function.structured_input_signature[0][0], function))
    runs = Runs(flat, photos)
    parts = cut(flat, runs)
    values = runs.run([*parts.begins, *flat.outputs.values()], photos)
    reads = dict(zip(parts.begins.values(), values, strict=False))
    native = dict(zip(flat.outputs, values[len(parts.begins) :], strict=True))
    said = {
        precision: differences(of_copy(flat, parts, precision, on=tuple)[0], reads, native)
        for precision in ("FP32", "FP16")
    }
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
