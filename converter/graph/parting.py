"""The first operation that computes something else in an ONNX copy than in the model, given the model's own values.

Stretches of the graph are converted by themselves and run on what TensorFlow computed before them; where one gives
something else, its halves are. What only passes a difference on, or makes it larger, is so never blamed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter.contract import Options
from converter.graph.carve import Carved
from converter.graph.cut import Cut, cut
from converter.graph.export import running
from converter.graph.flat import flatten
from converter.graph.likeness import Difference
from converter.graph.loops import PIXELS
from converter.graph.rows import Runs
from converter.graph.stretches import Stretches, Values
from converter.model import jpeg, sampling
from converter.model.onnx_layout import COUNT
from converter.model.signature import load

_PHOTOS = 4
_FEW = 0.01  # of the values: a pixel on the edge between two others, and no reason for other boxes


def first(source: Path, options: Options) -> str | None:
    """The operation, its type and place, and how far its values part, as half a sentence; None if there is none.

    Computes on the CPU.
    """
    tf.config.set_visible_devices([], "GPU")
    photos = sampling.pictures(options.images)[:_PHOTOS]
    model, signature = load(source, declared=options.declared)
    flat = flatten(signature)
    runs = running(flat, signature, photos)
    parts = cut(flat, runs)
    found = [(name, *each) for name, part, given in _parts(parts, runs, photos) for each in _parted(part, given)]
    runs.close()
    del model
    clear = [each for each in found if each[2].share > _FEW]
    for name, operation, apart in [*clear, *found][:1]:
        return f"values part in the {name} at {operation.type} ({operation.name}), {apart}"
    return None


def _parts(parts: Cut, runs: Runs, photos: Sequence[bytes]) -> Iterator[tuple[str, Carved, list[Values]]]:
    """The parts that were converted, and what they read for each photo."""
    if parts.pictures:
        decode = parts.pictures.decode
        yield "picture graph", parts.pictures.graph, [{PIXELS: jpeg.decode(photo, decode)} for photo in photos]
    tensors = list(parts.begins)
    given = [dict(zip(parts.begins.values(), runs.run(tensors, runs.batch(photo)), strict=True)) for photo in photos]
    yield "network", parts.network, [{COUNT: runs.pictures, **each} for each in given]


def _parted(part: Carved, given: Sequence[Values]) -> Iterator[tuple[Any, Difference]]:
    """The operations of a part that compute something else, in order, up to the first that clearly does."""
    stretches = Stretches(part, given)
    for operation, apart in stretches.parted():
        yield operation, apart
        if apart.share > _FEW:
            break
    stretches.close()
