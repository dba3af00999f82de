"""Backends: what every one of them can do. No TensorFlow here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from app.backends.placement import Placement
from app.images import Image
from converter.description import Declared
from converter.model.detections import Detections


class ModelRefused(Exception):
    """The worker looked at the model and will not serve it; one sentence why. Trying again does not help."""


class WorkerDied(Exception):
    """The worker's process ended, or had to be ended; how, in words.

    `hung`: it was alive but did not answer. `closed`: it was not needed any more, so nothing in it is to blame.
    """

    def __init__(self, how: str, *, hung: bool = False, closed: bool = False) -> None:
        super().__init__(how)
        self.hung, self.closed = hung, closed


class WorkerGone(WorkerDied):
    """The worker had ended before it was given the batch."""


class NoRoom(Exception):
    """There is not enough memory to load a model beside one that serves; how much is missing."""


class BatchFailed(Exception):
    """The model raised on this batch.

    `kind` is undecodable (a JPEG file), unlike (one that can't be decoded as native decodes it), colours (not those
    that the model takes), exhausted (memory) or other.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class GpuUse:
    """How a worker may use a GPU."""

    batch_sizes: tuple[int, ...] = ()  # that an ONNX copy has sessions for; empty: the worker chooses
    memory_mib: int | None = None  # most for weights and tensors
    tensorrt: bool = False  # whether ONNX Runtime may run a copy by TensorRT


@dataclass(frozen=True, slots=True)
class Spec:
    """What a worker is told: which folder to load as which backend, and how to run it."""

    name: str
    folder: Path
    max_batch: int
    batch_sizes: tuple[int, ...] = ()  # if given, only these: an engine exists for each
    batches_in_flight: int | None = None  # None: the worker chooses by its hardware
    load_seconds: float = 600
    hang_seconds: float = 60  # a batch that takes longer means that the worker hangs, and is ended
    environ: Mapping[str, str] = field(default_factory=dict)
    declared: Declared = field(default_factory=Declared)  # what is said of the model
    version: str = ""  # of the model, or of the one that a copy was made from
    cache: Path | None = None  # where what is found of a model is kept if its own folder can't be written
    finding: Path | None = None  # the file for it
    gpu: GpuUse = field(default_factory=GpuUse)
    placement: Placement = field(default_factory=Placement)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker says of its model once it is warm."""

    batch_sizes: tuple[int, ...]  # the largest is the most a batch may have
    batches_in_flight: int
    padded: bool  # smaller batches are filled up to the next size
    device: str  # "CPU" or the GPU's name
    load_seconds: float
    warm_seconds: float
    signature: Mapping[str, Any]
    shares: bool = False  # what waits is shared out over the batches in flight; else each is as large as it may be
    providers: Mapping[str, int] = field(default_factory=dict)  # ONNX Runtime's, and how many nodes each runs
    fallback: str | None = None  # what runs elsewhere than was asked for, as a sentence
    fallback_reason: str | None = None  # the same as a word
    tensors: Mapping[str, Any] = field(default_factory=dict)  # the signature's own, see `app.backends.tensors`
    gpu_memory_bytes: int | None = None  # that its process held when it was warm; None: on a CPU, or not known
    more_to_come: bool = False  # larger batch sizes are still being tried

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Facts":
        """The same from JSON."""
        return cls(**{**told, "batch_sizes": tuple(told["batch_sizes"])})


class Backend(Protocol):
    """A loaded, warm model somewhere."""

    name: str
    facts: Facts  # once it is settled they stay

    @property
    def pid(self) -> int:
        """The process it lives in."""

    async def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Run one batch; Detections in the images' order. BatchFailed or WorkerDied if there are none."""

    async def settled(self) -> None:
        """Wait until all batch sizes have been tried that it will take, or it has ended."""

    async def died(self) -> WorkerDied:
        """Wait until it ends by itself or hangs; how."""

    async def close(self) -> None:
        """End it; work still in it fails with WorkerDied."""


# Starts a backend and returns when it is warm; ModelRefused or WorkerDied if it does not come to that.
Starter = Callable[[Spec], Awaitable[Backend]]
