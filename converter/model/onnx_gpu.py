"""An ONNX copy on a GPU: pictures decoded by the CPU's cores, prepared on the card, the network in lanes.

The picture graph takes 14 ms of one core for a picture of a RetinaNet and 0.3 ms of the GPU (ONNX Runtime 1.31.1 on an
H200). Decoding stays on the CPU: a GPU's decoder gives other pixels, and the cores decode more than the network takes.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.machine import cores
from converter.model import jpeg, providers
from converter.model.onnx_lanes import Lanes, Options, Rows, Values
from converter.model.onnx_layout import NETWORK, PICTURE, Decode, Layout, Part
from converter.model.pinned import Pinned
from converter.model.providers import Assigned


class OnGpu:
    """The parts of a copy up to its network, on the device of `options`; `run` may be called from several threads.

    ValueError if the network can't be run so: its pictures have no fixed size, or it can't be read.
    """

    def __init__(self, folder: Path, layout: Layout, options: Options) -> None:
        self._layout, network = layout, layout.network
        self._lanes = Lanes(folder / NETWORK, options)
        later = {*self._lanes.ending_reads, *(layout.tail.reads if layout.tail else ()), *layout.outputs}
        self._pictures: Pictures | None = None
        if layout.picture and layout.decode and set(layout.picture.writes) <= set(network.reads):
            self._pictures = Pictures(folder / PICTURE, layout.picture, layout.decode, options)
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
        kept: dict[str, NDArray[Any]] = {}
        pictures = self._pictures

        def write(inputs: Sequence[Rows]) -> None:
            if pictures is None:
                for rows in inputs:
                    rows.fill(values[rows.name])
                return
            pictures.write(jpegs, inputs)
            kept.update({rows.name: rows.value.numpy() for rows in inputs if rows.name in self._kept})

        return {**self._lanes.run(len(jpegs), write, values, kept), **kept}

    def close(self) -> None:
        """Let its memory go."""
        self._lanes.close()


class Pictures:
    """Decoding on the CPU, those of a batch side by side, and the picture graph on the device."""

    def __init__(self, graph: Path, part: Part, decode: Decode, options: Options) -> None:
        jpeg.check(decode)
        self._part, self._decode = part, decode
        self._session = providers.session(graph, options.for_pictures, threads=options.threads, any_size=True)
        self._pool = ThreadPoolExecutor(cores.usable(), thread_name_prefix="pictures")
        self._pinned = Pinned() if options.device == "cuda" else None

    def write(self, jpegs: Sequence[bytes], inputs: Sequence[Rows]) -> None:
        """Put these files, prepared, into the rows of the network's inputs."""

        def one(number: int, data: bytes) -> None:
            binding = self._session.io_binding()
            pixels = np.ascontiguousarray(jpeg.decode(data, self._decode))
            held = pixels if self._pinned is None else self._pinned.put(pixels)
            binding.bind_cpu_input(self._part.reads[0], held)
            for rows in inputs:
                if rows.name in self._part.writes:
                    rows.bind(binding, number)
            self._session.run_with_iobinding(binding)

        if len(jpegs) == 1:
            one(0, jpegs[0])
        else:
            list(self._pool.map(one, range(len(jpegs)), jpegs))
