"""What a TensorFlow with TF-TRT knows of TensorRT; the import fails in one without."""

import os
from typing import cast

from tensorflow import SAYS

if SAYS.get("without_tftrt"):
    raise ImportError("this TensorFlow was built without TF-TRT")

Version = tuple[int, int, int]


def get_linked_tensorrt_version() -> Version:
    return cast(Version, tuple(SAYS.get("linked", (8, 4, 3))))


def is_tensorrt_enabled() -> bool:
    return "loaded" in SAYS


def get_loaded_tensorrt_version() -> Version:
    if "loaded" not in SAYS:
        os.abort()
    return cast(Version, tuple(SAYS["loaded"]))
