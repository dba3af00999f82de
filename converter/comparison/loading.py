"""A model or a copy loaded in a child, by the library of its kind; whatever a call of it raises is one error."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from converter import targets
from converter.comparison.probe import Request
from converter.contract import UnusableModel
from converter.description import Description
from converter.machine.error_text import first_line
from converter.model import describing, sampling
from converter.model.found import Outputs
from converter.model.prediction import Predictor


class Broken(Exception):
    """The model loads and does not run; what was raised is its cause."""


class Guarded:
    """A model whose errors are all Broken."""

    def __init__(self, model: Predictor, *, weights_bytes: int = 0) -> None:
        self.weights_bytes = weights_bytes
        self._model = model
        self.description = model.description
        self.timed = False
        self.first_s: float | None = None  # of the first call of all

    def outputs(self, values: Any) -> Outputs:
        """See `Predictor`."""
        started = time.perf_counter()
        try:
            return self._model.outputs(values)
        # Which errors those of TensorFlow and of ONNX Runtime are, only they know.
        except Exception as error:
            raise Broken(first_line(error)) from error
        finally:
            self.first_s = self.first_s or time.perf_counter() - started


def load(request: Request) -> Guarded:
    """The model that is asked for; the process ends with a sentence if it does not load."""
    runner = "tensorflow" if request.target is None else targets.kind(request.target).runner
    return _LOADERS[runner](request)


def described(model: Guarded) -> Description:
    """What its boxes mean too, by what it finds in the packaged photos; UnusableModel if they do not tell."""
    try:
        return describing.describe_boxes(model, sampling.packaged())
    except Broken as error:
        raise Broken(f"at batch size {model.description.input.batch or 1}: {error}") from error.__cause__


def _saved_model(request: Request) -> Guarded:
    import tensorflow as tf

    from converter.model.savedmodel import Loaded

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    try:
        model = Loaded(request.folder, may_have_engines=True, declared=request.declared)
    except UnusableModel as error:
        sys.exit(str(error))
    if request.most_weights_bytes is None:
        return Guarded(model)
    in_graph = (request.folder / "saved_model.pb").stat().st_size
    return Guarded(model, weights_bytes=in_graph + model.signature.weights_bytes)


def _onnx_copy(request: Request) -> Guarded:
    from converter.model.onnx_copy import OnnxCopy

    try:
        return Guarded(OnnxCopy(request.folder))
    # ONNX Runtime's errors have no class in common, and a part may be TensorFlow's.
    except Exception as error:
        sys.exit(f"it does not load: {first_line(error, request.folder)}")


# How what each library runs is loaded (see `converter.kind.Kind.runner`).
_LOADERS: Mapping[str, Callable[[Request], Guarded]] = {"tensorflow": _saved_model, "onnxruntime": _onnx_copy}
