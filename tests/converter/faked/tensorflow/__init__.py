"""A TensorFlow for children that are asked what a machine has: it says what $FAKE_TENSORFLOW (JSON) says.

It ends the process where the real one does: when it is asked for the loaded TensorRT although none is enabled.
"""

import json
import os
import signal
import sys
import threading
from types import SimpleNamespace
from typing import Any, cast

SAYS: dict[str, Any] = json.loads(os.environ["FAKE_TENSORFLOW"])
__version__ = SAYS.get("version", "2.14.1")


def _dies_if_it_should() -> None:
    if "ends_by" in SAYS:
        os.kill(os.getpid(), signal.Signals[SAYS["ends_by"]])
    if "ends_with" in SAYS:
        sys.exit(SAYS["ends_with"])
    if "raises" in SAYS:
        raise RuntimeError(os.path.expandvars(SAYS["raises"]))
    if SAYS.get("hangs"):
        threading.Event().wait()
    sys.stdout.write(SAYS.get("prints", ""))


def _list_physical_devices(kind: str) -> list[dict[str, Any]]:
    _dies_if_it_should()
    return list(SAYS.get("gpus", [])) if kind == "GPU" else []


def _get_device_details(device: dict[str, Any]) -> dict[str, Any]:
    return device


def _get_build_info() -> dict[str, Any]:
    cuda = {"is_cuda_build": True, "cuda_version": "11.8", "cudnn_version": "8"}
    return cast(dict[str, Any], SAYS.get("build", cuda))


def _constant(value: object) -> object:
    return value


config = SimpleNamespace(
    list_physical_devices=_list_physical_devices,
    experimental=SimpleNamespace(get_device_details=_get_device_details),
)
constant = _constant
version = SimpleNamespace(GIT_VERSION=SAYS.get("commit", "v2.14.0-10-g99d80a9e254"))
sysconfig = SimpleNamespace(get_build_info=_get_build_info)
