"""Makes the frozen and the ONNX copy of each kind of model in the zoo, and tells whether they find what it finds.

Run in a process of its own: `python tests/support/converter/zoo_copies.py ROOT KIND …`, where
tests/support/models/zoo.py has written them.
One JSON object on standard output: by kind and target the verdict and its reason, or `none` and why there is no copy.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from converter import targets
from converter.comparison import agreement, matching
from converter.contract import ConverterError, Options
from converter.description import Declared
from converter.model import describing, prediction, sampling
from converter.model.detections import Detections
from converter.model.onnx_copy import OnnxCopy
from converter.model.prediction import Predictor
from converter.model.savedmodel import Loaded
from converter.progress import silent
from converter.tolerance import Tolerance
from tests.support.models.declared import KINDS

LIMITS = Tolerance(fewest_boxes=5)
DOG = Path("tests/data/dog.jpg")


def main(root: Path, kinds: list[str]) -> None:
    photos = [*sampling.packaged(), DOG.read_bytes()]
    said = {name: judged(root / name / "1", Declared(**KINDS[name]), photos) for name in kinds}
    sys.stdout.write(f"{json.dumps(said)}\n")


def judged(source: Path, declared: Declared, photos: list[bytes]) -> dict[str, Any]:
    """What became of each copy."""
    native = Loaded(source, declared=declared)
    native.description = describing.describe_boxes(native, sampling.packaged())
    ours = found(native, photos)
    return {target: _judged(source, target, native, ours, photos) for target in ("frozen", "onnx")}


def _judged(source: Path, target: str, native: Loaded, ours: list[Detections], photos: list[bytes]) -> tuple[str, str]:
    options = Options(target=target).of(Declared(**KINDS[source.parent.name]))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        try:
            targets.kind(target).make(source, place, options, silent())
            native.description.write(place)
            copy: Predictor = OnnxCopy(place) if target == "onnx" else Loaded(place)
            theirs = found(copy, photos)
        except ConverterError as error:
            return "none", str(error)
    verdict = agreement.total(matching.compare(*pair, LIMITS) for pair in zip(ours, theirs, strict=True)).verdict(
        LIMITS
    )
    return verdict.word, verdict.reason


def found(model: Predictor, photos: list[bytes]) -> list[Detections]:
    """In each photo, alone in its batch but for what fills it."""
    size = model.description.input.batch or 1
    return [prediction.predict(model, [photo] * size, [sampling.size_of(photo)])[0] for photo in photos]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
