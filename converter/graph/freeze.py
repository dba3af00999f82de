"""A frozen copy: variables become constants, nothing else. The fair yardstick for TF-TRT, which freezes too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter.contract import ConversionFailed, Options, UnusableModel
from converter.graph.freezing import Frozen, freeze
from converter.kind import ONE_PROTOBUF, too_large
from converter.machine.error_text import first_line
from converter.model import saving
from converter.model.signature import Signature, load, others
from converter.progress import Progress


def make(source: Path, into: Path, options: Options, progress: Progress) -> Mapping[str, Any]:
    """Freeze the serving signature of `source` and save it under the same names (see `converter.kind.Kind.make`)."""
    tf.config.set_visible_devices([], "GPU")  # freezing computes nothing there, and would take its memory
    with progress.step("load"):
        model, signature = load(source, declared=options.declared)
    try:
        with progress.step("convert"):
            if signature.weights_bytes > ONE_PROTOBUF:
                raise UnusableModel(too_large(signature.weights_bytes))
            if not signature.input_name.isidentifier():
                raise UnusableModel(_odd_name(signature.input_name))
            frozen = freeze(signature.function, lower_control_flow=True, read=signature.description.outputs.values())
            module = tf.Module()
            module.serve = _named(frozen, signature)
        with progress.step("save"):
            signatures = {signature.description.signature: module.serve}
            tf.saved_model.save(module, str(into), signatures=signatures, options=saving.options())
            if frozen.weights:
                from converter.graph import saved_weights

                saved_weights.put_in(into / "saved_model.pb", frozen.weights)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ConversionFailed(
            f"TensorFlow could not freeze the graph or save it: {first_line(error, source, into)}"
        ) from error
    lost = others(model, signature.description.signature)
    del model
    return {"operations": len(frozen.function.graph.as_graph_def().node), "signatures_lost": lost}


def _odd_name(name: str) -> str:
    odd = f"the input is called {name!r}, and TensorFlow can't save a frozen copy with such a name"
    return f"{odd}: export the model with an input of a plain name (an ONNX copy keeps any)"


def _named(frozen: Frozen, signature: Signature) -> Any:
    """The frozen function with the signature's names again: freezing leaves a flat list."""
    spec = tf.TensorSpec(signature.spec.shape, signature.spec.dtype, name=signature.input_name)

    @tf.function(input_signature=[spec], autograph=False)  # type: ignore[untyped-decorator]  # no types
    def serve(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(frozen.outputs, frozen.function(pictures), strict=True))

    return serve
