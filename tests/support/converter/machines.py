"""Machines as a check of them finds them."""

from typing import Any

from converter.machine.environment import Environment

BUILD = "v2.14.0-10-g99d80a9e254 cuda 11.8 cudnn 8"


def found(**facts: Any) -> Environment:
    """A machine with everything, but for `facts`."""
    have = {
        "tensorflow": "2.14.1",
        "tensorflow_build": BUILD,
        "tensorrt_linked": (8, 4, 3),
        "tensorrt_loaded": (8, 5, 3),
        "gpus": ("NVIDIA H100 80GB HBM3",),
        "compute_capability": "9.0",
    }
    return Environment(**(have | facts))
