"""The converter's own programs on a machine without a GPU, which take it for one with a GPU; no engine can be built.

TensorFlow and TF-TRT are the real ones. With libraries that stand in for TensorRT's (standin.c in
tests/support/converter) along LD_LIBRARY_PATH, all of a conversion happens that comes before engines are built; there
the process ends as it does where TensorRT's builder crashes.
"""

import signal
import sys
from types import SimpleNamespace

CARD = {"device_name": "NVIDIA H100", "compute_capability": (9, 0)}


def environment() -> None:
    """`python -m converter.machine.environment` finds a GPU."""
    import tensorflow as tf

    tf.config.list_physical_devices = lambda kind: [kind]
    tf.config.experimental.get_device_details = lambda gpu: CARD


def making() -> None:
    """It converts for a GPU, as TF-TRT asks where a tensor is, and crashes when it builds."""
    from tensorflow.python.compiler.tensorrt import trt_convert

    from converter.tftrt import convert

    trt_convert.array_ops.zeros = lambda *_, **__: SimpleNamespace(device="/device:GPU:0")
    convert.build = lambda *_: signal.raise_signal(signal.SIGSEGV)


if sys.orig_argv[1:3] == ["-m", "converter.machine.environment"]:
    environment()
if sys.orig_argv[1:3] == ["-m", "converter.targets.making"] and '"target": "trt"' in sys.orig_argv[5]:
    making()
