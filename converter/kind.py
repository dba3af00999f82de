"""What a kind of copy is: one object says all that the rest of the converter, and a server, must know of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.contract import BadOptions, Options
from converter.description import Declared
from converter.machine.environment import Availability, Environment
from converter.progress import Progress

ONE_PROTOBUF = (1 << 31) - 1  # bytes that protobuf can hold in one message, and TensorFlow in one graph
_TIMES_IN_GRAPH = 25.0  # that TensorFlow holds what is in a model's graph when it loads, runs and flattens it
_PLAIN = "FP32"  # the precision of a copy that has no other


def too_large(weights_bytes: int) -> str:
    """The sentence about a model with more weights than fit into ONE_PROTOBUF."""
    weights = f"{weights_bytes / 1e9:.1f} GB of weights"
    return f"the model has {weights}, and such a copy is one protobuf message, which ends at 2 GB"


def powers_of_two(largest: int) -> tuple[int, ...]:
    """The batch sizes for what is made or tuned for each: the powers of two below the largest, and that."""
    return (*(1 << power for power in range(largest.bit_length()) if 1 << power < largest), largest)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a conversion holds at its peak: so many times the weights, and more (benchmarks/conversion_memory.py)."""

    times: float = 4.0
    plus_bytes: int = 900 << 20

    def needed(self, variables_bytes: int, graph_bytes: int, *, alone: bool = False) -> int:
        """Bytes for so many bytes of weights, those inside the graph apart; `alone`: without what any model needs."""
        of_weights = self.times * variables_bytes + max(self.times, _TIMES_IN_GRAPH) * graph_bytes
        return int(of_weights) + (0 if alone else self.plus_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of copy. Importing the module of one loads no TensorFlow: `make` does, in a child process."""

    name: str  # "trt": the target, the folder's suffix, the metrics' label
    title: str  # words for people: "TF-TRT copy"
    runner: str  # "tensorflow" or "onnxruntime": the library that runs it
    steps: tuple[str, ...]  # of its making
    # To be raised by hand when what `make` writes changes so that older copies must be made again; a release alone
    # makes none again, least of all engines.
    format: int = 1
    made_by: tuple[str, ...] = ()  # packages besides TensorFlow whose versions make a difference to the copy
    shaped_by: tuple[str, ...] = ()  # the options that make a difference to the copy
    precisions: tuple[str, ...] = ()  # those that it can have; empty: precision does not shape it
    wanted_on: frozenset[str] = frozenset()  # machines where it is made at start if nobody says otherwise: "cpu", "gpu"
    has_engines: bool = False  # of TensorRT: bound to one GPU, one TensorRT and the batch sizes they were built for
    memory: Memory = Memory()  # that making and checking one needs
    most_weights_bytes: int | None = None  # that it can hold; None: any number
    yardstick: str | None = None  # the kind of copy that it must beat too, beside native
    needs: Callable[[Environment], Availability] = lambda found: Availability(True)  # can it be made and run here?
    # A short word and a sentence, if a folder has no copy of this kind; OSError if it can't be read.
    mistake: Callable[[Path], tuple[str, str] | None] = lambda folder: None
    # Writes the files of a copy of the source (first) into an empty folder (second); the facts for the report.
    # UnusableModel if the source can't be read, ConversionFailed if a library gives up.
    make: Callable[[Path, Path, Options, Progress], Mapping[str, Any]]
    # Half a sentence about the first operation that computes something else in a copy of a source; None if none does.
    first_parting: Callable[[Path, Options], str | None] | None = None

    def availability(self, found: Environment) -> Availability:
        """Can a copy of this kind be made and served with what was found?"""
        if found.crash:
            return Availability(False, "probe_crashed", f"the check of TensorFlow failed: {found.crash}")
        return self.needs(found)

    def sizes(self, largest: int = 8) -> tuple[int, ...]:
        """The batch sizes, up to this one, that such a copy is made for where nobody says.

        Engines are for the powers of two: beside engines for 1 and 8 alone, batches of 3 cost as much as 8 (a RetinaNet
        on an H200 answers 1.4 times as much at 32 connections with them, and is built in 1.5 times the time). What runs
        any size is compared with the least and the largest.
        """
        return powers_of_two(largest) if self.has_engines else tuple(sorted({1, largest}))

    def options(
        self,
        *,
        batch_sizes: tuple[int, ...],
        precision: str = _PLAIN,
        images: Path | None = None,
        declared: Declared | None = None,
    ) -> Options:
        """How a copy of this kind is made by itself, where these are asked for; BadOptions if they make no sense.

        A precision that it can't have is FP32 instead; pictures are for calibration and count for INT8 only.
        """
        own = precision if precision in self.precisions else _PLAIN
        options = Options(
            target=self.name, batch_sizes=batch_sizes, precision=own, images=images if own == "INT8" else None
        )
        return options if declared is None else options.of(declared)

    def check_options(self, options: Options) -> None:
        """BadOptions if no copy of this kind can be made so."""
        self.check_precision(options.precision)

    def check_precision(self, precision: str) -> None:
        """BadOptions if no copy of this kind has it: to be said before anything else that the precision needs."""
        if self.precisions and precision not in self.precisions:
            article = "an" if self.title[0] in "AEIOU" else "a"
            known = " or ".join(self.precisions)
            raise BadOptions(f"{article} {self.title} is in {known}, not in {precision}")
