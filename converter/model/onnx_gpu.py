"""An ONNX copy on a GPU: pictures decoded by the CPU's cores, prepared on the card, the network in lanes.

The picture graph takes 14 ms of one core for a picture of a RetinaNet and 0.3 ms of the GPU (ONNX Runtime 1.31.1 on an
H200). Decoding stays on the CPU: a GPU's decoder gives other pixels, and the cores decode more than the network takes.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converter.machine import cores
from converter.model import jpeg, providers
from converter.model.jpeg import Pixels
from converter.model.onnx_lanes import Lanes, Options, Values
from converter.model.onnx_layout import COUNT, NETWORK, PICTURE, Decode, Layout, Part
from converter.model.onnx_rows import Batch, Rows
from converter.model.providers import Assigned


class OnGpu:
    """The parts of a copy up to its network, on the device of `options`; `run` may be called from several threads.

    ValueError if the network can't be run so: its pictures have no fixed size, or it can't be read.
    """

    def __init__(self, folder: Path, layout: Layout, options: Options) -> None:
        self._device = options.device
        self._lanes = Lanes(folder / NETWORK, options)
        later = {*self._lanes.ending_reads, *(layout.tail.reads if layout.tail else ()), *layout.outputs}
        self._pictures: Pictures | None = None
        if layout.picture and layout.decode and {*layout.picture.writes} == {*layout.network.reads} - {COUNT}:
            self._pictures = Pictures(folder / PICTURE, layout.picture, layout.decode, options, self._lanes)
            self._kept = later & set(layout.picture.writes)

    @property
    def takes_jpegs(self) -> bool:
        """Whether it decodes and prepares the pictures too, or reads what was made of them from the values."""
        return self._pictures is not None

    @property
    def assigned(self) -> Assigned:
        """What runs where."""
        return self._lanes.assigned

    @property
    def notes(self) -> Sequence[str]:
        """What it could not do, in sentences."""
        return self._lanes.notes

    def warming(self) -> AbstractContextManager[None]:
        """See `Lanes.warming`."""
        return self._lanes.warming()

    def run(self, jpegs: Any, values: Values) -> Mapping[str, NDArray[Any]]:
        """What the network writes for this batch, and what of the pictures is read after it."""
        if self._pictures is None:
            return self._lanes.run(values, values)
        with self._pictures.prepared(jpegs) as inputs:
            with self._lanes.beside():
                kept = {name: self._device.read(inputs[name].value) for name in self._kept}
            return {**self._lanes.run(inputs, {**values, **kept}), **kept}

    def close(self) -> None:
        """Let its memory go."""
        self._lanes.close()
        if self._pictures:
            self._pictures.close()
        self._device.close()


class Pictures:
    """Decoding on the CPU, those of a batch side by side, and the picture graph on the device.

    Batches are prepared while the lanes are busy, in memory of their own: a lane that waited for the cores would leave
    the GPU idle. The picture graph takes those of a batch one after the other: where sixteen threads use the GPU at
    once they wait for each other, and a picture took 13 ms.
    """

    def __init__(self, graph: Path, part: Part, decode: Decode, options: Options, lanes: Lanes) -> None:
        jpeg.check(decode)
        self._part, self._decode, self._lanes = part, decode, lanes
        self._pinned = options.device.pinned
        self._session = providers.session(graph, options.for_pictures, threads=options.threads, any_size=True)
        self._pool = ThreadPoolExecutor(cores.usable(), thread_name_prefix="pictures")
        self._idle: dict[int, list[Batch]] = {}  # by batch size

    @contextmanager
    def prepared(self, jpegs: Sequence[bytes]) -> Iterator[Mapping[str, Rows]]:
        """These files as the network's inputs, by name, until the end of the block."""
        idle = self._idle.setdefault(len(jpegs), [])
        with self._lanes.beside():
            batch = self._taken(idle, len(jpegs))
        try:
            with self._lanes.beside():
                self._write(jpegs, batch)
            yield batch.rows
        finally:
            idle.append(batch)

    def close(self) -> None:
        """End the threads and let the memory go."""
        self._pool.shutdown()
        self._idle.clear()

    def _taken(self, idle: list[Batch], size: int) -> Batch:
        try:
            return idle.pop()
        except IndexError:
            return self._lanes.inputs(size)

    def _write(self, jpegs: Sequence[bytes], batch: Batch) -> None:
        places = [self._pinned.take() for _ in jpegs]
        decoded = [
            self._pool.submit(jpeg.decode, data, self._decode, place.room)
            for data, place in zip(jpegs, places, strict=True)
        ]
        try:
            for row in range(len(jpegs)):
                self._prepare(decoded[row].result(), batch, row)
        finally:
            wait(decoded)  # where one of them fails the others go on writing
            decoded.clear()  # what it raised knows this frame, which would keep all of the pixels
            for place in places:
                self._pinned.give_back(place)

    def _prepare(self, pixels: Pixels, batch: Batch, row: int) -> None:
        binding = self._session.io_binding()
        batch.bind(binding, row, self._part.reads[0], pixels)
        self._session.run_with_iobinding(binding)
