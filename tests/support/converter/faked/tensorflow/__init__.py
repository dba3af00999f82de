"""A TensorFlow that starts at once: it says and does what $FAKE_TENSORFLOW (JSON) says, and knows one model.

Children that are asked what a machine has find one with `gpus` and with TensorRT `loaded`. It ends the process where
the real one does: when it is asked for the loaded TensorRT although none is enabled. A conversion runs from beginning
to end, unless it is told to do something else at a point of it (see `points`).
"""

import sys
from types import SimpleNamespace
from typing import Any, cast

from tensorflow import models, points
from tensorflow.points import SAYS

__version__ = SAYS.get("version", "2.14.1")
saved_model = SimpleNamespace(load=models.load, save=models.save, SaveOptions=SimpleNamespace)
Module, TensorSpec, Tensor, string = models.Module, models.TensorSpec, models.Tensor, models.STRING


def _list_physical_devices(kind: str) -> list[dict[str, Any]]:
    points.reach("devices")
    sys.stdout.write(SAYS.get("prints", ""))
    return list(SAYS.get("gpus", [])) if kind == "GPU" else []


def _get_device_details(device: dict[str, Any]) -> dict[str, Any]:
    return device


def _get_build_info() -> dict[str, Any]:
    cuda = {"is_cuda_build": True, "cuda_version": "11.8", "cudnn_version": "8"}
    return cast(dict[str, Any], SAYS.get("build", cuda))


def _constant(value: object) -> object:
    return value


def _decorator(**_: object) -> Any:
    return lambda function: function


config = SimpleNamespace(
    list_physical_devices=_list_physical_devices,
    set_visible_devices=lambda devices, kind: None,
    experimental=SimpleNamespace(get_device_details=_get_device_details, set_memory_growth=lambda device, enable: None),
)
constant = _constant
function = _decorator
int32 = bool = resource = SimpleNamespace(as_datatype_enum=0)  # the real one's name
errors = SimpleNamespace(OpError=points.OpError)
dtypes = SimpleNamespace(as_dtype=lambda number: {1: models.FLOAT}[number])
compat = SimpleNamespace(v1=SimpleNamespace(io=SimpleNamespace(tf_record_iterator=lambda path: ())))
version = SimpleNamespace(GIT_VERSION=SAYS.get("commit", "v2.14.0-10-g99d80a9e254"))
sysconfig = SimpleNamespace(get_build_info=_get_build_info)
