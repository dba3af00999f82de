"""Check that TensorFlow really has TensorRT and CUDA's libraries: python deploy/check_tensorrt.py

One sentence on stdout and exit code 0 if so, else one on stderr and 1. Needs no GPU: it tells
whether an installation is complete, not whether a machine can use it.
"""

import ctypes
import importlib.util
import os
import sys

WANTED = (8, 5, 3)
# TensorFlow opens these by name, and on a machine with a GPU runs silently without it if one
# is missing; TensorRT opens the last one when it builds an engine, and dies without it.
# libcudnn.so.8 opens its parts when a network first needs them; a RetinaNet needs the training ones too.
LIBRARIES = (
    "libcudart.so.11.0",
    "libcublas.so.11",
    "libcublasLt.so.11",
    "libcufft.so.10",
    "libcurand.so.10",
    "libcusolver.so.11",
    "libcusparse.so.11",
    "libcudnn.so.8",
    "libcudnn_cnn_infer.so.8",
    "libcudnn_cnn_train.so.8",
    "libcudnn_ops_infer.so.8",
    "libcudnn_ops_train.so.8",
    "libcupti.so.11.8",
    "libnccl.so.2",
    "libnvinfer.so.8",
    "libnvinfer_plugin.so.8",
    "libnvinfer_builder_resource.so.8.5.3",
)


class IncompleteError(Exception):
    """What is missing, in one sentence."""


def main() -> int:
    """Print the verdict."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        check_libraries()
        loaded = check_tensorflow()
    except IncompleteError as error:
        sys.stderr.write(f"check_tensorrt: {error}\n")
        return 1
    sys.stdout.write(f"TensorFlow has loaded TensorRT {dotted(loaded)}; CUDA's libraries open.\n")
    return 0


def check_libraries() -> None:
    """Open every library by its name, as TensorFlow and TensorRT will."""
    missing = [name for name in LIBRARIES if not opens(name)]
    if missing:
        path = os.environ.get("LD_LIBRARY_PATH") or "not set"
        raise IncompleteError(f"{', '.join(missing)} can't be opened (LD_LIBRARY_PATH is {path}).")


def opens(name: str) -> bool:
    """Whether the dynamic loader finds the library and all that it needs."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def check_tensorflow() -> tuple[int, ...]:
    """Ask TensorFlow itself; the version of TensorRT that it loaded."""
    if importlib.util.find_spec("tensorflow") is None:
        raise IncompleteError(f"{sys.executable} has no TensorFlow.")
    try:
        from tensorflow.compiler.tf2tensorrt import _pywrap_py_utils as tensorrt
    except ImportError as error:
        raise IncompleteError(f"this TensorFlow has no TF-TRT: {error}.") from error
    linked = tuple(tensorrt.get_linked_tensorrt_version())
    if linked == (0, 0, 0):
        raise IncompleteError("this TensorFlow was built without TensorRT.")
    # In this order: asking for the loaded version without the library ends the process.
    if not tensorrt.is_tensorrt_enabled():
        raise IncompleteError(f"TensorFlow, made for TensorRT {dotted(linked)}, can't load it.")
    loaded = tuple(tensorrt.get_loaded_tensorrt_version())
    if loaded != WANTED:
        raise IncompleteError(f"TensorRT {dotted(loaded)} is loaded, wanted {dotted(WANTED)}.")
    return loaded


def dotted(version: tuple[int, ...]) -> str:
    """(8, 5, 3) as 8.5.3."""
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main())
