"""TF-TRT turns the operations it knows into TensorRT engines, built here from real photos."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.compiler.tensorrt import trt_convert

from converter.contract import ConversionFailed, Options, UnusableModel
from converter.machine.error_text import first_line
from converter.model import sampling, saving
from converter.model.pictures import prepare
from converter.model.signature import Signature, load, others
from converter.progress import Progress
from converter.tftrt import engine_facts
from converter.tftrt.keeping import Converter, kept_facts
from converter.tftrt.settling import frozen_alike

_CALIBRATION_BATCHES = 64
_RANGE_PHOTOS = 16

Batches = Callable[[], Iterator[dict[str, tf.Tensor]]]


def make(source: Path, into: Path, options: Options, progress: Progress) -> Mapping[str, Any]:
    """Convert, build, seal, save (see `converter.kind.Kind.make`); needs TensorRT's library and a GPU."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    photos = sampling.pictures(options.images)
    with progress.step("load"):
        model, signature = load(source, declared=options.declared)
        lost = others(model, signature.description.signature)
        del model
    with progress.step("convert"):
        converter = convert(source, options, signature, photos)
    with progress.step("build"):
        build(converter, options, signature, photos, progress)
    with progress.step("save"):
        if not options.build_at_run_time:
            forbid_runtime_building(converter)
        save(converter, into, save_engines=options.save_engines)
    facts = {**engine_facts.read(converter, into), **kept_facts(converter)}
    return {**facts, "signatures_lost": lost, "pictures": len(photos)}


def convert(source: Path, options: Options, signature: Signature, photos: list[bytes]) -> Any:
    """A `TrtGraphConverterV2` whose graph has been converted; no engine is built yet."""
    os.environ["TF_TRT_OP_DENYLIST"] = ",".join(options.denylist)  # read by the conversion, in C++
    os.environ["TF_TRT_SHOW_DETAILED_REPORT"] = "1"  # why operations are left out: see converter.tftrt.nonconverted
    calibrated = options.precision == "INT8" and options.calibration
    try:
        converter = Converter(
            on=_photos(options, signature, photos),
            input_saved_model_dir=str(source),
            input_saved_model_signature_key=signature.description.signature,
            **_parameters(options),
        )
        with frozen_alike(signature.description.outputs.values()):
            converter.convert(
                calibration_input_fn=_calibration(options, signature, photos) if calibrated else None,
            )
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ConversionFailed(f"TF-TRT could not convert the graph: {first_line(error, source)}") from error
    _check(engine_facts.nodes(converter), options.precision)
    return converter


def _check(engines: list[Any], precision: str) -> None:
    if not engines:
        raise UnusableModel("TF-TRT found nothing to convert: no group of operations was large enough for an engine")
    other = {node.attr["precision_mode"].s.decode() for node in engines} - {precision}
    if other:  # it only logs "Set engine precision to FP16 due to missing QDQ OP"
        raise UnusableModel(
            f"TF-TRT would make {', '.join(sorted(other))} engines in place of {precision}: "
            "without calibration the graph needs quantisation nodes, and has none"
        )


def _parameters(options: Options) -> dict[str, Any]:
    return {
        "precision_mode": options.precision,
        "minimum_segment_size": options.minimum_segment_size,
        "max_workspace_size_bytes": options.workspace_bytes,
        "maximum_cached_engines": options.cached_engines or len(options.batch_sizes),
        "use_calibration": options.calibration,
        "use_dynamic_shape": options.dynamic_shape,
        "dynamic_shape_profile_strategy": options.profile_strategy if options.dynamic_shape else None,
    }


def _photos(options: Options, signature: Signature, photos: list[bytes]) -> list[Any]:
    """What the model is run on before it is converted, where values may be too large for the engines' precision."""
    if options.precision == "FP32":
        return []
    size = options.batch_sizes[0]
    return [_values(signature, [photo] * size) for photo in photos[:_RANGE_PHOTOS]]


def _calibration(options: Options, signature: Signature, photos: list[bytes]) -> Batches:
    """Batches of one size, which TensorRT asks for, until each picture was in one."""
    size = options.batch_sizes[0]
    count = min(_CALIBRATION_BATCHES, -(-len(photos) // size))

    def batches() -> Iterator[dict[str, tf.Tensor]]:
        for number in range(count):
            part = photos[number * size :] + photos[: number * size]
            yield _fed(signature, sampling.batch(part, size))

    return batches


def _fed(signature: Signature, jpegs: list[bytes]) -> dict[str, tf.Tensor]:
    return {signature.input_name: tf.constant(_values(signature, jpegs))}


def _values(signature: Signature, jpegs: list[bytes]) -> Any:
    """A batch of the model's input; pictures that keep their sizes can't share one, so one is repeated."""
    into = signature.description.input
    files = [jpegs[0]] * len(jpegs) if into.single else jpegs
    return prepare(files, [], into).values


def build(converter: Any, options: Options, signature: Signature, photos: list[bytes], progress: Progress) -> None:
    """Build the engines by running one batch of photos of each size; takes minutes."""

    def batches() -> Iterator[dict[str, tf.Tensor]]:
        for done, size in enumerate(options.batch_sizes):
            progress.part(done, len(options.batch_sizes) + 1)
            yield _fed(signature, sampling.batch(photos, size))
        # With dynamic shapes the runs above collect the profiles, and the engines are built now.
        progress.part(len(options.batch_sizes), len(options.batch_sizes) + 1)

    try:
        converter.build(input_fn=batches)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ConversionFailed(f"TensorRT could not build the engines: {first_line(error)}") from error


def forbid_runtime_building(converter: Any) -> None:
    """Mark every engine as not to be built while serving, and keep the names of the outputs.

    The converter's own `allow_build_at_runtime=False` makes `save()` rebuild the function without its type, and
    the saved outputs are then called output_0, output_1, … (seen in TensorFlow 2.14.1 and 2.17.1).
    """

    def never(node: Any) -> None:
        node.attr["_allow_build_at_runtime"].b = False

    converter._for_each_trt_node(converter._converted_graph_def, never)
    converter._converted_func = trt_convert._construct_function_from_graph_def(
        converter._converted_func, converter._converted_graph_def
    )


def save(converter: Any, into: Path, *, save_engines: bool = True) -> None:
    """Write the graph, and the engines that have been built."""
    try:
        converter.save(str(into), save_gpu_specific_engines=save_engines, options=saving.options())
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ConversionFailed(f"TensorFlow could not save the copy: {first_line(error, into)}") from error
