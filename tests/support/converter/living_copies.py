"""Makes frozen and ONNX copies of the models of tests/support/models/living.py and compares all that they answer.

Run in a process of its own: `python tests/support/converter/living_copies.py FOLDER`. One JSON object on standard
output: by model and target the largest difference of any number and the parts of the copy, or the refusal's sentence.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converter import targets
from converter.contract import ConverterError
from converter.model import sampling
from converter.model.onnx_copy import OnnxCopy
from converter.model.savedmodel import Loaded
from converter.progress import silent
from tests.support.models import living

SIZES = (1, 3)


def made(model: Path, target: str, native: Any, photos: Sequence[bytes], *, precision: str = "FP32") -> Any:
    """The largest difference and the parts, or the sentence."""
    kind, into = targets.kind(target), model.with_name(f"{model.name}_{target}_{precision}")
    into.mkdir()
    try:
        facts = kind.make(model, into, kind.options(batch_sizes=SIZES, precision=precision), silent())
    except ConverterError as error:
        return str(error)
    native.description.write(into)
    copy: Any = Loaded(into) if target == "frozen" else OnnxCopy(into)
    batches = [list(photos[:size]) for size in SIZES]
    return [
        max(difference(native.outputs(jpegs), copy.outputs(jpegs)) for jpegs in batches),
        [*facts.get("operations_by_type", ())],
    ]


def difference(ours: Any, theirs: Any) -> float:
    """The largest of any two numbers."""
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


def main() -> None:
    root, photos = Path(sys.argv[1]), sampling.packaged()
    living.build(root)
    said = {}
    for function in living.MODELS:
        model = root / function.__name__
        native = Loaded(model)
        native.description = replace(native.description, boxes="yxyx_norm")
        said[model.name] = {target: made(model, target, native, photos) for target in ("frozen", "onnx")}
        if function is living.repeated:
            said[model.name]["half"] = made(model, "onnx", native, photos, precision="FP16")
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
