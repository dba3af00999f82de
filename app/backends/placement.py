"""Where the replicas of a backend run: each on one GPU, or on its part of the cores; decided once, at start."""

import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from converter.machine import cores, nvidia

VISIBLE = "CUDA_VISIBLE_DEVICES"
_NO_MORE = ("", "none", "void", "nodevfiles")  # hides all GPUs, or those behind it


class TooManyReplicas(ValueError):
    """There are more replicas than cores, and no GPU; one sentence."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Which replica a worker is, and what of the machine it may use; by default all that the server may."""

    replica: int = 0
    gpu: str | None = None  # as CUDA_VISIBLE_DEVICES names it
    cores: tuple[int, ...] = ()

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Placement":
        """The same from JSON."""
        return cls(**{**told, "cores": tuple(told.get("cores", ()))})

    def environ(self) -> dict[str, str]:
        """The environment variables that keep a process to its GPU."""
        return {} if self.gpu is None else {VISIBLE: self.gpu}

    def settle(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Keep this process to it: before CUDA's libraries look around, and before the threads start that compute."""
        environ.update(self.environ())
        if self.cores:
            cores.keep_to(self.cores)


def spread(replicas: int | None, *, gpus: Sequence[str], usable: Sequence[int]) -> tuple[Placement, ...]:
    """The placement of each replica on these GPUs in turn, or else on equal parts of the `usable` cores.

    None: one a GPU, or one if there is none. One replica is left alone: it sees what the server sees. TooManyReplicas
    if a replica would have no core.
    """
    count = replicas or max(1, len(gpus))
    if count == 1:
        return (Placement(),)
    if gpus:
        return tuple(Placement(number, gpu=gpus[number % len(gpus)]) for number in range(count))
    if count > len(usable):
        cores_there = f"{len(usable)} core{'s' if len(usable) != 1 else ''}"
        raise TooManyReplicas(f"{count} replicas need a core each where there is no GPU, and there are {cores_there}")
    bounds = [number * len(usable) // count for number in range(count + 1)]
    return tuple(Placement(number, cores=tuple(usable[bounds[number] : bounds[number + 1]])) for number in range(count))


def visible_gpus(said: str | None, known: Callable[[], Sequence[str]]) -> list[str]:
    """The GPUs that the server may use, as CUDA_VISIBLE_DEVICES names them: those `said` in it, else all `known`.

    Of a list CUDA takes what stands before the first entry that is no device.
    """
    if said is None:
        return list(known())
    found: list[str] = []
    for entry in map(str.strip, said.split(",")):
        if entry.lower() in _NO_MORE or entry.startswith("-"):
            break
        found.append(entry)
    return list(dict.fromkeys(found))


def here(environ: Mapping[str, str], replicas: int | None) -> tuple[Placement, ...]:
    """The placements on this machine; asks nvidia-smi where there is a driver, unless there is one replica anyway.

    TooManyReplicas as `spread`.
    """
    if replicas == 1:
        return (Placement(),)
    gpus = visible_gpus(environ.get(VISIBLE), _known_gpus) if nvidia.driver() else []
    return spread(replicas, gpus=gpus, usable=cores.which())


def _known_gpus() -> list[str]:
    return [uuid for (uuid,) in nvidia.smi("gpu=uuid")]
