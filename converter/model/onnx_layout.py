"""What lies in the folder of a copy for ONNX Runtime, and how its parts pass values on. Plain data, in `layout.json`.

The graph is cut into parts that read and write named values, (N, …) arrays for N pictures:

    JPEG files ─ decoded here ─ picture.onnx, picture by picture, stacked ┐
    JPEG files ─ head/, a SavedModel, where the decoder can't be cut off ┼─ network.onnx ─ tail/, a SavedModel ─ outputs
    pictures, decoded by whoever calls it, where the source takes such ──┘

There is a picture graph (with what its decoder did, `Decode`), a head, or neither; there need not be a tail. The value
COUNT, N as an int32 scalar, is always there to be read. In the end the signature's outputs are values of their names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from converter import stored

LAYOUT_NAME = "layout.json"
PICTURE, NETWORK, HEAD, TAIL = "picture.onnx", "network.onnx", "head", "tail"
COUNT = "number/of/pictures"  # no output is called so


@dataclass(frozen=True, slots=True, kw_only=True)
class Decode:
    """The attributes of the graph's DecodeJpeg operation (tensorflow/core/ops/image_ops.cc); defaults are its own."""

    channels: int = 0  # 0: as in the file
    ratio: int = 1
    fancy_upscaling: bool = True
    try_recover_truncated: bool = False
    acceptable_fraction: float = 1.0
    dct_method: str = ""  # INTEGER_FAST, INTEGER_ACCURATE or empty, which means fast


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: the values it reads and the values it writes, by the names of its own inputs and outputs."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The whole copy."""

    input_name: str  # of the source's signature
    outputs: tuple[str, ...]  # of the source's signature
    network: Part
    decode: Decode | None = None
    picture: Part | None = None  # reads the decoded picture, uint8 (height, width, channels)
    head: Part | None = None  # reads JPEG files, strings (N,)
    pixels: str | None = None  # the value that is the pictures, (N, height, width, 3), in place of a decoder or a head
    tail: Part | None = None
    mixed: bool = False  # whether values that FP16 can't hold are in FP32: TensorRT chooses by itself, and can't run it

    def write(self, folder: Path) -> None:
        """Put it into the copy's folder."""
        (folder / LAYOUT_NAME).write_text(stored.to_json(self, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The layout of the copy in `folder`; ValueError if it can't be understood, OSError if it can't be read."""
        found = stored.from_json(cls, (folder / LAYOUT_NAME).read_bytes(), LAYOUT_NAME)
        begins = [each for each in (found.picture, found.head, found.pixels) if each]
        if len(begins) != 1 or (found.decode is None) != (found.picture is None):
            raise ValueError(f"{LAYOUT_NAME} must name a decoder with a picture graph, or a head, or pixels")
        return found
