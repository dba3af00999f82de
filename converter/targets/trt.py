"""The target `trt`: TF-TRT turns the operations it knows into TensorRT engines, built here from real photos."""

import contextlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.compiler.tensorrt import trt_convert

from converter import sampling
from converter.contract import ConversionFailed, Options, UnusableModel
from converter.progress import Progress
from converter.signature import SERVING, first_line, load


def make(source: Path, into: Path, options: Options, progress: Progress) -> Mapping[str, Any]:
    """Convert, build, seal, save (see `targets.Target`); needs TensorRT's library and a GPU."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    with progress.step("load"):
        _, signature = load(source)
    with progress.step("convert"):
        converter = convert(source, options)
    with progress.step("build"):
        build(converter, signature.input_name, options.batch_sizes)
    with progress.step("save"):
        forbid_runtime_building(converter)
        save(converter, into)
    return facts(converter)


def convert(source: Path, options: Options) -> Any:
    """A `TrtGraphConverterV2` whose graph has been converted; no engine is built yet."""
    try:
        converter = trt_convert.TrtGraphConverterV2(
            input_saved_model_dir=str(source),
            input_saved_model_signature_key=SERVING,
            precision_mode=options.precision,
            minimum_segment_size=options.minimum_segment_size,
            max_workspace_size_bytes=options.workspace_bytes,
            maximum_cached_engines=len(options.batch_sizes),
            use_dynamic_shape=True,
            # A profile for each batch size and nothing between: serving pads to these sizes.
            dynamic_shape_profile_strategy="Optimal",
        )
        converter.convert()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ConversionFailed(f"TF-TRT could not convert the graph: {first_line(error)}") from error
    if not engine_count(converter):
        raise UnusableModel("TF-TRT found nothing to convert: no group of operations was large enough for an engine")
    return converter


def build(converter: Any, input_name: str, batch_sizes: Sequence[int]) -> None:
    """Build the engines by running one batch of photos of each size; takes minutes."""
    photos = sampling.packaged()

    def batches() -> Iterator[dict[str, tf.Tensor]]:
        for size in batch_sizes:
            yield {input_name: tf.constant(sampling.batch(photos, size))}

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


def save(converter: Any, into: Path) -> None:
    """Write the graph, and the engines that have been built."""
    try:
        converter.save(str(into))
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ConversionFailed(f"TensorFlow could not save the copy: {first_line(error)}") from error


def engine_count(converter: Any) -> int:
    """TRTEngineOps in the converted graph and its functions."""
    found: list[str] = []
    converter._for_each_trt_node(converter._converted_graph_def, lambda node: found.append(node.name))
    return len(found)


def facts(converter: Any) -> dict[str, Any]:
    """Engines and the share of operations converted, as `summary()` prints them."""
    text = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()):
        converter.summary(line_length=160, detailed=False, print_fn=lambda line="": text.write(line + "\n"))
    counts = re.search(r"\[(\d+)/(\d+)\]", text.getvalue())
    done, total = (int(counts[1]), int(counts[2])) if counts else (0, 0)
    return {
        "engines": engine_count(converter),
        "operations": total,
        "operations_converted": done,
        "summary": text.getvalue().splitlines(),
    }
