"""Where the replicas of a backend run: each on one GPU, or on its part of the cores; decided once, at start."""

import os
from collections.abc import Callable, Mapping, Sequence

from app.backends.placement import VISIBLE, Placement
from app.setting_errors import WrongSetting
from converter.machine import cores, nvidia

_NO_MORE = ("", "none", "void", "nodevfiles")  # entries that are no device


def here(replicas: int | None, environ: Mapping[str, str] = os.environ) -> tuple[Placement, ...]:
    """The placements on this machine; WrongSetting as `spread`. Asks nvidia-smi where there is a driver."""
    if replicas == 1:
        return (Placement(),)
    gpus = visible_gpus(environ.get(VISIBLE), _known_gpus) if nvidia.driver() else []
    return spread(replicas, gpus=gpus, usable=cores.which())


def spread(replicas: int | None, *, gpus: Sequence[str], usable: Sequence[int]) -> tuple[Placement, ...]:
    """The placement of each replica: on these GPUs in turn, or without one on equal parts of the `usable` cores.

    None: one a GPU, or one if there is none. One replica is left alone: it sees what the server sees. WrongSetting if
    a replica would have no core.
    """
    count = replicas or max(1, len(gpus))
    if count == 1:
        return (Placement(),)
    if gpus:
        return tuple(Placement(number, gpu=gpus[number % len(gpus)]) for number in range(count))
    if count > len(usable):
        raise WrongSetting(
            f"DETECTOR_REPLICAS={count}: without a GPU each replica needs a core, and this server may use {len(usable)}"
        )
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


def _known_gpus() -> list[str]:
    return [uuid for (uuid,) in nvidia.smi("gpu=uuid")]
