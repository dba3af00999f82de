"""A copy for ONNX Runtime, loaded and run: JPEG files in, the signature's outputs out.

TensorFlow is imported only where a part of the copy is a SavedModel.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converter.contract import Report
from converter.description import DESCRIPTION_NAME, Description
from converter.disk.names import published
from converter.machine import cores
from converter.model import jpeg, providers
from converter.model.jpeg import NotReproducible, Undecodable
from converter.model.onnx_layout import COUNT, HEAD, NETWORK, PICTURE, TAIL, Decode, Layout, Part
from converter.model.providers import CPU, TENSORRT, Assigned, Share

if TYPE_CHECKING:
    from converter.model.onnx_gpu import OnGpu

__all__ = ["NotReproducible", "OnnxCopy", "Undecodable"]

Values = dict[str, NDArray[Any]]
Files = Sequence[bytes] | NDArray[Any]  # or pictures (N, height, width, 3), where the copy has no decoder
Step = Callable[[Files, Values], Mapping[str, NDArray[Any]]]


class OnnxCopy:
    """The copy in `folder`; `outputs` may be called from several threads at once.

    `providers` are names of ONNX Runtime's (None: all that this machine has but TensorRT), `threads` those that compute
    one operation on a CPU. `share`: what it may use of a GPU; calls beyond its lanes prepare their pictures and wait.
    """

    def __init__(
        self, folder: Path, *, providers: Sequence[str] | None = None, threads: int = 1, share: Share | None = None
    ) -> None:
        self.layout = Layout.read(folder)
        self.shared = frozenset[str]()  # it has only what is read
        description = Description.read(folder)
        if description is None:
            raise ValueError(f"{folder.name} has no {DESCRIPTION_NAME}")
        self.description = description
        self.assigned: Assigned
        self._gpu: OnGpu | None = None
        self._notes: list[str] = []
        self._steps = self._till_network(folder, providers, threads=threads, share=share or Share())
        if self.layout.tail:
            self._steps.append(_savedmodel(folder / TAIL, self.layout.tail, self.layout.input_name))

    def outputs(self, jpegs: Files) -> Mapping[str, NDArray[Any]]:
        """The outputs for these pictures, by the signature's names (see `converter.model.prediction.Predictor`).

        Undecodable if TensorFlow's decoder refuses one of them, NotReproducible if what it does with one is not known.
        """
        values: Values = {COUNT: np.array(len(jpegs), np.int32)}
        for step in self._steps:
            values.update(step(jpegs, values))
        return {name: values[name] for name in self.layout.outputs}

    def every(self, jpegs: Files) -> Mapping[str, NDArray[Any]]:
        """The same: it has all that it can give."""
        return self.outputs(jpegs)

    @property
    def notes(self) -> Sequence[str]:
        """What a GPU could not do so far, in sentences."""
        return [*self._notes, *(self._gpu.notes if self._gpu else ())]

    def warming(self) -> AbstractContextManager[None]:
        """Batches that are run within the block prepare the copy for others of their size (see `Lanes.warming`)."""
        return self._gpu.warming() if self._gpu else nullcontext()

    def close(self) -> None:
        """Let its memory go."""
        self._steps.clear()
        if self._gpu:
            self._gpu.close()

    def _till_network(self, folder: Path, names: Sequence[str] | None, *, threads: int, share: Share) -> list[Step]:
        names = providers.available() if names is None else names
        names = [name for name in names if not (self.layout.mixed and name == TENSORRT)]
        memory = share.memory_bytes
        wanted = providers.asked(names, engines=_engines(folder), fp16=_is_fp16(folder), memory_bytes=memory)
        if names[0] == providers.CUDA:
            try:
                self._gpu = _on_gpu(folder, self.layout, wanted, threads=threads, share=share)
            except (ImportError, ValueError) as error:
                self._notes.append(f"one session runs all batch sizes: {error}")
        if self._gpu is None:
            return [self._first(folder, threads), self._network(folder, wanted, threads)]
        self.assigned = self._gpu.assigned
        return [self._gpu.run] if self._gpu.takes_jpegs else [self._first(folder, threads), self._gpu.run]

    def _first(self, folder: Path, threads: int) -> Step:
        layout = self.layout
        if layout.pixels:
            return _pixels(layout.pixels)
        if layout.picture and layout.decode:
            return _pictures(folder / PICTURE, layout.picture, layout.decode, threads)
        if layout.head:
            return _savedmodel(folder / HEAD, layout.head, layout.input_name)
        raise ValueError("the layout names nothing that could take a picture")

    def _network(self, folder: Path, wanted: providers.Asked, threads: int) -> Step:
        session = providers.session(folder / NETWORK, wanted, threads=threads)
        self.assigned = providers.assigned(session, [name for name, _ in wanted])
        part = self.layout.network

        def run(jpegs: Files, values: Values) -> Mapping[str, NDArray[Any]]:
            return _run(session, part, values)

        return run


def _on_gpu(folder: Path, layout: Layout, asked: providers.Asked, *, threads: int, share: Share) -> "OnGpu":
    from converter.model.device import Device
    from converter.model.onnx_gpu import OnGpu  # it needs onnx, which is not there where copies are only served on CPUs
    from converter.model.onnx_lanes import Options

    return OnGpu(folder, layout, Options(Device("cuda"), asked, folder, threads, share))


def _pixels(name: str) -> Step:
    """Pictures that have been decoded already."""

    def run(pictures: Files, values: Values) -> Mapping[str, NDArray[Any]]:
        return {name: np.asarray(pictures)}

    return run


def _pictures(graph: Path, part: Part, decode: Decode, threads: int) -> Step:
    """Decoding and the picture graph on the CPU: those of a batch side by side, as many as there are cores."""
    jpeg.check(decode)
    session = providers.session(graph, [(CPU, {})], threads=threads, any_size=True)
    pool = ThreadPoolExecutor(cores.usable(), thread_name_prefix="pictures")

    def one(data: bytes) -> dict[str, NDArray[Any]]:
        return _run(session, part, {part.reads[0]: jpeg.decode(data, decode)})

    def run(jpegs: Files, values: Values) -> Mapping[str, NDArray[Any]]:
        rows = [one(jpegs[0])] if len(jpegs) == 1 else list(pool.map(one, jpegs))
        return {name: _stacked([row[name] for row in rows]) for name in part.writes}

    return run


def _run(session: Any, part: Part, values: Values) -> dict[str, NDArray[Any]]:
    return dict(zip(part.writes, session.run(part.writes, {name: values[name] for name in part.reads}), strict=True))


def _stacked(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return rows[0][np.newaxis] if len(rows) == 1 else np.stack(rows)


def _savedmodel(folder: Path, part: Part, input_name: str) -> Step:
    """A part that TensorFlow runs: it reads JPEG files under the signature's name, and values under their own."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")  # its memory is ONNX Runtime's, which uses another CUDA
    model = tf.saved_model.load(str(folder))
    function = model.signatures["serving_default"]

    def run(jpegs: Files, values: Values, _: Any = model) -> Mapping[str, NDArray[Any]]:
        given = {name: tf.constant(values[name] if name in values else list(jpegs)) for name in part.reads}
        try:
            found = function(**given)
            return {name: found[name].numpy() for name in part.writes}
        except tf.errors.InvalidArgumentError as error:
            if "JPEG" in str(error):
                raise Undecodable("Invalid JPEG data") from error
            raise

    return run


def _engines(folder: Path) -> Path:
    """Where TensorRT keeps what it builds for this copy: beside it, and where it will be once it is published."""
    place = published(folder)
    return place.with_name(f"{place.name}_engines")


def _is_fp16(folder: Path) -> bool:
    try:
        report = Report.read(folder)
    except ValueError:
        return False
    return report is not None and report.options.precision == "FP16"
