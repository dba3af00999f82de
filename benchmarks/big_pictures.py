"""Where the time of a 12 MP picture goes in an ONNX copy: `python -m benchmarks.big_pictures COPY`.

COPY is the bundled model's; GLIBC_TUNABLES=glibc.malloc.hugetlb=1 is what its worker has. The packaged photos are
enlarged to 12 MP, with noise as of a camera. Decoding is tried as the model has it and in other ways, and so is what
the copy does before its network; for decoding at a smaller size, whether its boxes are still those of the whole picture
by the gate's limits.
"""

import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnxruntime
import simplejpeg
from PIL import Image

from benchmarks.raw import PHOTOS
from converter.comparison.agreement import total
from converter.comparison.matching import compare
from converter.model import jpeg
from converter.model.onnx_copy import OnnxCopy
from converter.model.onnx_layout import PICTURE, Decode
from converter.model.prediction import predict
from converter.tolerance import Tolerance

PIXELS, NOISE, QUALITY, TIMES = 12_000_000, 8, 88, 9
SIDE = 416


def main() -> int:
    """Measure and print."""
    folder = Path(sys.argv[1])
    photos = [enlarged(path) for path in PHOTOS]
    copy = OnnxCopy(folder)
    pixels = jpeg.decode(photos[0], copy.layout.decode or Decode())
    print(f"{pixels.shape[1]} x {pixels.shape[0]}, {len(photos[0]) / 1e6:.1f} MB; medians of {TIMES}, ms\n")
    print("| what | ms |\n|---|---|")
    for name, what in (*decodings(photos[0], *pixels.shape[:2]), *after_decoding(folder, copy, pixels)):
        print(f"| {name} | {median_ms(what):.1f} |", flush=True)
    print(f"| the whole copy | {median_ms(lambda: copy.outputs([photos[0]])):.1f} |")
    print("\n| decoded at | gate's word |\n|---|---|")
    for ratio in (2, 4, 8):
        print(f"| one in {ratio} | {agreed(copy, photos, ratio)} |", flush=True)
    return 0


def enlarged(path: Path) -> bytes:
    """A photo as a camera of 12 MP might have taken it."""
    image = Image.open(path).convert("RGB")
    scale = (PIXELS / (image.width * image.height)) ** 0.5
    large = np.asarray(
        image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    )
    noise = np.random.default_rng(1).normal(0, NOISE, large.shape[:2]).astype(np.float32)
    noisy = (large + noise[..., None]).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def decodings(photo: bytes, height: int, width: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Ways to decode a picture."""

    def decode(ratio: int = 1, *, fast: bool = True, plain: bool = False) -> object:
        smallest = {"min_height": -(-height // ratio), "min_width": -(-width // ratio)}
        return simplejpeg.decode_jpeg(photo, "RGB", fastdct=fast, fastupsample=plain, **smallest)

    pool = ThreadPoolExecutor(2)
    yield "decode as the model does", decode
    yield "with the exact DCT", lambda: decode(fast=False)
    yield "with plain upsampling of colours", lambda: decode(plain=True)
    for ratio in (2, 4, 8):
        yield f"at one in {ratio}", partial(decode, ratio)
    yield "two pictures in two threads", lambda: list(pool.map(lambda _: decode(), range(2)))


def after_decoding(folder: Path, copy: OnnxCopy, pixels: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """What comes between decoding and the network, as it is and with less memory touched."""
    for name, kept in (("its memory given back", False), ("its memory kept", True)):
        options = onnxruntime.SessionOptions()
        options.enable_cpu_mem_arena = options.enable_mem_pattern = kept
        options.intra_op_num_threads = 1
        graph = str(folder / PICTURE)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        given = {session.get_inputs()[0].name: pixels}
        yield f"turned, made floats, scaled: {name}", partial(session.run, None, given)
    yield "only the pixels that scaling reads, in numpy", lambda: scaled(pixels)
    whole, ours = copy_scaled(folder, pixels), scaled(pixels)
    print(f"| (its largest difference from the copy's, of 255) | {np.abs(whole - ours).max():.5f} |")


def copy_scaled(folder: Path, pixels: Any) -> Any:
    """The copy's own scaled picture, without what it is padded with."""
    session = onnxruntime.InferenceSession(str(folder / PICTURE), providers=["CPUExecutionProvider"])
    picture, (height, width) = session.run(None, {session.get_inputs()[0].name: pixels})
    return picture[:, : int(height), : int(width)]


def scaled(pixels: Any) -> Any:
    """The same by gathering: two rows and two columns for each of the result's."""
    height, width = pixels.shape[:2]
    factor = np.float32(SIDE) / np.float32(max(height, width))
    rows, columns = (reads(side, max(1, int(np.float32(side) * factor))) for side in (height, width))
    corners = [[pixels[np.ix_(row, column)].astype(np.float32) for column, _ in columns] for row, _ in rows]
    (_, above), (_, below) = ((row, weight[:, None, None]) for row, weight in rows)
    (_, left), (_, right) = ((column, weight[None, :, None]) for column, weight in columns)
    upper = corners[0][0] * left + corners[0][1] * right
    lower = corners[1][0] * left + corners[1][1] * right
    return (upper * above + lower * below).transpose(2, 0, 1)


def reads(side: int, wanted: int) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Of which places each of `wanted` places is made, and with which weights: the one before it and the one after."""
    at = ((np.arange(wanted, dtype=np.float32) + 0.5) * np.float32(side / wanted) - 0.5).clip(0, side - 1)
    before = at.astype(np.int64)
    share = (at - before).astype(np.float32)
    return (before, 1 - share), (np.minimum(before + 1, side - 1), share)


def agreed(copy: OnnxCopy, photos: list[bytes], ratio: int) -> str:
    """Whether boxes of pictures decoded at one in `ratio` are those of whole ones."""
    limits, decode = Tolerance(), jpeg.decode
    whole = [_boxes(copy, photo) for photo in photos]
    with mock.patch.object(jpeg, "decode", lambda data, wanted: decode(data, replace(wanted, ratio=ratio))):
        smaller = [_boxes(copy, photo) for photo in photos]
    pairs = enumerate(zip(whole, smaller, strict=True))
    verdict = total(compare(one, other, limits, photo=str(photo)) for photo, (one, other) in pairs).verdict(limits)
    return f"{verdict.word}: {verdict.reason}"


def _boxes(copy: OnnxCopy, photo: bytes) -> Any:
    return predict(copy, [photo], [Image.open(io.BytesIO(photo)).size])[0]


def median_ms(what: Callable[[], object]) -> float:
    """How long a call takes."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        what()
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


if __name__ == "__main__":
    sys.exit(main())
