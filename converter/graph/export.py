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
from converter.graph import onnx_files, savedmodels
from converter.graph.carve import Carved
from converter.graph.cut import Cut, cut
from converter.graph.flat import Flat, flatten
from converter.graph.passes.half import KEPT, to_half
from converter.graph.rows import Runs
from converter.model import sampling
from converter.model.onnx_layout import HEAD, NETWORK, PICTURE, TAIL, Layout, Part
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
    runs = _runs(flat, signature, photos)
    with progress.step("convert"):
        parts = cut(flat, runs)
        network, facts = in_precision(parts.network_model, options.precision)
    with progress.step("save"):
        write(flat, parts, network, into)
    runs.close()
    return {**_facts(parts), **facts, "signatures_lost": lost, "pictures": len(photos)}


def _runs(flat: Flat, signature: Signature, photos: Sequence[bytes]) -> Runs:
    """How the graph is run on photos; pictures of one size, since others may not share a batch."""
    into = signature.description.input
    if not into.decoded_here:
        return Runs(flat, photos)

    def feed(jpegs: Sequence[bytes]) -> Any:
        return prepare([jpegs[0]] * len(jpegs), [], into).values

    return Runs(flat, photos, feed=feed, pictures=into.batch or 2)


def in_precision(network: Any, precision: str) -> tuple[Any, dict[str, Any]]:
    """The network in FP32 or FP16, and what to tell about it."""
    if precision == "FP32":
        return network, {"precision": precision}
    network, operations = to_half(network)
    return network, {"precision": precision, "operations_in_fp16": operations, "depth_in_fp32": KEPT}


def write(flat: Flat, parts: Cut, network: Any, into: Path) -> None:
    """The copy's files, with `network` as its network."""
    into.mkdir(exist_ok=True)
    onnx_files.save(network, into / NETWORK)
    if parts.picture_model is not None:
        onnx_files.save(parts.picture_model, into / PICTURE)
    for name, part in ((HEAD, parts.head), (TAIL, parts.tail)):
        if part is not None:
            savedmodels.save(part, into / name)
    _layout(flat, parts).write(into)


def _layout(flat: Flat, parts: Cut) -> Layout:
    return Layout(
        input_name=flat.input_name,
        outputs=tuple(flat.outputs),
        network=_part(parts.network),
        decode=parts.pictures.decode if parts.pictures else None,
        picture=_part(parts.pictures.graph) if parts.pictures else None,
        head=_part(parts.head) if parts.head else None,
        tail=_part(parts.tail) if parts.tail else None,
        pixels=parts.pixels,
    )


def _part(part: Carved) -> Part:
    return Part(reads=tuple(part.feeds), writes=tuple(part.fetches))


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
