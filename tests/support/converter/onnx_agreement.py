"""Makes ONNX copies of detectors in FP32 and FP16 and compares them with the originals on real photos.

Run in a process of its own: `python tests/support/converter/onnx_agreement.py FOLDER MODEL PHOTOS…`. The models are
those of tests/support/models (cuts.py, ssd.py), built in FOLDER, and MODEL. One JSON object on standard output: by name
what was done in each precision, or the sentence of the refusal.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter.comparison.agreement import total
from converter.comparison.matching import compare
from converter.contract import ConverterError
from converter.graph import copy_files
from converter.graph.cut import cut
from converter.graph.flat import flatten
from converter.graph.precision import of_copy
from converter.graph.rows import Runs
from converter.model import sampling
from converter.model.onnx_copy import OnnxCopy
from converter.model.signature import load
from converter.tolerance import Tolerance
from tests.support.converter.reading import from_outputs
from tests.support.models import cuts, ssd

LIMITS = Tolerance(margin=0.01)  # rounding errors move no score that far

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
        assert shapes(ours) == shapes(theirs)
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


def shapes(outputs: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {name: (value.shape, value.dtype.name) for name, value in sorted(outputs.items())}


def copied(source: Path, root: Path, photos: Sequence[bytes]) -> dict[str, Any]:
    """What became of one model, by precision."""
    model, signature = load(source)
    flat = flatten(signature)
    runs = Runs(flat, photos)
    try:
        parts = cut(flat, runs)
    except ConverterError as error:
        return {"refused": str(error)}
    finally:
        runs.close()
    original = Original(signature)
    said: dict[str, Any] = {"why": dict(parts.why)}
    for precision in PRECISIONS if source.name in HALVED else PRECISIONS[:1]:
        network, facts = of_copy(flat, parts, precision, on=lambda: [photos[:1]])
        assert {each.name for each in network.graph.output} == set(parts.network.fetches), "no others are left"
        copy_files.write(flat, parts, network, root / precision)
        sizes = (1,) if source.name in ONE_AT_A_TIME else (1, 4)
        said[precision] = {**facts, **described(root / precision, original, photos, sizes)}
    del model
    return said


def described(folder: Path, original: Original, photos: Sequence[bytes], sizes: Sequence[int]) -> dict[str, Any]:
    """A copy's files and how far it agrees, by batch size."""
    parts = sorted(path.name for path in folder.iterdir())
    files = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    replace(original.signature.description, boxes="yxyx_norm").write(folder)
    copy = OnnxCopy(folder)
    agreed = {size: compared(original, copy.outputs, photos, size) for size in sizes}
    copy.close()
    return {"parts": parts, "bytes": files, "agreed": agreed}


PRECISIONS = ("FP32", "FP16")
HALVED = ("bundled", "ssd", "loop")
ONE_AT_A_TIME = ("one_picture",)


def main() -> None:
    root, bundled = Path(sys.argv[1]), Path(sys.argv[2])
    photos = [path.read_bytes() for folder in sys.argv[3:] for path in sorted(Path(folder).glob("*.jpg"))]
    cuts.build(root / "models")
    ssd.build(root / "models" / "ssd", 256)
    (root / "models" / "bundled").symlink_to(bundled)
    said = {}
    for source in sorted((root / "models").iterdir()):
        into = root / f"{source.name}_copies"
        into.mkdir()
        said[source.name] = copied(source, into, photos)
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
