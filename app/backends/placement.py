"""What of the machine a worker may use: all that the server may, a GPU, or some cores."""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from converter.machine import cores

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Placement:
    """Which replica a worker is, and what it may use; by default all that the server may."""

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
