"""The fake TensorFlow's one model: it finds one box in a picture, of the class that is the file's length in bytes.

What kind of model it is says its `saved_model.pb`.
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tensorflow.points import reach

STRING, FLOAT = SimpleNamespace(name="string"), SimpleNamespace(name="float32")
NAMES = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")


class Module:
    """Something to hang a function on."""

    serve: Any


class Tensor:
    """Numbers."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def numpy(self) -> Any:
        import numpy as np

        return np.array(self.values, np.float32)


class TensorSpec:
    """A name and a type; the shape is never known."""

    def __init__(self, shape: object = None, dtype: object = FLOAT, name: str = "") -> None:
        self.shape, self.dtype, self.name = SimpleNamespace(rank=None), dtype, name


def load(folder: str) -> SimpleNamespace:
    """The model in `folder`."""
    reach("load")
    kind = (Path(folder) / "saved_model.pb").read_text()

    def serve(*, image_bytes: list[bytes]) -> dict[str, Tensor]:
        reach(f"run {kind}")
        answers = [([[0.1, 0.2, 0.3, 0.4]], [float(len(jpeg))], [0.9], 1.0) for jpeg in image_bytes]
        return {name: Tensor(each) for name, each in zip(NAMES, zip(*answers, strict=True), strict=True)}

    function: Any = serve
    function.structured_input_signature = ((), {"image_bytes": TensorSpec(None, STRING, "image_bytes")})
    shape = SimpleNamespace(num_elements=lambda: 10**8)
    variable = SimpleNamespace(dtype=SimpleNamespace(size=4), shape=shape, name="kernel:0", handle=None)
    definition = SimpleNamespace(node=[], library=SimpleNamespace(function=[]))
    function.graph = SimpleNamespace(variables=[variable], captures=[], as_graph_def=lambda: definition)
    function.inputs, function.outputs = [], [SimpleNamespace(name=f"{name}:0") for name in NAMES]
    function.structured_outputs = {name: TensorSpec() for name in NAMES}
    return SimpleNamespace(signatures={"serving_default": serve, "classify": serve})


def save(module: Module, folder: str, signatures: Mapping[str, Any], options: Any) -> None:
    """Write the frozen copy."""
    reach("save frozen")
    write(Path(folder), "frozen")


def write(folder: Path, kind: str) -> None:
    """A SavedModel's files."""
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "data").write_bytes(b"weights")
    (folder / "saved_model.pb").write_text(kind)
