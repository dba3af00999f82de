"""The worker program for ONNX copies; runs in a child process, without TensorFlow unless the copy has parts of it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from app.backends import child
from app.backends.backend import BatchFailed, Facts, ModelRefused
from app.backends.warming import padded, rehearse, twice, warm_up
from converter.description import in_words
from converter.kind import powers_of_two
from converter.machine import cores, nvidia
from converter.machine.error_text import first_line
from converter.machine.memory import return_large_pictures
from converter.model import providers
from converter.model.detections import Detections
from converter.model.onnx_copy import NotReproducible, OnnxCopy, Undecodable
from converter.model.orientation import Shown
from converter.model.prediction import predict, predict_whole
from converter.model.providers import Share

_OUT_OF_MEMORY = ("failed to allocate", "out of memory", "bad_alloc")


class OnnxModel:
    """A loaded ONNX copy, warmed at the batch sizes it will be called with."""

    def __init__(self, options: child.WorkerOptions) -> None:
        started = time.monotonic()
        names = providers.available(tensorrt=options.gpu.tensorrt)
        on_gpu = names != [providers.CPU]
        in_flight = options.batches_in_flight or _in_flight(on_gpu=on_gpu)
        wanted = _wanted(options, on_gpu=on_gpu)
        share = Share(_lanes(in_flight), wanted, _bytes(options.gpu.memory_mib))
        self._copy = _load(options, names, share)
        loaded = time.monotonic()
        with self._copy.warming():
            sizes = warm_up(twice(self._call), wanted, self._copy.description.input, name="the copy")
        if on_gpu:
            in_flight = rehearse(self._call, sizes, in_flight)
        for note in self._copy.notes:
            print(note, flush=True)
        self._padding = sizes if on_gpu or sizes[0] > 1 else ()
        self.facts = Facts(
            batch_sizes=sizes,
            batches_in_flight=in_flight,
            padded=bool(self._padding),
            device=_device(self._copy.assigned.nodes),
            load_seconds=round(loaded - started, 3),
            warm_seconds=round(time.monotonic() - loaded, 3),
            signature=_described(self._copy),
            tensors={"gives": list(self._copy.layout.outputs)},
            providers=self._copy.assigned.nodes,
            fallback=self._copy.assigned.fallback,
            fallback_reason=self._copy.assigned.reason,
            gpu_memory_bytes=nvidia.held_bytes(),
        )

    def finish(self) -> bool:
        """Nothing is left to be done (see `child.Runner`)."""
        return False

    def run(self, jpegs: Sequence[bytes], sizes: Sequence[Shown], *, raw: bool = False) -> list[Detections]:
        """Answer one batch (see `child.Runner`)."""
        return self._call(padded(jpegs, self._padding), sizes, raw=raw)

    def _call(self, jpegs: Sequence[bytes], sizes: Sequence[Shown], *, raw: bool = False) -> list[Detections]:
        try:
            run = predict_whole if raw else predict
            return run(self._copy, jpegs, sizes)
        except Undecodable as error:
            raise BatchFailed("undecodable", str(error)) from error
        except NotReproducible as error:
            raise BatchFailed("unlike", str(error)) from error
        # ONNX Runtime's exceptions have no class in common but this, and a part may be TensorFlow's.
        except Exception as error:
            full = any(words in str(error).lower() for words in _OUT_OF_MEMORY)
            raise BatchFailed("exhausted" if full else "other", first_line(error)) from error


def _wanted(options: child.WorkerOptions, *, on_gpu: bool) -> tuple[int, ...]:
    """The batch sizes to get ready for; on a CPU a picture of a batch takes longer than one alone."""
    return (options.gpu.batch_sizes or powers_of_two(options.max_batch)) if on_gpu else (1,)


def _bytes(mib: int | None) -> int | None:
    return None if mib is None else mib << 20


def _load(options: child.WorkerOptions, names: Sequence[str], share: Share) -> OnnxCopy:
    try:
        copy = OnnxCopy(options.folder, providers=names, share=share)
    # Whatever the readers of a damaged file raise: ours, ONNX Runtime's or TensorFlow's.
    except Exception as error:
        raise ModelRefused(
            f"ONNX Runtime can't load {options.folder.name}: {first_line(error, options.folder)}"
        ) from error
    if missing := [name for name in copy.description.outputs.values() if name not in copy.layout.outputs]:
        raise ModelRefused(f"the copy lacks the output {', '.join(map(repr, missing))}")
    return copy


def _device(nodes: Mapping[str, int]) -> str:
    """The GPU's name if the network runs on one, whatever was asked for."""
    if set(nodes) <= {"CPU"}:
        return "CPU"
    names = nvidia.smi("gpu=name")
    return names[0][0] if names else "GPU"


def _in_flight(*, on_gpu: bool) -> int:
    """On a CPU one thread computes one picture: as many as cores, and one more that is there when one waits."""
    return 8 if on_gpu else cores.usable() + 1


def _lanes(in_flight: int) -> int:
    """How many batches a GPU runs at once: the others are being decoded meanwhile, or end on the CPU."""
    return (in_flight + 1) // 2


def _described(copy: OnnxCopy) -> dict[str, Any]:
    return {
        **in_words(copy.description),
        "outputs": {name: "" for name in sorted(copy.layout.outputs)},
    }


if __name__ == "__main__":
    return_large_pictures()
    child.main(OnnxModel)
