"""What SavedModels give for photos: `python tests/support/converter/outputs.py PHOTOS MODEL…`, each a folder.

Run in a process of its own. One JSON object on standard output: by model its input's name and shape, the names of its
outputs, and the outputs for all photos of PHOTOS as one batch.
"""

import json
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter.model.signature import load


def describe(folder: Path, jpegs: list[bytes]) -> dict[str, Any]:
    _, signature = load(folder)
    (spec,) = signature.function.structured_input_signature[1].values()
    outputs = signature(tf.constant(jpegs))
    return {
        "input": [signature.input_name, str(spec.shape)],
        "outputs": {name: tensor.numpy().tolist() for name, tensor in outputs.items()},
    }


if __name__ == "__main__":
    photos = [path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.jpg"))]
    sys.stdout.write(json.dumps({model: describe(Path(model), photos) for model in sys.argv[2:]}))
