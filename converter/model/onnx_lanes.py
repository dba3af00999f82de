"""An ONNX copy's network on a GPU: a session of its own for each batch size and each lane.

With one session for all, cuDNN's plans are made again whenever the batch size changes, which takes 0.4 to 1.3 s (ONNX
Runtime 1.31.1 on an H200). With sizes fixed, CUDA can replay the whole network as one graph, whose buffers stay where
they are; ONNX Runtime ties such a graph to the thread that captured it, and nothing else may use the GPU meanwhile.
"""

import queue
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from converter.machine.error_text import first_line
from converter.model import onnx_ending, providers
from converter.model.device import KINDS, Device
from converter.model.exclusive import SharedLock
from converter.model.onnx_layout import COUNT
from converter.model.onnx_rows import Batch, Rows, room

Values = Mapping[str, NDArray[Any]]
Inputs = Mapping[str, Rows | NDArray[Any]]  # a session's inputs by name, on the device or not
_CAPTURING = {"enable_cuda_graph": "1"}
# A session for one shape may try all of cuDNN's ways, once; with channels last half-precision units are used best.
# What it needs is known after one run: an arena that grows by powers of two would take up to twice as much.
_FIXED = {"cudnn_conv_algo_search": "EXHAUSTIVE", "prefer_nhwc": "1", "arena_extend_strategy": "kSameAsRequested"}
_RUNS = 2  # until a graph is captured and has been replayed once
_CPU: providers.Asked = [(providers.CPU, {})]


class Sized:
    """The network's front for one batch size, in one thread; it begins before it runs. RuntimeError without its GPU."""

    def __init__(self, model: Any, batch: int, options: "Options", *, capture: bool) -> None:
        limit = providers.limited(options.share.of_session(batch, onnx_ending.weights_bytes(model)))
        wanted = providers.changed(options.asked, {**_FIXED, **limit, **(_CAPTURING if capture else {})})
        self._session = _session(onnx_ending.fixed(model, batch, count=COUNT), options, wanted)
        if (first := self._session.get_providers()[0]) != wanted[0][0]:
            raise RuntimeError(f"ONNX Runtime took {first} in place of {wanted[0][0]}")
        self._device = device = options.device
        self.inputs = [Rows(each.name, each.shape, KINDS[each.type], device) for each in self._session.get_inputs()]
        self._binding = self._session.io_binding()
        for rows in self.inputs:
            self._binding.bind_ortvalue_input(rows.name, rows.value)
        self._fixed = {each.name: room(each, device) for each in self._session.get_outputs()}
        for name, place in self._fixed.items():
            if place is None:
                self._binding.bind_output(name, "cpu")
            else:
                self._binding.bind_ortvalue_output(name, place)

    def begin(self) -> None:
        """Find the fastest convolutions and capture a graph; nothing else may use the GPU meanwhile."""
        for _ in range(_RUNS):
            self._session.run_with_iobinding(self._binding)

    def run(self) -> dict[str, NDArray[Any]]:
        """What it makes of its inputs as they are now."""
        self._session.run_with_iobinding(self._binding)
        made = zip(self._fixed.items(), self._binding.get_outputs(), strict=True)
        return {name: each.numpy() if place is None else self._device.read(place) for (name, place), each in made}


