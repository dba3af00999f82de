"""Makes ONNX copies of detectors in FP32 and FP16 and compares them with the originals on real photos.

Run in a process of its own: `python tests/converter/onnx_agreement.py FOLDER PHOTOS`, where FOLDER has SavedModels.
One JSON object on standard output: by name and precision what was done, or the sentence of the refusal.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter import sampling
from converter.agreement import Limits, compare, total
from converter.contract import ConverterError
from converter.cutting import precision
from converter.cutting.flat import flatten
from converter.cutting.parts import cut
from converter.cutting.rows import Runs
from converter.detections import from_outputs
from converter.onnx_copy import OnnxCopy
from converter.progress import Progress
from converter.signature import load
from converter.targets import onnx

SILENT = Progress(show=lambda event: None, pass_on=lambda line: None)
# What scores exactly the same in the eyes of a threshold is told apart by rounding errors.
LIMITS = Limits(threshold=0.2, margin=0.01)

Call = Callable[[list[bytes]], Mapping[str, Any]]


@dataclass(frozen=True)
class Original:
    """A SavedModel, and what it finds."""

    signature: Any
    known: dict[tuple[bytes, ...], Mapping[str, Any]] = field(default_factory=dict)

    def __call__(self, jpegs: list[bytes]) -> Mapping[str, Any]:
        key = tuple(jpegs)
        if key not in self.known:
            self.known[key] = {name: tensor.numpy() for name, tensor in self.signature(tf.constant(jpegs)).items()}
        return self.known[key]


def compared(original: Call, copy: Call, photos: Sequence[bytes], size: int) -> dict[str, Any]:
    """How far two models agree in batches of `size`."""
    found = []
    for start in range(0, len(photos), size):
        jpegs = list(photos[start : start + size])
        ours, theirs = original(jpegs), copy(jpegs)
        assert described(ours) == described(theirs)
        sizes = [sampling.size_of(each) for each in jpegs]
        pairs = zip(from_outputs(ours, sizes), from_outputs(theirs, sizes), strict=True)
        found += [compare(one, other, LIMITS) for one, other in pairs]
    agreed = total(found)
    return {
        "boxes": agreed.native_boxes,
        "others": agreed.missing + agreed.extra + agreed.class_flips,
        "least_iou": float(agreed.ious.min()),
        "largest_score_difference": float(agreed.score_diffs.max()),
    }


def described(outputs: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {name: (value.shape, value.dtype.name) for name, value in sorted(outputs.items())}


def copied(source: Path, root: Path, photos: Sequence[bytes]) -> dict[str, Any]:
    """Both copies of one model, by precision."""
    model, signature = load(source)
    flat = flatten(signature)
    runs = Runs(flat, photos)
    try:
        parts = cut(flat, runs)
    except ConverterError as error:
        return {"FP32": {"refused": str(error)}}
    made: dict[str, Any] = {"FP32": {}}
    onnx.write(flat, parts, parts.network_model, root / "FP32")
    if source.name in HALVED:
        network, made["FP16"] = precision.reduce(flat, parts, runs, photos, SILENT)
        onnx.write(flat, parts, network, root / "FP16")
    original = Original(signature)
    for name, facts in made.items():
        copy = OnnxCopy(root / name)
        facts["files"] = sorted(path.name for path in (root / name).iterdir())
        facts["why"] = dict(parts.why)
        facts["bytes"] = sum(path.stat().st_size for path in (root / name).rglob("*") if path.is_file())
        facts["alone"] = compared(original, copy.run, photos, 1)
        if source.name not in ONE_AT_A_TIME:
            facts["together"] = compared(original, copy.run, photos, 4)
        copy.close()
    del model
    return made


HALVED = ("yolox_nano", "ssd", "loop")
ONE_AT_A_TIME = ("one_picture",)


def main() -> None:
    root = Path(sys.argv[1])
    photos = [path.read_bytes() for folder in sys.argv[2:] for path in sorted(Path(folder).glob("*.jpg"))]
    said = {}
    for source in sorted(root.iterdir()):
        into = root.parent / f"{source.name}_copies"
        into.mkdir()
        said[source.name] = copied(source, into, photos)
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
