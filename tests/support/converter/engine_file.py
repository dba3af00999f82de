"""Writes an engine's file at FILE as TF-TRT does, and tells what shapes `converter.tftrt.engine_facts` reads in it.

Run in a process of its own: `python tests/support/converter/engine_file.py FILE`. One JSON list on standard output.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

from converter.tftrt import engine_facts

# Of two engines: the shapes of their inputs.
ENGINES = [[[1, 416, 416, 3], [1, 1, 4]], [[8, 416, 416, 3], [8, 1, 4]]]


def field(number: int, content: bytes) -> bytes:
    """A message or bytes in protobuf's wire format."""
    return bytes([number << 3 | 2, *varint(len(content))]) + content


def varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def shape(sizes: list[int]) -> bytes:
    """A TensorShapeProto: `dim` is field 2, and its `size` field 1."""
    return b"".join(field(2, b"\x08" + varint(size)) for size in sizes)


def instance(shapes: list[list[int]]) -> bytes:
    """A TRTEngineInstance: `input_shapes` is field 1, `serialized_engine` field 2."""
    return b"".join(field(1, shape(sizes)) for sizes in shapes) + field(2, b"\x00a plan\xff")


if __name__ == "__main__":
    with tf.io.TFRecordWriter(sys.argv[1]) as file:
        for engine in ENGINES:
            file.write(instance(engine))
    tf.get_logger().setLevel("ERROR")
    sys.stdout.write(json.dumps(engine_facts.saved_shapes(Path(sys.argv[1]))))
