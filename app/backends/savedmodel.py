"""The worker program for SavedModels: native, frozen and TF-TRT copies. Imports TensorFlow; runs in a child process."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from converter.machine.garbage import none_looked_for

with none_looked_for():
    import tensorflow as tf

from app.backends import child, findings, tensors
from app.backends.backend import BatchFailed, Facts, ModelRefused
from app.backends.warming import failure_at, padded, rehearse, twice, warm_up
from app.choices import NATIVE
from converter.contract import UnusableModel
from converter.description import Description, in_words
from converter.kind import powers_of_two
from converter.machine import cores, nvidia
from converter.machine.error_text import first_line
from converter.model.detections import Detections
from converter.model.jpeg import NotReproducible, Undecodable, components
from converter.model.orientation import Shown
from converter.model.prediction import WrongBatch, predict, predict_whole, sizes_for
from converter.model.savedmodel import Loaded
from converter.model.signature import Signature
from converter.targets import KINDS

_MANY_CORES = 16


class SavedModel:
    """A loaded SavedModel, warmed at the batch sizes it will be called with."""

    def __init__(self, options: child.WorkerOptions) -> None:
        device, in_flight = _set_up_devices(options.batches_in_flight, options.gpu.memory_mib)
        started = time.monotonic()
        self._pool = ThreadPoolExecutor(cores.usable(), thread_name_prefix="decode")
        self._model = _load(options)
        loaded = time.monotonic()
        on_gpu = device != "CPU"
        sizes = self._warm_up(options, on_gpu=on_gpu)
        if on_gpu:
            in_flight = rehearse(self._call, sizes, in_flight)
        fixed = sizes[0] > 1
        self._padding = sizes if on_gpu or options.batch_sizes or fixed else ()
        self.facts = Facts(
            batch_sizes=sizes,
            batches_in_flight=in_flight,
            padded=bool(self._padding),
            device=device,
            load_seconds=round(loaded - started, 3),
            warm_seconds=round(time.monotonic() - loaded, 3),
            signature=describe(self._model.signature, self._model.description),
            tensors=tensors.of_signature(self._model.signature, self._model.description),
            gpu_memory_bytes=nvidia.held_bytes(),
            shares=not (on_gpu or self._padding),
            more_to_come=bool(self._later),
        )

    def _warm_up(self, options: child.WorkerOptions, *, on_gpu: bool) -> tuple[int, ...]:
        """The batch sizes that work, but for those that are left for later."""
        # 1 and the largest on a CPU, where a size's first call costs little.
        every = powers_of_two(options.max_batch) if on_gpu else sorted({1, options.max_batch})
        wanted, taken = options.batch_sizes or every, self._model.description.input
        # TensorFlow on a CPU is as fast in the first call of a size as in the second.
        call = twice(self._call) if on_gpu else self._call
        # Native serves there as soon as it can; a copy is judged with all its sizes before it serves.
        soon = options.name == NATIVE and not (on_gpu or options.batch_sizes)
        sizes = warm_up(call, wanted, taken, name="the model", enough=1 if soon else None)
        self._later = sizes_for(wanted, taken)[1:] if soon and sizes == (1,) else ()
        return sizes

    def finish(self) -> bool:
        """Try the sizes that it has begun to serve without (see `child.Runner`)."""
        more = [size for size in self._later if failure_at(self._call, size) is None]
        self.facts = replace(self.facts, batch_sizes=(*self.facts.batch_sizes, *more), more_to_come=False)
        return bool(self._later)

    def run(self, jpegs: Sequence[bytes], sizes: Sequence[Shown], *, raw: bool = False) -> list[Detections]:
        """Answer one batch (see `child.Runner`)."""
        return self._call(padded(jpegs, self._padding), sizes, raw=raw)

    def _call(self, jpegs: Sequence[bytes], sizes: Sequence[Shown], *, raw: bool = False) -> list[Detections]:
        try:
            run = predict_whole if raw else predict
            return run(self._model, jpegs, sizes, pool=self._pool)
        # Of decoding here: as native it is the measure, and can't leave it to another.
        except (Undecodable, NotReproducible) as error:
            raise BatchFailed("undecodable", str(error)) from error
        except WrongBatch as error:
            raise BatchFailed("other", str(error)) from error
        except tf.errors.ResourceExhaustedError as error:
            raise BatchFailed("exhausted", first_line(error)) from error
        except tf.errors.InvalidArgumentError as error:
            # "Invalid JPEG data …" (tensorflow/core/lib/jpeg): the decoder is stricter than Pillow about a file's end.
            if "JPEG" in str(error):
                raise BatchFailed("undecodable", first_line(error)) from error
            raise _of_colours(jpegs) or BatchFailed("other", first_line(error)) from error
        except tf.errors.OpError as error:
            raise BatchFailed("other", first_line(error)) from error


def _has_engines(name: str) -> bool:
    return name in KINDS and KINDS[name].has_engines


def describe(signature: Signature, description: Description) -> dict[str, Any]:
    """The signature in words, for people."""
    outputs = signature.function.structured_outputs
    return {
        "name": description.signature,
        **in_words(description),
        "outputs": {name: f"{spec.dtype.name} {spec.shape}" for name, spec in sorted(outputs.items())},
    }


def _load(options: child.WorkerOptions) -> Loaded:
    """The model with its description; ModelRefused if it can't be read, or fails on a good photo."""
    try:
        model = Loaded(options.folder, may_have_engines=_has_engines(options.name), declared=options.declared)
        model.description = findings.describe(model, options.finding, options.declared)
    except UnusableModel as error:
        raise ModelRefused(str(error)) from error
    except tf.errors.OpError as error:
        raise ModelRefused(f"the model fails on a good photo: {first_line(error)}") from error
    except WrongBatch as error:
        raise ModelRefused(f"the model fails on a good photo: {error}") from error
    return model


def _of_colours(jpegs: Sequence[bytes]) -> BatchFailed | None:
    """If one of the pictures is not made of three colours, which a graph that decodes without asking for them needs."""
    kinds = {1: "grey", 4: "CMYK"}
    found = next((kinds[number] for number in map(components, jpegs) if number in kinds), None)
    if found is None:
        return None
    return BatchFailed("colours", f"the picture is {found}, and the model's graph takes pictures of three colours only")


def _set_up_devices(batches_in_flight: int | None, memory_mib: int | None) -> tuple[str, int]:
    """The device's name and how many batches to run at once; threads and memory are set to match."""
    count = cores.usable()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        _limit_memory(gpu, memory_mib)
    if gpus:
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        # Many cores decode while the GPU computes: 8 gave 9 to 27 % more than 4 (benchmarks/gpu.md).
        return name, batches_in_flight or (8 if count >= _MANY_CORES else 4)
    # Each batch in flight gets its share of the cores: 68 pictures/s against 60 with TensorFlow's defaults on two.
    in_flight = batches_in_flight or 2
    tf.config.threading.set_inter_op_parallelism_threads(max(1, min(count, in_flight)))
    tf.config.threading.set_intra_op_parallelism_threads(max(1, count // in_flight))
    return "CPU", in_flight


def _limit_memory(gpu: Any, mib: int | None) -> None:
    """Have TensorFlow take memory as it needs it, up to a limit if there is one."""
    if mib is None:
        tf.config.experimental.set_memory_growth(gpu, True)
        return
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # a device with a limit can't be told otherwise
    limited = tf.config.LogicalDeviceConfiguration(memory_limit=mib)
    tf.config.set_logical_device_configuration(gpu, [limited])


if __name__ == "__main__":
    child.main(SavedModel)
