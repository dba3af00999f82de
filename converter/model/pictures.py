"""JPEG files as a model's input: as they are, or decoded as TensorFlow does it, fitted and scaled."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.description import FLOAT16, FLOAT32, JPEG, SCALES, Input
from converter.model import jpeg, orientation
from converter.model.onnx_layout import Decode
from converter.model.orientation import Shown
from converter.model.placing import Placed, fit

_COLOURS = Decode(channels=3)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch as the model takes it."""

    values: Any  # a list of JPEG files, or an array (N, height, width, 3)
    placed: list[Placed]  # of the pictures that were asked for; padding has none
    decode_s: float | None = None  # what decoding and fitting took; None where the graph decodes


def prepare(
    jpegs: Sequence[bytes], sizes: Sequence[Shown], into: Input, pool: ThreadPoolExecutor | None = None
) -> Prepared:
    """These files as the input that is described, as they are shown; those beyond `sizes` are padding.

    jpeg.Undecodable or jpeg.NotReproducible as `jpeg.decode` raises them. Pictures of several sizes share a batch only
    where the input has one.
    """
    if into.kind == JPEG:
        return Prepared(orientation.turned_files(jpegs, sizes, pool), [Placed(size[:2], size[:2]) for size in sizes])
    started = time.perf_counter()
    one = partial(_one, into=into)
    wanted = orientation.wanted(jpegs, sizes)
    distinct = list(dict.fromkeys(wanted))  # padding is decoded once
    done = dict(zip(distinct, _mapped(pool)(one, distinct), strict=True))
    rows = [done[each] for each in wanted]
    values = np.stack([pixels for pixels, _ in rows])
    placed = [placed for _, placed in rows[: len(sizes)]]
    return Prepared(values, placed, time.perf_counter() - started)


def _mapped(pool: ThreadPoolExecutor | None) -> Callable[..., Iterable[Any]]:
    return pool.map if pool is not None else map


def _one(wanted: tuple[bytes, int], *, into: Input) -> tuple[NDArray[Any], Placed]:
    data, applied = wanted
    pixels = orientation.turned(jpeg.decode(data, _COLOURS), applied)
    size = (pixels.shape[1], pixels.shape[0])
    fitted, placed = (
        (pixels, Placed(size, size)) if into.size is None else fit(pixels, into.size, into.fit or "stretch")
    )
    if into.kind in (FLOAT32, FLOAT16):
        factor, shift = SCALES[into.scale or ""]
        scaled = fitted.astype(np.float32) * np.array(factor, np.float32) + np.array(shift, np.float32)
        return scaled.astype(into.kind, copy=False), placed
    return np.rint(fitted).astype(np.uint8), placed
