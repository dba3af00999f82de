"""A copy for ONNX Runtime, which runs on any machine: the graph is cut at its decoder and converted.

What can't be cut or converted is left to TensorFlow, before the network or after it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx

from converter.contract import Options
from converter.graph import copy_files, precision
from converter.graph.cut import Cut, cut
from converter.graph.flat import Flat, flatten
from converter.graph.rows import Runs
from converter.model import sampling
from converter.model.pictures import prepare
from converter.model.signature import Signature, load, others
from converter.progress import Progress


def make(source: Path, into: Path, options: Options, progress: Progress) -> Mapping[str, Any]:
    """Cut, convert and save (see `converter.kind.Kind.make`); computes on the CPU."""
    tf.config.set_visible_devices([], "GPU")
    photos = sampling.pictures(options.images)
    with progress.step("load"):
        model, signature = load(source, declared=options.declared)
        lost = others(model, signature.description.signature)
        flat = flatten(signature)
        del model
    runs = running(flat, signature, photos)
    with progress.step("convert"):
        parts = cut(flat, runs)
        network, facts = precision.of_copy(flat, parts, options.precision, on=lambda: runs.of_each(photos))
    with progress.step("save"):
        copy_files.write(flat, parts, network, into, mixed=bool(facts.get("too_large_for_fp16")))
    runs.close()
    return {**_facts(parts), **facts, "signatures_lost": lost, "pictures": len(photos)}


def running(flat: Flat, signature: Signature, photos: Sequence[bytes]) -> Runs:
    """How the graph is run on photos; pictures of one size, since others may not share a batch."""
    into = signature.description.input
    if not into.decoded_here:
        return Runs(flat, photos)

    def feed(jpegs: Sequence[bytes]) -> Any:
        return prepare([jpegs[0]] * len(jpegs), [], into).values

    return Runs(flat, photos, feed=feed, pictures=into.batch or 2)


def _where(parts: Cut) -> str:
    if parts.pictures:
        return "at the decoder"
    return "nowhere" if parts.pixels else "before the network"


def _facts(parts: Cut) -> dict[str, Any]:
    """Where it was cut and why not elsewhere, and what is in each part."""
    carved = {
        "picture": parts.pictures.graph if parts.pictures else None,
        "head": parts.head,
        "network": parts.network,
        "tail": parts.tail,
    }
    found = {name: part for name, part in carved.items() if part is not None}
    return {
        "cut": _where(parts),
        "why": dict(parts.why),
        "operations": {name: sum(part.operations.values()) for name, part in found.items()},
        "operations_by_type": {name: dict(part.operations) for name, part in found.items()},
        "libraries": {each.__name__: each.__version__ for each in (onnx, tf2onnx, onnxruntime)},
    }