@dataclass(frozen=True, slots=True)
class Options:
    """How sessions are opened: on which device, by which providers, with weights in which folder."""

    device: Device
    asked: providers.Asked
    folder: Path
    threads: int
    share: providers.Share = field(default_factory=providers.Share)

    @property
    def for_pictures(self) -> providers.Asked:
        """The providers of the session that prepares pictures; an eighth is left for prepared batches."""
        memory = self.share.memory_bytes
        return self.asked if memory is None else providers.changed(self.asked, providers.limited(memory // 8))


class Lanes:
    """The network; `run` may be called from any number of threads, and runs as many batches at once as there are lanes.

    ValueError if the network can't be run so.
    """

    def __init__(self, network: Path, options: Options) -> None:
        parts = onnx_ending.halves(onnx_ending.load(network))
        self._front, self._options = parts.front, options
        options.share.of_session(1, onnx_ending.weights_bytes(parts.front))  # ValueError here, not at the first batch
        _check_sides(self._front)
        whole = _session(parts.front, options, options.asked)
        self._inputs = _inputs(whole)
        self.assigned = _assigned(whole, parts, options)
        self._ending = None if parts.ending is None else _session(parts.ending, options, _CPU)
        ends = ((), ()) if self._ending is None else (self._ending.get_inputs(), self._ending.get_outputs())
        # The values that the ending reads, of the front's and others, and those that it gives.
        self.ending_reads, self._gives = ([each.name for each in side] for side in ends)
        self._free = queue.SimpleQueue[_Lane]()
        self._lanes = [_Lane() for _ in range(options.share.lanes)]
        for lane in self._lanes:
            self._free.put(lane)
        self._lock, self._warming, self._capture = SharedLock(), False, options.device.is_gpu
        self.notes: list[str] = []  # what it could not do, in sentences

    @contextmanager
    def warming(self) -> Iterator[None]:
        """Batches within the block are run by every lane, so that each has what it needs for their size."""
        self._warming = True
        try:
            yield
        finally:
            self._warming = False

    def inputs(self, batch: int) -> Batch:
        """Memory of the device from which `run` takes a batch of this size; ask for it, and write to it, `beside`."""
        device = self._options.device
        return Batch([Rows(name, (batch, *sides), kind, device) for name, sides, kind in self._inputs], device)

    def beside(self) -> AbstractContextManager[None]:
        """Within the block others may use the GPU too."""
        return self._lock.shared()

    def run(self, inputs: Inputs, values: Values) -> dict[str, NDArray[Any]]:
        """The network's outputs for a batch; `values` has the batch's size, and what the ending may read besides."""
        batch = int(values[COUNT])
        found = self._on_all(batch, inputs) if self._warming else self._on_one(batch, inputs)
        if self._ending is not None:
            given = {**values, **found}
            ended = self._ending.run(self._gives, {name: given[name] for name in self.ending_reads})
            found |= zip(self._gives, ended, strict=True)
        return found

    def close(self) -> None:
        """End the threads and let the memory go."""
        for lane in self._lanes:
            lane.thread.shutdown()
            lane.sized.clear()

    def _on_one(self, batch: int, inputs: Inputs) -> dict[str, NDArray[Any]]:
        lane = self._free.get()
        try:
            return lane.thread.submit(self._in_thread, lane, batch, inputs).result()
        finally:
            self._free.put(lane)

    def _on_all(self, batch: int, inputs: Inputs) -> dict[str, NDArray[Any]]:
        """Beside each other: sessions are opened so, which is half of what a lane needs before its first batch."""
        lanes = [self._free.get() for _ in self._lanes]
        try:
            begun = [lane.thread.submit(self._in_thread, lane, batch, inputs) for lane in lanes]
            wait(begun)
            found, *_ = [each.result() for each in begun]
            return found
        finally:
            for lane in lanes:
                self._free.put(lane)

    def _in_thread(self, lane: "_Lane", batch: int, inputs: Inputs) -> dict[str, NDArray[Any]]:
        if batch not in lane.sized:
            lane.sized[batch] = self._sized(batch)
        with self._lock.shared():
            sized = lane.sized[batch]
            for rows in sized.inputs:
                rows.fill(inputs[rows.name])
            return sized.run()

    def _sized(self, batch: int) -> Sized:
        if not self._capture:
            return self._begun(batch, capture=False)
        try:
            return self._begun(batch, capture=True)
        except Exception as error:  # ONNX Runtime's have no class in common; a part that is on the CPU, for one
            begun = self._begun(batch, capture=False)  # it may lack memory, then this fails too
            if self._capture:
                self._capture = False
                self.notes.append(f"the network is no CUDA graph: {first_line(error)}")
            return begun

    def _begun(self, batch: int, *, capture: bool) -> Sized:
        with self._lock.shared():
            sized = Sized(self._front, batch, self._options, capture=capture)
        # Where lanes searched beside each other, which takes a quarter less, CUDA now and then told one of them that
        # another was capturing.
        with self._lock.alone():
            sized.begin()
        return sized


class _Lane:
    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self.sized: dict[int, Sized] = {}


def _session(model: Any, options: Options, asked: providers.Asked) -> onnxruntime.InferenceSession:
    return providers.session(model.SerializeToString(), asked, threads=options.threads, weights=options.folder)


def _check_sides(front: Any) -> None:
    for each in front.graph.input:
        if not all(side.HasField("dim_value") for side in each.type.tensor_type.shape.dim[1:]):
            raise ValueError(f"the value {each.name!r} has no fixed size")


def _inputs(session: onnxruntime.InferenceSession) -> list[tuple[str, Sequence[int], Any]]:
    """Name, sides of one row and type of each input that is a batch. ValueError for a type that can't be fed."""
    found = [each for each in session.get_inputs() if each.name != COUNT]
    if other := [each.name for each in found if each.type not in KINDS]:
        raise ValueError(f"the value {other[0]!r} has a type that is not written to a GPU")
    return [(each.name, each.shape[1:], KINDS[each.type]) for each in found]


def _assigned(session: onnxruntime.InferenceSession, parts: onnx_ending.Halves, options: Options) -> providers.Assigned:
    """What runs where; the ending is on the CPU because it was put there."""
    found = providers.assigned(session, [name for name, _ in options.asked])
    ending = len(parts.ending.graph.node) if parts.ending is not None else 0
    nodes = {**found.nodes, "CPU": found.nodes.get("CPU", 0) + ending}
    return replace(found, nodes={name: count for name, count in nodes.items() if count})
